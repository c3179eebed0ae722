//! The delay line: the kernel's `netem` queue (net/sched/sch_netem.c).

use crate::wire::{SMALLEST_FRAME, TICK_NANOSECONDS, capped, carried, largest_frame};
use crate::{Delay, Rate, Tbf};

/// Without a bandwidth the line is sized for that of a fast interface; a slower one only leaves it emptier.
const UNLIMITED_BYTES_PER_S: u64 = 10_000_000_000 / 8;

/// Packets at least without a bandwidth. The kernel's default of 1000 loses a third of 24 Mbit/s at 600 ms.
const LEAST_UNLIMITED: u64 = 100_000;

/// Packets at least with a bandwidth: the kernel's default, for bursts over short delays.
const LEAST_LIMITED: u64 = 1_000;

/// The parameters of a netem queue that delays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Netem {
    /// Latency in nanoseconds: `TCA_NETEM_LATENCY64`, which is signed.
    pub delay_ns: i64,
    /// Packets that it holds: `tc_netem_qopt.limit`.
    pub limit_packets: u32,
}

impl Netem {
    /// The queue for `delay` on a device with `mtu` (bytes), above a tbf for `bw` if there is one.
    ///
    /// netem counts packets and not bytes, so a line that is just long enough for large packets loses small ones. With a
    /// bandwidth it takes twice what the bandwidth carries during the delay in the smallest frames, so TCP may overshoot;
    /// and what waits in the tbf below, because kernels before December 2024 and from spring 2026 on count that too.
    /// Without a bandwidth it takes twice what 10 Gbit/s carry in frames of the MTU, and 100000 packets at least. The
    /// limit reserves nothing: memory is used by packets that are there. It is capped at 2^31 - 1.
    pub fn new(delay: Delay, bw: Option<Rate>, mtu: u32) -> Self {
        let limit = match bw {
            Some(bw) => {
                let line = carried(bw.bytes_per_second(), delay.nanoseconds()).saturating_mul(2);
                let waiting = u64::from(Tbf::new(bw, delay, mtu).limit_bytes);
                line.saturating_add(waiting).div_ceil(SMALLEST_FRAME).max(LEAST_LIMITED)
            }
            None => {
                let line = carried(UNLIMITED_BYTES_PER_S, delay.nanoseconds()).saturating_mul(2);
                line.div_ceil(largest_frame(mtu)).max(LEAST_UNLIMITED)
            }
        };
        // A delay is made of at most so many nanoseconds.
        Self { delay_ns: i64::try_from(delay.nanoseconds()).unwrap_or(i64::MAX), limit_packets: capped(limit) }
    }

    /// The latency as the old 32-bit field `tc_netem_qopt.latency` holds it: in psched ticks, all ones when it does not
    /// fit (275 s). The kernel reads it only without `TCA_NETEM_LATENCY64`, and reports it.
    pub fn latency_ticks(&self) -> u32 {
        u32::try_from(self.delay_ns.unsigned_abs() / TICK_NANOSECONDS).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Delay {
        Delay::from_nanoseconds(ms * 1_000_000).unwrap()
    }

    #[test]
    fn without_a_bandwidth_100000_packets_at_least() {
        assert_eq!(Netem::new(ms(1), None, 1500).limit_packets, 100_000);
        // 10 Gbit/s in frames of 1518 bytes.
        assert_eq!(Netem::new(ms(600), None, 1500).limit_packets, 988_143);
    }

    #[test]
    fn with_a_bandwidth_small_frames_fit_too() {
        let netem = Netem::new(ms(600), Rate::from_bits_per_second(24_000_000), 1500);
        let small_frames_in_flight = 24_000_000 / 8 * 600 / 1000 / 60;
        assert!(netem.limit_packets >= 2 * small_frames_in_flight, "{netem:?}");
    }

    #[test]
    fn the_delay_is_exactly_what_was_asked() {
        assert_eq!(Netem::new(ms(10), None, 1500).delay_ns, 10_000_000);
        assert_eq!(Netem::new(ms(10), None, 1500).latency_ticks(), 156_250);
        assert_eq!(Netem::new(Delay::MAX, None, 1500).latency_ticks(), u32::MAX);
    }
}
