//! How much had arrived when.

use std::time::Duration;

use crate::clock::nanoseconds;

/// Bytes over time, from the first arrival on.
///
/// The first arrival counts in none of it: it begins the time. What arrives later is spread evenly over the time since the
/// arrival before, as on a wire, where a frame's end arrives a frame's time after its beginning. So a span of time does not
/// hold one frame more or less by chance.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Curve {
    /// Nanoseconds of the wall clock, not falling, and the bytes that had arrived by then.
    points: Vec<(u64, u64)>,
}

impl Curve {
    /// So many bytes arrived at `at` nanoseconds. An earlier time than that of the last arrival counts as that.
    pub(crate) fn arrive(&mut self, at: u64, bytes: u64) {
        let point = match self.points.last() {
            None => (at, 0),
            Some((last, total)) => (at.max(*last), total.saturating_add(bytes)),
        };
        self.points.push(point);
    }

    /// The time from the first arrival to the last.
    #[must_use]
    pub fn span(&self) -> Duration {
        match (self.points.first(), self.points.last()) {
            (Some((first, _)), Some((last, _))) => Duration::from_nanos(last.saturating_sub(*first)),
            _ => Duration::ZERO,
        }
    }

    /// How many arrivals there were.
    #[must_use]
    pub fn arrivals(&self) -> usize {
        self.points.len()
    }

    /// Bits per second in the span of `length` that begins `begin` after the first arrival; `None` where it is not over by the last
    /// arrival, or has no length.
    #[must_use]
    pub fn bit_s(&self, begin: Duration, length: Duration) -> Option<f64> {
        let end = begin.checked_add(length)?;
        if end > self.span() || length.is_zero() {
            return None;
        }
        Some((self.bytes_at(end)? - self.bytes_at(begin)?) * 8.0 / length.as_secs_f64())
    }

    /// Bits per second in each span of `length` that begins `begin` or a multiple of `step` later after the first arrival.
    #[must_use]
    pub fn windows(&self, begin: Duration, length: Duration, step: Duration) -> Vec<f64> {
        let step = step.max(Duration::from_micros(1));
        std::iter::successors(Some(begin), |begin| begin.checked_add(step))
            .map_while(|begin| self.bit_s(begin, length))
            .collect()
    }

    /// The longest time between two arrivals.
    #[must_use]
    pub fn longest_gap(&self) -> Duration {
        let later = self.points.iter().skip(1);
        let gaps = self.points.iter().zip(later).map(|((a, _), (b, _))| b.saturating_sub(*a));
        Duration::from_nanos(gaps.max().unwrap_or_default())
    }

    #[expect(clippy::cast_precision_loss, reason = "52 bits of nanoseconds or bytes are months and petabytes")]
    fn bytes_at(&self, after: Duration) -> Option<f64> {
        let (first, _) = self.points.first()?;
        let at = first.saturating_add(nanoseconds(after));
        let next = self.points.partition_point(|(time, _)| *time <= at);
        let (before, bytes) = *self.points.get(next.checked_sub(1)?)?;
        let Some((time, total)) = self.points.get(next) else { return Some(bytes as f64) };
        let share = (at - before) as f64 / (time - before) as f64;
        Some(bytes as f64 + (total - bytes) as f64 * share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// 1514 bytes every 12.112 ms are 1 Mbit/s, wherever the span begins.
    #[test]
    fn a_frame_more_or_less_is_no_error() {
        let mut curve = Curve::default();
        (0..300).for_each(|frame| curve.arrive(5 * MS + frame * 12_112_000, 1514));
        for rate in curve.windows(Duration::ZERO, ms(1000), ms(7)) {
            assert!((rate - 1e6).abs() < 1.0, "{rate}");
        }
        assert_eq!(curve.windows(Duration::ZERO, ms(1000), ms(1000)).len(), 3);
    }

    #[test]
    fn what_arrives_at_once_counts_at_that_time() {
        let mut curve = Curve::default();
        for (at, bytes) in [(0, 77), (0, 1000), (10, 1000), (20, 0)] {
            curve.arrive(at * MS, bytes);
        }
        assert_eq!(curve.bytes_at(Duration::ZERO), Some(1000.0));
        assert_eq!(curve.bytes_at(ms(5)), Some(1500.0));
        assert_eq!(curve.bit_s(Duration::ZERO, ms(10)), Some(800_000.0));
        assert_eq!(curve.bit_s(ms(10), ms(10)), Some(0.0));
        assert_eq!(curve.bit_s(ms(10), ms(11)), None);
        assert_eq!((curve.span(), curve.longest_gap(), curve.arrivals()), (ms(20), ms(10), 4));
    }

    #[test]
    fn of_nothing_there_is_no_rate() {
        let curve = Curve::default();
        assert_eq!((curve.bit_s(Duration::ZERO, ms(1)), curve.span()), (None, Duration::ZERO));
        assert!(curve.windows(Duration::ZERO, ms(1), Duration::ZERO).is_empty());
    }
}
