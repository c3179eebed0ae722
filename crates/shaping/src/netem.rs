//! How many packets the kernel's `netem` queue must hold (net/sched/sch_netem.c).

use crate::wire::{SMALLEST_FRAME, capped, carried, largest_frame};
use crate::{Delay, Tbf};

/// Without a bandwidth the line is sized for that of a fast interface; a slower one only leaves it emptier.
const UNLIMITED_BYTES_PER_S: u64 = 10_000_000_000 / 8;

/// Packets at least without a bandwidth. The kernel's default of 1000 loses a third of 24 Mbit/s at 600 ms.
const LEAST_UNLIMITED: u64 = 100_000;

/// Packets at least with a bandwidth: the kernel's default, for bursts over short delays.
const LEAST_LIMITED: u64 = 1_000;

/// The packets that netem holds at most (`tc_netem_qopt.limit`) for `delay` on a device with `mtu` (bytes), above `below` if
/// there is a rate.
///
/// netem counts packets and not bytes, so a line that is just long enough for large packets loses small ones. With a
/// bandwidth it takes twice what the bandwidth carries during the delay in the smallest frames, so TCP may overshoot;
/// and what may wait in the tbf below, because kernels before December 2024 and from spring 2026 on count that too.
/// Without a bandwidth it takes twice what 10 Gbit/s carry in frames of the MTU, and 100000 packets at least. The
/// limit reserves nothing: memory is used by packets that are there. It is capped at 2^31 - 1.
#[must_use]
pub fn netem_limit(delay: Delay, below: Option<Tbf>, mtu: u32) -> u32 {
    capped(match below {
        Some(tbf) => {
            let line = carried(tbf.rate_bytes_per_s, delay.nanoseconds()).saturating_mul(2);
            line.saturating_add(tbf.limit_bytes.into()).div_ceil(SMALLEST_FRAME).max(LEAST_LIMITED)
        }
        None => {
            let line = carried(UNLIMITED_BYTES_PER_S, delay.nanoseconds()).saturating_mul(2);
            line.div_ceil(largest_frame(mtu)).max(LEAST_UNLIMITED)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rate;

    fn ms(ms: u64) -> Delay {
        Delay::from_nanoseconds(ms * 1_000_000).unwrap()
    }

    fn tbf(bit_s: u64, delay_ms: u64, burst_bytes: Option<u32>) -> Tbf {
        Tbf::new(Rate::from_bits_per_second(bit_s).unwrap(), ms(delay_ms), burst_bytes, 1500)
    }

    #[test]
    fn without_a_bandwidth_100000_packets_at_least() {
        assert_eq!(netem_limit(ms(1), None, 1500), 100_000);
        // 10 Gbit/s in frames of 1522 bytes.
        assert_eq!(netem_limit(ms(600), None, 1500), 985_546);
    }

    #[test]
    fn with_a_bandwidth_small_frames_fit_too() {
        let limit = netem_limit(ms(600), Some(tbf(24_000_000, 600, None)), 1500);
        let small_frames_in_flight = 24_000_000 / 8 * 600 / 1000 / 60;
        assert!(limit >= 2 * small_frames_in_flight, "{limit}");
        // Twice 125000 bytes on their way, and a tbf's 851522, in frames of 60.
        assert_eq!(netem_limit(ms(10), Some(tbf(100_000_000, 10, None)), 1500), 18_359);
        // And what may pass at once after silence.
        assert_eq!(netem_limit(ms(10), Some(tbf(100_000_000, 10, Some(1_000_000))), 1500), 33_334);
    }
}
