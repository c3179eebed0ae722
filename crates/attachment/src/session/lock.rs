//! Locks: one for the shared objects of a host, one for each attachment, and one for each network that is collected.
//!
//! All are bytes of one file (`F_OFD_SETLK`, `fcntl(2)`), and nothing is ever written. A lock belongs to an open file: the kernel
//! releases it when the last process that has this file open has ended. So a process that inherits the file goes on holding
//! the lock after its parent has died. The file is root's alone; a lock that others can take, such as one on the namespace
//! itself, would let any user of the host hold up every call.

use std::cell::Cell;
use std::fs::{DirBuilder, File, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};

use crate::{Error, Identity};

mod holders;

const DIRECTORY: &str = "/run/plugboard";
const FILE: &str = "/run/plugboard/lock";

/// Bytes from here on are attachments; those before are networks, and before them whatever `plugboard` locks. The first are the
/// inode numbers of network namespaces, which have 32 bits.
const ATTACHMENTS: u64 = 1 << 62;
const NETWORKS: u64 = 1 << 61;
const COMMANDS: u64 = 1 << 60;

/// The least number of a descriptor that is left to others. A shell script may use those below for itself.
const LEAST_DESCRIPTOR: libc::c_int = 10;

/// How often a lock is tried that somebody else has.
const PAUSE: Duration = Duration::from_millis(2);

/// Who else may hold a lock at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Others of this mode: as those who use an existing shared object, which nobody may remove meanwhile.
    Shared,
    /// Nobody: as those who make or remove one.
    Exclusive,
}

impl Mode {
    fn kind(self) -> libc::c_int {
        match self {
            Self::Shared => libc::F_RDLCK,
            Self::Exclusive => libc::F_WRLCK,
        }
    }
}

/// A lock, released when dropped.
#[derive(Debug)]
pub struct Lock {
    file: File,
    /// Other processes have the file, too, so that to close it is not enough.
    is_inherited: Cell<bool>,
}

impl Lock {
    /// Waits for the lock of an attachment, at most for the time of `patience`: others hold it while they work on the attachment.
    ///
    /// # Errors
    /// [`Error::System`]: the file below `/run` cannot be made or locked. [`Error::Busy`] when the time is over.
    pub fn of_attachment(identity: &Identity, patience: Duration) -> Result<Self, Error> {
        let lock = Self::open().map_err(failed)?;
        let byte = byte_of(ATTACHMENTS, identity.number());
        let what = || format!("{} of {} on {}", identity.if_name(), identity.container_id(), identity.network());
        let is_taken = || lock.try_byte(byte, Mode::Exclusive).map_err(failed);
        until(patience, is_taken, || lock.busy(&what(), byte, patience))?;
        Ok(lock)
    }

    /// The lock of a network that is collected. Nobody waits for it but [`Lock::await_collection`], and there may be several.
    ///
    /// # Errors
    /// [`Error::System`].
    pub fn of_collection(network: &str) -> Result<Self, Error> {
        let lock = Self::open().map_err(failed)?;
        lock.take(byte_of_network(network), Mode::Shared)?;
        Ok(lock)
    }

    /// Waits until nobody is collecting `network`, at most for the time of `patience`. To ask is enough: whoever begins to collect
    /// later knows of what is there now.
    ///
    /// # Errors
    /// As [`Lock::of_attachment`].
    pub fn await_collection(&self, network: &str, patience: Duration) -> Result<(), Error> {
        let byte = byte_of_network(network);
        let busy = || self.busy(&format!("all attachments to {network} (GC)"), byte, patience);
        until(patience, || self.is_free(byte), busy)
    }

    /// Waits for the lock of the shared objects in the calling thread's network namespace.
    pub(crate) fn of_host(mode: Mode) -> Result<Self, Error> {
        let namespace = std::fs::metadata("/proc/thread-self/ns/net").map_err(failed)?;
        let lock = Self::open().map_err(failed)?;
        lock.take(namespace.ino() & (COMMANDS - 1), mode)?;
        Ok(lock)
    }

