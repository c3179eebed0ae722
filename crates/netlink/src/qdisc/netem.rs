//! netem: delay, loss, duplication, corruption and reordering (`net/sched/sch_netem.c`, `include/uapi/linux/pkt_sched.h`).

use crate::attributes::{append, read_u32, read_u64, value_of};

const TCA_NETEM_CORR: u16 = 1;
const TCA_NETEM_DELAY_DIST: u16 = 2;
const TCA_NETEM_REORDER: u16 = 3;
const TCA_NETEM_CORRUPT: u16 = 4;
const TCA_NETEM_LOSS: u16 = 5;
const TCA_NETEM_RATE: u16 = 6;
const TCA_NETEM_ECN: u16 = 7;
const TCA_NETEM_RATE64: u16 = 8;
/// The delay in nanoseconds, signed.
const TCA_NETEM_LATENCY64: u16 = 10;
const TCA_NETEM_JITTER64: u16 = 11;
const TCA_NETEM_SLOT: u16 = 12;
const TCA_NETEM_PRNG_SEED: u16 = 14;

/// Below [`TCA_NETEM_LOSS`].
const NETEM_LOSS_GI: u16 = 1;
const NETEM_LOSS_GE: u16 = 2;

/// The length of `struct tc_netem_qopt`: latency, limit, loss, gap, duplicate, jitter.
const QOPT_BYTES: usize = 24;
const LIMIT_OFFSET: usize = 4;
const LOSS_OFFSET: usize = 8;
const GAP_OFFSET: usize = 12;
const DUPLICATE_OFFSET: usize = 16;

/// The length of `struct tc_netem_rate`.
const RATE_BYTES: usize = 16;

/// The units of a table in one jitter (`NETEM_DIST_SCALE`). The largest table has twice as many entries.
const TABLE_SCALE: i16 = 8192;

/// A chance for each packet, in steps of 1 / (2^32 - 1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Chance {
    /// 0 is never, 2^32 - 1 is always.
    pub probability: u32,
    /// How much the next outcome depends on the last one.
    pub correlation: u32,
}

/// Which packets are lost. Numbers are probabilities in steps of 1 / (2^32 - 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LossModel {
    /// Each by itself.
    Random(Chance),
    /// A Markov chain of four states (`loss_4state`): gap and burst periods, each with and without loss.
    States {
        /// From a packet received in a gap to one lost in a burst.
        p13: u32,
        /// From lost in a burst to received in a gap.
        p31: u32,
        /// From lost in a burst to received in a burst.
        p32: u32,
        /// From received in a gap to a single one lost in a gap.
        p14: u32,
        /// From received in a burst to lost in a burst.
        p23: u32,
    },
    /// Two states with a chance of loss in each (`loss_gilb_ell`).
    GilbertElliott {
        /// From good to bad.
        p: u32,
        /// From bad to good.
        r: u32,
        /// Not lost while bad.
        h: u32,
        /// Lost while good.
        k1: u32,
    },
}

impl Default for LossModel {
    fn default() -> Self {
        Self::Random(Chance::default())
    }
}

/// Packets leave in slots: held together, and sent at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// The least time between two slots, in nanoseconds.
    pub min_delay_ns: u64,
    /// The most.
    pub max_delay_ns: u64,
    /// Packets in a slot at most; 0 for any number.
    pub max_packets: u32,
    /// Bytes in a slot at most; 0 for any number.
    pub max_bytes: u32,
}

/// `tc qdisc … netem …`. The default lets every packet pass at once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Netem {
    /// The delay of each packet, in nanoseconds.
    pub delay_ns: u64,
    /// The jitter, in nanoseconds.
    pub jitter_ns: u64,
    /// How much a packet's delay depends on that of the one before, in steps of 1 / (2^32 - 1).
    pub delay_correlation: u32,
    /// Deviations in units of 1/8192 of the jitter, of which one is picked for each packet; empty for all alike. The kernel
    /// does not show it.
    pub table: Vec<i16>,
    /// How many packets are held at most.
    pub limit_packets: u32,
    /// Which packets are lost.
    pub loss: LossModel,
    /// Packets of senders that understand it are marked instead of lost.
    pub ecn: bool,
    /// Duplicated packets.
    pub duplicate: Chance,
    /// Corrupted packets, of which one bit is flipped.
    pub corrupt: Chance,
    /// Reordered packets: sent without the delay, so that they overtake.
    pub reorder: Chance,
    /// One in so many packets may be reordered; 0 without reordering.
    pub gap: u32,
    /// Slots, if any.
    pub slot: Option<Slot>,
    /// The seed of the random numbers, for repeatable runs; otherwise random.
    pub seed: Option<u64>,
    /// A rate of netem's own, in bytes per second; 0 for none. Only read: tbf keeps rates better, and CHECK must see it.
    pub rate_bytes_per_s: u64,
}

