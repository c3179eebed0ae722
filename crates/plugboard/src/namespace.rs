//! A network namespace that exists.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sched::{CloneFlags, setns};

/// A network namespace, held open.
#[derive(Debug)]
pub(crate) struct Namespace {
    /// `CNI_NETNS`.
    pub(crate) path: PathBuf,
    file: File,
}

impl Namespace {
    /// Opens the namespace at `path`. That of plugboard itself is refused: what a plugin does to a container's interfaces
    /// would hit those of the host.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot open the network namespace {}", path.display()))?;
        let namespace = Self { path: path.to_owned(), file };
        namespace.interfaces()?;
        if namespace.id() == own_id() {
            bail!("{} is the network namespace that plugboard itself runs in, not that of a container", path.display());
        }
        Ok(namespace)
    }

    /// What tells it from every other namespace, also from a later one at the same path.
    pub(crate) fn id(&self) -> Option<String> {
        self.file.metadata().ok().map(|metadata| id(&metadata))
    }

    /// The names of the interfaces in it.
    pub(crate) fn interfaces(&self) -> anyhow::Result<Vec<String>> {
        // A thread can enter a namespace without the rest of the process, and need not find the way back.
        let listing = std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                setns(&self.file, CloneFlags::CLONE_NEWNET)?;
                std::fs::read_to_string("/proc/thread-self/net/dev")
            });
            thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread that looked ended early")))
        });
        let listing = listing.map_err(|error| self.explain(&error))?;
        // Two lines of headings, then "  eth0: counters".
        Ok(listing.lines().skip(2).filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned())).collect())
    }

    fn explain(&self, error: &io::Error) -> anyhow::Error {
        let path = self.path.display();
        match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::EINVAL) => anyhow::anyhow!("{path} is not a network namespace"),
            Some(Errno::EPERM) => anyhow::anyhow!("not allowed to enter {path}: run plugboard as root"),
            _ => anyhow::anyhow!("cannot enter the network namespace {path}: {error}"),
        }
    }

    /// Keeps other plugboards away from this namespace until the lock is dropped. It is a lock on the namespace itself, by
    /// whatever path it was opened, and leaves no file.
    pub(crate) fn lock(&self) -> anyhow::Result<Flock<File>> {
        let file = File::open(&self.path)?;
        Flock::lock(file, FlockArg::LockExclusive)
            .map_err(|(_, error)| anyhow::anyhow!("cannot lock {}: {error}", self.path.display()))
    }
}

/// What tells the namespace at `path` from every other; `None` if nothing is there.
pub(crate) fn id_of(path: &Path) -> Option<String> {
    path.metadata().ok().map(|metadata| id(&metadata))
}

/// What tells the namespace that plugboard runs in from every other.
pub(crate) fn own_id() -> Option<String> {
    id_of(Path::new("/proc/self/ns/net"))
}

fn id(metadata: &std::fs::Metadata) -> String {
    format!("{}:{}", metadata.dev(), metadata.ino())
}
