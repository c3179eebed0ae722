//! The accuracy of this machine's timers, which limits how accurate a delay can be.

use std::fs;
use std::time::{Duration, Instant};

use meter::statistics;

/// Where the kernel names its clock source.
const SOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";

/// A timer that is tried, and how often.
const TRY: Duration = Duration::from_millis(1);
const TRIES: usize = 200;

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Clock {
    /// The kernel's clock source, such as `tsc`.
    source: String,
    /// Timers are exact to a tick of the kernel only.
    is_coarse: bool,
    /// How much later than asked a sleep ends, in nanoseconds: the median, and what 1 in 20 exceeds.
    late_ns: f64,
    latest_ns: f64,
}

impl Clock {
    /// Tries it.
    #[expect(clippy::cast_precision_loss, reason = "52 bits of nanoseconds are 52 days")]
    pub(super) fn look() -> Self {
        let late: Vec<f64> = (0..TRIES)
            .map(|_| {
                let begin = Instant::now();
                std::thread::sleep(TRY);
                begin.elapsed().saturating_sub(TRY).as_nanos() as f64
            })
            .collect();
        let resolution = nix::time::clock_getres(nix::time::ClockId::CLOCK_MONOTONIC);
        Self {
            source: fs::read_to_string(SOURCE).unwrap_or_default().trim().to_owned(),
            is_coarse: resolution.is_ok_and(|time| Duration::from(time) > Duration::from_micros(1)),
            late_ns: statistics::median(&late),
            latest_ns: statistics::percentile(&late, 95.0),
        }
    }

    /// The part of it that can explain a gap of so many nanoseconds: a timer is late for every packet that waits for it.
    pub(super) fn reason(&self, gap_ns: f64) -> Option<String> {
        let source = if self.source.is_empty() { "unknown" } else { &self.source };
        if self.is_coarse {
            return Some(
                "the kernel has no high-resolution timers (CONFIG_HIGH_RES_TIMERS, or highres=off)".to_owned(),
            );
        }
        (self.latest_ns >= gap_ns.abs() / 2.0).then(|| {
            format!(
                "timers here fire {:.3} ms late, 1 in 20 more than {:.3} ms (clock source {source})",
                self.late_ns / 1e6,
                self.latest_ns / 1e6
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_timer_explains_a_gap_of_its_size() {
        let clock = Clock { source: "hpet".to_owned(), is_coarse: false, late_ns: 60_000.0, latest_ns: 200_000.0 };
        assert_eq!(
            clock.reason(100_000.0).unwrap(),
            "timers here fire 0.060 ms late, 1 in 20 more than 0.200 ms (clock source hpet)"
        );
        assert_eq!(clock.reason(5e6), None);
        let coarse = Clock { is_coarse: true, ..clock };
        assert!(coarse.reason(5e6).unwrap().contains("highres"));
    }

    #[test]
    fn sleeps_end_late_here_too() {
        let clock = Clock::look();
        assert!(clock.late_ns > 0.0 && clock.late_ns <= clock.latest_ns, "{clock:?}");
    }
}
