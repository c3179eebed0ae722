//! Both ends of a path on which datagrams are sent: first one that finds out whether it is there, then those that count.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use crate::batch::{BATCH, Inbox, Outbox};
use crate::control::Control;
use crate::payload::{self, GREETING};
use crate::place::require_one_family;
use crate::{Error, Place, clock, socket};

/// A greeting that gets no answer is sent again after this time.
const GREETING_AGAIN: Duration = Duration::from_millis(200);

/// A measurement ends before its numbers do.
const LAST: u32 = GREETING - 128;

/// What still comes after everything has come is a duplicate; such follow closely.
const DUPLICATES_NS: u64 = 100_000_000;

/// A path with both sockets open.
pub(crate) struct Path<'a> {
    pub(crate) from: &'a Place,
    pub(crate) to: &'a Place,
    /// How long to wait for the first datagram, and for late ones.
    pub(crate) patience: Duration,
    pub(crate) payload_bytes: usize,
    per_message: usize,
    sender: OwnedFd,
    receiver: OwnedFd,
}

/// What sockets of a path are like.
pub(crate) struct Options {
    pub(crate) patience: Duration,
    pub(crate) payload_bytes: usize,
    /// Datagrams that pass through the path as one packet, as far as it can (`UDP_SEGMENT`).
    pub(crate) per_message: usize,
    pub(crate) class: i32,
    pub(crate) with_checksum: bool,
}

/// What the sender tells the receiver beside the datagrams.
#[derive(Default)]
struct Progress {
    sent: AtomicU64,
    has_finished: AtomicBool,
}

/// The sender's end of a [`Path`].
pub(crate) struct Sending<'a> {
    path: &'a Path<'a>,
    outbox: Outbox,
    sent: u32,
}

impl<'a> Path<'a> {
    pub(crate) fn open(from: &'a Place, to: &'a Place, options: &Options) -> Result<Self, Error> {
        require_one_family(from, to)?;
        if !(payload::LEAST_BYTES..=payload::MOST_BYTES).contains(&options.payload_bytes) {
            return Err(Error::Request("a datagram's payload is 16 to 65507 bytes"));
        }
        let most = (payload::MOST_BYTES / options.payload_bytes).min(BATCH);
        if !(1..=most).contains(&options.per_message) {
            return Err(Error::Request("a packet holds 1 to 64 datagrams, which are 65507 bytes together at most"));
        }
        if !options.with_checksum && to.address().is_ipv6() {
            return Err(Error::Request("UDP over IPv6 has a checksum always; only IPv4 goes without (RFC 8200, 8.1)"));
        }
        let (receiver, port) = to.enter(|| {
            let fd = socket::datagram_receiver(to)?;
            let port = socket::port(&fd, to)?;
            Ok((fd, port))
        })?;
        let sender = from.enter(|| {
            let fd = socket::datagram_sender(from, to.address(), port, options.class)?;
            if !options.with_checksum {
                socket::without_checksum(&fd, from)?;
            }
            if options.per_message > 1 {
                socket::segment(&fd, from, options.payload_bytes)?;
            }
            Ok(fd)
        })?;
        Ok(Self {
            from,
            to,
            patience: options.patience,
            payload_bytes: options.payload_bytes,
            per_message: options.per_message,
            sender,
            receiver,
        })
    }

