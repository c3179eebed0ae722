//! Single datagrams, sent one by one.

use std::time::Duration;

use crate::arrivals::{Options, Path, Sending};
use crate::control::Control;
use crate::{Arrival, Error, Place, Probes, clock, payload};

/// ECN in the traffic class (RFC 3168): able to be marked, and marked.
const ECT_0: i32 = 2;
const CE: u8 = 3;

/// Datagrams that are sent at even distances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// How many.
    pub count: u32,
    /// The time from one to the next; zero for as fast as they can be sent.
    pub interval: Duration,
    /// The payload of each, 16 to 65507 bytes. What does not fit into the MTU is an error.
    pub payload_bytes: u16,
    /// With a UDP checksum a corrupted datagram is dropped by the receiving kernel; without one, which only IPv4 allows, it
    /// arrives and is counted.
    pub with_checksum: bool,
    /// Whether they are sent as able to be marked instead of dropped (ECN, ECT(0)).
    pub ecn: bool,
    /// How long to wait for the first datagram and, after the last one, for late ones: longer than the path's delay.
    pub patience: Duration,
}

impl Default for Probe {
    /// 100 datagrams of 56 bytes, 10 ms apart, with checksums, without ECN, a patience of 1 s.
    fn default() -> Self {
        Self {
            count: 100,
            interval: Duration::from_millis(10),
            payload_bytes: 56,
            with_checksum: true,
            ecn: false,
            patience: Duration::from_secs(1),
        }
    }
}

/// What becomes of datagrams that `from` sends to `to`.
///
/// A delay is the time from just before the call that sends a datagram to when the kernel received it. A greeting before the
/// first has the neighbour resolved.
///
/// # Errors
/// A socket could not be opened or used (root is needed), the addresses are of two families, or `request` makes no sense.
/// That nothing arrives is none.
pub fn probe(from: &Place, to: &Place, request: Probe) -> Result<Probes, Error> {
    let options = Options {
        patience: request.patience,
        payload_bytes: request.payload_bytes.into(),
        per_message: 1,
        class: if request.ecn { ECT_0 } else { 0 },
        with_checksum: request.with_checksum,
    };
    let path = Path::open(from, to, &options)?;
    let seen = Seen { arrivals: Vec::new(), is_seen: vec![false; request.count as usize], different: 0 };
    let (sent_ns, seen) = path.run(seen, |sending| send(sending, request), Seen::take)?;
    let sent_at = |sequence: u32| sent_ns.get(sequence as usize).copied();
    let arrivals = seen.arrivals.iter();
    let arrivals = arrivals.filter_map(|arrival| Some(Arrival { sent_ns: sent_at(arrival.sequence)?, ..*arrival }));
    Ok(Probes { sent: request.count, arrivals: arrivals.collect(), dropped_by_receiver: path.dropped(), sent_ns })
}

/// Sends all of them and returns when.
fn send(sending: &mut Sending<'_>, request: Probe) -> Result<Vec<u64>, Error> {
    let mut sent_ns = Vec::new();
    let interval = clock::nanoseconds(request.interval);
    let mut due = clock::steady_ns();
    for _ in 0..request.count {
        clock::sleep_until(due);
        sent_ns.push(clock::wall_ns());
        sending.datagrams(1)?;
        due = due.saturating_add(interval);
    }
    Ok(sent_ns)
}

struct Seen {
    arrivals: Vec<Arrival>,
    is_seen: Vec<bool>,
    different: u64,
}

impl Seen {
    /// Notes an arrival and returns how many different ones there were.
    fn take(&mut self, sequence: u32, payload: &[u8], control: Control) -> u64 {
        self.arrivals.push(Arrival {
            sequence,
            sent_ns: 0,
            received_ns: control.arrival_ns,
            is_corrupted: payload::is_corrupted(payload),
            is_marked: control.class & CE == CE,
        });
        let is_seen = self.is_seen.get_mut(sequence as usize);
        self.different += u64::from(is_seen.is_some_and(|is_seen| !std::mem::replace(is_seen, true)));
        self.different
    }
}
