//! The connection itself.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::Remote;

/// A connection to a server. Each call has a time by which it ends.
#[derive(Debug)]
pub(crate) enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Stream {
    /// # Errors
    /// The system's.
    pub(crate) fn open(remote: &Remote, until: Instant) -> io::Result<Self> {
        match remote {
            Remote::Unix(path) => UnixStream::connect(path).map(Self::Unix),
            Remote::Tcp { host, port } => tcp(host, *port, until).map(Self::Tcp),
        }
    }

    /// # Errors
    /// The system's; `TimedOut` when the time is over.
    pub(crate) fn send(&mut self, bytes: &[u8], until: Instant) -> io::Result<()> {
        let left = Some(left(until)?);
        match self {
            Self::Unix(stream) => stream.set_write_timeout(left).and_then(|()| stream.write_all(bytes)),
            Self::Tcp(stream) => stream.set_write_timeout(left).and_then(|()| stream.write_all(bytes)),
        }
    }

    /// Waits for bytes, and returns how many there were; none when the server has closed the connection.
    ///
    /// # Errors
    /// The system's; `TimedOut` when the time is over.
    pub(crate) fn receive(&mut self, bytes: &mut [u8], until: Instant) -> io::Result<usize> {
        loop {
            let left = Some(left(until)?);
            let received = match self {
                Self::Unix(stream) => stream.set_read_timeout(left).and_then(|()| stream.read(bytes)),
                Self::Tcp(stream) => stream.set_read_timeout(left).and_then(|()| stream.read(bytes)),
            };
            match received {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                received => return received,
            }
        }
    }
}

/// # Errors
/// `TimedOut` when there is none.
fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// Tries all addresses of the host.
fn tcp(host: &str, port: u16, until: Instant) -> io::Result<TcpStream> {
    let mut refused = io::Error::from(io::ErrorKind::NotFound);
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, left(until)?) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => refused = error,
        }
    }
    Err(refused)
}
