//! Who is measured.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// Who does the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Contender {
    /// This project's executables.
    Ours,
    /// The reference plugins.
    Reference,
    /// The reference plugins of a newer release, for jobs that older ones cannot do or do otherwise.
    Newer,
    /// One process that does the job and nothing else.
    Floor,
}

impl Contender {
    /// In the order in which they take their turns in the first round.
    pub(crate) const ALL: [Self; 4] = [Self::Ours, Self::Reference, Self::Newer, Self::Floor];
    /// Whose figures are divided by whose.
    pub(crate) const RATIOS: [(Self, Self); 3] =
        [(Self::Ours, Self::Floor), (Self::Reference, Self::Ours), (Self::Newer, Self::Ours)];
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ours => "ours",
            Self::Reference => "reference",
            Self::Newer => "newer reference",
            Self::Floor => "floor",
        })
    }
}

/// Where the executables are.
#[derive(Debug)]
pub(crate) struct Programs {
    ours: PathBuf,
    reference: PathBuf,
    newer: Option<PathBuf>,
    floor: PathBuf,
    empty: PathBuf,
}

impl Programs {
    /// Looks for all that will be run.
    ///
    /// # Errors
    /// What is missing, and where to get it.
    pub(crate) fn find(reference: &Path, newer: Option<&Path>) -> Result<Self> {
        let Some(ours) = harness::find_bin_dir() else {
            bail!("no executables to measure: run `make build` first, or name their directory in PLUGBOARD_BIN_DIR")
        };
        require(
            &ours,
            &["bridge", "veth-secondary", "ovs-port", "vxlan-overlay", "host-local", "netem-shaper", "portmap"],
            "run `make build` first",
        )?;
        let hint = "install Debian's containernetworking-plugins, or name another directory with --reference";
        let plugins = ["bridge", "ptp", "host-device", "sbr", "host-local", "bandwidth", "portmap", "tuning"];
        require(reference, &plugins, hint)?;
        if let Some(newer) = newer {
            let hint = "`scripts/newer-reference` gets them, and without --newer they are left out";
            require(newer, &["bridge", "host-local", "tap"], hint)?;
        }
        let strace = Path::new(crate::strace::STRACE);
        require(strace.parent().unwrap_or(strace), &["strace"], "install Debian's strace")?;
        let own = std::env::current_exe()?;
        let own = own.parent().unwrap_or(Path::new("/"));
        require(own, &["floor", "empty"], "build it with `cargo build --release --package bench --bins`")?;
        let newer = newer.map(Path::to_owned);
        Ok(Self { ours, reference: reference.to_owned(), newer, floor: own.join("floor"), empty: own.join("empty") })
    }

    /// Whether there is a newer reference.
    pub(crate) fn has_newer(&self) -> bool {
        self.newer.is_some()
    }

    /// The directory of the plugins; the floor has none.
    pub(crate) fn plugins(&self, contender: Contender) -> &Path {
        match contender {
            Contender::Reference => &self.reference,
            Contender::Newer => self.newer.as_ref().unwrap_or(&self.reference),
            Contender::Ours | Contender::Floor => &self.ours,
        }
    }

    /// The executable that does nothing.
    pub(crate) fn empty(&self) -> PathBuf {
        self.empty.clone()
    }

    /// The floor.
    pub(crate) fn floor(&self) -> &Path {
        &self.floor
    }
}

fn require(directory: &Path, names: &[&str], hint: &str) -> Result<()> {
    match names.iter().map(|name| directory.join(name)).find(|path| !path.is_file()) {
        Some(missing) => bail!("{} does not exist: {hint}", missing.display()),
        None => Ok(()),
    }
}
