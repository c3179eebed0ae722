//! tbf: rate (`net/sched/sch_tbf.c`).

use crate::attributes::{append, read_u32, read_u64, value_of};

const TCA_TBF_PARMS: u16 = 1;
const TCA_TBF_RATE64: u16 = 4;
const TCA_TBF_BURST: u16 = 6;

/// `struct tc_ratespec` begins a `struct tc_tbf_qopt`; its rate is at this offset.
const RATE_OFFSET: usize = 8;
const LIMIT_OFFSET: usize = 24;
const BUFFER_OFFSET: usize = 28;
const QOPT_BYTES: usize = 36;

/// `TC_LINKLAYER_ETHERNET`: without it the kernel asks for a rate table of 256 entries and guesses from it.
const LINKLAYER_ETHERNET: u8 = 1;

/// One tick of the packet scheduler in nanoseconds (`PSCHED_SHIFT` is 6).
const TICK_NS: u64 = 64;

/// `tc qdisc … tbf rate BYTES/S burst BYTES limit BYTES`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tbf {
    /// Bytes per second.
    pub rate_bytes_per_s: u64,
    /// Bytes that may leave at once after silence.
    pub burst_bytes: u32,
    /// Bytes that wait at most.
    pub limit_bytes: u32,
}

impl Tbf {
    pub(super) fn options(self) -> Vec<u8> {
        let mut parameters = vec![0; QOPT_BYTES];
        let mut put = |offset: usize, value: [u8; 4]| {
            if let Some(space) = parameters.get_mut(offset..offset + 4) {
                space.copy_from_slice(&value);
            }
        };
        put(0, [0, LINKLAYER_ETHERNET, 0, 0]);
        put(RATE_OFFSET, u32::try_from(self.rate_bytes_per_s).unwrap_or(u32::MAX).to_ne_bytes());
        put(LIMIT_OFFSET, self.limit_bytes.to_ne_bytes());
        put(BUFFER_OFFSET, self.buffer_ticks().to_ne_bytes());

        let mut bytes = Vec::with_capacity(QOPT_BYTES + 28);
        append(&mut bytes, TCA_TBF_PARMS, &parameters);
        if self.rate_bytes_per_s > u64::from(u32::MAX) {
            append(&mut bytes, TCA_TBF_RATE64, &self.rate_bytes_per_s.to_ne_bytes());
        }
        append(&mut bytes, TCA_TBF_BURST, &self.burst_bytes.to_ne_bytes());
        bytes
    }

    /// The burst as the time it takes at the rate, the only form in which the kernel shows it. Rounded up: at 400 Gbit/s, a
    /// frame takes half a tick.
    fn buffer_ticks(self) -> u32 {
        let ns = u128::from(self.burst_bytes) * 1_000_000_000 / u128::from(self.rate_bytes_per_s.max(1));
        u32::try_from(ns.div_ceil(u128::from(TICK_NS))).unwrap_or(u32::MAX)
    }

    /// The kernel shows the burst in ticks of 64 ns; the bytes are exact to one tick.
    pub(super) fn read(options: &[u8]) -> Option<Self> {
        let parameters = value_of(options, TCA_TBF_PARMS)?;
        let rate_bytes_per_s = match value_of(options, TCA_TBF_RATE64) {
            Some(rate) => read_u64(rate)?,
            None => u64::from(read_u32(parameters, RATE_OFFSET)?),
        };
        let ticks = read_u32(parameters, BUFFER_OFFSET)?;
        let burst = u128::from(ticks) * u128::from(TICK_NS) * u128::from(rate_bytes_per_s) / 1_000_000_000;
        Some(Self {
            rate_bytes_per_s,
            burst_bytes: u32::try_from(burst).unwrap_or(u32::MAX),
            limit_bytes: read_u32(parameters, LIMIT_OFFSET)?,
        })
    }

    /// Whether the kernel's `have` is this one, the burst to one tick of the scheduler and the kernel's own rounding.
    #[must_use]
    pub fn is_met_by(self, have: Self) -> bool {
        let tick = self.rate_bytes_per_s.saturating_mul(TICK_NS) / 1_000_000_000 + 2;
        self.rate_bytes_per_s == have.rate_bytes_per_s
            && self.limit_bytes == have.limit_bytes
            && u64::from(self.burst_bytes.abs_diff(have.burst_bytes)) <= 2 * tick
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for rate_bytes_per_s in [1000, 125_000, 12_500_000, 1_250_000_000, 12_500_000_000] {
            let tbf = Tbf { rate_bytes_per_s, burst_bytes: 25_000, limit_bytes: 650_000 };
            let have = Tbf::read(&tbf.options()).unwrap();
            assert!(tbf.is_met_by(have), "{tbf:?} {have:?}");
            assert!(!Tbf { limit_bytes: 1, ..tbf }.is_met_by(have));
            assert!(!Tbf { rate_bytes_per_s: rate_bytes_per_s + 1, ..tbf }.is_met_by(have));
            assert!(!Tbf { burst_bytes: 50_000, ..tbf }.is_met_by(have));
        }
    }

    #[test]
    fn no_cut_panics() {
        let bytes = Tbf { rate_bytes_per_s: 1 << 40, burst_bytes: 1, limit_bytes: 2 }.options();
        for end in 0..bytes.len() {
            let _ = Tbf::read(&bytes[..end]);
        }
    }
}
