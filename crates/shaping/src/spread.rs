//! How delays are spread.

use crate::Line;
use crate::distribution::SCALE;

/// Equal steps of a uniform distribution.
const STEPS: u32 = 4096;

/// Delays of each of two lines that are added to each other where both vary.
const SAMPLES: u32 = 128;

/// What a line, or several one after the other, add to the time of a packet that does not overtake: delays in nanoseconds, each as
/// probable as the others, in ascending order.
#[derive(Debug, Clone, PartialEq)]
pub struct Spread(Vec<f64>);

impl Line {
    /// How the delays of this line are spread.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "52 bits of nanoseconds are 52 days")]
    pub fn spread(&self) -> Spread {
        let (delay, jitter) = (self.delay.nanoseconds() as f64, self.jitter.nanoseconds() as f64);
        if self.jitter.is_zero() {
            return Spread(vec![delay]);
        }
        let late = |deviation: f64| (delay + jitter * deviation).max(0.0);
        let mut delays: Vec<f64> = match self.distribution.table() {
            Some(table) => table.iter().map(|entry| late(f64::from(*entry) / f64::from(SCALE))).collect(),
            None => (0..STEPS).map(|step| late((f64::from(step) + 0.5) * 2.0 / f64::from(STEPS) - 1.0)).collect(),
        };
        delays.sort_by(f64::total_cmp);
        Spread(delays)
    }
}

impl Spread {
    /// That of a packet which passes both, one after the other.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let (ours, theirs) = match (self.0.len(), other.0.len()) {
            (1, _) | (_, 1) => (self.0.clone(), other.0.clone()),
            _ => (self.samples(), other.samples()),
        };
        let mut sums: Vec<f64> = ours.iter().flat_map(|delay| theirs.iter().map(move |other| delay + other)).collect();
        sums.sort_by(f64::total_cmp);
        Self(sums)
    }

    fn samples(&self) -> Vec<f64> {
        (0..SAMPLES).map(|sample| self.quantile((f64::from(sample) + 0.5) / f64::from(SAMPLES))).collect()
    }

    /// The median.
    #[must_use]
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// The delay below which a share of all lie, 0 to 1.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the number of delays")]
    #[expect(clippy::cast_precision_loss, reason = "there are few")]
    pub fn quantile(&self, share: f64) -> f64 {
        let place = (share.clamp(0.0, 1.0) * self.0.len() as f64 - 0.5).max(0.0);
        let low = self.0.get(place as usize).or(self.0.last()).copied().unwrap_or_default();
        let high = self.0.get(place as usize + 1).copied().unwrap_or(low);
        low + (high - low) * place.fract()
    }

    /// How far the median of so many packets is from that of all, in at least 95 of 100 cases, whatever the distribution: the share
    /// of the packets that are below the true median has a standard deviation of half the root of their number.
    #[must_use]
    pub fn chance_of_median(&self, packets: u32) -> f64 {
        let share = 1.96 * 0.5 / f64::from(packets.max(1)).sqrt();
        let median = self.median();
        (self.delay_at(0.5 + share) - median).max(median - self.delay_at(0.5 - share))
    }

    /// One of the delays themselves: between two peaks there is none.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the number of delays")]
    #[expect(clippy::cast_precision_loss, reason = "there are few")]
    fn delay_at(&self, share: f64) -> f64 {
        let place = (share.clamp(0.0, 1.0) * self.0.len() as f64) as usize;
        self.0.get(place).or(self.0.last()).copied().unwrap_or_default()
    }

    /// The standard deviation.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "there are few")]
    pub fn deviation(&self) -> f64 {
        let count = self.0.len().max(1) as f64;
        let mean = self.0.iter().sum::<f64>() / count;
        (self.0.iter().map(|delay| (delay - mean).powi(2)).sum::<f64>() / count).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Delay, Distribution};

    fn line(distribution: Distribution) -> Line {
        let ms = |ms: u64| Delay::from_nanoseconds(ms * 1_000_000).unwrap();
        Line { delay: ms(20), jitter: ms(10), distribution, ..Line::default() }
    }

    fn assert_near(got: f64, wanted: f64) {
        assert!((got - wanted).abs() < wanted.abs() * 0.01 + 1.0, "{got}, wanted {wanted}");
    }

    #[test]
    fn a_median_varies_as_its_distribution_is_dense_there() {
        // 1.96 times half the width over the root for a uniform distribution, sqrt(pi / 2) deviations for a normal one.
        assert_near(line(Distribution::Uniform).spread().chance_of_median(10_000), 1.96e5);
        assert_near(line(Distribution::Normal).spread().chance_of_median(10_000), 1.96e5 * 1.2533);
        // Of two peaks the median is at one or the other.
        let peaks = line(Distribution::table_of(vec![8192, -8192]).unwrap()).spread();
        assert_near(peaks.median(), 20e6);
        assert_near(peaks.chance_of_median(10_000), 10e6);
        assert_eq!(Line::default().spread().chance_of_median(100), 0.0);
    }

    #[test]
    fn the_delays_of_two_lines_are_added_as_they_are_spread() {
        let uniform = line(Distribution::Uniform).spread();
        let both = uniform.and(&uniform);
        assert_near(both.median(), 40e6);
        assert_near(both.deviation(), 20e6 / 6f64.sqrt());
        assert_near(both.quantile(0.125), 30e6);
        let pareto = line(Distribution::Pareto).spread();
        assert!(pareto.and(&pareto).median() > 2.0 * pareto.median() + 1e6, "few are very late");
        let still = Line { delay: Delay::from_nanoseconds(5_000_000).unwrap(), ..Line::default() }.spread();
        assert_near(pareto.and(&still).median(), pareto.median() + 5e6);
        assert_near(still.and(&still).median(), 10e6);
    }
}
