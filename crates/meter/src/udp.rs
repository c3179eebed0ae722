//! The rate of a stream of datagrams.

use std::time::Duration;

use crate::arrivals::{Options, Path};
use crate::batch::BATCH;
use crate::slices::Slices;
use crate::throughput::{ethernet_and_ip, slice_count};
use crate::{Datagrams, Error, Place, Throughput, clock};

pub(crate) const UDP_HEADER_BYTES: u32 = 8;

/// Datagrams that fall into so much time are sent in one call.
const TURN_NS: u128 = 500_000;

/// A sender that is later than this goes on from now, instead of sending all that it has missed at once.
const LATE_NS: u64 = 10_000_000;

/// A stream of datagrams of one size at a constant rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Udp {
    /// The payload of each, 16 to 65507 bytes. What does not fit into the MTU is an error.
    pub payload_bytes: u16,
    /// How many datagrams pass through the path as one packet where its devices and queues can do so (UDP GSO): 1 to 64, and at
    /// most 65507 bytes. 1 is what most programs send; more takes a fraction of the processor's time, but a queue that
    /// delays, loses or drops then does so with all of them at once.
    pub per_packet: u8,
    /// The rate at layer 2, in bits per second.
    pub layer2_bit_s: u64,
    /// How long to send.
    pub duration: Duration,
    /// The length of the slices in which arrivals are counted.
    pub slice: Duration,
    /// How long to wait for the first datagram and, after the last one, for late ones: longer than the path's delay.
    pub patience: Duration,
}

impl Default for Udp {
    /// 1472 bytes, which fill an Ethernet frame over IPv4, each a packet, 10 Mbit/s, 2 s in slices of 100 ms, a patience of 1 s.
    fn default() -> Self {
        Self {
            payload_bytes: 1472,
            per_packet: 1,
            layer2_bit_s: 10_000_000,
            duration: Duration::from_secs(2),
            slice: Duration::from_millis(100),
            patience: Duration::from_secs(1),
        }
    }
}

/// What arrives at `to` of a stream of datagrams that `from` sends.
///
/// The slices begin with the first arrival, by the kernel's time of arrival. A greeting before it has the neighbour resolved.
/// The sender sends what falls into half a millisecond at once, and at most 64 datagrams.
///
/// # Errors
/// A socket could not be opened or used (root is needed), the addresses are of two families, or `request` makes no sense.
/// That nothing arrives is none.
pub fn udp(from: &Place, to: &Place, request: Udp) -> Result<Throughput, Error> {
    let Some(count) = slice_count(request.duration, request.slice).filter(|_| request.layer2_bit_s > 0) else {
        return Err(Error::Request("a stream needs a rate above 0 and a duration of at least one slice"));
    };
    let options = Options {
        patience: request.patience,
        payload_bytes: request.payload_bytes.into(),
        per_message: request.per_packet.into(),
        class: 0,
        with_checksum: true,
    };
    let path = Path::open(from, to, &options)?;
    let headers = ethernet_and_ip(to.address().is_ipv4()) + UDP_HEADER_BYTES;
    let schedule = Schedule::new(request, headers);
    let count = Count { slices: Slices::new(count, clock::nanoseconds(request.slice)), ..Count::default() };
    let (sent, arrived) = path.run(
        count,
        |sending| {
            let time = schedule.send(|count| sending.datagrams(count))?;
            Ok(Sent { count: sending.count().into(), time })
        },
        Count::take,
    )?;
    Ok(Throughput {
        slice: request.slice,
        payload_bytes: arrived.slices.total(),
        slices: arrived.slices.into_counts(),
        packet_payload_bytes: request.payload_bytes.into(),
        packet_header_bytes: headers,
        retransmits: 0,
        tcp_waits: None,
        datagrams: Some(Datagrams {
            sent: sent.count,
            sending: sent.time,
            received: arrived.received,
            duplicated: arrived.duplicated,
            reordered: arrived.reordered,
            dropped_by_receiver: path.dropped(),
        }),
    })
}

/// When the sender sends how many.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    per_turn: usize,
    /// Nanoseconds times the rate: the bits of a turn, times 10^9.
    turn: u128,
    bit_s: u128,
    duration_ns: u64,
}