impl Netem {
    /// The options for a new queue. The kernel takes what is not given for none.
    pub(super) fn options(&self) -> Vec<u8> {
        self.written(Extent::Given, &self.table)
    }

    /// The options for a queue that is there. What is not given would stay as it is (`netem_change`), so everything is
    /// given. A table cannot be taken away, but one of equal steps does what no table does.
    pub(super) fn change_options(&self) -> Vec<u8> {
        if self.table.is_empty() && self.jitter_ns != 0 {
            let uniform: Vec<i16> = (-TABLE_SCALE..TABLE_SCALE).collect();
            return self.written(Extent::All, &uniform);
        }
        self.written(Extent::All, &self.table)
    }

    /// The same with the table that the queue has.
    pub(super) fn change_options_without_table(&self) -> Vec<u8> {
        self.written(Extent::All, &[])
    }

    fn written(&self, extent: Extent, table: &[i16]) -> Vec<u8> {
        let is_all = extent == Extent::All;
        let (loss, loss_correlation) = match self.loss {
            LossModel::Random(chance) => (chance.probability, chance.correlation),
            LossModel::States { .. } | LossModel::GilbertElliott { .. } => (0, 0),
        };
        // Latency and jitter in ticks are superseded by the 64-bit attributes.
        let mut bytes = words(&[0, self.limit_packets, loss, self.gap, self.duplicate.probability, 0]);
        let correlations = [self.delay_correlation, loss_correlation, self.duplicate.correlation];
        if is_all || correlations.iter().any(|correlation| *correlation != 0) {
            append(&mut bytes, TCA_NETEM_CORR, &words(&correlations));
        }
        if !table.is_empty() {
            let entries: Vec<u8> = table.iter().flat_map(|entry| entry.to_ne_bytes()).collect();
            append(&mut bytes, TCA_NETEM_DELAY_DIST, &entries);
        }
        for (kind, chance) in [(TCA_NETEM_REORDER, self.reorder), (TCA_NETEM_CORRUPT, self.corrupt)] {
            if is_all || chance != Chance::default() {
                append(&mut bytes, kind, &words(&[chance.probability, chance.correlation]));
            }
        }
        self.append_loss_model(&mut bytes);
        if is_all {
            append(&mut bytes, TCA_NETEM_RATE, &[0; RATE_BYTES]); // not ours, but an operator may have tried it
        }
        if is_all || self.ecn {
            append(&mut bytes, TCA_NETEM_ECN, &u32::from(self.ecn).to_ne_bytes());
        }
        append(&mut bytes, TCA_NETEM_LATENCY64, &self.delay_ns.to_ne_bytes());
        append(&mut bytes, TCA_NETEM_JITTER64, &self.jitter_ns.to_ne_bytes());
        if is_all || self.slot.is_some() {
            append(&mut bytes, TCA_NETEM_SLOT, &self.slot.map_or_else(|| vec![0; SLOT_BYTES], Slot::bytes));
        }
        if let Some(seed) = self.seed {
            append(&mut bytes, TCA_NETEM_PRNG_SEED, &seed.to_ne_bytes());
        }
        bytes
    }

    fn append_loss_model(&self, bytes: &mut Vec<u8>) {
        let (model, numbers) = match self.loss {
            LossModel::Random(_) => return,
            LossModel::States { p13, p31, p32, p14, p23 } => (NETEM_LOSS_GI, words(&[p13, p31, p32, p14, p23])),
            LossModel::GilbertElliott { p, r, h, k1 } => (NETEM_LOSS_GE, words(&[p, r, h, k1])),
        };
        let mut nested = Vec::new();
        append(&mut nested, model, &numbers);
        append(bytes, TCA_NETEM_LOSS | NLA_F_NESTED, &nested);
    }

