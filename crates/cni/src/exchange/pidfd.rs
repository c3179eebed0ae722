//! A descriptor that tells the end of a process.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::process::Child;

/// `pidfd_open(2)`, Linux 5.3.
pub(super) fn open(child: &Child) -> io::Result<OwnedFd> {
    // SAFETY: the system call takes two numbers. The process is our child and not yet reaped, so that its ID is its own.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, child.id(), 0) };
    match RawFd::try_from(fd) {
        // SAFETY: the kernel has just made the descriptor for us; nobody else has it.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}
