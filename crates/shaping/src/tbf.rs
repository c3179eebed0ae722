//! The token bucket that keeps a bandwidth: the kernel's `tbf` queue (net/sched/sch_tbf.c).

use crate::wire::{capped, carried, largest_frame, super_packet};
use crate::{Delay, Rate};

/// The bucket holds what the rate carries in this time. Queues are woken by high-resolution timers, so this does not
/// depend on the kernel's tick; it bridges the time that a busy CPU takes to come back to the queue, without which the
/// rate is missed at the high end.
const BURST_NANOSECONDS: u64 = 2_000_000;

/// Up to this time the bucket is enlarged to hold a whole super-packet. One that does not fit is cut into frames, which
/// costs CPU, and on kernels before December 2024 makes a netem above count wrongly until it takes no more packets.
/// Beyond this time the limit itself would show: at 1 Mbit/s, 64 KiB are half a second.
const SUPER_PACKET_NANOSECONDS: u64 = 50_000_000;

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
    /// The bucket is the `burst` that was asked (bytes). Otherwise it is what the rate carries in 2 ms, at least two frames, and at least a super-packet as long as that is
    /// no more than 50 ms of the rate. What may wait beside it is 50 ms and the delay at the rate: TCP over a delayed
    /// path needs a queue of the order of the path's own content to keep it full. At least one super-packet or IP
    /// datagram of 64 KiB may wait, or none could ever pass. The limit is capped at 2 GiB.
    pub fn new(rate: Rate, delay: Delay, burst: Option<u32>, mtu: u32) -> Self {
        let bytes_per_s = rate.bytes_per_second();
        let burst = burst.unwrap_or_else(|| capped(computed_burst(bytes_per_s, mtu)));
        let waiting = carried(bytes_per_s, QUEUE_NANOSECONDS.saturating_add(delay.nanoseconds()));
        let limit = u64::from(burst).saturating_add(waiting.max(super_packet(mtu)));
        Self { rate_bytes_per_s: bytes_per_s, burst_bytes: burst, limit_bytes: capped(limit) }
    }
}

fn computed_burst(bytes_per_s: u64, mtu: u32) -> u64 {
    let whole_super_packet = super_packet(mtu).min(carried(bytes_per_s, SUPER_PACKET_NANOSECONDS));
    carried(bytes_per_s, BURST_NANOSECONDS).max(2 * largest_frame(mtu)).max(whole_super_packet)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tbf(mbps: u64, delay_ms: u64) -> Tbf {
        let rate = Rate::from_bits_per_second(mbps * 1_000_000).unwrap();
        Tbf::new(rate, Delay::from_nanoseconds(delay_ms * 1_000_000).unwrap(), None, 1500)
    }

    #[test]
    fn at_1_mbps_the_bucket_is_50_ms_of_the_rate() {
        let tbf = tbf(1, 0);
        assert_eq!(tbf.rate_bytes_per_s, 125_000);
        assert_eq!(tbf.burst_bytes, 6_250);
    }

    #[test]
    fn at_100_mbps_the_bucket_holds_a_super_packet() {
        let tbf = tbf(100, 10);
        // 64 KiB in 47 segments of 1400 bytes, each with 118 bytes of headers.
        assert_eq!(tbf.burst_bytes, 65_536 + 47 * 118);
        assert_eq!(tbf.limit_bytes, tbf.burst_bytes + 12_500_000 * 60 / 1000);
    }

    #[test]
    fn at_10_gbps_the_bucket_is_2_ms_of_the_rate() {
        assert_eq!(tbf(10_000, 0).burst_bytes, 2_500_000);
    }
}