    pub(super) fn read(options: &[u8]) -> Option<Self> {
        let attributes = options.get(QOPT_BYTES..)?;
        let value = |kind| value_of(attributes, kind);
        let number = |kind, offset| value(kind).and_then(|bytes| read_u32(bytes, offset)).unwrap_or_default();
        let long = |kind| value(kind).and_then(read_u64);
        let chance = |kind| Chance { probability: number(kind, 0), correlation: number(kind, 4) };
        let random = Chance { probability: read_u32(options, LOSS_OFFSET)?, correlation: number(TCA_NETEM_CORR, 4) };
        Some(Self {
            delay_ns: long(TCA_NETEM_LATENCY64)?,
            jitter_ns: long(TCA_NETEM_JITTER64).unwrap_or_default(),
            delay_correlation: number(TCA_NETEM_CORR, 0),
            table: Vec::new(),
            limit_packets: read_u32(options, LIMIT_OFFSET)?,
            loss: value(TCA_NETEM_LOSS).and_then(LossModel::read).unwrap_or(LossModel::Random(random)),
            ecn: number(TCA_NETEM_ECN, 0) != 0,
            duplicate: Chance {
                probability: read_u32(options, DUPLICATE_OFFSET)?,
                correlation: number(TCA_NETEM_CORR, 8),
            },
            corrupt: chance(TCA_NETEM_CORRUPT),
            reorder: chance(TCA_NETEM_REORDER),
            gap: read_u32(options, GAP_OFFSET)?,
            slot: value(TCA_NETEM_SLOT).and_then(Slot::read),
            seed: long(TCA_NETEM_PRNG_SEED),
            rate_bytes_per_s: long(TCA_NETEM_RATE64).unwrap_or_else(|| number(TCA_NETEM_RATE, 0).into()),
        })
    }

    /// Whether the kernel's `have` is this one, so far as the kernel shows it: not its table, and a seed only where one was
    /// given.
    #[must_use]
    pub fn is_met_by(&self, have: &Self) -> bool {
        let shown = |netem: &Self| Self { table: Vec::new(), seed: self.seed.and(netem.seed), ..netem.clone() };
        shown(self) == shown(have)
    }
}

/// Which attributes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// Those that are not zero.
    Given,
    /// All.
    All,
}

/// The length of `struct tc_netem_slot`.
const SLOT_BYTES: usize = 40;

/// `NLA_F_NESTED` in `netlink.h`.
const NLA_F_NESTED: u16 = 0x8000;

impl LossModel {
    /// The models that have an attribute of their own.
    fn read(bytes: &[u8]) -> Option<Self> {
        let numbers = |kind| {
            let value = value_of(bytes, kind)?;
            Some(move |place: usize| read_u32(value, place * 4))
        };
        if let Some(number) = numbers(NETEM_LOSS_GI) {
            let (p13, p31, p32) = (number(0)?, number(1)?, number(2)?);
            return Some(Self::States { p13, p31, p32, p14: number(3)?, p23: number(4)? });
        }
        let number = numbers(NETEM_LOSS_GE)?;
        Some(Self::GilbertElliott { p: number(0)?, r: number(1)?, h: number(2)?, k1: number(3)? })
    }
}

impl Slot {
    /// `struct tc_netem_slot`: two delays, two numbers, and a delay and jitter of a distribution that we do not use.
    fn bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(SLOT_BYTES);
        bytes.extend(self.min_delay_ns.to_ne_bytes());
        bytes.extend(self.max_delay_ns.to_ne_bytes());
        bytes.extend(words(&[self.max_packets, self.max_bytes]));
        bytes.resize(SLOT_BYTES, 0);
        bytes
    }

    /// The kernel shows a number that has no limit as the largest.
    fn read(bytes: &[u8]) -> Option<Self> {
        let unlimited = |number: u32| if number == i32::MAX.unsigned_abs() { 0 } else { number };
        Some(Self {
            min_delay_ns: read_u64(bytes.get(..8)?)?,
            max_delay_ns: read_u64(bytes.get(8..16)?)?,
            max_packets: unlimited(read_u32(bytes, 16)?),
            max_bytes: unlimited(read_u32(bytes, 20)?),
        })
    }
}

