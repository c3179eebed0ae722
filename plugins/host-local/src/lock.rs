//! The lock of a network's directory.
//!
//! It is the reference's: an exclusive flock(2) on the file `lock`. Whoever has the file open can hold it, so nobody else may open it.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use cni::{Code, Error, regular};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::geteuid;

use crate::error::io_error;
use crate::files::{FILE_MODE, tighten};

/// How long it is waited for others, whose work takes milliseconds. Less than any runtime waits for a plugin.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long for those who hold a file that is about to be replaced: calls of the reference, or of an older release.
const LEAVE: Duration = Duration::from_secs(1);

/// Read and written by others than owner and group.
const OTHERS: u32 = 0o006;

/// Waits for the lock; `None` if the directory is missing.
///
/// # Errors
/// Code 5; code 11 if somebody holds it for too long.
pub(crate) fn lock(directory: &Path) -> Result<Option<Flock<File>>, Error> {
    let path = directory.join("lock");
    let end = Instant::now() + PATIENCE;
    loop {
        let opened = match open(&path) {
            Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(|cause| io_error(&path, "open the lock of the address pool", &cause))?,
        };
        let (file, found) = opened;
        let lock = match is_open_to_others(&found) {
            true => replace(file, &path, end)?,
            false => {
                tighten(&file, &found);
                Some(wait(file, &path, end)?)
            }
        };
        // The file may have been replaced meanwhile: those who come now would not see this lock.
        if let Some(lock) = lock.filter(|lock| is_at(lock, &path)) {
            return Ok(Some(lock));
        }
    }
}

fn open(path: &Path) -> io::Result<(File, Metadata)> {
    // Reading is enough for flock(2), and it works on a file system that has become read-only.
    match regular::open(path, OpenOptions::new().read(true)) {
        Err(cause) if cause.kind() == ErrorKind::NotFound => {
            regular::open(path, OpenOptions::new().read(true).append(true).create(true).mode(FILE_MODE))
        }
        opened => opened,
    }
}

/// Whether others can open a file, or have it open from the time when they could: to change its mode would not help.
fn is_open_to_others(found: &Metadata) -> bool {
    found.mode() & OTHERS != 0 || ![0, geteuid().as_raw()].contains(&found.uid())
}

/// Puts a file in the place of one that is open to others, locked. `None` if it is to be looked at again.
///
/// Callers agree by a lock on the new file before it has its name. Those who hold the old one are given a moment; then the work
/// goes on beside theirs.
fn replace(old: File, path: &Path, end: Instant) -> Result<Option<Flock<File>>, Error> {
    let failed = |cause: &io::Error| io_error(path, "replace this file, which others can lock", cause);
    let new_path = path.with_file_name(".lock");
    let (new, found) = match open(&new_path) {
        // It is locked as it is, where nothing can be changed.
        Err(cause) if matches!(cause.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => {
            return wait(old, path, end).map(Some);
        }
        opened => opened.map_err(|cause| failed(&cause))?,
    };
    if is_open_to_others(&found) {
        std::fs::remove_file(&new_path).map_err(|cause| failed(&cause))?;
        return Ok(None);
    }
    let new = wait(new, &new_path, end)?;
    if !is_at(&new, &new_path) {
        // Somebody else has put it in place.
        return Ok(is_at(&new, path).then_some(new));
    }
    if !path.metadata().is_ok_and(|found| is_open_to_others(&found)) {
        let _ = std::fs::remove_file(&new_path);
        return Ok(None);
    }
    let held = try_for(old, LEAVE);
    std::fs::rename(&new_path, path).map_err(|cause| failed(&cause))?;
    drop(held);
    Ok(Some(new))
}

/// Whether this file is what is at the path.
fn is_at(file: &File, path: &Path) -> bool {
    let number = |found: io::Result<Metadata>| found.ok().map(|found| (found.dev(), found.ino()));
    let ours = number(file.metadata());
    ours.is_some() && ours == number(path.metadata())
}

fn wait(file: File, path: &Path, end: Instant) -> Result<Flock<File>, Error> {
    let found = file.metadata();
    match try_for(file, end.saturating_duration_since(Instant::now())) {
        Ok(Some(lock)) => Ok(lock),
        Ok(None) => Err(busy(path, found.ok().as_ref())),
        Err(cause) => Err(io_error(path, "lock the address pool", &cause)),
    }
}

/// Waits for the lock on a file; `None` if others have held it for the whole time.
fn try_for(file: File, time: Duration) -> io::Result<Option<Flock<File>>> {
    let file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => return Ok(Some(lock)),
        Err((file, Errno::EWOULDBLOCK | Errno::EINTR)) => file,
        Err((_, cause)) => return Err(cause.into()),
    };
    // The kernel serves those who wait in order, but knows no limit; a thread that waits too long ends with the process.
    let (sender, receiver) = mpsc::channel();
    let waiting = thread::Builder::new().spawn(move || {
        let mut file = file;
        let lock = loop {
            match Flock::lock(file, FlockArg::LockExclusive) {
                Ok(lock) => break Ok(lock),
                Err((again, Errno::EINTR)) => file = again,
                Err((_, cause)) => break Err(io::Error::from(cause)),
            }
        };
        // If nobody waits any more, the lock is released here.
        let _ = sender.send(lock);
    });
    waiting?;
    match receiver.recv_timeout(time) {
        Ok(lock) => lock.map(Some),
        Err(RecvTimeoutError::Timeout) => Ok(None),
        Err(RecvTimeoutError::Disconnected) => Err(io::Error::other("the thread that waited ended early")),
    }
}

fn busy(path: &Path, found: Option<&Metadata>) -> Error {
    let holder = found.and_then(holder);
    let holder = holder.map_or_else(|| "a process that cannot be seen from here".to_owned(), plugin::process_in_words);
    let (path, patience) = (path.display(), PATIENCE.as_secs());
    Error::new(
        Code::TryAgainLater,
        format!(
            "{path}: the address pool has been locked by {holder} for {patience} s: wait for its end, or end it, and try again"
        ),
    )
}

/// A process that holds the lock on a file. `/proc/locks` has the one that took it, which may have ended and left it to its children;
/// each that has it shows it (`fs/proc/fd.c`, `show_fd_locks`).
fn holder(file: &Metadata) -> Option<u32> {
    let mut ids = list("/proc").filter_map(|process| process.file_name()?.to_str()?.parse().ok());
    ids.find(|id| list(format!("/proc/{id}/fd")).any(|descriptor| holds(*id, &descriptor, file)))
}

fn holds(id: u32, descriptor: &Path, file: &Metadata) -> bool {
    let is_it = |found: Metadata| (found.dev(), found.ino()) == (file.dev(), file.ino());
    let info = || std::fs::read_to_string(Path::new(&format!("/proc/{id}/fdinfo")).join(descriptor.file_name()?)).ok();
    descriptor.metadata().is_ok_and(is_it) && info().is_some_and(|text| text.contains(" FLOCK "))
}

fn list(directory: impl AsRef<Path>) -> impl Iterator<Item = PathBuf> {
    std::fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path())
}
