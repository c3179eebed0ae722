//! The rate of TCP connections.

use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{Backlog, SockType, getsockopt, listen, setsockopt, sockopt};

use crate::place::require_one_family;
use crate::slices::Slices;
use crate::tcp_info::TcpInfo;
use crate::throughput::{ethernet_and_ip, slice_count};
use crate::{Error, Place, TcpWaits, Throughput, clock, socket};

/// What a sender writes in one call.
const WRITE_BYTES: usize = 256 << 10;

/// What a receiver discards in one call.
const READ_BYTES: usize = 1 << 20;

/// How often arrivals are counted at most. One full frame takes longer below 12 Mbit/s.
const COUNT_NS: u64 = 1_000_000;

/// How often threads look whether they should end.
const LOOK_MS: u8 = 50;

/// Connections that carry as much as they can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tcp {
    /// How many, 1 to 1000.
    pub flows: u16,
    /// How long, from the arrival of the first byte on.
    pub duration: Duration,
    /// The length of the slices in which arrivals are counted.
    pub slice: Duration,
    /// How long to wait for the connections, for the first byte, and for the first byte after the end: longer than a
    /// handshake takes, which is a round trip, or more where its packets are lost.
    pub patience: Duration,
}

impl Default for Tcp {
    /// One connection for 2 s in slices of 100 ms, a patience of 5 s.
    fn default() -> Self {
        Self {
            flows: 1,
            duration: Duration::from_secs(2),
            slice: Duration::from_millis(100),
            patience: Duration::from_secs(5),
        }
    }
}

/// What arrives at `to` over TCP connections from `from`, together.
///
/// The slices begin with the arrival of the first byte of any of them, and all senders send until the last slice is over.
/// Segments are counted by the kernel, and each as a full one: where a retransmission or the end of a write was shorter, a
/// slice has up to a frame too much, which is 1 % of a second at 1 Mbit/s. Datagrams ([`crate::udp()`]) are exact.
///
/// # Errors
/// A connection does not come about or breaks, a socket could not be opened or used (root is needed), the addresses are of
/// two families, or `request` makes no sense.
pub fn tcp(from: &Place, to: &Place, request: Tcp) -> Result<Throughput, Error> {
    require_one_family(from, to)?;
    let Some(count) = slice_count(request.duration, request.slice) else {
        return Err(Error::Request("a measurement takes at least one slice"));
    };
    if !(1..=1000).contains(&request.flows) {
        return Err(Error::Request("there are 1 to 1000 TCP flows"));
    }
    let (senders, receivers) = connections(from, to, request)?;
    let slices = Slices::new(count, clock::nanoseconds(request.slice));
    let is_over = AtomicBool::new(false);
    let received = std::thread::scope(|scope| {
        let sending = std::thread::Builder::new()
            .spawn_scoped(scope, || send(from, &senders, &is_over))
            .map_err(|error| Error::Thread(error.to_string()))?;
        let received = receive(to, &receivers, slices, request.patience, &is_over);
        is_over.store(true, Ordering::Release);
        sending.join().unwrap_or_else(|_| Err(Error::Thread("the sender ended early".into())))?;
        received
    })?;
    let infos = senders.iter().map(TcpInfo::of).collect::<Result<Vec<_>, _>>();
    let infos = infos.map_err(|source| from.failed("getsockopt(TCP_INFO)", source))?;
    let segment = infos.iter().min_by_key(|info| info.segment_bytes);
    let segment_bytes = segment.map(|info| info.segment_bytes).unwrap_or_default();
    Ok(Throughput {
        slice: request.slice,
        slices: received.slices.into_counts().iter().map(|segments| segments * f64::from(segment_bytes)).collect(),
        payload_bytes: received.payload_bytes,
        packet_payload_bytes: segment_bytes,
        packet_header_bytes: ethernet_and_ip(to.address().is_ipv4())
            + segment.map(|info| info.header_bytes).unwrap_or_default(),
        retransmits: infos.iter().map(|info| u64::from(info.retransmits)).sum(),
        tcp_waits: infos.iter().map(|info| info.waits).reduce(TcpWaits::and),
        datagrams: None,
    })
}

