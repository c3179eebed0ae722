//! The token bucket that keeps a bandwidth: the kernel's `tbf` queue (net/sched/sch_tbf.c).

use crate::wire::{capped, carried, largest_frame, super_packet};
use crate::{Delay, Rate};

/// What the bucket holds beside a frame: what the rate carries in the time by which the queue may be late. Tokens that find the
/// bucket full are lost, and with them some of the rate. A queue is woken by a high-resolution timer and works in a softirq,
/// which a busy machine puts off by milliseconds.
///
/// More would show: what the bucket holds comes on top of the rate in the first second, which this keeps below 1 %.
const LATE_NANOSECONDS: u64 = 8_000_000;

/// How long a packet may wait for tokens before the queue is full.
const QUEUE_NANOSECONDS: u64 = 50_000_000;

/// The parameters of a tbf queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tbf {
    /// Rate in bytes per second: `TCA_TBF_RATE64`.
    pub rate_bytes_per_s: u64,
    /// Size of the bucket in bytes: `TCA_TBF_BURST`.
    pub burst_bytes: u32,
    /// Bytes that may wait: `tc_tbf_qopt.limit`.
    pub limit_bytes: u32,
}

impl Tbf {
    /// The queue for `rate` on a device with `mtu` (bytes), whose packets are also delayed by `delay` on this side.
    ///
    /// The bucket is the `burst` that was asked (bytes). Otherwise it holds a frame and what the rate carries in 8 ms. A line
    /// with a bucket of one frame is a wire, on which a frame takes its time; this one may be ahead of the wire by 8 ms.
    /// A super-packet that does not fit, of 64 KiB below 70 Mbit/s, is cut into frames (`tbf_segment`).
    ///
    /// The queue beside it holds what the rate carries in 50 ms and `delay`. A TCP connection (CUBIC, RFC 9438) goes back to 0.7
    /// of its window when the queue overflows; that still fills the line if the queue holds 0.43 of what is on its way, which is
    /// so up to a round trip of 116 ms and 2.3 times `delay`. At least one super-packet or IP datagram of 64 KiB may wait, or
    /// none could ever pass. The limit is capped at 2 GiB.
    pub fn new(rate: Rate, delay: Delay, burst: Option<u32>, mtu: u32) -> Self {
        let bytes_per_s = rate.bytes_per_second();
        let burst = burst.unwrap_or_else(|| capped(computed_burst(bytes_per_s, mtu)));
        let waiting = carried(bytes_per_s, QUEUE_NANOSECONDS.saturating_add(delay.nanoseconds()));
        let limit = u64::from(burst).saturating_add(waiting.max(super_packet(mtu)));
        Self { rate_bytes_per_s: bytes_per_s, burst_bytes: burst, limit_bytes: capped(limit) }
    }
}

fn computed_burst(bytes_per_s: u64, mtu: u32) -> u64 {
    largest_frame(mtu).saturating_add(carried(bytes_per_s, LATE_NANOSECONDS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tbf(mbps: u64, delay_ms: u64) -> Tbf {
        let rate = Rate::from_bits_per_second(mbps * 1_000_000).unwrap();
        Tbf::new(rate, Delay::from_nanoseconds(delay_ms * 1_000_000).unwrap(), None, 1500)
    }

    #[test]
    fn the_bucket_is_a_frame_and_8_ms_of_the_rate() {
        assert_eq!(tbf(1, 0).rate_bytes_per_s, 125_000);
        assert_eq!(tbf(1, 0).burst_bytes, 1_522 + 1_000);
        assert_eq!(tbf(100, 10).burst_bytes, 1_522 + 100_000);
        assert_eq!(tbf(10_000, 0).burst_bytes, 1_522 + 10_000_000);
    }

    #[test]
    fn what_waits_is_50_ms_and_the_delay_or_a_super_packet() {
        assert_eq!(tbf(100, 10).limit_bytes, tbf(100, 10).burst_bytes + 12_500_000 * 60 / 1000);
        // 64 KiB in 47 segments of 1400 bytes, each with 122 bytes of headers.
        assert_eq!(tbf(1, 0).limit_bytes, tbf(1, 0).burst_bytes + 65_536 + 47 * 122);
    }
}
