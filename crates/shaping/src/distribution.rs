//! How a delay is spread around its mean: the tables of the kernel's netem.
//!
//! An entry of a table is a deviation in units of the jitter, times [`SCALE`]; the kernel picks one at random for each packet
//! (`tabledist` in net/sched/sch_netem.c). So a table is the inverse of the distribution function, sampled at equal
//! distances.

use std::f64::consts::PI;

/// `NETEM_DIST_SCALE` in `pkt_sched.h`: an entry of this size is one jitter.
pub(crate) const SCALE: i16 = 8192;

/// `NETEM_DIST_MAX` in `pkt_sched.h`: the most entries of a table.
pub(crate) const MOST_ENTRIES: usize = 16_384;

/// What an entry can express, in jitters.
const LATEST: f64 = 3.96;

/// Entries of our own tables.
const ENTRIES: u32 = 4096;

/// The Pareto distribution of iproute2: shape 3, so its inverse has a cube root, and its mean is 3/2.
const PARETO_MEAN: f64 = 1.5;
/// What iproute2 divides that distribution by is its variance, 3/4.
const PARETO_SCALE: f64 = 4.0 / 3.0;
/// `paretonormal` is a quarter of the one and three quarters of the other.
const NORMAL_SHARE: f64 = 0.25;

/// A distribution.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Distribution {
    /// All deviations up to the jitter alike. The kernel's own, without a table.
    #[default]
    Uniform,
    /// The bell curve, the jitter being its standard deviation.
    Normal,
    /// Few packets are very late.
    Pareto,
    /// A quarter normal, three quarters Pareto.
    ParetoNormal,
    /// A custom table: deviations in units of 1/8192 of the jitter.
    Table(Vec<i16>),
}

/// Why a distribution was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DistributionError {
    /// No distribution of that name.
    #[error("'{0}' is not a distribution: give uniform, normal, pareto, paretonormal, or a table of numbers")]
    Unknown(String),
    /// A table of no or too many entries.
    #[error("a table of {0} numbers cannot be used: it has 1 to {MOST_ENTRIES}")]
    Size(usize),
}

impl Distribution {
    /// Finds a distribution by its name.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn named(name: &str) -> Result<Self, DistributionError> {
        match name {
            "uniform" => Ok(Self::Uniform),
            "normal" => Ok(Self::Normal),
            "pareto" => Ok(Self::Pareto),
            "paretonormal" => Ok(Self::ParetoNormal),
            _ => Err(DistributionError::Unknown(name.to_owned())),
        }
    }

    /// A custom table.
    ///
    /// # Errors
    /// It is empty or has more than 16384.
    pub fn table_of(entries: Vec<i16>) -> Result<Self, DistributionError> {
        match entries.len() {
            1..=MOST_ENTRIES => Ok(Self::Table(entries)),
            size => Err(DistributionError::Size(size)),
        }
    }

    /// The table for the kernel; `None` for the one that needs none.
    #[must_use]
    pub fn table(&self) -> Option<Vec<i16>> {
        let quantile: fn(f64) -> f64 = match self {
            Self::Uniform => return None,
            Self::Table(entries) => return Some(entries.clone()),
            Self::Normal => normal,
            Self::Pareto => pareto,
            Self::ParetoNormal => |share| NORMAL_SHARE * normal(share) + (1.0 - NORMAL_SHARE) * pareto(share),
        };
        let middle = |entry: u32| (f64::from(entry) + 0.5) / f64::from(ENTRIES);
        let deviations: Vec<f64> = (0..ENTRIES).map(|entry| quantile(middle(entry)).min(LATEST)).collect();
        // What is cut off at the late end would make the mean delay shorter than asked.
        let mean = deviations.iter().sum::<f64>() / f64::from(ENTRIES);
        Some(deviations.into_iter().map(|deviation| scaled(deviation - mean)).collect())
    }
}

