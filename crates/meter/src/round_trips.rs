//! How long an echo takes there and back.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::socket::{MsgFlags, SockProtocol, SockType, send};

use crate::batch::Inbox;
use crate::echo::Echo;
use crate::place::require_one_family;
use crate::{Error, Place, clock, socket, statistics};

/// How long the first echo may take unless said.
const PATIENCE: Duration = Duration::from_secs(5);

/// The first echo is sent again after this time.
const FIRST_AGAIN: u64 = 500_000_000;

/// The least time to wait for the last echo. It is longer where the echoes before took longer.
const LAST_PATIENCE: u64 = 1_000_000_000;

/// Room for a reply with its IP header and options.
const ROOM: usize = 256;

/// Round trips of echoes, in nanoseconds. Figures are NaN when none came back.
#[derive(Debug, Clone, PartialEq)]
pub struct RoundTrips {
    /// How many echoes were asked for.
    pub sent: u32,
    /// What each took that came back, in order of sequence.
    pub times: Vec<f64>,
    /// Replies beyond the first to the same request.
    pub duplicated: u64,
}

impl RoundTrips {
    /// The median.
    #[must_use]
    pub fn median(&self) -> f64 {
        statistics::median(&self.times)
    }

    /// The mean.
    #[must_use]
    pub fn mean(&self) -> f64 {
        statistics::mean(&self.times)
    }

    /// The shortest.
    #[must_use]
    pub fn min(&self) -> f64 {
        self.times.iter().copied().fold(f64::NAN, f64::min)
    }

    /// The longest.
    #[must_use]
    pub fn max(&self) -> f64 {
        self.times.iter().copied().fold(f64::NAN, f64::max)
    }

    /// The standard deviation as iputils' `ping` states it (`mdev`: of all echoes, divided by n).
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "there are at most 2^32")]
    pub fn mdev(&self) -> f64 {
        let mean = self.mean();
        (self.times.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / self.times.len() as f64).sqrt()
    }

    /// How many did not come back.
    #[must_use]
    pub fn lost(&self) -> u32 {
        self.sent.saturating_sub(u32::try_from(self.times.len()).unwrap_or(u32::MAX))
    }
}

/// Sends `count` echoes from `from`, `interval` apart, that the kernel of `to` answers.
///
/// Another one before, which is not counted, has the neighbours resolved on the way. Where that does not come back within 5 s,
/// nothing else is sent for nothing: all of them count as lost.
///
/// # Errors
/// A socket could not be opened or used (root is needed) or the addresses are of two families. That nothing comes back is
/// none.
pub fn round_trips(from: &Place, to: &Place, count: u32, interval: Duration) -> Result<RoundTrips, Error> {
    round_trips_within(from, to, count, interval, PATIENCE)
}

/// [`round_trips`] with the time in which the first echo must come back: longer than a round trip.
///
/// # Errors
/// Those of [`round_trips`].
pub fn round_trips_within(
    from: &Place,
    to: &Place,
    count: u32,
    interval: Duration,
    patience: Duration,
) -> Result<RoundTrips, Error> {
    require_one_family(from, to)?;
    let fd = from.enter(|| {
        let protocol = if to.address().is_ipv4() { SockProtocol::Icmp } else { SockProtocol::IcmpV6 };
        let fd = socket::bound(from, SockType::Raw, Some(protocol))?;
        socket::stamp_arrivals(&fd, from)?;
        socket::connect(&fd, from, to.address(), 0)?;
        Ok(fd)
    })?;
    // On a thread of its own, which may be made punctual.
    std::thread::scope(|scope| {
        let work =
            || Session::new(from, to, &fd, count).run(clock::nanoseconds(interval), clock::nanoseconds(patience));
        let thread =
            std::thread::Builder::new().spawn_scoped(scope, work).map_err(|error| Error::Thread(error.to_string()))?;
        thread.join().unwrap_or_else(|_| Err(Error::Thread("the echoes ended early".into())))
    })
}

struct Session<'a> {
    from: &'a Place,
    to: &'a Place,
    fd: &'a OwnedFd,
    inbox: Inbox,
    identity: u16,
    sent: Vec<u64>,
    times: Vec<Option<u64>>,
    duplicated: u64,
    /// The first echo's round trip.
    first: Option<u64>,
}

impl<'a> Session<'a> {
    fn new(from: &'a Place, to: &'a Place, fd: &'a OwnedFd, count: u32) -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let process = u16::try_from(std::process::id() & 0xffff).unwrap_or_default();
        let identity = process.wrapping_mul(31).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let times = vec![None; count as usize];
        Self { from, to, fd, inbox: Inbox::new(ROOM), identity, sent: Vec::new(), times, duplicated: 0, first: None }
    }

