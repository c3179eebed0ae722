//! Locks between commands: one for each network namespace and each container, and one for each directory of records.
//!
//! All are bytes of one file that only root can open, beside those that plugins take (`attachment::Lock`): nobody else can hold one
//! up. A lock on the namespace itself, or on a directory that others may read, could be held by any process that has it open.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
pub(crate) use attachment::Mode;
use nix::unistd::geteuid;

use crate::interrupt;

const DIRECTORY: &str = "/run/plugboard";
const FILE: &str = "/run/plugboard/lock";

/// So many numbers has each kind of subject.
const KIND: u64 = 1 << 58;

/// How often a lock is tried again.
const INTERVAL: Duration = Duration::from_millis(20);

/// After this time of waiting it is said that it is waited.
const MOMENT: Duration = Duration::from_secs(1);

/// What is locked.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Subject<'a> {
    /// A network namespace, by what distinguishes it from all others, whatever path leads to it.
    Namespace(&'a str),
    /// A container, by its ID: its namespace may be gone.
    Container(&'a str),
    /// A directory of records, against changes of the list.
    Records(&'a Path),
}

/// A lock, released when dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    /// What plugins inherit.
    _inherited: Option<OwnedFd>,
    _lock: attachment::Lock,
}

impl Subject<'_> {
    fn byte(self) -> io::Result<u64> {
        let (kind, text) = match self {
            Self::Namespace(id) => (0, id.to_owned()),
            Self::Container(id) => (1, id.to_owned()),
            Self::Records(dir) => {
                let about = fs::metadata(dir)?;
                (2, format!("{}:{}", about.dev(), about.ino()))
            }
        };
        // FNV-1a. Two subjects with one number wait for each other, and that is all.
        let hash = text
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        Ok(attachment::Lock::byte_of_command(kind * KIND + (hash ^ (hash >> 32)) % KIND))
    }

    fn name(self) -> String {
        match self {
            Self::Namespace(_) => "the namespace".to_owned(),
            Self::Container(id) => format!("container {id}"),
            Self::Records(dir) => format!("the list of records in {}", dir.display()),
        }
    }
}

impl Lock {
    /// Waits for a lock, at most for `limit`. Plugins inherit one on a container or its namespace: one that is still running when
    /// plugboard is killed keeps a detach waiting, which would not yet find what that plugin is about to make.
    ///
    /// # Errors
    /// The file cannot be made or opened, by anybody but root as a rule; it is not root's alone; somebody has held the lock for the
    /// whole time, with the processes that hold it; a signal came.
    pub(crate) fn take(subject: Subject<'_>, mode: Mode, limit: Duration) -> anyhow::Result<Self> {
        let context = || format!("cannot lock {} (in {FILE})", subject.name());
        let lock = open().with_context(context)?;
        let byte = subject.byte().with_context(context)?;
        let start = Instant::now();
        let mut is_told = false;
        while !lock.try_byte(byte, mode).with_context(context)? {
            interrupt::refuse()?;
            let waited = start.elapsed();
            if waited >= limit {
                bail!(
                    "{} has been locked by {} for {} s: find out why, or wait longer with --lock-timeout",
                    subject.name(),
                    lock.holders(byte),
                    limit.as_secs()
                );
            }
            if waited >= MOMENT && !is_told {
                is_told = true;
                tracing::warn!(
                    "waiting for {} to finish with {}, {} s at most",
                    lock.holders(byte),
                    subject.name(),
                    limit.as_secs()
                );
            }
            thread::sleep(INTERVAL);
        }
        let is_inherited = !matches!(subject, Subject::Records(_));
        let inherited = is_inherited.then(|| lock.bequeath()).transpose().with_context(context)?;
        Ok(Self { _inherited: inherited, _lock: lock })
    }

    /// Takes a lock if nobody holds it.
    pub(crate) fn try_take(subject: Subject<'_>, mode: Mode) -> io::Result<Option<Self>> {
        let lock = open()?;
        let is_ours = lock.try_byte(subject.byte()?, mode)?;
        Ok(is_ours.then_some(Self { _inherited: None, _lock: lock }))
    }
}

/// Opens the file, which nobody else may open, in a directory where nobody else may put another one.
fn open() -> io::Result<attachment::Lock> {
    let lock = attachment::Lock::open()?;
    let is_ours = |owner: u32| owner == 0 || owner == geteuid().as_raw();
    let directory = fs::symlink_metadata(DIRECTORY)?;
    if !directory.is_dir() || !is_ours(directory.uid()) || directory.mode() & 0o022 != 0 {
        return Err(io::Error::other(format!("{DIRECTORY} must be a directory that only root can write: remove it")));
    }
    let file = fs::symlink_metadata(FILE)?;
    if !file.is_file() || !is_ours(file.uid()) {
        return Err(io::Error::other("it must be a file of root: remove it"));
    }
    Ok(lock)
}