/// To the nearest entry. A float is cut to the range of the integer.
#[expect(clippy::cast_possible_truncation, reason = "`as` saturates, which is what is wanted of the last entries")]
fn scaled(deviation: f64) -> i16 {
    (deviation * f64::from(SCALE)).round() as i16
}

/// The inverse of Pareto's distribution function, shifted to a mean of zero, scaled and cut at four jitters as
/// iproute2 does.
fn pareto(share: f64) -> f64 {
    ((1.0 / (1.0 - share).cbrt() - PARETO_MEAN) * PARETO_SCALE).min(4.0)
}

/// The inverse of the normal distribution function: Halley's method on the function itself, from a start that is near enough
/// everywhere between 1/8192 and its counterpart. A step is so much better than the one before that a small one is the last.
fn normal(share: f64) -> f64 {
    let mut deviation = (share / (1.0 - share)).ln() / 1.702; // the logistic curve
    for _ in 0..8 {
        let density = (-deviation * deviation / 2.0).exp() / (2.0 * PI).sqrt();
        let step = (cumulative(deviation) - share) / density;
        let step = (step / (1.0 + deviation * step / 2.0)).clamp(-0.5, 0.5);
        deviation -= step;
        if step.abs() < 1e-3 {
            break;
        }
    }
    deviation
}

/// The normal distribution function, by the series of its integral (Marsaglia, "Evaluating the Normal Distribution", 2004).
fn cumulative(deviation: f64) -> f64 {
    let (mut term, mut sum, mut divisor) = (deviation, deviation, 1.0);
    while term.abs() > 1e-16 {
        divisor += 2.0;
        term *= deviation * deviation / divisor;
        sum += term;
    }
    0.5 + sum * (-deviation * deviation / 2.0).exp() / (2.0 * PI).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(distribution: &Distribution) -> (f64, f64) {
        let table = distribution.table().unwrap();
        let count = f64::from(u32::try_from(table.len()).unwrap());
        let values: Vec<f64> = table.iter().map(|entry| f64::from(*entry) / f64::from(SCALE)).collect();
        let mean = values.iter().sum::<f64>() / count;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
        (mean, variance.sqrt())
    }

    #[test]
    fn every_table_has_mean_zero() {
        for distribution in [Distribution::Normal, Distribution::Pareto, Distribution::ParetoNormal] {
            let (mean, _) = moments(&distribution);
            assert!(mean.abs() < 0.0001, "{distribution:?}: {mean}");
        }
    }

    #[test]
    fn the_normal_table_is_the_normal_distribution() {
        let (_, deviation) = moments(&Distribution::Normal);
        assert!((deviation - 1.0).abs() < 0.002, "{deviation}");
        for (share, quantile) in [(0.5, 0.0), (0.841_344_746, 1.0), (0.977_249_868, 2.0), (0.000_122_07, -3.668_28)] {
            assert!((normal(share) - quantile).abs() < 1e-4, "{share}: {}", normal(share));
        }
        let table = Distribution::Normal.table().unwrap();
        assert!(table.is_sorted() && table[0] == -table[table.len() - 1]);
    }

    #[test]
    fn a_pareto_table_is_never_early_and_sometimes_late() {
        let table = Distribution::Pareto.table().unwrap();
        let least = f64::from(table[0]) / f64::from(SCALE);
        assert!((least + 0.5 * PARETO_SCALE).abs() < 0.05, "{least}");
        assert!(table[table.len() - 1] > 32_000, "the last ones are cut to four jitters: {table:?}");
    }

    #[test]
    fn names_and_sizes_are_checked() {
        assert_eq!(Distribution::named("normal"), Ok(Distribution::Normal));
        assert!(Distribution::named("gauss").unwrap_err().to_string().contains("'gauss' is not a distribution"));
        for size in [0, MOST_ENTRIES + 1] {
            assert_eq!(Distribution::table_of(vec![0; size]), Err(DistributionError::Size(size)));
        }
        assert_eq!(Distribution::table_of(vec![-1, 1]).unwrap().table(), Some(vec![-1, 1]));
    }
}
