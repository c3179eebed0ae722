//! How much less packets reveal if their fate depends on that of the packets before.
//!
//! Of a share that is measured over n packets, the variance is p (1 - p) / n where each has its own fate, and f times as much
//! where they depend on each other: f = 1 + 2 Σ (1 - k / n) r(k) over the lags k = 1 to n - 1, r(k) being the correlation of the
//! fates of two packets that are k apart. What follows computes r(k) from the model, not from what was measured.

use crate::loss::Average;
use crate::{Chance, Line, Loss, Probability};

/// Nodes of the grid on which a function of the moving average is kept.
const NODES: u16 = 1024;

/// How many standard deviations of the moving average the grid reaches to either side.
const REACH: f64 = 8.0;

/// What has come so near to its limit has arrived there.
const ARRIVED: f64 = 1e-9;

impl Chance {
    /// How many times as much the share of so many packets that it happens to varies as it would without a correlation; 1 at
    /// least.
    #[must_use]
    pub fn variance_factor(&self, packets: u32) -> f64 {
        if self.correlation.is_never() || self.correlation == Probability::ALWAYS {
            return 1.0;
        }
        let (limit, weight) = (self.probability.fraction(), self.correlation.fraction());
        let average = Average::new(weight);
        factor(average.below(limit), packets, &joint_below(limit, weight, &average, packets))
    }
}

impl Loss {
    /// How many times as much the share of so many packets that is lost varies as it would if each were lost by itself; 1 at
    /// least.
    #[must_use]
    pub fn variance_factor(&self, packets: u32) -> f64 {
        match *self {
            Self::Random(chance) => chance.variance_factor(packets),
            // A packet's fate follows from the state that it finds; only then may the state change (`loss_gilb_ell`).
            Self::GilbertElliott { p, r, bad, good } => {
                let [p, r, bad, good] = [p, r, bad, good].map(Probability::fraction);
                let next = [[1.0 - p, p, 0.0, 0.0], [r, 1.0 - r, 0.0, 0.0], UNUSED, UNUSED];
                Chain { next, lost: [good, bad, 0.0, 0.0], weights: self.weights() }.factor(packets)
            }
            // The state that is gone to is the packet's fate (`loss_4state`).
            Self::States { p13, p31, p32, p23, p14 } => {
                let [p13, p31, p32, p23, p14] = [p13, p31, p32, p23, p14].map(Probability::fraction);
                let next = [
                    [1.0 - p13 - p14, 0.0, p13, p14],
                    [0.0, 1.0 - p23, p23, 0.0],
                    [p31, p32, 1.0 - p31 - p32, 0.0],
                    [1.0, 0.0, 0.0, 0.0],
                ];
                Chain { next, lost: [0.0, 0.0, 1.0, 1.0], weights: self.weights() }.factor(packets)
            }
        }
    }
}

/// How many times as much the shares of a line vary as they would if each packet had its own fate; 1 at least.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VarianceFactors {
    /// Of the packets that are lost or, where the line corrupts some, damaged; and of those that are marked instead.
    pub lost: f64,
    /// Of the packets that arrive twice.
    pub duplicated: f64,
    /// Of the packets that overtake others.
    pub overtaking: f64,
}

impl Line {
    /// The factors for shares of so many packets: upper bounds where several causes meet.
    ///
    /// What happens only where several things do that know nothing of each other (a packet arrives that is neither lost nor
    /// damaged) has correlations r(k) which are weighted means of those of the things and of products of these. So its factor is
    /// at most the greatest of theirs. A gap between those that overtake only takes from their variance.
    #[must_use]
    pub fn variance_factors(&self, packets: u32) -> VarianceFactors {
        let loss = self.loss.variance_factor(packets);
        let duplicate = self.duplicate.variance_factor(packets);
        VarianceFactors {
            lost: loss.max(duplicate).max(self.corrupt.variance_factor(packets)),
            duplicated: loss.max(duplicate),
            overtaking: loss.max(self.reorder.variance_factor(packets)),
        }
    }
}

/// The row of a state that a chain does not have.
const UNUSED: [f64; 4] = [1.0, 0.0, 0.0, 0.0];

