//! Machines that serve one run after another. QEMU translates the kernel and the programs of a guest as they are first executed, which
//! is most of the work of a short run; the next run finds that done, and its files there.
//!
//! Between runs a machine is stopped. A shell looks after it, which outlives the process that started it, and ends it when nobody wants
//! it any more. What is known of it is in a directory of its own.

use crate::cache::remove;
use crate::guest::{Effort, Ending, Guest};
use crate::monitor::Monitor;
use crate::qemu::{Ports, copy_output, obituary, status, stay_on_one_processor};
use crate::saved_files::Saved;
use crate::tree::Tree;
use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::io::{ErrorKind, Write};
use std::os::unix::process::parent_id;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Looks after a machine: `keeper.sh OWNER DIRECTORY QEMU...`.
const KEEPER: &str = include_str!("keeper.sh");

/// In a machine's directory: what is known of it, under this name while it is stopped and nobody's.
const FREE: &str = "free";
/// The same while a run has it, with the number of the run's process behind.
const TAKEN: &str = "taken-";
/// The socket of its monitor.
const MONITOR: &str = "monitor";
/// The number of its process.
const PROCESS: &str = "process";

/// What the guest tells when its command has left the machine as it was.
const AS_BEFORE: &str = "as before";

/// How long QEMU may take to start.
const START: Duration = Duration::from_secs(30);

/// A machine that a run has.
pub(crate) struct Kept {
    directory: PathBuf,
    process: u32,
    monitor: Monitor,
    about: About,
    /// Whether it is to be left for the next run.
    is_left: bool,
}

/// What the next run has to know of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
struct About {
    /// The saved machine that it began as.
    state: PathBuf,
    /// How many runs it has had, with the present one.
    runs: u32,
    /// The files that it was given, by their places, with what told their versions.
    files: BTreeMap<PathBuf, String>,
}