fn words(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_ne_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF: u32 = 1 << 31;

    fn all() -> Vec<Netem> {
        let chance = Chance { probability: HALF, correlation: 7 };
        let delay = Netem { delay_ns: 10_000_000, limit_packets: 1000, ..Netem::default() };
        let slot = Slot { min_delay_ns: 1, max_delay_ns: 1 << 40, max_packets: 3, max_bytes: 0 };
        vec![
            Netem { delay_ns: 1, limit_packets: 1, ..Netem::default() },
            Netem { delay_ns: 60_000_000_000, limit_packets: u32::MAX, ..Netem::default() },
            Netem { jitter_ns: 2_000_000, delay_correlation: HALF, ..delay.clone() },
            Netem { loss: LossModel::Random(chance), ecn: true, ..delay.clone() },
            Netem { loss: LossModel::States { p13: 1, p31: 2, p32: 3, p14: 4, p23: 5 }, ..delay.clone() },
            Netem { loss: LossModel::GilbertElliott { p: 1, r: 2, h: 3, k1: 4 }, ..delay.clone() },
            Netem { duplicate: chance, corrupt: chance, ..delay.clone() },
            Netem { reorder: chance, gap: 5, slot: Some(slot), seed: Some(u64::MAX), ..delay },
        ]
    }

    #[test]
    fn reads_what_it_writes() {
        for netem in all() {
            assert_eq!(Netem::read(&netem.options()), Some(netem));
        }
    }

    #[test]
    fn a_change_gives_all_that_the_kernel_would_keep() {
        let plain = Netem { delay_ns: 1, limit_packets: 1, ..Netem::default() };
        let bytes = plain.change_options();
        let zeros = |kind| value_of(&bytes[QOPT_BYTES..], kind).map(|value| value.iter().all(|byte| *byte == 0));
        for kind in
            [TCA_NETEM_CORR, TCA_NETEM_REORDER, TCA_NETEM_CORRUPT, TCA_NETEM_RATE, TCA_NETEM_ECN, TCA_NETEM_SLOT]
        {
            assert_eq!(zeros(kind), Some(true), "{kind}");
        }
        assert_eq!(zeros(TCA_NETEM_DELAY_DIST), None, "without jitter, no table counts");
        for netem in all() {
            let slot = netem.slot.or(Some(Slot { min_delay_ns: 0, max_delay_ns: 0, max_packets: 0, max_bytes: 0 }));
            assert_eq!(Netem::read(&netem.change_options()), Some(Netem { slot, ..netem }));
        }
    }

    #[test]
    fn a_table_is_taken_back_by_one_of_equal_steps() {
        let jitter = Netem { jitter_ns: 1, ..Netem::default() };
        let table = |bytes: &[u8]| value_of(&bytes[QOPT_BYTES..], TCA_NETEM_DELAY_DIST).map(<[u8]>::to_vec);
        let steps = table(&jitter.change_options()).unwrap();
        assert_eq!(steps.len(), 2 * 16_384);
        assert_eq!(
            (&steps[..2], &steps[steps.len() - 2..]),
            (&(-8192i16).to_ne_bytes()[..], &8191i16.to_ne_bytes()[..])
        );
        assert_eq!(table(&jitter.change_options_without_table()), None);
        let own = Netem { table: vec![3], ..jitter };
        assert_eq!(table(&own.change_options()), Some(3i16.to_ne_bytes().to_vec()));
    }

    #[test]
    fn a_table_is_not_read_back_and_a_seed_not_asked_for_is_anything() {
        let netem = Netem { table: vec![-1, 1], jitter_ns: 1, ..Netem::default() };
        let have = Netem { seed: Some(5), ..Netem::read(&netem.options()).unwrap() };
        assert!(have.table.is_empty());
        assert!(netem.is_met_by(&have));
        assert!(!Netem { seed: Some(6), ..netem.clone() }.is_met_by(&have));
        assert!(!Netem { jitter_ns: 2, ..netem }.is_met_by(&have));
    }

    #[test]
    fn no_cut_panics() {
        for bytes in all().iter().map(Netem::options) {
            for end in 0..bytes.len() {
                let _ = Netem::read(&bytes[..end]);
            }
        }
    }
}
