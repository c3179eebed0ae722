//! What became of single datagrams.

use std::time::Duration;

use crate::statistics::{self, Interval};

/// One arrival of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// The datagram's number, from 0.
    pub sequence: u32,
    /// When it was sent, in nanoseconds of the wall clock.
    pub sent_ns: u64,
    /// When the kernel received it, in nanoseconds of the wall clock.
    pub received_ns: u64,
    /// Whether a bit of its payload differs from what was sent.
    pub is_corrupted: bool,
    /// Whether it carries the mark of congestion (ECN CE, RFC 3168).
    pub is_marked: bool,
}

/// What became of datagrams that were sent one by one. Figures of delays are in nanoseconds, and NaN when nothing arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probes {
    /// How many were sent.
    pub sent: u32,
    /// When each was sent, in nanoseconds of the wall clock.
    pub sent_ns: Vec<u64>,
    /// All arrivals in their order, duplicates too.
    pub arrivals: Vec<Arrival>,
    /// Dropped by the receiver's own socket, not by the path.
    pub dropped_by_receiver: u64,
}

impl Arrival {
    /// The one-way delay in nanoseconds; below 0 where the clock was set back meanwhile.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "52 bits of nanoseconds are 52 days")]
    pub fn delay_ns(&self) -> f64 {
        if self.received_ns >= self.sent_ns {
            (self.received_ns - self.sent_ns) as f64
        } else {
            -((self.sent_ns - self.received_ns) as f64)
        }
    }
}

impl Probes {
    /// The first arrivals of each datagram, in order of arrival.
    #[must_use]
    pub fn first_arrivals(&self) -> Vec<Arrival> {
        let mut seen = vec![false; self.sent as usize];
        let mut is_first = |arrival: &&Arrival| {
            let place = seen.get_mut(arrival.sequence as usize);
            place.is_some_and(|seen| !std::mem::replace(seen, true))
        };
        self.arrivals.iter().filter(|arrival| is_first(arrival)).copied().collect()
    }

    /// One-way delays in order of sequence.
    #[must_use]
    pub fn delays(&self) -> Vec<f64> {
        let mut arrivals = self.first_arrivals();
        arrivals.sort_by_key(|arrival| arrival.sequence);
        arrivals.iter().map(Arrival::delay_ns).collect()
    }

    /// One-way delays in order of arrival.
    #[must_use]
    pub fn delays_by_arrival(&self) -> Vec<f64> {
        self.first_arrivals().iter().map(Arrival::delay_ns).collect()
    }

    /// The median delay.
    #[must_use]
    pub fn median(&self) -> f64 {
        statistics::median(&self.delays())
    }

    /// The delay below which so many percent (0 to 100) lie.
    #[must_use]
    pub fn percentile(&self, percent: f64) -> f64 {
        statistics::percentile(&self.delays(), percent)
    }

    /// The mean delay.
    #[must_use]
    pub fn mean(&self) -> f64 {
        statistics::mean(&self.delays())
    }

    /// The standard deviation of the delays.
    #[must_use]
    pub fn standard_deviation(&self) -> f64 {
        statistics::standard_deviation(&self.delays())
    }

    /// The correlation of each delay with that of the datagram before, in order of sequence.
    #[must_use]
    pub fn delay_correlation(&self) -> f64 {
        statistics::lag1_correlation(&self.delays())
    }

    /// For each datagram in order of sequence, whether it was lost.
    #[must_use]
    pub fn losses(&self) -> Vec<bool> {
        let mut losses = vec![true; self.sent as usize];
        for arrival in &self.arrivals {
            if let Some(lost) = losses.get_mut(arrival.sequence as usize) {
                *lost = false;
            }
        }
        losses
    }

