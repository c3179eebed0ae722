//! One figure: what was asked, what was measured, and the verdict.

use meter::statistics::Interval;
use serde::Serialize;

/// Which way packets go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Direction {
    /// There and back.
    RoundTrip,
    /// To the interface.
    Download,
    /// From the interface.
    Upload,
}

/// The unit of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) enum Unit {
    #[serde(rename = "ns")]
    Time,
    #[serde(rename = "bit/s")]
    Rate,
    /// Of the packets sent, 0 to 1.
    #[serde(rename = "share")]
    Share,
}

/// The verdict of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Verdict {
    /// Within the tolerance.
    Kept,
    /// Beyond it.
    Missed,
    /// There is nothing to compare with.
    Measured,
}

/// A figure. What could not be measured is NaN, and null in JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    pub(super) direction: Direction,
    pub(super) what: String,
    pub(super) unit: Unit,
    pub(super) asked: Option<f64>,
    pub(super) got: f64,
    /// Where the true figure lies with a probability of 95 %, for shares and deviations.
    pub(super) interval: Option<[f64; 2]>,
    pub(super) verdict: Verdict,
    /// Why it was missed, why it is not compared, or how it was kept although it is off.
    pub(super) reasons: Vec<String>,
    /// The figure is the known outcome of what was asked: measuring it again would not change it.
    #[serde(skip)]
    pub(super) is_known: bool,
}

/// How often a figure is measured, each time with new packets, before it is missed. What is asked is beside the 95 % interval of
/// a share by chance alone in 4 to 6 of 100 measurements (few hits are not spread as the normal distribution), and so one figure
/// in 4000 is missed although all is right.
const MEASUREMENTS: usize = 3;

/// Measures figures, and those again that chance may have put beyond what was asked.
pub(super) fn measured<E>(mut measure: impl FnMut() -> Result<Vec<Row>, E>) -> Result<Vec<Row>, E> {
    let mut rows = measure()?;
    for _ in 1..MEASUREMENTS {
        if rows.iter().all(Row::is_settled) {
            break;
        }
        let again = measure()?;
        rows = rows.into_iter().zip(again).map(|(row, again)| if row.is_settled() { row } else { again }).collect();
    }
    Ok(rows)
}

/// Rates may be so much off, as a share.
pub(super) const RATE_TOLERANCE: f64 = 0.01;

/// Times may be so much off, in nanoseconds.
pub(super) const TIME_TOLERANCE: f64 = 50_000.0;

/// What sums of floats may be off.
const ROUNDING: f64 = 1e-9;

impl Row {
    /// A time in nanoseconds that may be off by so much.
    pub(super) fn time(direction: Direction, what: &str, asked: Option<f64>, got: f64, tolerance: f64) -> Self {
        let is_kept = asked.map(|asked| (got - asked).abs() <= tolerance);
        Self::new(direction, what, Unit::Time, asked, got, is_kept)
    }

    /// A rate in bit/s. So much more or less is chance.
    pub(super) fn rate(direction: Direction, what: &str, asked: Option<f64>, got: f64, chance: f64) -> Self {
        let is_kept = asked.map(|asked| (got - asked).abs() <= asked * RATE_TOLERANCE + chance);
        Self::new(direction, what, Unit::Rate, asked, got, is_kept)
    }

    /// A share of packets. It is kept where the interval has something of what was asked.
    pub(super) fn share(direction: Direction, what: &str, asked: Interval, got: f64, interval: Interval) -> Self {
        let is_kept = interval.low <= asked.high + ROUNDING && asked.low <= interval.high + ROUNDING;
        let row = Self::new(direction, what, Unit::Share, Some(asked.high), got, Some(is_kept));
        Self { interval: Some([interval.low, interval.high]), ..row }
    }

    fn new(direction: Direction, what: &str, unit: Unit, asked: Option<f64>, got: f64, is_kept: Option<bool>) -> Self {
        let verdict = match is_kept {
            None => Verdict::Measured,
            Some(true) => Verdict::Kept,
            Some(false) => Verdict::Missed,
        };
        Self {
            direction,
            what: what.to_owned(),
            unit,
            asked,
            got,
            interval: None,
            verdict,
            reasons: Vec::new(),
            is_known: false,
        }
    }

    /// The same, and kept where it is with so much more, for which there is a reason.
    pub(super) fn kept_with(mut self, more: f64, reason: impl FnOnce() -> String) -> Self {
        if self.asked.is_some_and(|asked| self.got + more >= asked * (1.0 - RATE_TOLERANCE)) {
            self.verdict = Verdict::Kept;
            self.reasons.push(reason());
        }
        self
    }

    /// The same with reasons for a gap, if there is one; where none was found, that is said.
    pub(super) fn explained(mut self, reasons: impl FnOnce(&Self) -> Vec<String>) -> Self {
        if self.verdict == Verdict::Missed {
            self.reasons = reasons(&self);
            if self.reasons.is_empty() {
                self.reasons.push("no reason was found".to_owned());
            }
        }
        self
    }

    /// The same, only reported and not judged, because of `reason`.
    pub(super) fn not_judged(mut self, reason: impl Into<String>) -> Self {
        self.verdict = Verdict::Measured;
        self.reasons.push(reason.into());
        self
    }

    pub(super) fn is_missed(&self) -> bool {
        self.verdict == Verdict::Missed
    }

    /// Whether another measurement would not change the verdict.
    fn is_settled(&self) -> bool {
        !self.is_missed() || self.is_known || self.is_of_nothing()
    }

