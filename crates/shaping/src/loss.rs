//! Which packets are lost.

use crate::Probability;

/// A chance for each packet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Chance {
    /// How many of all packets.
    pub probability: Probability,
    /// How much an outcome is that of the packet before.
    pub correlation: Probability,
}

/// A model of loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Each packet by itself, perhaps depending on the one before.
    Random(Chance),
    /// The four states of Salsano, Ludovici and Ordine ("Definition of a general and intuitive loss model", 2009), which the
    /// kernel calls `loss_4state`. State 1 is a packet received in a gap period, 2 one received in a burst period, 3 one
    /// lost in a burst period, 4 one lost by itself in a gap period.
    States {
        /// From 1 to 3.
        p13: Probability,
        /// From 3 to 1.
        p31: Probability,
        /// From 3 to 2.
        p32: Probability,
        /// From 2 to 3.
        p23: Probability,
        /// From 1 to 4; from 4 the way always leads back to 1.
        p14: Probability,
    },
    /// Gilbert and Elliott: a good and a bad state.
    GilbertElliott {
        /// From good to bad.
        p: Probability,
        /// From bad to good.
        r: Probability,
        /// Lost while bad.
        bad: Probability,
        /// Lost while good.
        good: Probability,
    },
}

impl Default for Loss {
    fn default() -> Self {
        Self::Random(Chance::default())
    }
}

impl Loss {
    /// No packet is ever lost.
    #[must_use]
    pub fn is_none(&self) -> bool {
        matches!(self, Self::Random(chance) if chance.probability.is_never())
    }

    /// The share of packets that is lost in the long run.
    #[must_use]
    pub fn expected(&self) -> f64 {
        match *self {
            Self::Random(chance) => chance.probability.fraction(),
            Self::GilbertElliott { p, r, bad, good } => {
                let time_bad = share(p.fraction(), r.fraction());
                time_bad * bad.fraction() + (1.0 - time_bad) * good.fraction()
            }
            Self::States { p13, p31, p32, p23, p14 } => {
                let [p13, p31, p32, p23, p14] = [p13, p31, p32, p23, p14].map(Probability::fraction);
                // In equilibrium the four states have these weights.
                let received = p31;
                let lost_in_burst = p13;
                let received_in_burst = if p23 > 0.0 { p13 * p32 / p23 } else { 0.0 };
                let lost_alone = received * p14;
                let all = received + received_in_burst + lost_in_burst + lost_alone;
                if all > 0.0 { (lost_in_burst + lost_alone) / all } else { p14 / (1.0 + p14) }
            }
        }
    }
}

/// `part` of `part` and `rest`.
fn share(part: f64, rest: f64) -> f64 {
    if part + rest > 0.0 { part / (part + rest) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn percent(text: &str) -> Probability {
        Probability::parse(text).unwrap()
    }

    fn near(have: f64, want: f64) -> bool {
        (have - want).abs() < 1e-6
    }

    #[test]
    fn what_is_lost_in_the_long_run() {
        let random = Loss::Random(Chance { probability: percent("2%"), correlation: percent("25%") });
        assert!(near(random.expected(), 0.02));
        let ge = Loss::GilbertElliott { p: percent("1%"), r: percent("9%"), bad: percent("50%"), good: percent("0%") };
        assert!(near(ge.expected(), 0.05));
        assert!(Loss::default().is_none() && !ge.is_none());
    }

    /// Two states are the special case of a burst without received packets.
    #[test]
    fn the_four_states_are_those_of_the_chain() {
        let [zero, p13, p31] = ["0%", "1%", "19%"].map(percent);
        let states = Loss::States { p13, p31, p32: zero, p23: percent("100%"), p14: zero };
        assert!(near(states.expected(), 0.05));
        let alone = Loss::States { p13: zero, p31: percent("100%"), p32: zero, p23: zero, p14: percent("25%") };
        assert!(near(alone.expected(), 0.2));
    }
}