/// The connected sockets of both sides, none of which waits in a call.
fn connections(from: &Place, to: &Place, request: Tcp) -> Result<(Vec<TcpStream>, Vec<TcpStream>), Error> {
    let end = clock::steady_ns().saturating_add(clock::nanoseconds(request.patience));
    let no_connection =
        || Error::NoConnection { from: from.to_string(), to: to.to_string(), seconds: request.patience.as_secs_f64() };
    let (listener, port) = to.enter(|| {
        let fd = socket::bound(to, SockType::Stream, None)?;
        let backlog = Backlog::new(i32::from(request.flows)).unwrap_or(Backlog::MAXCONN);
        listen(&fd, backlog).map_err(|errno| to.failed("listen", errno.into()))?;
        let port = socket::port(&fd, to)?;
        Ok((TcpListener::from(fd), port))
    })?;
    listener.set_nonblocking(true).map_err(|source| to.failed("set a listener's flags", source))?;
    let senders = from.enter(|| (0..request.flows).map(|_| connect(from, to, port)).collect::<Result<Vec<_>, _>>())?;
    for sender in &senders {
        if !wait(sender, PollFlags::POLLOUT, end).map_err(|errno| from.failed("poll", errno.into()))? {
            return Err(no_connection());
        }
        let error = getsockopt(sender, sockopt::SocketError).unwrap_or_default();
        if error == libc::ETIMEDOUT {
            return Err(no_connection());
        }
        if error != 0 {
            let source = std::io::Error::from_raw_os_error(error);
            return Err(from.failed(&format!("connect to {}", to.address()), source));
        }
    }
    let mut receivers = Vec::new();
    while receivers.len() < senders.len() {
        if !wait(&listener, PollFlags::POLLIN, end).map_err(|errno| to.failed("poll", errno.into()))? {
            return Err(no_connection());
        }
        let (receiver, _) = listener.accept().map_err(|source| to.failed("accept", source))?;
        receiver.set_nonblocking(true).map_err(|source| to.failed("set a socket's flags", source))?;
        receivers.push(receiver);
    }
    Ok((senders, receivers))
}

/// A socket on its way to being connected.
fn connect(from: &Place, to: &Place, port: u16) -> Result<TcpStream, Error> {
    let stream = TcpStream::from(socket::bound(from, SockType::Stream, None)?);
    stream.set_nonblocking(true).map_err(|source| from.failed("set a socket's flags", source))?;
    let fd = OwnedFd::from(stream);
    // Closed at once with whatever it still holds: nothing goes on after a measurement.
    setsockopt(&fd, sockopt::Linger, &libc::linger { l_onoff: 1, l_linger: 0 })
        .map_err(|errno| from.failed("set a socket's end", errno.into()))?;
    socket::connect(&fd, from, to.address(), port)?;
    Ok(fd.into())
}

/// Waits until something can be done with a socket; whether that was before `end`.
fn wait(fd: &impl AsFd, what: PollFlags, end: u64) -> Result<bool, Errno> {
    loop {
        let left = Duration::from_nanos(end.saturating_sub(clock::steady_ns()));
        let timeout = PollTimeout::try_from(left.saturating_add(Duration::from_millis(1))).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(fd.as_fd(), what)], timeout) {
            Ok(0) if left.is_zero() => return Ok(false),
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(true),
            Err(errno) => return Err(errno),
        }
    }
}

/// Writes to all connections whatever they take, until it is over.
fn send(from: &Place, senders: &[TcpStream], is_over: &AtomicBool) -> Result<(), Error> {
    let bytes = vec![0; WRITE_BYTES];
    each_ready(senders, PollFlags::POLLOUT, from, |sender| {
        use std::io::Write;
        if is_over.load(Ordering::Acquire) {
            return Ok(false);
        }
        let Some(mut sender) = sender else { return Ok(true) };
        match sender.write(&bytes) {
            Ok(_) => Ok(true),
            Err(error) if is_transient(&error) => Ok(true),
            // The receiver has ended, which it says a moment later.
            Err(_) if is_over.load(Ordering::Acquire) => Ok(false),
            Err(source) => Err(from.failed("send", source)),
        }
    })
}