    /// Whether it says that nothing arrived.
    pub(super) fn is_of_nothing(&self) -> bool {
        match self.unit {
            _ if self.got.is_nan() => true,
            Unit::Rate => self.got <= 0.0,
            Unit::Share => self.what.starts_with("loss") && self.got >= 1.0,
            Unit::Time => false,
        }
    }

    /// As a line of the table.
    pub(super) fn cells(&self) -> [String; 6] {
        let verdict = match self.verdict {
            Verdict::Kept => "ok",
            Verdict::Missed => "MISSED",
            Verdict::Measured => "-",
        };
        let reasons = self.reasons.join("; ");
        let verdict = if reasons.is_empty() { verdict.to_owned() } else { format!("{verdict}: {reasons}") };
        let asked = self.asked.map_or_else(|| "-".to_owned(), |asked| self.unit.show(asked));
        [
            self.direction.name().to_owned(),
            self.what.clone(),
            asked,
            self.unit.show(self.got),
            self.deviation(),
            verdict,
        ]
    }

    /// How far it is off: in time, in percent, or, for shares, between which the true one lies.
    fn deviation(&self) -> String {
        match (self.unit, self.interval, self.asked) {
            (Unit::Share, Some([low, high]), _) => format!("{:.3} to {:.3} %", low * 100.0, high * 100.0),
            (Unit::Time, _, Some(asked)) if !self.got.is_nan() => format!("{:+.3} ms", (self.got - asked) / 1e6),
            (Unit::Rate, _, Some(asked)) if !self.got.is_nan() && asked > 0.0 => {
                format!("{:+.2} %", (self.got / asked - 1.0) * 100.0)
            }
            _ => "-".to_owned(),
        }
    }
}

impl Direction {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::RoundTrip => "both",
            Self::Download => "download",
            Self::Upload => "upload",
        }
    }
}

impl Unit {
    pub(super) fn show(self, value: f64) -> String {
        if value.is_nan() {
            return "nothing".to_owned();
        }
        match self {
            Self::Time => format!("{:.3} ms", value / 1e6),
            Self::Share => format!("{:.3} %", value * 100.0),
            Self::Rate => {
                let units = [(1e9, "Gbit/s"), (1e6, "Mbit/s"), (1e3, "kbit/s")];
                let unit = units.into_iter().find(|(factor, _)| value >= *factor);
                let (factor, name) = unit.unwrap_or((1.0, "bit/s"));
                format!("{:.2} {name}", value / factor)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_within_the_tolerance_is_kept() {
        let rate = |got| Row::rate(Direction::Download, "UDP", Some(50e6), got, 1e3);
        assert_eq!(rate(49.6e6).cells().join("|"), "download|UDP|50.00 Mbit/s|49.60 Mbit/s|-0.80 %|ok");
        let missed = rate(40e6).explained(|_| vec!["CPU 0 was 99 % busy".to_owned()]);
        assert_eq!(missed.cells()[5], "MISSED: CPU 0 was 99 % busy");
        assert_eq!(
            rate(f64::NAN).explained(|_| Vec::new()).cells()[3..],
            ["nothing", "-", "MISSED: no reason was found"]
        );
        let slow = |got| Row::rate(Direction::Download, "TCP", Some(8e3), got, 300.0);
        assert!(!slow(7.7e3).is_missed() && slow(7.5e3).is_missed(), "a frame counts");
        let time = Row::time(Direction::RoundTrip, "delay", Some(10e6), 10.2e6, TIME_TOLERANCE);
        assert_eq!(time.cells().join("|"), "both|delay|10.000 ms|10.200 ms|+0.200 ms|MISSED");
        let told = Row::time(Direction::Upload, "jitter", None, 3e4, 0.0);
        assert_eq!(told.cells().join("|"), "upload|jitter|-|0.030 ms|-|-");
    }

    #[test]
    fn only_what_is_missed_in_every_measurement_is_missed() {
        let row = |what: &str, got| Row::time(Direction::Download, what, Some(10.0), got, 1.0);
        let mut times = [[10.0, 20.0, 20.0], [20.0, 10.0, 20.0], [20.0, 20.0, 20.0], [10.0; 3]].into_iter();
        let rows = measured(|| {
            let [first, second, third] = times.next().ok_or("too often")?;
            let known = Row { is_known: true, ..row("d", first + 20.0) };
            Ok::<_, &str>(vec![row("a", first), row("b", second), row("c", third), known])
        });
        let got: Vec<_> = rows.unwrap().iter().map(|row| (row.got, row.is_missed())).collect();
        assert_eq!(got, [(10.0, false), (10.0, false), (20.0, true), (30.0, true)]);
        assert_eq!(times.count(), 1, "three measurements, not a fourth");
    }

    #[test]
    fn a_share_lies_in_its_interval() {
        let interval = Interval { low: 0.005, high: 0.015 };
        let share =
            |asked| Row::share(Direction::Download, "loss", Interval { low: asked, high: asked }, 0.01, interval);
        assert_eq!(share(0.01).cells()[2..], ["1.000 %", "1.000 %", "0.500 to 1.500 %", "ok"]);
        assert!(share(0.02).is_missed() && share(0.0).is_missed());
        let none = meter::statistics::wilson(0, 5000);
        assert!(!Row::share(Direction::Upload, "loss", Interval { low: 0.0, high: 0.0 }, 0.0, none).is_missed());
    }
}
