//! A connected socket, of which each call has a time by which it ends.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::sockopt::SendTimeout;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, connect, recv, send, setsockopt, socket,
};
use nix::sys::time::TimeVal;

use crate::stream::Stream;

/// A connected socket.
#[derive(Debug)]
pub(crate) struct Socket(OwnedFd);

impl Socket {
    /// Connects to a socket in the file system.
    ///
    /// # Errors
    /// The system's; `TimedOut` when the time is over.
    pub(crate) fn unix(path: &Path, until: Instant) -> io::Result<Self> {
        let address = UnixAddr::new(path)?;
        let socket = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
        loop {
            // The time for sending is the one for connecting as well: the kernel waits while the server has too many callers
            // (unix_stream_connect() in net/unix/af_unix.c). It takes none for all eternity.
            let left = left(until)?.max(Duration::from_millis(1));
            let seconds = i64::try_from(left.as_secs()).unwrap_or(i64::MAX);
            setsockopt(&socket, SendTimeout, &TimeVal::new(seconds, left.subsec_micros().into()))?;
            match connect(socket.as_raw_fd(), &address) {
                Ok(()) => return Ok(Self(socket)),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Err(io::ErrorKind::TimedOut.into()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Connects to a port, by whichever of the host's addresses is the first to serve.
    ///
    /// # Errors
    /// The system's; `TimedOut` when the time is over.
    pub(crate) fn tcp(host: &str, port: u16, until: Instant) -> io::Result<Self> {
        let addresses = addresses(host, port, until)?;
        let mut refused = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
        for (place, address) in addresses.iter().enumerate() {
            // One that does not answer must leave time for the others.
            let others = u32::try_from(addresses.len() - place).unwrap_or(u32::MAX);
            match TcpStream::connect_timeout(address, (left(until)? / others).max(Duration::from_millis(1))) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    return Ok(Self(stream.into()));
                }
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }

    /// Sends as many bytes as there is room for, and returns how many those were.
    ///
    /// # Errors
    /// The system's; `TimedOut` when the time is over.
    pub(crate) fn send_some(&self, bytes: &[u8], until: Instant) -> io::Result<usize> {
        loop {
            match send(self.0.as_raw_fd(), bytes, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL) {
                Err(Errno::EAGAIN) => self.wait(PollFlags::POLLOUT, until)?,
                Err(Errno::EINTR) => {}
                sent => return Ok(sent?),
            }
        }
    }

    /// Waits for bytes, and returns how many there were; none when the server has closed the connection.
    ///
    /// # Errors
    /// The system's; `TimedOut` when the time is over.
    pub(crate) fn receive_some(&self, bytes: &mut [u8], until: Instant) -> io::Result<usize> {
        loop {
            self.wait(PollFlags::POLLIN, until)?;
            match recv(self.0.as_raw_fd(), bytes, MsgFlags::MSG_DONTWAIT) {
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                received => return Ok(received?),
            }
        }
    }

    fn wait(&self, what: PollFlags, until: Instant) -> io::Result<()> {
        loop {
            let left = left(until)?.saturating_add(Duration::from_micros(999));
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            match poll(&mut [PollFd::new(self.0.as_fd(), what)], timeout) {
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Stream for Socket {
    fn send(&mut self, bytes: &[u8], until: Instant) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let sent = self.send_some(rest, until)?;
            rest = rest.get(sent..).unwrap_or_default();
        }
        Ok(())
    }

    fn receive(&mut self, bytes: &mut [u8], until: Instant) -> io::Result<usize> {
        self.receive_some(bytes, until)
    }
}

/// # Errors
/// `TimedOut` when there is none.
fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// The addresses of a host. A name is looked up by a thread, which is left to itself when the time is over: the resolver has
/// times of its own.
fn addresses(host: &str, port: u16, until: Instant) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![(address, port).into()]);
    }
    let (ours, theirs) = UnixStream::pair()?;
    let name = host.to_owned();
    let search = thread::Builder::new().spawn(move || {
        let found = (name.as_str(), port).to_socket_addrs();
        // The other end sees that it is closed.
        drop(theirs);
        found
    })?;
    match Socket(ours.into()).receive_some(&mut [0], until) {
        Ok(_) => search.join().map_err(|_| io::Error::other("its name could not be resolved"))?.map(Iterator::collect),
        Err(error) => Err(io::Error::new(error.kind(), "its name was not resolved in time")),
    }
}