#[derive(Default)]
struct Sent {
    count: u64,
    time: Duration,
}

impl Schedule {
    pub(crate) fn new(request: Udp, header_bytes: u32) -> Self {
        let bits = u128::from((u32::from(request.payload_bytes) + header_bytes) * 8);
        let bit_s = u128::from(request.layer2_bit_s);
        let in_a_turn = bit_s * TURN_NS / (bits * 1_000_000_000);
        let per_packet = usize::from(request.per_packet).clamp(1, BATCH);
        let packets = usize::try_from(in_a_turn).unwrap_or(BATCH).min(BATCH) / per_packet;
        let per_turn = packets.max(1) * per_packet;
        let turn = bits * per_turn as u128 * 1_000_000_000;
        Self { per_turn, turn, bit_s, duration_ns: clock::nanoseconds(request.duration) }
    }

    /// When turn `n` is due, in nanoseconds after the first.
    fn due(&self, n: u64) -> u64 {
        u64::try_from(u128::from(n).saturating_mul(self.turn) / self.bit_s).unwrap_or(u64::MAX)
    }

    /// Has `datagrams` send as many as are due, again and again; returns the time until the end of the last one's turn.
    pub(crate) fn send(&self, mut datagrams: impl FnMut(usize) -> Result<(), Error>) -> Result<Duration, Error> {
        let begin = clock::steady_ns();
        let (mut start, mut turn, mut now) = (begin, 0, begin);
        loop {
            let due = start.saturating_add(self.due(turn));
            if due.saturating_sub(begin) >= self.duration_ns || now.saturating_sub(begin) >= self.duration_ns {
                break;
            }
            clock::sleep_until(due);
            now = clock::steady_ns();
            let late = now.saturating_sub(due);
            if late > LATE_NS {
                start = start.saturating_add(late);
            }
            datagrams(self.per_turn)?;
            turn += 1;
        }
        Ok(Duration::from_nanos(start.saturating_add(self.due(turn)).max(now).saturating_sub(begin)))
    }
}

/// What has arrived.
struct Count {
    slices: Slices,
    /// A bit for each number.
    seen: Vec<u64>,
    next: u32,
    received: u64,
    duplicated: u64,
    reordered: u64,
}

impl Default for Count {
    fn default() -> Self {
        Self { slices: Slices::new(0, 1), seen: Vec::new(), next: 0, received: 0, duplicated: 0, reordered: 0 }
    }
}

impl Count {
    /// Counts a datagram and returns how many different ones there were.
    fn take(&mut self, sequence: u32, payload: &[u8], control: crate::control::Control) -> u64 {
        self.slices.arrive(control.arrival_ns, payload.len() as u64);
        let (word, bit) = (sequence as usize / 64, 1 << (sequence % 64));
        if word >= self.seen.len() {
            self.seen.resize(word + 1, 0);
        }
        match self.seen.get_mut(word) {
            Some(seen) if *seen & bit == 0 => {
                *seen |= bit;
                self.received += 1;
                self.reordered += u64::from(sequence < self.next);
                self.next = self.next.max(sequence.saturating_add(1));
            }
            _ => self.duplicated += 1,
        }
        self.received
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::Control;

    #[test]
    fn a_turn_has_what_falls_into_half_a_millisecond() {
        let schedule = |layer2_bit_s| Schedule::new(Udp { layer2_bit_s, ..Udp::default() }, 42);
        let slow = schedule(1_000_000);
        assert_eq!((slow.per_turn, slow.due(1), slow.due(1000)), (1, 12_112_000, 12_112_000_000));
        let fast = schedule(1_000_000_000);
        assert_eq!((fast.per_turn, fast.due(1)), (41, 496_592));
        assert_eq!(schedule(u64::MAX).per_turn, BATCH);
        assert_eq!(schedule(1).due(u64::MAX), u64::MAX);
    }

    #[test]
    fn arrivals_are_told_apart() {
        let mut count = Count::default();
        for sequence in [0, 2, 1, 2, 70, 3] {
            count.take(sequence, &[0; 20], Control::default());
        }
        assert_eq!((count.received, count.duplicated, count.reordered), (5, 1, 2));
        assert_eq!(count.slices.total(), 120);
    }
}
