//! What a path carried in a time.

use std::time::Duration;

const ETHERNET_BYTES: u32 = 14;

/// What arrived, in slices of time from the first arrival on.
#[derive(Debug, Clone, PartialEq)]
pub struct Throughput {
    /// The length of a slice.
    pub slice: Duration,
    /// The payload bytes that arrived in each slice, an arrival's spread over the time since the arrival before. The first
    /// arrival begins the first slice and counts in none. TCP's segments count when they arrive, in their order or not, and
    /// again when they arrive again.
    pub slices: Vec<f64>,
    /// All payload bytes that arrived, the first and late ones too; TCP's once each.
    pub payload_bytes: u64,
    /// The payload of a full packet: of a TCP segment, or of the datagrams.
    pub packet_payload_bytes: u32,
    /// What a packet has before its payload at layer 2: Ethernet (14), IPv4 (20) or IPv6 (40), TCP (20, and 12 for
    /// timestamps) or UDP (8).
    pub packet_header_bytes: u32,
    /// Segments that TCP sent again; 0 for UDP.
    pub retransmits: u64,
    /// What TCP waited for; `None` for UDP.
    pub tcp_waits: Option<TcpWaits>,
    /// What became of datagrams; `None` for TCP.
    pub datagrams: Option<Datagrams>,
}

/// What TCP senders waited for, all connections together, as the kernel counts it (`tcp_chrono_start` in
/// `net/ipv4/tcp_output.c`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TcpWaits {
    /// The time in which there was something to send or to be acknowledged.
    pub busy: Duration,
    /// Of that, the time in which the receiver's window was full.
    pub for_receiver: Duration,
    /// Of that, the time in which the sender's own buffer was full.
    pub for_send_buffer: Duration,
}

impl TcpWaits {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            busy: self.busy.saturating_add(other.busy),
            for_receiver: self.for_receiver.saturating_add(other.for_receiver),
            for_send_buffer: self.for_send_buffer.saturating_add(other.for_send_buffer),
        }
    }
}

/// What became of the datagrams of a [`Throughput`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagrams {
    /// Sent, over so much time.
    pub sent: u64,
    /// The time from the first to the end of the last one's turn.
    pub sending: Duration,
    /// Different ones that arrived.
    pub received: u64,
    /// Arrivals of ones that had arrived already.
    pub duplicated: u64,
    /// Arrivals after one with a greater number (RFC 4737).
    pub reordered: u64,
    /// Dropped by the receiver's own socket, not by the path. A figure other than 0 says that this machine is too slow for
    /// the measurement.
    pub dropped_by_receiver: u64,
}

impl Throughput {
    /// Bytes at layer 2 of all that took the path: what arrived, what TCP sent again, and what the receiver's own socket dropped.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "52 bits of bytes are petabytes")]
    pub fn layer2_bytes(&self) -> f64 {
        let uncounted = self.retransmits.saturating_add(self.datagrams.map_or(0, |all| all.dropped_by_receiver));
        let payload = self.payload_bytes as f64 + uncounted as f64 * f64::from(self.packet_payload_bytes);
        payload * self.layer2_factor()
    }

    /// Bits per second at layer 2 over all slices; 0 when nothing arrived.
    #[must_use]
    pub fn layer2_bit_s(&self) -> f64 {
        self.payload_bit_s() * self.layer2_factor()
    }

    /// Bits per second at layer 2 from `skip` after the first arrival on: past a burst, past TCP's slow start. NaN when
    /// nothing is left.
    #[must_use]
    pub fn layer2_bit_s_after(&self, skip: Duration) -> f64 {
        let skipped = usize::try_from(skip.as_nanos().div_ceil(self.slice.as_nanos().max(1))).unwrap_or(usize::MAX);
        let rest = self.slices.get(skipped..).unwrap_or_default();
        self.bit_s(rest) * self.layer2_factor()
    }

    /// Bits per second at layer 2 in each slice.
    #[must_use]
    pub fn layer2_bit_s_by_slice(&self) -> Vec<f64> {
        self.in_groups(1)
    }