impl Kept {
    /// The machine of that name, if there is one that began as the saved machine `state`, and its ports. It is stopped.
    pub(crate) fn take(name: &str, state: &Path) -> Result<Option<(Self, Ports)>> {
        let prefix = prefix(name);
        for entry in std::env::temp_dir().read_dir()? {
            let directory = entry?.path();
            let is_of_name = directory.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix));
            // It may be another process's by now.
            if !is_of_name || std::fs::rename(directory.join(FREE), taken(&directory)).is_err() {
                continue;
            }
            match Self::of(&directory, state) {
                Ok(found) => return Ok(Some(found)),
                // Whoever looks after it ends it.
                Err(_) => _ = std::fs::remove_file(taken(&directory)),
            }
        }
        Ok(None)
    }

    fn of(directory: &Path, state: &Path) -> Result<(Self, Ports)> {
        let mut about = About::parse(&std::fs::read_to_string(taken(directory))?).context("what it is is not told")?;
        ensure!(about.state == state, "it began elsewhere");
        let process = std::fs::read_to_string(directory.join(PROCESS))?.trim().parse()?;
        let mut ports = Ports::of_process(process)?;
        ports.empty_disk()?;
        about.runs += 1;
        let monitor = Monitor::connect(&directory.join(MONITOR))?;
        Ok((Self { directory: directory.to_owned(), process, monitor, about, is_left: false }, ports))
    }

    /// Starts a machine by the command, as the saved machine `state`. Its disk has what its first run needs.
    pub(crate) fn start(name: &str, qemu: &Command, state: &Path, ports: &mut Ports) -> Result<Self> {
        let directory = new_directory(name)?;
        std::fs::write(taken(&directory), "")?;
        let mut keeper = Command::new("setsid");
        keeper.args(["--fork", "sh", "-c", KEEPER, "keeper", &parent_id().to_string()]).arg(&directory);
        keeper.arg(qemu.get_program()).args(qemu.get_args());
        keeper.arg("-qmp").arg(format!("unix:{},server=on,wait=off", directory.join(MONITOR).display()));
        stay_on_one_processor(&mut keeper);
        keeper.stdin(Stdio::null()).stdout(Stdio::null()).stderr(ports.complaints()?);
        let status = keeper.status().context("cannot start the machine's keeper")?;
        ensure!(status.success(), "the machine's keeper: {status}");

        let process = wait_for(&directory, ports, || {
            std::fs::read_to_string(directory.join(PROCESS)).ok()?.strip_suffix('\n')?.parse().ok()
        })?;
        let mut monitor = wait_for(&directory, ports, || Monitor::connect(&directory.join(MONITOR)).ok())?;
        for command in Saved::new(state).load_commands().lines() {
            monitor.told_by_people(command)?;
        }
        let about = About { state: state.to_owned(), runs: 1, files: BTreeMap::new() };
        Ok(Self { directory, process, monitor, about, is_left: false })
    }

    /// The number of the present run, from 1.
    pub(crate) fn run(&self) -> u32 {
        self.about.runs
    }

    /// Copies the output of the present run until its end, and leaves the machine for the next one if it is fit for that.
    pub(crate) fn finish(
        mut self,
        guest: &Guest,
        ports: &mut Ports,
        stdout: &mut dyn Write,
        stderr: &mut dyn Write,
    ) -> Result<(Ending, Option<Effort>)> {
        let ended = copy_output(guest, ports, stdout, stderr, |ports| {
            let has_status = status(&ports.status_text()?).is_some();
            Ok((has_status || self.has_ended()).then_some("it died".to_owned()))
        })?;
        let told = ports.status_text()?;
        if ended.is_some() && told.is_empty() && self.about.runs == 1 {
            // QEMU could not go on from there: the next run boots.
            let _ = remove(&self.about.state);
        }
        let effort = told.lines().find_map(Effort::parse);
        let Some(status) = status(&told) else { return Ok((Ending::Died(obituary(guest, ended, ports)?), effort)) };
        if status == 0 && told.lines().any(|line| line == AS_BEFORE) {
            self.leave()?;
        }
        Ok((Ending::Status(status), effort))
    }

    /// Takes out of the tree what the machine was given before, and notes the rest.
    pub(crate) fn note(&mut self, tree: &mut Tree) {
        tree.retain_files(|place, version| {
            self.about.files.insert(place.to_owned(), version.to_owned()).is_none_or(|known| known != version)
        });
    }

    /// Lets a stopped machine go on.
    pub(crate) fn go_on(&mut self) -> Result<()> {
        self.monitor.execute("cont")
    }

    /// Whether it has ended.
    fn has_ended(&self) -> bool {
        // What has ended may not have been waited for yet.
        let status = std::fs::read_to_string(format!("/proc/{}/stat", self.process)).unwrap_or_default();
        status.rsplit(')').next().is_none_or(|rest| rest.is_empty() || rest.starts_with(" Z"))
    }

    /// Stops it, for the next run.
    fn leave(&mut self) -> Result<()> {
        self.monitor.execute("stop")?;
        Ports::of_process(self.process)?.empty_disk()?;
        std::fs::write(taken(&self.directory), self.about.text())?;
        // The next run may have it at once.
        self.is_left = true;
        std::fs::rename(taken(&self.directory), self.directory.join(FREE))?;
        Ok(())
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if !self.is_left && !self.has_ended() {
            let _ = kill(Pid::from_raw(self.process.cast_signed()), Signal::SIGKILL);
        }
    }
}

impl About {
    fn text(&self) -> String {
        let files = self.files.iter().map(|(place, version)| format!("{}\t{version}\n", place.display()));
        format!("{}\n{}\n{}", self.state.display(), self.runs, files.collect::<String>())
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let (state, runs) = (lines.next()?.into(), lines.next()?.parse().ok()?);
        let files = lines.map(|line| line.split_once('\t').map(|(place, version)| (place.into(), version.to_owned())));
        Some(Self { state, runs, files: files.collect::<Option<_>>()? })
    }
}

/// How the names of the directories of a name's machines begin.
fn prefix(name: &str) -> String {
    format!("plugboard-lab-{name}-")
}

/// A directory for one more machine of the name. That of one that was just ended may still be there.
fn new_directory(name: &str) -> Result<PathBuf> {
    let mut number = 0;
    loop {
        let directory = std::env::temp_dir().join(format!("{}{}-{number}", prefix(name), std::process::id()));
        match std::fs::create_dir(&directory) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
            made => {
                made.with_context(|| format!("cannot make {}", directory.display()))?;
                return Ok(directory);
            }
        }
    }
}

fn taken(directory: &Path) -> PathBuf {
    directory.join(format!("{TAKEN}{}", std::process::id()))
}

/// Waits for something of a machine that starts.
fn wait_for<T>(directory: &Path, ports: &mut Ports, mut look: impl FnMut() -> Option<T>) -> Result<T> {
    let deadline = Instant::now() + START;
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if !directory.is_dir() || Instant::now() > deadline {
            bail!("QEMU does not start: {}", ports.complaints_text()?);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
