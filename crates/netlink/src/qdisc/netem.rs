//! netem: delay (`net/sched/sch_netem.c`).

use crate::attributes::{append, read_u32, read_u64, value_of};

/// `TCA_NETEM_LATENCY64` in `pkt_sched.h`: the delay in nanoseconds, signed.
const TCA_NETEM_LATENCY64: u16 = 10;

/// The length of `struct tc_netem_qopt`: latency, limit, loss, gap, duplicate, jitter.
const QOPT_BYTES: usize = 24;

/// `tc qdisc … netem delay NANOSECONDS limit PACKETS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Netem {
    /// How long each packet is held, in nanoseconds.
    pub delay_ns: u64,
    /// How many packets are held at most.
    pub limit_packets: u32,
}

impl Netem {
    pub(super) fn options(self) -> Vec<u8> {
        let mut bytes = vec![0; 4]; // latency in ticks, superseded by the 64-bit attribute
        bytes.extend(self.limit_packets.to_ne_bytes());
        bytes.resize(QOPT_BYTES, 0);
        append(&mut bytes, TCA_NETEM_LATENCY64, &self.delay_ns.to_ne_bytes());
        bytes
    }

    pub(super) fn read(options: &[u8]) -> Option<Self> {
        let attributes = options.get(QOPT_BYTES..)?;
        Some(Self {
            delay_ns: read_u64(value_of(attributes, TCA_NETEM_LATENCY64)?)?,
            limit_packets: read_u32(options, 4)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for netem in [
            Netem { delay_ns: 1, limit_packets: 1 },
            Netem { delay_ns: 10_000_000, limit_packets: 1000 },
            Netem { delay_ns: 60_000_000_000, limit_packets: u32::MAX },
        ] {
            assert_eq!(Netem::read(&netem.options()), Some(netem));
        }
    }

    #[test]
    fn no_cut_panics() {
        let bytes = Netem { delay_ns: 5, limit_packets: 6 }.options();
        assert!((0..bytes.len()).all(|end| Netem::read(&bytes[..end]).is_none()));
    }
}
