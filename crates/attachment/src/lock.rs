//! The lock for shared objects: bridges and the like, which the first attachment makes and the last removes.
//!
//! It lies on the network namespace itself (`flock(2)` on `/proc/thread-self/ns/net`): it covers exactly the devices that it
//! is about, needs no file of ours, and the kernel releases it when its holder dies.

use std::fs::File;

use nix::fcntl::{Flock, FlockArg};

use crate::Error;

/// What the holder is going to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Use a shared object that exists: nobody may remove it meanwhile.
    Use,
    /// Make or remove one.
    Change,
}

/// The lock, released when dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    _held: Flock<File>,
}

impl Lock {
    /// Waits for the lock.
    pub(crate) fn take(mode: Mode) -> Result<Self, Error> {
        let failed = |source| Error::System { action: "lock the host's network namespace".to_owned(), source };
        let mut file = File::open("/proc/thread-self/ns/net").map_err(failed)?;
        let argument = match mode {
            Mode::Use => FlockArg::LockShared,
            Mode::Change => FlockArg::LockExclusive,
        };
        loop {
            match Flock::lock(file, argument) {
                Ok(held) => return Ok(Self { _held: held }),
                Err((same, nix::errno::Errno::EINTR)) => file = same,
                Err((_, errno)) => return Err(failed(errno.into())),
            }
        }
    }
}
