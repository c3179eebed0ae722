//! Figures about samples. All are pure; of no samples they are NaN, so that no comparison with them holds.
#![expect(clippy::cast_precision_loss, reason = "counts of samples are far below 2^52")]

/// The 97.5th percentile of the normal distribution: 95 % lie within so many standard deviations.
const Z: f64 = 1.959_963_984_540_054;

/// An interval with its ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Interval {
    /// Whether a value lies in it or on an end.
    #[must_use]
    pub fn contains(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

/// The middle sample, or the mean of the two in the middle.
#[must_use]
pub fn median(samples: &[f64]) -> f64 {
    percentile(samples, 50.0)
}

/// The sample below which `percent` (0 to 100) of all lie, interpolated between neighbours (method 7 of Hyndman and Fan,
/// the default of R and NumPy).
#[must_use]
pub fn percentile(samples: &[f64], percent: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = (sorted.len() as f64 - 1.0) * percent.clamp(0.0, 100.0) / 100.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the number of samples")]
    let below = place.max(0.0) as usize;
    match (sorted.get(below), sorted.get(below + 1)) {
        (Some(low), Some(high)) => low + (high - low) * (place - below as f64),
        (Some(last), None) => *last,
        _ => f64::NAN,
    }
}

/// The arithmetic mean.
#[must_use]
pub fn mean(samples: &[f64]) -> f64 {
    samples.iter().sum::<f64>() / samples.len() as f64
}

/// The standard deviation of a sample (divided by n - 1). NaN for fewer than two.
#[must_use]
pub fn standard_deviation(samples: &[f64]) -> f64 {
    if samples.len() < 2 {
        return f64::NAN;
    }
    (squares(samples, samples) / (samples.len() as f64 - 1.0)).sqrt()
}

/// Pearson's correlation of pairs; NaN where one side is constant or the lengths differ.
#[must_use]
pub fn correlation(xs: &[f64], ys: &[f64]) -> f64 {
    if xs.len() != ys.len() {
        return f64::NAN;
    }
    squares(xs, ys) / (squares(xs, xs) * squares(ys, ys)).sqrt()
}

/// The correlation of each sample with the one before it.
#[must_use]
pub fn lag1_correlation(samples: &[f64]) -> f64 {
    match samples {
        [_, later @ ..] => correlation(samples.get(..later.len()).unwrap_or_default(), later),
        [] => f64::NAN,
    }
}

/// Wilson's 95 % interval for the probability of something that happened `hits` times in `trials` independent trials
/// (Wilson 1927). It holds for few trials and for probabilities near 0 and 1; of no trials it is 0 to 1.
#[must_use]
pub fn wilson(hits: u64, trials: u64) -> Interval {
    wilson_of_share(hits as f64 / trials as f64, trials as f64)
}

/// [`wilson`] for trials that depend on those before, such as losses in bursts: `factor` is how many times as much the mean of so
/// many varies as that of independent ones, so that they tell as little as n / `factor` of those.
#[must_use]
pub fn wilson_of_dependent(hits: u64, trials: u64, factor: f64) -> Interval {
    wilson_of_share(hits as f64 / trials as f64, trials as f64 / factor)
}

/// [`wilson_of_dependent`] with the factor that the series itself shows.
#[must_use]
pub fn wilson_of_series(hits: &[bool]) -> Interval {
    let count = hits.iter().filter(|hit| **hit).count();
    wilson_of_dependent(count as u64, hits.len() as u64, variance_factor(hits))
}

/// How many times as much the mean of a series like this one varies as that of independent trials, as the series shows; 1 at least.
///
/// Two estimates are made, and the larger counts: (1 + r) / (1 - r), where r is the correlation of neighbours, which is exact
/// for a two-state Markov chain such as the Gilbert model; and what the means of blocks of √n trials vary, which sees any
/// dependence that is shorter than a block, such as that of a model in whose bad state only some are lost.
#[must_use]
pub fn variance_factor(hits: &[bool]) -> f64 {
    let series: Vec<f64> = hits.iter().map(|hit| f64::from(u8::from(*hit))).collect();
    let r = lag1_correlation(&series);
    let r = if r.is_nan() { 0.0 } else { r.clamp(0.0, 0.999) };
    ((1.0 + r) / (1.0 - r)).max(variance_by_blocks(&series))
}

/// How much more the means of blocks of √n samples vary than those of independent samples do; 1 at least.
fn variance_by_blocks(samples: &[f64]) -> f64 {
    let length = samples.len().isqrt().max(1);
    let means: Vec<f64> = samples.chunks_exact(length).map(mean).collect();
    let factor = length as f64 * (standard_deviation(&means) / standard_deviation(samples)).powi(2);
    // Of no or equal samples it is no number.
    factor.max(1.0)
}

/// The 95 % interval for the mean of the distribution that independent samples come from (by the normal distribution: for 30
/// samples or more).
#[must_use]
pub fn mean_interval(samples: &[f64]) -> Interval {
    let half = Z * standard_deviation(samples) / (samples.len() as f64).sqrt();
    let mean = mean(samples);
    Interval { low: mean - half, high: mean + half }
}

/// The 95 % interval, or a wider one, for the median of the distribution that independent samples come from, whatever its shape: its
/// ends are samples, since how many of those lie below the median is binomial. Fewer than 6 say nothing: from -∞ to ∞.
#[must_use]
pub fn median_interval(samples: &[f64]) -> Interval {
    let n = samples.len() as f64;
    // How likely it is that so many lie below the median, and that at most so many do.
    let (mut exactly, mut at_most, mut below) = (-n * 2.0_f64.ln(), 0.0, 0);
    while below < samples.len() {
        at_most += f64::exp(exactly);
        if at_most > 0.025 {
            break;
        }
        exactly += ((n - below as f64) / (below as f64 + 1.0)).ln();
        below += 1;
    }
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let low = below.checked_sub(1).and_then(|place| sorted.get(place));
    let high = samples.len().checked_sub(below).and_then(|place| sorted.get(place));
    Interval { low: low.copied().unwrap_or(f64::NEG_INFINITY), high: high.copied().unwrap_or(f64::INFINITY) }
}

/// The 95 % interval for the standard deviation of the distribution that independent samples come from, whatever its shape:
/// the variance's own deviation is taken from the samples' fourth moment (for 100 samples or more).
#[must_use]
pub fn standard_deviation_interval(samples: &[f64]) -> Interval {
    let n = samples.len() as f64;
    let mean = mean(samples);
    let variance = standard_deviation(samples).powi(2);
    let fourth = samples.iter().map(|sample| (sample - mean).powi(4)).sum::<f64>() / n;
    let half = Z * ((fourth - variance.powi(2)).max(0.0) / n).sqrt();
    Interval { low: (variance - half).max(0.0).sqrt(), high: (variance + half).sqrt() }
}

fn wilson_of_share(share: f64, trials: f64) -> Interval {
    if trials.is_nan() || trials <= 0.0 {
        return Interval { low: 0.0, high: 1.0 };
    }
    let z2 = Z * Z / trials;
    let centre = share + z2 / 2.0;
    let half = Z * (share * (1.0 - share) / trials + z2 / (4.0 * trials)).sqrt();
    let end = |value: f64| (value / (1.0 + z2)).clamp(0.0, 1.0);
    Interval { low: end(centre - half), high: end(centre + half) }
}

/// The sum of the products of the deviations from the means.
fn squares(xs: &[f64], ys: &[f64]) -> f64 {
    let (mx, my) = (mean(xs), mean(ys));
    xs.iter().zip(ys).map(|(x, y)| (x - mx) * (y - my)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_close(got: f64, wanted: f64) {
        assert!((got - wanted).abs() < 1e-4, "{got}, wanted {wanted}");
    }

    #[test]
    fn percentiles_lie_between_samples() {
        let samples = [4.0, 1.0, 3.0, 2.0];
        assert_close(median(&samples), 2.5);
        assert_close(percentile(&samples, 0.0), 1.0);
        assert_close(percentile(&samples, 100.0), 4.0);
        assert_close(percentile(&samples, 90.0), 3.7); // numpy.percentile([1, 2, 3, 4], 90)
        assert_close(median(&[7.0]), 7.0);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn moments_and_correlations() {
        let samples = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0];
        assert_close(mean(&samples), 5.0);
        assert_close(standard_deviation(&samples), (32.0f64 / 7.0).sqrt());
        assert_close(correlation(&[1.0, 2.0, 3.0], &[2.0, 4.0, 6.0]), 1.0);
        assert_close(correlation(&[1.0, 2.0, 3.0, 4.0], &[1.0, 3.0, 2.0, 4.0]), 0.8);
        assert_close(lag1_correlation(&[1.0, 2.0, 3.0, 4.0]), 1.0);
        assert_close(lag1_correlation(&[1.0, -1.0, 1.0, -1.0]), -1.0);
        assert!(mean(&[]).is_nan() && standard_deviation(&[1.0]).is_nan() && lag1_correlation(&[]).is_nan());
    }

    #[test]
    fn wilson_as_published() {
        // Newcombe, Two-sided confidence intervals for the single proportion, Statistics in Medicine 17 (1998), table I.
        for (hits, trials, low, high) in [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)] {
            let interval = wilson(hits, trials);
            assert_close(interval.low, low);
            assert_close(interval.high, high);
        }
        assert_close(wilson(29, 29).high, 1.0);
        assert_eq!(wilson(0, 0), Interval { low: 0.0, high: 1.0 });
    }

    #[test]
    fn hits_in_bursts_tell_less() {
        let single: Vec<bool> = (0..1000).map(|n| n % 10 == 0).collect();
        let bursts: Vec<bool> = (0..1000).map(|n| n % 100 < 10).collect();
        assert_eq!(wilson_of_series(&single), wilson(100, 1000));
        let interval = wilson_of_series(&bursts);
        assert!(interval.contains(0.1) && interval.high - interval.low > 0.1, "{interval:?}");
        assert_eq!(wilson_of_series(&[false; 20]), wilson(0, 20));
        assert_eq!(wilson_of_dependent(40, 400, 4.0), wilson(10, 100));
    }

    /// 100 trials of which all are good, then 100 of which every other is lost: neighbours say little about it.
    #[test]
    fn a_dependence_beyond_the_neighbour_widens_the_interval() {
        let periods: Vec<bool> = (0..10_000).map(|trial| trial % 200 >= 100 && trial % 2 == 0).collect();
        let (series, single) = (wilson_of_series(&periods), wilson(2_500, 10_000));
        assert!(series.contains(0.25) && series.high - series.low > 3.0 * (single.high - single.low), "{series:?}");
    }

    #[test]
    fn the_interval_of_a_median_ends_at_samples() {
        // Conover, Practical Nonparametric Statistics: of 10 samples the 2nd and the 9th (97.9 %), of 20 the 6th and the 15th.
        let of = |count: u32| median_interval(&(1..=count).rev().map(f64::from).collect::<Vec<_>>());
        for (count, low, high) in
            [(6, 1.0, 6.0), (10, 2.0, 9.0), (20, 6.0, 15.0), (100, 40.0, 61.0), (2000, 956.0, 1045.0)]
        {
            assert_eq!(of(count), Interval { low, high }, "of {count}");
        }
        for few in [0, 1, 5] {
            assert_eq!(of(few), Interval { low: f64::NEG_INFINITY, high: f64::INFINITY }, "of {few}");
        }
    }

    #[test]
    fn intervals_of_mean_and_deviation() {
        // 1 to 100: mean 50.5, standard deviation 29.0115.
        let samples: Vec<f64> = (1..=100).map(f64::from).collect();
        let interval = mean_interval(&samples);
        assert_close(interval.low, 50.5 - 1.959_964 * 2.901_149);
        assert_close(interval.high, 50.5 + 1.959_964 * 2.901_149);
        let interval = standard_deviation_interval(&samples);
        assert!(interval.contains(29.0115) && interval.high - interval.low < 8.0, "{interval:?}");
    }
}