    fn run(mut self, interval: u64, patience: u64) -> Result<RoundTrips, Error> {
        clock::be_punctual();
        if self.greet(patience)? {
            let mut due = clock::steady_ns();
            for sequence in 0..self.times.len() {
                self.receive_until(due)?;
                self.sent.push(clock::wall_ns());
                self.send(u32::try_from(sequence).unwrap_or(u32::MAX))?;
                due = due.saturating_add(interval);
            }
            self.wait_for_the_last()?;
        }
        let times = self.times.iter().flatten();
        #[expect(clippy::cast_precision_loss, reason = "52 bits of nanoseconds are 52 days")]
        let times: Vec<f64> = times.map(|time| *time as f64).collect();
        let sent = u32::try_from(self.times.len()).unwrap_or(u32::MAX);
        Ok(RoundTrips { sent, times, duplicated: self.duplicated })
    }

    /// Whether an echo comes back at all.
    fn greet(&mut self, patience: u64) -> Result<bool, Error> {
        let start = clock::steady_ns();
        let end = start.saturating_add(patience);
        let mut again = start;
        while self.first.is_none() && clock::steady_ns() < end {
            if clock::steady_ns() >= again {
                self.send(u32::MAX)?;
                again = again.saturating_add(FIRST_AGAIN);
            }
            self.receive()?;
            if self.first == Some(0) {
                self.first = Some(clock::steady_ns().saturating_sub(start));
            }
        }
        Ok(self.first.is_some())
    }

    fn wait_for_the_last(&mut self) -> Result<(), Error> {
        let longest = self.times.iter().flatten().copied().chain(self.first).max().unwrap_or_default();
        let patience = LAST_PATIENCE.max(longest.saturating_mul(2));
        let end = clock::steady_ns().saturating_add(patience);
        while self.times.iter().any(Option::is_none) && clock::steady_ns() < end {
            self.receive()?;
        }
        Ok(())
    }

    fn send(&self, sequence: u32) -> Result<(), Error> {
        let request = Echo { identity: self.identity, sequence }.request(self.to.address().is_ipv4());
        match send(self.fd.as_raw_fd(), &request, MsgFlags::empty()) {
            Ok(_) => Ok(()),
            // The path's state, which shows in what does not come back.
            Err(Errno::EHOSTUNREACH | Errno::ENOBUFS) => Ok(()),
            Err(errno) => Err(self.from.failed(&format!("send an echo to {}", self.to.address()), errno.into())),
        }
    }

    /// Takes what comes back until `due`.
    fn receive_until(&mut self, due: u64) -> Result<(), Error> {
        loop {
            let left = due.saturating_sub(clock::steady_ns());
            if left == 0 {
                return Ok(());
            }
            let mut polled = [PollFd::new(self.fd.as_fd(), PollFlags::POLLIN)];
            match ppoll(&mut polled, Some(Duration::from_nanos(left).into()), None) {
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => self.receive()?,
                Err(errno) => return Err(self.from.failed("ppoll", errno.into())),
            }
        }
    }

    /// Takes what has come back, and waits a while for the first.
    fn receive(&mut self) -> Result<(), Error> {
        let (is_ipv4, identity) = (self.to.address().is_ipv4(), self.identity);
        let mut replies = Vec::new();
        let received = self.inbox.receive(self.fd, |packet, control| {
            let reply = Echo::read_reply(packet, is_ipv4).filter(|echo| echo.identity == identity);
            replies.extend(reply.map(|echo| (echo.sequence, control.arrival_ns)));
        });
        match received {
            Ok(_) => {}
            // Told by a router or by the neighbour table.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EHOSTUNREACH | libc::ECONNREFUSED)) => {}
            Err(source) => return Err(self.from.failed("receive an echo", source)),
        }
        for (sequence, arrival_ns) in replies {
            self.take(sequence, arrival_ns);
        }
        Ok(())
    }

    fn take(&mut self, sequence: u32, arrival_ns: u64) {
        if sequence == u32::MAX {
            self.first.get_or_insert(0);
            return;
        }
        let place = sequence as usize;
        let (Some(time), Some(sent_ns)) = (self.times.get_mut(place), self.sent.get(place)) else { return };
        match time {
            Some(_) => self.duplicated += 1,
            None => *time = Some(arrival_ns.saturating_sub(*sent_ns)),
        }
    }
}
