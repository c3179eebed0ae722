//! Locks: one for the shared objects of a host, and one for each attachment.
//!
//! All are bytes of one file (`F_OFD_SETLKW`, `fcntl(2)`): the kernel releases them when their holder dies, and nothing is
//! ever written. The file is root's alone; a lock that others can take, such as one on the namespace itself, would let
//! any user of the host hold up every call.

use std::fs::{DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};

use crate::{Error, Identity};

const DIRECTORY: &str = "/run/plugboard";
const FILE: &str = "/run/plugboard/lock";

/// Bytes from here on are attachments; those before are the inode numbers of network namespaces, which have 32 bits.
const ATTACHMENTS: u64 = 1 << 62;

/// What the holder is going to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Use an existing shared object: nobody may remove it meanwhile.
    Use,
    /// Make or remove one.
    Change,
}

/// A lock, released when dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Waits for the lock of an attachment.
    ///
    /// # Errors
    /// [`Error::System`]: the file below `/run` cannot be made or locked.
    pub fn of_attachment(identity: &Identity) -> Result<Self, Error> {
        Self::take(ATTACHMENTS | (identity.number() & (ATTACHMENTS - 1)), Mode::Change)
    }

    /// Waits for the lock of the shared objects in the calling thread's network namespace.
    pub(crate) fn of_host(mode: Mode) -> Result<Self, Error> {
        let namespace = std::fs::metadata("/proc/thread-self/ns/net").map_err(failed)?;
        Self::take(namespace.ino() & (ATTACHMENTS - 1), mode)
    }

    fn take(byte: u64, mode: Mode) -> Result<Self, Error> {
        let file = open()?;
        let kind = match mode {
            Mode::Use => libc::F_RDLCK,
            Mode::Change => libc::F_WRLCK,
        };
        let range = libc::flock {
            l_type: libc::c_short::try_from(kind).unwrap_or_default(),
            l_whence: libc::c_short::try_from(libc::SEEK_SET).unwrap_or_default(),
            l_start: libc::off_t::try_from(byte).unwrap_or_default(),
            l_len: 1,
            l_pid: 0,
        };
        loop {
            match fcntl(&file, FcntlArg::F_OFD_SETLKW(&range)) {
                Ok(_) => return Ok(Self { _file: file }),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(failed(errno.into())),
            }
        }
    }
}

fn open() -> Result<File, Error> {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    match options.open(FILE) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            match DirBuilder::new().mode(0o700).create(DIRECTORY) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(failed(error)),
                _ => {}
            }
            options.open(FILE).map_err(failed)
        }
        opened => opened.map_err(failed),
    }
}

fn failed(source: std::io::Error) -> Error {
    Error::System { action: format!("take a lock in {FILE}"), source }
}
