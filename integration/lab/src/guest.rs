use crate::IN_LAB;
use crate::tree::Tree;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What the guest's time follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// The instructions that the one CPU executes: exact, and independent of the machine's load.
    Virtual,
    /// The machine's own clock, on two CPUs: for what talks to the world outside.
    Real,
}

/// How a run came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The command ended with this status; 128 + the signal when one killed it.
    Status(i32),
    /// The guest gave no status: its kernel died, or time ran out. The text says which, and how its console ends.
    Died(String),
}

/// What a run took, on the guest's own clock: the same whatever else this machine does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// How long its processor worked.
    pub worked: Duration,
    /// How long it ran. What is not work is idle time, which costs next to nothing on the virtual clock.
    pub ran: Duration,
}

impl Effort {
    /// Reads the guest's own line, `worked 512 of 2048`, in hundredths of a second.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let (worked, ran) = line.strip_prefix("worked ")?.split_once(" of ")?;
        let time = |hundredths: &str| hundredths.parse().ok().map(|count: u64| Duration::from_millis(10 * count));
        Some(Self { worked: time(worked)?, ran: time(ran)? })
    }
}

/// One command on the lab's kernel, run as root.
#[derive(Debug, Clone)]
pub struct Guest {
    /// The program, searched for in the guest's `PATH`, and its arguments.
    pub command: Vec<OsString>,
    /// Where the command runs; made if it does not exist.
    pub directory: PathBuf,
    /// Added to the guest's own `PATH` and `HOME`.
    pub environment: BTreeMap<String, String>,
    /// Files and directories of this machine by their place in the guest; executables bring their libraries.
    pub files: BTreeMap<PathBuf, PathBuf>,
    /// What time follows.
    pub clock: Clock,
    /// How long the guest may run, on this machine's clock.
    pub limit: Duration,
    /// The guest's memory in MiB; its files live there too.
    pub memory_mib: u32,
    /// Where the kernel and the base root are kept between runs.
    pub cache: PathBuf,
    /// The name by which the machine, on the virtual clock, is known to the next run of that name, if there is to be one: that goes
    /// on where this one ends, so long as the caller's parent process lives, and a minute at most. A machine whose run failed, or
    /// left something behind, serves no other.
    pub kept_as: Option<String>,
}

impl Guest {
    /// `command` on the virtual clock with 300 s and 2048 MiB.
    pub fn new(command: Vec<OsString>, cache: PathBuf) -> Self {
        Self {
            command,
            directory: PathBuf::from("/root"),
            environment: BTreeMap::new(),
            files: BTreeMap::new(),
            clock: Clock::Virtual,
            limit: Duration::from_secs(300),
            memory_mib: 2048,
            cache,
            kept_as: None,
        }
    }

    /// What the guest has beside the root that all share: its files, and its command as a script. `run` is its number on its machine.
    pub(crate) fn own_files(&self, run: u32) -> Result<Tree> {
        let mut tree = Tree::default();
        tree.directory(&self.directory);
        for (place, source) in &self.files {
            ensure!(place.is_absolute(), "a place in the guest is an absolute path; `{}` is not", place.display());
            let hidden = ["/dev", "/proc", "/sys"].iter().find(|mount| place.starts_with(mount));
            ensure!(hidden.is_none(), "{} is no place for files in the guest", place.display());
            tree.copy(place, source).with_context(|| format!("cannot take {} into the guest", source.display()))?;
        }
        tree.add_libraries()?;
        tree.text("/lab/command", self.script()?, 0o755);
        tree.text("/lab/now", self.now(run)?, 0o755);
        Ok(tree)
    }

    /// The command as a script for the guest's shell.
    fn script(&self) -> Result<String> {
        ensure!(!self.command.is_empty(), "there is no command to run");
        let mut script = format!("export {IN_LAB}=1\n");
        for (name, value) in &self.environment {
            script += &format!("export {name}={}\n", quoted(value));
        }
        script += &format!("cd {} || exit\nexec", quoted(&self.directory.to_string_lossy()));
        for word in &self.command {
            let word = word.to_str().with_context(|| format!("`{}` is not UTF-8", word.display()))?;
            script += &format!(" {}", quoted(word));
        }
        Ok(script + "\n")
    }

    /// What sets a machine that was saved earlier apart from all others that began there: the time, and random numbers. The kernel
    /// mixes what it is given into its own after a minute, which passes at once where nothing else happens. And whether it is the
    /// machine's last run.
    fn now(&self, run: u32) -> Result<String> {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut random = [0; 32];
        File::open("/dev/urandom")
            .and_then(|mut file| file.read_exact(&mut random))
            .context("cannot read /dev/urandom")?;
        let random: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let wait = match self.clock {
            Clock::Virtual if run == 1 => 61,
            // It has booted for this run alone, or had its random numbers.
            _ => 0,
        };
        let last = if self.kept_as.is_some() { "" } else { "yes" };
        let time = seconds.saturating_sub(wait);
        Ok(format!("last={last}\ndate -s @{time} >/dev/null\necho {random} >/dev/urandom\nsleep {wait}\n"))
    }
}

/// `word` as the shell takes it, unchanged.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
