//! What a curve of arrivals says of a rate.

use std::time::Duration;

use meter::Curve;

/// How far a rate may be from what was asked, in any second.
pub(crate) const TOLERANCE: f64 = 0.01;

/// A bucket holds a frame, or none would pass; it is no part of the rate. At 1 Mbit/s it is 1.2 % of a second.
const FRAME_BITS: f64 = 1514.0 * 8.0;

const SECOND: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(10);

/// A rate over time, in bit/s at layer 2. Figures are NaN where the curve is too short.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seconds {
    /// Over all of the time.
    pub(crate) mean: f64,
    /// In the first second, with whatever burst there was.
    pub(crate) first: f64,
    /// In the poorest of all seconds that begin a second after the first arrival or later, in steps of 10 ms.
    pub(crate) low: f64,
    /// In the richest of those.
    pub(crate) high: f64,
}

impl Seconds {
    /// Reads a curve up to `duration`, which is when the sender ends.
    pub(crate) fn of(curve: &Curve, duration: Duration) -> Self {
        // A path with a delay is still being emptied after that.
        let all = duration.min(curve.span());
        let begins = all.checked_sub(2 * SECOND).map_or(0, |last| last.as_nanos() / STEP.as_nanos() + 1);
        let windows = curve.windows(SECOND, SECOND, STEP);
        let windows = || windows.iter().copied().take(usize::try_from(begins).unwrap_or(usize::MAX));
        Self {
            mean: curve.bit_s(Duration::ZERO, all).unwrap_or(f64::NAN),
            first: curve.bit_s(Duration::ZERO, SECOND).unwrap_or(f64::NAN),
            low: windows().fold(f64::NAN, f64::min),
            high: windows().fold(f64::NAN, f64::max),
        }
    }

    /// The largest deviation of any second from what was asked, as a share with its sign. Of what the first has too much, a
    /// frame is left out.
    pub(crate) fn worst(&self, asked: f64, counts_first: bool) -> f64 {
        let first = if self.first > asked { (self.first - FRAME_BITS).max(asked) } else { self.first };
        let later = [self.low, self.high].into_iter();
        let all = later.chain(counts_first.then_some(first)).map(|rate| rate / asked - 1.0);
        // NaN is worse than all.
        all.max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap_or(f64::NAN)
    }
}

/// Whether a deviation is within what is promised.
pub(crate) fn is_within(deviation: f64) -> bool {
    deviation.abs() <= TOLERANCE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(first: f64, low: f64, high: f64) -> Seconds {
        Seconds { mean: 1e6, first, low, high }
    }

    #[test]
    fn the_worst_second_counts_on_either_side() {
        assert_eq!(seconds(1e6, 0.98e6, 1.01e6).worst(1e6, true), 0.98 - 1.0);
        assert_eq!(seconds(0.5e6, 1e6, 1.25e6).worst(1e6, false), 0.25);
        assert_eq!(seconds(0.5e6, 1e6, 1.25e6).worst(1e6, true), -0.5);
    }

    #[test]
    fn a_frame_at_once_is_no_error_and_nothing_seen_is_one() {
        assert_eq!(seconds(1e6 + FRAME_BITS, 1e6, 1e6).worst(1e6, true), 0.0);
        assert!(!is_within(seconds(1e6 + FRAME_BITS * 2.0, 1e6, 1e6).worst(1e6, true)));
        assert!(!is_within(seconds(f64::NAN, f64::NAN, f64::NAN).worst(1e6, true)));
    }
}