/// Discards what arrives and counts it, until something has arrived after the last slice. Gives up waiting for that, and for
/// the first byte, after `patience`.
fn receive(
    to: &Place,
    receivers: &[TcpStream],
    slices: Slices,
    patience: Duration,
    is_over: &AtomicBool,
) -> Result<Received, Error> {
    let patience = clock::nanoseconds(patience);
    let mut buffer = vec![0; READ_BYTES];
    let start = clock::steady_ns();
    let mut received = Received { slices, segments: 0, payload_bytes: 0, counted_at: 0 };
    each_ready(receivers, PollFlags::POLLIN, to, |receiver| {
        match receiver.map(|receiver| discard(receiver, &mut buffer)) {
            Some(Ok(0)) => return Err(to.failed("receive", std::io::ErrorKind::UnexpectedEof.into())),
            Some(Ok(bytes)) => received.payload_bytes += bytes as u64,
            Some(Err(source)) if !is_transient(&source) => return Err(to.failed("receive", source)),
            _ => {}
        }
        let now = clock::steady_ns();
        received.count(receivers, now).map_err(|source| to.failed("getsockopt(TCP_INFO)", source))?;
        let in_vain = match received.slices.last() {
            None => now.saturating_sub(start) > patience,
            Some(last) => now.saturating_sub(last) > patience && received.slices.is_over(now),
        };
        let is_complete = received.slices.last().is_some_and(|last| received.slices.is_over(last));
        Ok(!in_vain && !is_complete && !is_over.load(Ordering::Acquire))
    })?;
    Ok(received)
}

/// What has arrived on all connections together.
struct Received {
    /// In segments. TCP hands over bytes in their order, after a loss many at once; segments count as they come.
    slices: Slices,
    segments: u64,
    payload_bytes: u64,
    counted_at: u64,
}

impl Received {
    /// Asks the kernel for the segments that have arrived, but not more often than every [`COUNT_NS`].
    fn count(&mut self, receivers: &[TcpStream], now: u64) -> std::io::Result<()> {
        if now.saturating_sub(self.counted_at) < COUNT_NS {
            return Ok(());
        }
        self.counted_at = now;
        let counts = receivers.iter().map(|receiver| TcpInfo::of(receiver).map(|info| info.data_segments_in));
        let segments = counts.map(|count| count.map(u64::from)).sum::<std::io::Result<u64>>()?;
        if segments > self.segments {
            self.slices.arrive(now, segments - self.segments);
            self.segments = segments;
        }
        Ok(())
    }
}

/// Calls `act` with each socket that is ready, and without one when a while has passed, for as long as it returns true.
fn each_ready(
    sockets: &[TcpStream],
    what: PollFlags,
    place: &Place,
    mut act: impl FnMut(Option<&TcpStream>) -> Result<bool, Error>,
) -> Result<(), Error> {
    let mut polled: Vec<PollFd<'_>> = sockets.iter().map(|socket| PollFd::new(socket.as_fd(), what)).collect();
    loop {
        match poll(&mut polled, PollTimeout::from(LOOK_MS)) {
            Ok(0) | Err(Errno::EINTR) => {
                if !act(None)? {
                    return Ok(());
                }
            }
            Ok(_) => {
                for (socket, polled) in sockets.iter().zip(&polled) {
                    if polled.any().unwrap_or(true) && !act(Some(socket))? {
                        return Ok(());
                    }
                }
            }
            Err(errno) => return Err(place.failed("poll", errno.into())),
        }
    }
}

/// Takes what has arrived without copying it (`MSG_TRUNC`, tcp(7)).
fn discard(receiver: &TcpStream, buffer: &mut [u8]) -> std::io::Result<usize> {
    // SAFETY: the buffer is writable for its length, though the kernel does not write to it.
    let received =
        unsafe { libc::recv(receiver.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), libc::MSG_TRUNC) };
    usize::try_from(received).map_err(|_| std::io::Error::last_os_error())
}

fn is_transient(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::Interrupted)
}