    /// A descriptor that the processes which are started from now on inherit: they hold the lock as well, until it is dropped here or
    /// until all of them have ended, whichever comes first.
    ///
    /// # Errors
    /// [`Error::System`].
    pub fn bequeath(&self) -> Result<OwnedFd, Error> {
        let fd = fcntl(&self.file, FcntlArg::F_DUPFD(LEAST_DESCRIPTOR)).map_err(|errno| failed(errno.into()))?;
        self.is_inherited.set(true);
        // SAFETY: the kernel has just made the descriptor for us; nobody else has it.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }

    /// Processes that have inherited the lock keep it until they have ended, whatever becomes of it here: they were killed, and it is
    /// not known when the last of them is dead.
    pub fn leave_to_heirs(&self) {
        self.is_inherited.set(false);
    }

    /// The file, with nothing locked.
    ///
    /// # Errors
    /// It cannot be made or opened, by anybody but root as a rule.
    pub fn open() -> io::Result<Self> {
        Ok(Self { file: open()?, is_inherited: Cell::new(false) })
    }

    /// The byte of a number, for those who lock something else than plugins do.
    #[must_use]
    pub fn byte_of_command(number: u64) -> u64 {
        byte_of(COMMANDS, number)
    }

    /// Takes the lock that a byte is, if that can be done at once.
    ///
    /// # Errors
    /// The system's.
    pub fn try_byte(&self, byte: u64, mode: Mode) -> io::Result<bool> {
        match fcntl(&self.file, FcntlArg::F_OFD_SETLK(&range(byte, 1, mode.kind()))) {
            Ok(_) => Ok(true),
            Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    /// The processes that hold the lock that a byte is, in words.
    #[must_use]
    pub fn holders(&self, byte: u64) -> String {
        let holders = self.file.metadata().map(|file| holders::of(&file, byte)).unwrap_or_default();
        match holders.as_slice() {
            [] => "a process that cannot be seen from here".to_owned(),
            holders => holders.join(" and "),
        }
    }

    /// Waits for it, as long as others have it.
    fn take(&self, byte: u64, mode: Mode) -> Result<(), Error> {
        loop {
            match fcntl(&self.file, FcntlArg::F_OFD_SETLKW(&range(byte, 1, mode.kind()))) {
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(failed(errno.into())),
            }
        }
    }

    /// Whether nobody has it.
    fn is_free(&self, byte: u64) -> Result<bool, Error> {
        let mut found = range(byte, 1, libc::F_WRLCK);
        fcntl(&self.file, FcntlArg::F_OFD_GETLK(&mut found)).map_err(|errno| failed(errno.into()))?;
        Ok(libc::c_int::from(found.l_type) == libc::F_UNLCK)
    }

    fn busy(&self, what: &str, byte: u64, patience: Duration) -> Error {
        let holders = self.holders(byte);
        Error::Busy(format!(
            "another call for {what}, or an IPAM plugin that one has left behind, is still at work after {} s; the lock is held by \
             {holders}: wait for its end, or end it, and try again",
            patience.as_secs()
        ))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.is_inherited.get() {
            // It cannot fail for a lock that is held; and if it did, the lock would go with its last holder.
            let _ = fcntl(&self.file, FcntlArg::F_OFD_SETLK(&range(0, 0, libc::F_UNLCK)));
        }
    }
}

/// Asks again and again, since no call of the kernel waits for a lock with a limit.
fn until(
    patience: Duration,
    mut is_so: impl FnMut() -> Result<bool, Error>,
    late: impl FnOnce() -> Error,
) -> Result<(), Error> {
    if is_so()? {
        return Ok(());
    }
    let start = Instant::now();
    while !is_so()? {
        if start.elapsed() >= patience {
            return Err(late());
        }
        thread::sleep(PAUSE);
    }
    Ok(())
}

fn byte_of(first: u64, number: u64) -> u64 {
    first | (number & (first - 1))
}

fn byte_of_network(network: &str) -> u64 {
    byte_of(NETWORKS, Identity::new(network, "", "").number())
}

/// So many bytes from `byte` on; 0 for all.
fn range(byte: u64, length: libc::off_t, kind: libc::c_int) -> libc::flock {
    libc::flock {
        l_type: libc::c_short::try_from(kind).unwrap_or_default(),
        l_whence: libc::c_short::try_from(libc::SEEK_SET).unwrap_or_default(),
        l_start: libc::off_t::try_from(byte).unwrap_or_default(),
        l_len: length,
        l_pid: 0,
    }
}

fn open() -> io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(libc::O_NOFOLLOW);
    match options.open(FILE) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            match DirBuilder::new().mode(0o700).create(DIRECTORY) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
            options.open(FILE)
        }
        opened => opened,
    }
    .and_then(|file| {
        let found = file.metadata()?;
        if found.mode() & 0o077 != 0 {
            // Whoever can open it can hold every lock.
            file.set_permissions(Permissions::from_mode(0o600))?;
        }
        Ok(file)
    })
}

fn failed(source: io::Error) -> Error {
    Error::System { action: format!("take a lock in {FILE}"), source }
}