    /// How many did not arrive.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.losses().iter().filter(|lost| **lost).count() as u64
    }

    /// The share that did not arrive, 0 to 1.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "there are at most 2^32")]
    pub fn loss(&self) -> f64 {
        self.lost() as f64 / f64::from(self.sent)
    }

    /// The 95 % interval for the probability of a loss where each is independent of the others.
    #[must_use]
    pub fn loss_interval(&self) -> Interval {
        statistics::wilson(self.lost(), self.sent.into())
    }

    /// The 95 % interval for the share of losses where they come in bursts ([`statistics::wilson_of_series`]).
    #[must_use]
    pub fn loss_interval_in_bursts(&self) -> Interval {
        statistics::wilson_of_series(&self.losses())
    }

    /// The correlation of the loss of a datagram with that of the one before.
    #[must_use]
    pub fn loss_correlation(&self) -> f64 {
        let losses: Vec<f64> = self.losses().iter().map(|lost| f64::from(u8::from(*lost))).collect();
        statistics::lag1_correlation(&losses)
    }

    /// The lengths of all runs of losses, in order of sequence.
    #[must_use]
    pub fn loss_bursts(&self) -> Vec<usize> {
        let losses = self.losses();
        losses.split(|lost| !lost).map(<[bool]>::len).filter(|length| *length > 0).collect()
    }

    /// The length of the longest run of losses.
    #[must_use]
    pub fn longest_loss_burst(&self) -> usize {
        self.loss_bursts().into_iter().max().unwrap_or_default()
    }

    /// Arrivals beyond the first of each datagram.
    #[must_use]
    pub fn duplicated(&self) -> u64 {
        (self.arrivals.len() - self.first_arrivals().len()) as u64
    }

    /// First arrivals with a smaller number than one before (reordered in the sense of RFC 4737).
    #[must_use]
    pub fn reordered(&self) -> u64 {
        let mut next = 0;
        let mut is_late = |arrival: &&Arrival| {
            let is_late = arrival.sequence < next;
            next = next.max(arrival.sequence.saturating_add(1));
            is_late
        };
        self.first_arrivals().iter().filter(|arrival| is_late(arrival)).count() as u64
    }

    /// Arrivals with a flipped bit. With checksums the kernel drops such datagrams, and they count as lost.
    #[must_use]
    pub fn corrupted(&self) -> u64 {
        self.arrivals.iter().filter(|arrival| arrival.is_corrupted).count() as u64
    }

    /// Arrivals that carry the mark of congestion.
    #[must_use]
    pub fn marked(&self) -> u64 {
        self.arrivals.iter().filter(|arrival| arrival.is_marked).count() as u64
    }

    /// The times between arrivals, in nanoseconds.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "52 bits of nanoseconds are 52 days")]
    pub fn gaps(&self) -> Vec<f64> {
        let later = self.arrivals.iter().skip(1);
        self.arrivals.iter().zip(later).map(|(a, b)| b.received_ns.saturating_sub(a.received_ns) as f64).collect()
    }

    /// The median delay as a duration; `None` when nothing arrived.
    #[must_use]
    pub fn median_delay(&self) -> Option<Duration> {
        let median = self.median();
        (!median.is_nan()).then(|| Duration::from_secs_f64(median.max(0.0) / 1e9))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probes(sent: u32, arrived: &[u32]) -> Probes {
        let arrival = |(place, sequence): (usize, &u32)| Arrival {
            sequence: *sequence,
            sent_ns: u64::from(*sequence) * 10,
            received_ns: 100 + place as u64 * 10,
            is_corrupted: false,
            is_marked: false,
        };
        let arrivals = arrived.iter().enumerate().map(arrival).collect();
        Probes { sent, sent_ns: (0..u64::from(sent)).map(|n| n * 10).collect(), arrivals, dropped_by_receiver: 0 }
    }

    #[test]
    fn losses_duplicates_and_late_ones_are_told_apart() {
        let probes = probes(10, &[0, 2, 1, 1, 6, 2, 9]);
        assert_eq!((probes.lost(), probes.duplicated(), probes.reordered()), (5, 2, 1));
        assert_eq!(probes.loss_bursts(), [3, 2]);
        assert_eq!(probes.longest_loss_burst(), 3);
        assert_eq!(probes.delays(), [100.0, 110.0, 90.0, 80.0, 70.0]);
        assert_eq!(probes.delays_by_arrival(), [100.0, 90.0, 110.0, 80.0, 70.0]);
        assert_eq!(probes.median(), 90.0);
        assert_eq!(probes.gaps(), [10.0; 6]);
    }

    #[test]
    fn of_nothing_there_is_no_delay() {
        let nothing = probes(3, &[]);
        assert!(nothing.median().is_nan() && nothing.median_delay().is_none());
        assert_eq!((nothing.lost(), nothing.longest_loss_burst(), nothing.gaps().len()), (3, 3, 0));
        assert!(nothing.loss_interval().contains(1.0));
        assert_eq!(probes(2, &[7]).lost(), 2, "a number that was not sent");
    }

    #[test]
    fn delays_below_zero_are_kept() {
        let arrival = Arrival { sequence: 0, sent_ns: 10, received_ns: 4, is_corrupted: false, is_marked: false };
        assert_eq!(arrival.delay_ns(), -6.0);
    }
}
