//! A network namespace that exists.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};

use crate::machine::StandIn;
use identity::own_identity;

mod identity;

/// A network namespace, held open.
#[derive(Debug)]
pub(crate) struct TargetNamespace {
    /// `CNI_NETNS`.
    pub(crate) path: PathBuf,
    file: File,
    stand_in: Option<StandIn>,
}

impl TargetNamespace {
    /// Opens the namespace at `path`. That of plugboard itself is refused: what a plugin does to a container's interfaces
    /// would hit those of the host.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let file = open(path).with_context(|| format!("cannot open the network namespace {}", path.display()))?;
        let namespace = Self { path: path.to_owned(), file, stand_in: None };
        namespace.interfaces()?;
        if namespace.id().is_some_and(|id| own_identity().is_ok_and(|own| id == own)) {
            bail!("{} is the network namespace that plugboard itself runs in, not that of a container", path.display());
        }
        Ok(namespace)
    }

    /// The same for callers that may lack the permission: `None` for a namespace that the caller may not enter.
    pub(crate) fn open_if_allowed(path: &Path) -> anyhow::Result<Option<Self>> {
        let is_closed = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
        match open(path).and_then(|file| inside(&file, || Ok(()))) {
            Err(error) if is_closed(&error) => Ok(None),
            _ => Self::open(path).map(Some),
        }
    }

    /// What stands in for the namespace of a machine, until it is dropped.
    pub(crate) fn of_machine(path: &Path) -> anyhow::Result<Self> {
        let stand_in = StandIn::make(path)?;
        Ok(Self { stand_in: Some(stand_in), ..Self::open(path)? })
    }

    /// It stands in for the namespace of a machine.
    pub(crate) fn is_stand_in(&self) -> bool {
        self.stand_in.is_some()
    }

    /// What distinguishes it from every other namespace, even from a later one at the same path. One that stands in for another is
    /// none to remember.
    pub(crate) fn id(&self) -> Option<String> {
        if self.is_stand_in() { None } else { inside(&self.file, own_identity).ok() }
    }

    /// The names of the interfaces in it.
    pub(crate) fn interfaces(&self) -> anyhow::Result<Vec<String>> {
        list(&self.file).map_err(|error| self.explain(&error))
    }

    fn explain(&self, error: &io::Error) -> anyhow::Error {
        let path = self.path.display();
        match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::EINVAL) => anyhow::anyhow!("{path} is not a network namespace"),
            Some(Errno::EPERM) => anyhow::anyhow!("not allowed to enter {path}: run plugboard as root"),
            _ => anyhow::anyhow!("cannot enter the network namespace {path}: {error}"),
        }
    }
}

/// The names of the interfaces in the namespace at `path`.
pub(crate) fn interfaces_at(path: &Path) -> io::Result<Vec<String>> {
    list(&open(path)?)
}

/// The names of the interfaces in a namespace.
fn list(file: &File) -> io::Result<Vec<String>> {
    let listing = inside(file, || std::fs::read_to_string("/proc/thread-self/net/dev"))?;
    // Two lines of headings, then "  eth0: counters".
    Ok(listing.lines().skip(2).filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned())).collect())
}

/// What distinguishes the namespace at `path` from all others; `None` where there is none, or none that can be entered.
pub(crate) fn identity_at(path: &Path) -> Option<String> {
    open(path).and_then(|file| inside(&file, own_identity)).ok()
}

/// Whether the namespace that was at `path` is gone: nothing is there, or that of plugboard itself, or another than the one
/// of this `id`, where there is one to compare. One that cannot be looked at is not gone.
pub(crate) fn is_gone(path: &Path, id: Option<&str>) -> bool {
    let found = open(path).and_then(|file| inside(&file, own_identity));
    match (found, own_identity()) {
        (Ok(found), Ok(own)) => found == own || id.is_some_and(|id| id != found),
        (Err(error), _) => matches!(error.raw_os_error().map(Errno::from_raw), Some(Errno::ENOENT | Errno::EINVAL)),
        (_, Err(_)) => false,
    }
}

/// Whether the namespace at `path` is that of this `id`.
pub(crate) fn is_at(path: &Path, id: &str) -> bool {
    identity_at(path).is_some_and(|found| found == id)
}

/// Opens what is at `path`. Nothing is waited for if it is a FIFO.
fn open(path: &Path) -> io::Result<File> {
    File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)
}

/// Calls `look` in the namespace that `file` is.
fn inside<T: Send>(file: impl AsFd + Sync, look: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    // A thread can enter a namespace without the rest of the process, and need not find the way back.
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            setns(&file, CloneFlags::CLONE_NEWNET)?;
            look()
        });
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread that looked ended early")))
    })
}
