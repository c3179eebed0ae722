//! Which packets are lost.

use std::f64::consts::PI;

use crate::Probability;

/// A chance for each packet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Chance {
    /// How many of all packets.
    pub probability: Probability,
    /// How much an outcome depends on that of the packet before.
    pub correlation: Probability,
}

impl Chance {
    /// The share of packets that it happens to in the long run. With a correlation that is not the probability: the kernel
    /// compares the probability with a moving average of random numbers (`get_crandom` in net/sched/sch_netem.c), and an
    /// average is less often near its ends than in its middle. Of 10% with a correlation of 25%, 1.75% are left.
    #[must_use]
    pub fn expected(&self) -> f64 {
        let (probability, weight) = (self.probability.fraction(), self.correlation.fraction());
        if self.correlation.is_never() || self.correlation == Probability::ALWAYS {
            return probability;
        }
        Average::new(weight).below(probability)
    }
}

/// The average `x = (1 - weight) u + weight x` of uniform random numbers `u`, all from 0 to 1. It is a sum of independent
/// numbers, so its density has a Fourier series whose coefficients are known; the integral of the series is its distribution.
pub(crate) struct Average {
    coefficients: Vec<f64>,
}

impl Average {
    pub(crate) fn new(weight: f64) -> Self {
        const MOST_TERMS: u32 = 4000;
        const LEAST_TERM: f64 = 1e-9;
        let mut coefficients = Vec::new();
        for term in (1..=MOST_TERMS).map(f64::from) {
            let (coefficient, bound) = coefficient(term, weight);
            if bound < LEAST_TERM * term {
                break;
            }
            coefficients.push(coefficient);
        }
        Self { coefficients }
    }

    /// How often it is below `limit`.
    pub(crate) fn below(&self, limit: f64) -> f64 {
        let terms = (1_u32..).map(f64::from).zip(&self.coefficients);
        let sum: f64 =
            terms.map(|(term, coefficient)| coefficient * (2.0 * PI * term * (limit - 0.5)).sin() / (PI * term)).sum();
        (limit + sum).clamp(0.0, 1.0)
    }
}

/// The product of `sin(angle) / angle` over the angles of all the numbers in the sum, each `weight` times the one before, and
/// what neither it nor that of a later term exceeds. The small angles are taken together: `ln(sin(a) / a)` is
/// `-a^2 / 6 - a^4 / 180 - ...`.
fn coefficient(term: f64, weight: f64) -> (f64, f64) {
    const SMALL: f64 = 0.3;
    let mut angle = PI * term * (1.0 - weight);
    let (mut product, mut bound) = (1.0, 1.0);
    while angle > SMALL {
        product *= angle.sin() / angle;
        bound /= angle.max(1.0);
        angle *= weight;
    }
    let rest = angle.powi(2) / 6.0 / (1.0 - weight.powi(2)) + angle.powi(4) / 180.0 / (1.0 - weight.powi(4));
    (product * (-rest).exp(), bound * (-rest).exp())
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
        let [first, second, third, fourth] = self.weights();
        match *self {
            Self::Random(chance) => chance.expected(),
            Self::GilbertElliott { bad, good, .. } => second * bad.fraction() + first * good.fraction(),
            Self::States { .. } => third + fourth,
        }
    }

    /// The share of the time that is spent in each state in the long run: those of Gilbert and Elliott are good and bad.
    pub(crate) fn weights(&self) -> [f64; 4] {
        match *self {
            Self::Random(_) => [1.0, 0.0, 0.0, 0.0],
            Self::GilbertElliott { p, r, .. } => {
                let time_bad = share(p.fraction(), r.fraction());
                [1.0 - time_bad, time_bad, 0.0, 0.0]
            }
            Self::States { p13, p31, p32, p23, p14 } => {
                let [p13, p31, p32, p23, p14] = [p13, p31, p32, p23, p14].map(Probability::fraction);
                // In equilibrium the four states have these weights.
                let received_in_burst = if p23 > 0.0 { p13 * p32 / p23 } else { 0.0 };
                let weights = [p31, received_in_burst, p13, p31 * p14];
                let all: f64 = weights.iter().sum();
                if all > 0.0 {
                    weights.map(|weight| weight / all)
                } else {
                    [1.0 / (1.0 + p14), 0.0, 0.0, p14 / (1.0 + p14)]
                }
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
        let random = Loss::Random(Chance { probability: percent("2%"), correlation: percent("0%") });
        assert!(near(random.expected(), 0.02));
        let ge = Loss::GilbertElliott { p: percent("1%"), r: percent("9%"), bad: percent("50%"), good: percent("0%") };
        assert!(near(ge.expected(), 0.05));
        assert!(Loss::default().is_none() && !ge.is_none());
    }

    /// The same by trial: a simple generator, and the kernel's formula.
    #[test]
    fn a_correlation_changes_how_much_is_lost() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            f64::from(u32::try_from(state >> 32).unwrap()) / f64::from(u32::MAX)
        };
        for (probability, correlation) in
            [("10%", "25%"), ("50%", "50%"), ("30%", "75%"), ("80%", "25%"), ("45%", "99%")]
        {
            let chance = Chance { probability: percent(probability), correlation: percent(correlation) };
            let (limit, weight) = (chance.probability.fraction(), chance.correlation.fraction());
            let (mut average, mut hits) = (0.5, 0_u32);
            for _ in 0..1_000_000 {
                average = (1.0 - weight) * random() + weight * average;
                hits += u32::from(average <= limit);
            }
            let (tried, computed) = (f64::from(hits) / 1e6, chance.expected());
            println!("{probability} with {correlation}: {computed:.5}, tried {tried:.5}");
            assert!(
                (tried - computed).abs() < 0.003 + 0.02 * tried,
                "{probability} with {correlation}: {computed}, {tried}"
            );
        }
    }

    /// The average hardly leaves its mean: its standard deviation is 0.0065.
    #[test]
    fn the_strongest_correlation_leaves_nothing_of_less_than_half() {
        let chance = Chance { probability: percent("45%"), correlation: percent("99.9%") };
        assert!(chance.expected() < 1e-6, "{}", chance.expected());
        let even = Chance { probability: percent("50%"), ..chance };
        assert!(near(even.expected(), 0.5), "{}", even.expected());
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
