//! The connection itself.

use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, setsockopt, socket, sockopt};
use nix::sys::time::TimeVal;

/// Connects by a time. The kernel lets a connection wait while the listener's queue is full, as long as a send may take
/// (`unix_stream_connect` in `net/unix/af_unix.c`).
///
/// # Errors
/// The system's; `TimedOut` or `WouldBlock` when the time is over.
pub(crate) fn open(path: &Path, until: Instant) -> io::Result<UnixStream> {
    let address = UnixAddr::new(path)?;
    let socket: OwnedFd = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    let left = left(until)?;
    let seconds = left.as_secs().min(i32::MAX.unsigned_abs().into()).try_into().unwrap_or_default();
    // No wait at all would be one without end.
    let limit = TimeVal::new(seconds, left.subsec_micros().max(1).cast_signed().into());
    setsockopt(&socket, sockopt::SendTimeout, &limit)?;
    connect(socket.as_raw_fd(), &address)?;
    Ok(socket.into())
}

/// # Errors
/// The system's; `TimedOut` or `WouldBlock` when the time is over.
pub(crate) fn send(mut stream: &UnixStream, mut bytes: &[u8], until: Instant) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.set_write_timeout(Some(left(until)?))?;
        match stream.write(bytes) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Waits for bytes, and returns how many there were.
///
/// # Errors
/// The system's; `TimedOut` or `WouldBlock` when the time is over, `UnexpectedEof` when the other side has closed the connection.
pub(crate) fn receive(mut stream: &UnixStream, bytes: &mut [u8], until: Instant) -> io::Result<usize> {
    loop {
        stream.set_read_timeout(Some(left(until)?))?;
        match stream.read(bytes) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            received => return received,
        }
    }
}

/// # Errors
/// `TimedOut` when there is none.
fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}