    /// Lets `send` send, while `each` gets every datagram that arrives with its number, payload and control messages. The
    /// greeting, which resolves the neighbour, is gone by then. `arrived` tells how many of those sent have arrived.
    pub(crate) fn run<S: Send, R: Send>(
        &self,
        result: R,
        send: impl FnOnce(&mut Sending<'_>) -> Result<S, Error> + Send,
        each: impl FnMut(&mut R, u32, &[u8], Control) -> u64 + Send,
    ) -> Result<(S, R), Error> {
        let progress = Progress::default();
        let (heard, hears) = sync_channel(1);
        let progress = &progress;
        std::thread::scope(|scope| {
            let receiving = std::thread::Builder::new()
                .spawn_scoped(scope, move || self.receive(progress, &heard, result, each))
                .map_err(|error| Error::Thread(error.to_string()))?;
            let sending = std::thread::Builder::new().spawn_scoped(scope, move || {
                let sent = self.send(progress, &hears, send);
                progress.has_finished.store(true, Ordering::Release);
                sent
            });
            let sent = match sending {
                Ok(sending) => sending.join().unwrap_or_else(|_| Err(Error::Thread("the sender ended early".into()))),
                Err(error) => Err(Error::Thread(error.to_string())),
            };
            progress.has_finished.store(true, Ordering::Release);
            let received =
                receiving.join().unwrap_or_else(|_| Err(Error::Thread("the receiver ended early".into())))?;
            Ok((sent?, received))
        })
    }

    /// How many datagrams the receiver's socket dropped itself.
    pub(crate) fn dropped(&self) -> u64 {
        socket::dropped(&self.receiver)
    }

    fn send<S>(
        &self,
        progress: &Progress,
        hears: &Receiver<()>,
        send: impl FnOnce(&mut Sending<'_>) -> Result<S, Error>,
    ) -> Result<S, Error> {
        clock::be_punctual();
        let mut greeting = Outbox::new(self.payload_bytes, 1);
        let outbox = Outbox::new(self.payload_bytes, self.per_message);
        let end = clock::steady_ns().saturating_add(clock::nanoseconds(self.patience));
        loop {
            self.sent(greeting.send(&self.sender, GREETING, 1))?;
            let left = Duration::from_nanos(end.saturating_sub(clock::steady_ns()));
            match hears.recv_timeout(left.min(GREETING_AGAIN)) {
                Ok(()) => break,
                Err(RecvTimeoutError::Timeout) if !left.is_zero() => {}
                // Nothing gets through, which the datagrams that count will show.
                Err(_) => break,
            }
        }
        let mut sending = Sending { path: self, outbox, sent: 0 };
        let result = send(&mut sending);
        progress.sent.store(sending.sent.into(), Ordering::Release);
        result
    }

    fn receive<R>(
        &self,
        progress: &Progress,
        heard: &SyncSender<()>,
        mut result: R,
        mut each: impl FnMut(&mut R, u32, &[u8], Control) -> u64,
    ) -> Result<R, Error> {
        let mut inbox = Inbox::new(self.payload_bytes);
        let (mut arrived, mut last) = (0, clock::steady_ns());
        loop {
            let received = inbox.receive(&self.receiver, |payload, control| match payload::sequence(payload) {
                // Nobody waits for it when it was heard before.
                Some(GREETING) => drop(heard.try_send(())),
                Some(sequence) => arrived = each(&mut result, sequence, payload, control),
                None => {}
            });
            let received = received.map_err(|source| self.to.failed("receive", source))?;
            if received > 0 || !progress.has_finished.load(Ordering::Acquire) {
                last = clock::steady_ns();
                continue;
            }
            let all = arrived >= progress.sent.load(Ordering::Acquire);
            let patience = clock::nanoseconds(self.patience);
            let patience = if all { patience.min(DUPLICATES_NS) } else { patience };
            if clock::steady_ns().saturating_sub(last) >= patience {
                return Ok(result);
            }
        }
    }

    fn sent(&self, result: std::io::Result<usize>) -> Result<usize, Error> {
        result.map_err(|source| {
            let call = format!("send {} bytes to {}", self.payload_bytes, self.to.address());
            self.from.failed(&call, source)
        })
    }
}

impl Sending<'_> {
    /// Sends so many datagrams with the numbers that follow, or more where they go in packets of several.
    pub(crate) fn datagrams(&mut self, count: usize) -> Result<(), Error> {
        if self.sent >= LAST {
            return Err(Error::Request("a measurement has at most 4294967167 datagrams"));
        }
        let sent = self.path.sent(self.outbox.send(&self.path.sender, self.sent, count))?;
        self.sent = self.sent.saturating_add(u32::try_from(sent).unwrap_or(u32::MAX));
        Ok(())
    }

    /// Datagrams sent so far.
    pub(crate) fn count(&self) -> u32 {
        self.sent
    }
}
