//! What a measurement of a line finds in the long run.

use crate::{Chance, Line};

/// What a measurement of a line finds in the long run. Times are in nanoseconds, the rest are shares of the packets sent,
/// 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Expectation {
    /// The median of what the line adds to the time of a packet that does not overtake.
    pub delay_ns: f64,
    /// The standard deviation of that. Where delays are correlated the kernel's is smaller.
    pub deviation_ns: f64,
    /// How much later than the delay a packet may be because it waits for its slot.
    pub slot_ns: f64,
    /// Packets of which nothing arrives; with [`Line::ecn`], those of senders that do not understand it.
    pub lost: f64,
    /// Packets that arrive twice.
    pub duplicated: f64,
    /// Packets with one bit flipped. Most of them do not reach their receiver.
    pub corrupted: f64,
    /// Packets that overtake those before them.
    pub overtaking: f64,
}

impl Line {
    /// What a measurement of this line finds in the long run.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "52 bits of nanoseconds are 52 days")]
    pub fn expected(&self) -> Expectation {
        let spread = self.spread();
        let (lost, twice) = (self.loss.expected(), share(self.duplicate));
        Expectation {
            delay_ns: spread.median(),
            deviation_ns: spread.deviation(),
            slot_ns: self.slot.map_or(0.0, |slot| slot.max_delay.nanoseconds() as f64),
            // Of a packet that is to be doubled and lost, one copy arrives (`netem_enqueue` in net/sched/sch_netem.c); a copy
            // goes the whole way again.
            lost: lost * (1.0 - twice),
            duplicated: twice * (1.0 - lost) * (1.0 - lost),
            corrupted: share(self.corrupt),
            overtaking: self.overtaking(),
        }
    }

    /// After one that has overtaken, `gap - 1` packets do not, and then each may.
    fn overtaking(&self) -> f64 {
        let probability = share(self.reorder);
        if probability <= 0.0 {
            return 0.0;
        }
        1.0 / (f64::from(self.gap.unwrap_or(1)) - 1.0 + 1.0 / probability)
    }
}

fn share(chance: Chance) -> f64 {
    chance.expected()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Delay, Distribution, Loss, Probability};

    fn ms(ms: u64) -> Delay {
        Delay::from_nanoseconds(ms * 1_000_000).unwrap()
    }

    fn chance(percent: &str) -> Chance {
        Chance { probability: Probability::parse(percent).unwrap(), correlation: Probability::NEVER }
    }

    fn near(have: f64, want: f64) -> bool {
        (have - want).abs() <= want.abs() * 1e-3 + 1e-9
    }

    #[test]
    fn nothing_is_expected_of_nothing() {
        assert_eq!(Line::default().expected(), Expectation::default());
    }

    #[test]
    fn jitter_spreads_as_its_distribution_does() {
        let line = |distribution| Line { delay: ms(20), jitter: ms(3), distribution, ..Line::default() };
        let uniform = line(Distribution::Uniform).expected();
        assert!(near(uniform.delay_ns, 20e6) && near(uniform.deviation_ns, 3e6 / 3f64.sqrt()), "{uniform:?}");
        let normal = line(Distribution::Normal).expected();
        assert!(near(normal.delay_ns, 20e6) && near(normal.deviation_ns / 1e3, 3e3), "{normal:?}");
        let pareto = line(Distribution::Pareto).expected();
        assert!(pareto.delay_ns < 19.5e6, "most are early, few are late: {pareto:?}");
        let table = line(Distribution::table_of(vec![8192, -8192]).unwrap()).expected();
        assert!(near(table.delay_ns, 20e6) && near(table.deviation_ns, 3e6), "{table:?}");
    }

    #[test]
    fn shares_depend_on_each_other() {
        let line = Line { loss: Loss::Random(chance("10%")), duplicate: chance("50%"), ..Line::default() };
        let expected = line.expected();
        assert!(near(expected.lost, 0.05) && near(expected.duplicated, 0.405), "{expected:?}");
    }

    #[test]
    fn one_of_a_gap_overtakes() {
        let line = |gap, percent| Line { delay: ms(10), reorder: chance(percent), gap, ..Line::default() };
        assert!(near(line(None, "25%").expected().overtaking, 0.25));
        assert!(near(line(Some(5), "100%").expected().overtaking, 0.2));
        assert!(near(line(Some(5), "50%").expected().overtaking, 1.0 / 6.0));
    }
}