/// A Markov chain of up to four states.
struct Chain {
    /// The chances to go from the state of the row to that of the column.
    next: [[f64; 4]; 4],
    /// The share that is lost in each state.
    lost: [f64; 4],
    /// The share of the time that is spent in each.
    weights: [f64; 4],
}

impl Chain {
    fn factor(&self, packets: u32) -> f64 {
        let mean = dot(&self.weights, &self.lost);
        let both = |later: &[f64; 4]| {
            (0..4).filter_map(|n| Some(self.weights.get(n)? * self.lost.get(n)? * later.get(n)?)).sum()
        };
        let mut later = self.lost;
        let mut joint: Vec<f64> = Vec::new();
        while joint.len() < packets as usize && later.iter().any(|share| (share - mean).abs() > ARRIVED) {
            later = self.next.map(|row| dot(&row, &later));
            joint.push(both(&later));
        }
        factor(mean, packets, &joint)
    }
}

fn dot(a: &[f64; 4], b: &[f64; 4]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The sum over the lags: `joint` has the chances that the same happens to a packet and to the k-th after it.
fn factor(mean: f64, packets: u32, joint: &[f64]) -> f64 {
    let (single, n) = (mean * (1.0 - mean), f64::from(packets));
    if single <= 0.0 {
        return 1.0;
    }
    let lags = (1..packets).map(f64::from).zip(joint);
    let sum: f64 = lags.map(|(lag, joint)| (1.0 - lag / n) * (joint - mean * mean) / single).sum();
    (1.0 + 2.0 * sum).clamp(1.0, n.max(1.0))
}

/// The chances that the moving average is below `limit`, and the k-th after it too, for k = 1 and on until it has forgotten.
///
/// From an average x the next one is below with the chance g(x); that the k-th is, is the mean of the (k-1)-th's chance over what
/// x may become, `weight` x + (1 - `weight`) u.
fn joint_below(limit: f64, weight: f64, average: &Average, packets: u32) -> Vec<f64> {
    let mean = average.below(limit);
    let deviation = ((1.0 - weight) / (1.0 + weight) / 12.0).sqrt();
    let (low, high) = ((0.5 - REACH * deviation).max(0.0), (0.5 + REACH * deviation).min(1.0));
    let step = (high - low) / f64::from(NODES);
    let nodes: Vec<f64> = (0..=NODES).map(|node| low + f64::from(node) * step).collect();
    // How often the average is between two nodes and below the limit.
    let below: Vec<f64> = nodes.iter().map(|node| average.below(node.min(limit))).collect();
    let shares: Vec<f64> =
        below.windows(2).map(|ends| ends.iter().rev().copied().reduce(|b, a| b - a).unwrap_or_default()).collect();
    let mut chances: Vec<f64> = nodes.iter().map(|x| ((limit - weight * x) / (1.0 - weight)).clamp(0.0, 1.0)).collect();
    let mut joint = Vec::new();
    while joint.len() < packets as usize && chances.iter().any(|chance| (chance - mean).abs() > ARRIVED) {
        let middles = chances.windows(2).map(|ends| ends.iter().sum::<f64>() / 2.0);
        joint.push(middles.zip(&shares).map(|(chance, share)| chance * share).sum());
        let lines = Lines::new(low, step, chances);
        let mean_from =
            |x: f64| (lines.integral(weight * x + 1.0 - weight) - lines.integral(weight * x)) / (1.0 - weight);
        chances = nodes.iter().map(|x| mean_from(*x)).collect();
    }
    joint
}

/// A function of straight lines between the nodes of an even grid, and constant beyond its ends.
struct Lines {
    low: f64,
    step: f64,
    values: Vec<f64>,
    /// The integral from `low` to each node.
    sums: Vec<f64>,
}

impl Lines {
    fn new(low: f64, step: f64, values: Vec<f64>) -> Self {
        let mut sum = 0.0;
        let mut sums = vec![0.0];
        for ends in values.windows(2) {
            sum += ends.iter().sum::<f64>() / 2.0 * step;
            sums.push(sum);
        }
        Self { low, step, values, sums }
    }

    /// The integral from `low` to `x`.
    fn integral(&self, x: f64) -> f64 {
        let place = (x - self.low) / self.step;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a node's number, or beyond the last one"
        )]
        let node = (place.max(0.0) as usize).min(self.values.len() - 1);
        let value = |node: usize| self.values.get(node).or(self.values.last()).copied().unwrap_or_default();
        let (begin, end) = (value(node), if place < 0.0 { value(0) } else { value(node + 1) });
        #[expect(clippy::cast_precision_loss, reason = "there are few nodes")]
        let part = place - node as f64;
        let sum = self.sums.get(node).copied().unwrap_or_default();
        let slope = if part > 1.0 { 0.0 } else { end - begin };
        sum + part * self.step * (begin + slope * part / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn percent(text: &str) -> Probability {
        Probability::parse(text).unwrap()
    }

    /// Numbers that look random, the same in each run: SplitMix64 (Steele, Lea and Flood, 2014).
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self) -> u32 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap()
        }
    }

    const RUNS: u32 = 4000;
    const PACKETS: u32 = 500;

    /// The share and the factor by trial: how much the numbers of losses in many runs vary. Of so many runs the factor is off by
    /// 2.2 % as one standard deviation, and the share by what the factor says. The dice are the same in each run of this test.
    fn tried(mut is_lost: impl FnMut() -> bool) -> (f64, f64) {
        let runs: Vec<f64> = (0..RUNS).map(|_| (0..PACKETS).map(|_| f64::from(u8::from(is_lost()))).sum()).collect();
        let (n, runs_made) = (f64::from(PACKETS), f64::from(RUNS));
        let mean = runs.iter().sum::<f64>() / runs_made;
        let variance = runs.iter().map(|lost| (lost - mean).powi(2)).sum::<f64>() / (runs_made - 1.0);
        (mean / n, variance / (mean * (1.0 - mean / n)))
    }

    fn assert_tried(what: &str, expected: f64, computed: f64, (share, tried): (f64, f64)) {
        println!("{what}: {computed:.3}, tried {tried:.3}; share {expected:.5}, tried {share:.5}");
        let deviation = (expected * (1.0 - expected) * computed / f64::from(RUNS * PACKETS)).sqrt();
        assert!((share - expected).abs() < 3.0 * deviation, "{what}: share {expected}, tried {share}");
        assert!((tried / computed - 1.0).abs() < 0.07, "{what}: {computed}, tried {tried}");
    }

    /// `get_crandom` in net/sched/sch_netem.c, in its own integers.
    #[test]
    fn a_correlation_is_that_of_the_kernels_recursion() {
        for (probability, correlation) in [
            ("10%", "25%"),
            ("20%", "25%"),
            ("40%", "50%"),
            ("50%", "50%"),
            ("30%", "75%"),
            ("45%", "90%"),
            ("48%", "99%"),
        ] {
            let chance = Chance { probability: percent(probability), correlation: percent(correlation) };
            let rho = u64::from(chance.correlation.steps()) + 1;
            let mut dice = Dice(3);
            let mut last = u64::from(dice.roll());
            let tried = tried(|| {
                let value = u64::from(dice.roll());
                last = (value * ((1 << 32) - rho) + last * rho) >> 32;
                u64::from(chance.probability.steps()) >= last
            });
            assert_tried(&format!("{chance:?}"), chance.expected(), chance.variance_factor(PACKETS), tried);
        }
    }

    /// `loss_gilb_ell` in net/sched/sch_netem.c.
    #[test]
    fn bursts_of_two_states_are_those_of_the_kernel() {
        for [p, r, bad, good] in [["3%", "25%", "100%", "0%"], ["5%", "20%", "60%", "1%"], ["1%", "9%", "50%", "0%"]] {
            let [p, r, bad, good] = [p, r, bad, good].map(percent);
            let loss = Loss::GilbertElliott { p, r, bad, good };
            let mut dice = Dice(1);
            let mut is_good = true;
            let tried = tried(|| {
                let (leave, lost) = if is_good { (p, good) } else { (r, bad) };
                is_good ^= dice.roll() < leave.steps();
                dice.roll() < lost.steps()
            });
            assert_tried(&format!("{loss:?}"), loss.expected(), loss.variance_factor(PACKETS), tried);
        }
        // All is lost while bad: the lags fall by 0.72 each.
        let [p, r] = ["3%", "25%"].map(percent);
        let loss = Loss::GilbertElliott { p, r, bad: Probability::ALWAYS, good: Probability::NEVER };
        assert!((loss.variance_factor(1_000_000) - 1.72 / 0.28).abs() < 1e-4);
    }

    /// `loss_4state` in net/sched/sch_netem.c.
    #[test]
    fn bursts_of_four_states_are_those_of_the_kernel() {
        for [p13, p31, p32, p23, p14] in [["5%", "50%", "20%", "50%", "2%"], ["1%", "5%", "30%", "20%", "0%"]] {
            let [p13, p31, p32, p23, p14] = [p13, p31, p32, p23, p14].map(percent);
            let loss = Loss::States { p13, p31, p32, p23, p14 };
            let mut dice = Dice(2);
            let mut state = 1;
            let tried = tried(|| {
                let random = dice.roll();
                state = match state {
                    1 if random < p14.steps() => 4,
                    1 if random < p13.steps() + p14.steps() => 3,
                    2 if random < p23.steps() => 3,
                    2 => 2,
                    3 if random < p32.steps() => 2,
                    3 if random >= p31.steps() + p32.steps() => 3,
                    _ => 1,
                };
                state > 2
            });
            assert_tried(&format!("{loss:?}"), loss.expected(), loss.variance_factor(PACKETS), tried);
        }
    }

    /// Lost, not doubled and not damaged: three things, each with a factor of its own.
    #[test]
    fn several_causes_together_vary_no_more_than_the_worst_of_them() {
        let chance =
            |probability, correlation| Chance { probability: percent(probability), correlation: percent(correlation) };
        let (duplicate, corrupt) = (chance("40%", "50%"), chance("30%", "50%"));
        let [p, r, bad, good] = ["3%", "25%", "100%", "0%"].map(percent);
        let loss = Loss::GilbertElliott { p, r, bad, good };
        let line = Line { loss, duplicate, corrupt, ..Line::default() };
        let mut dice = Dice(5);
        let mut is_good = true;
        let mut averages = [0.5, 0.5];
        let (_, tried) = tried(|| {
            is_good ^= dice.roll() < if is_good { p.steps() } else { r.steps() };
            let [twice, damaged] = [duplicate, corrupt].map(|chance| chance.probability.fraction());
            averages = averages.map(|average| 0.5 * average + 0.5 * f64::from(dice.roll()) / f64::from(u32::MAX));
            let [first, second] = averages;
            (!is_good && first > twice) || second <= damaged
        });
        let factors = line.variance_factors(PACKETS);
        println!("{factors:?}, tried {tried:.3}");
        assert!(factors.lost == loss.variance_factor(PACKETS) && (1.5..factors.lost).contains(&tried), "{tried}");
        assert_eq!(
            Line::default().variance_factors(PACKETS),
            VarianceFactors { lost: 1.0, duplicated: 1.0, overtaking: 1.0 }
        );
    }

    #[test]
    fn what_is_independent_or_always_so_has_no_factor() {
        let [zero, some, all] = ["0%", "10%", "100%"].map(percent);
        for (probability, correlation) in [(some, zero), (zero, some), (all, some), (some, all)] {
            assert_eq!(Chance { probability, correlation }.variance_factor(1000), 1.0, "{probability} {correlation}");
        }
        let strongest = Chance { probability: percent("45%"), correlation: percent("99.9%") };
        assert!((1.0..=1000.0).contains(&strongest.variance_factor(1000)));
        assert_eq!(strongest.variance_factor(0), 1.0);
        // Of every two packets one is lost: that varies less, which is not counted.
        let alternating = Loss::GilbertElliott { p: all, r: all, bad: all, good: zero };
        assert_eq!(alternating.variance_factor(1000), 1.0);
        let never = Loss::States { p13: zero, p31: zero, p32: zero, p23: zero, p14: zero };
        assert_eq!(never.variance_factor(1000), 1.0);
    }
}