    /// Bits per second at layer 2 in each whole second from the first arrival on (in groups of slices, where slices do not
    /// divide a second).
    #[must_use]
    pub fn layer2_bit_s_by_second(&self) -> Vec<f64> {
        let per_second = 1_000_000_000 / self.slice.as_nanos().max(1);
        self.in_groups(usize::try_from(per_second).unwrap_or(usize::MAX).max(1))
    }

    /// Bits per second of payload over all slices; 0 when nothing arrived.
    #[must_use]
    pub fn payload_bit_s(&self) -> f64 {
        if self.slices.is_empty() { 0.0 } else { self.bit_s(&self.slices) }
    }

    /// Bits per second at layer 2 that the sender of datagrams offered; `None` for TCP.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "52 bits of datagrams are more than there are")]
    pub fn offered_layer2_bit_s(&self) -> Option<f64> {
        let datagrams = self.datagrams?;
        let bytes = datagrams.sent as f64 * f64::from(self.packet_payload_bytes) * self.layer2_factor();
        Some(bytes * 8.0 / datagrams.sending.as_secs_f64())
    }

    fn in_groups(&self, slices: usize) -> Vec<f64> {
        self.slices.chunks_exact(slices).map(|group| self.bit_s(group) * self.layer2_factor()).collect()
    }

    #[expect(clippy::cast_precision_loss, reason = "there are few slices")]
    fn bit_s(&self, slices: &[f64]) -> f64 {
        slices.iter().sum::<f64>() * 8.0 / (slices.len() as f64 * self.slice.as_secs_f64())
    }

    fn layer2_factor(&self) -> f64 {
        if self.packet_payload_bytes == 0 {
            return 1.0;
        }
        1.0 + f64::from(self.packet_header_bytes) / f64::from(self.packet_payload_bytes)
    }
}

impl Datagrams {
    /// Those that were sent and did not arrive.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.sent.saturating_sub(self.received)
    }
}

/// The bytes of Ethernet's and IP's headers.
pub(crate) fn ethernet_and_ip(is_ipv4: bool) -> u32 {
    ETHERNET_BYTES + if is_ipv4 { 20 } else { 40 }
}

/// How many whole slices a duration has.
pub(crate) fn slice_count(duration: Duration, slice: Duration) -> Option<usize> {
    let count = duration.as_nanos().checked_div(slice.as_nanos())?;
    usize::try_from(count).ok().filter(|count| (1..=10_000_000).contains(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn throughput(slices: &[f64]) -> Throughput {
        Throughput {
            slice: Duration::from_millis(500),
            slices: slices.to_vec(),
            payload_bytes: 0,
            packet_payload_bytes: 1448,
            packet_header_bytes: 66,
            retransmits: 0,
            tcp_waits: None,
            datagrams: None,
        }
    }

    #[test]
    fn payload_becomes_frames() {
        let measured = throughput(&[14_480.0, 28_960.0, 14_480.0]);
        assert_eq!(measured.layer2_bit_s_by_slice(), [15_140.0 * 16.0, 30_280.0 * 16.0, 15_140.0 * 16.0]);
        assert_eq!(measured.layer2_bit_s_by_second(), [45_420.0 * 8.0]);
        assert!((measured.layer2_bit_s() - 60_560.0 * 8.0 / 1.5).abs() < 1e-6);
        assert!((measured.layer2_bit_s_after(Duration::from_millis(501)) - 15_140.0 * 16.0).abs() < 1e-6);
        assert!(measured.layer2_bit_s_after(Duration::from_secs(2)).is_nan());
        assert_eq!(throughput(&[]).layer2_bit_s(), 0.0);
        let with_repeated = Throughput { payload_bytes: 14_480, retransmits: 2, ..measured };
        assert_eq!(with_repeated.layer2_bytes(), 12.0 * 1514.0);
    }

    #[test]
    fn a_duration_has_whole_slices() {
        let ms = Duration::from_millis;
        assert_eq!(slice_count(ms(1050), ms(100)), Some(10));
        assert_eq!(slice_count(ms(50), ms(100)), None);
        assert_eq!(slice_count(ms(50), ms(0)), None);
    }
}
