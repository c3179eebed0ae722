//! Remarks on what is accepted but does not do what its name says, because of how netem works.

use shaping::{Chance, Line, Loss, Probability};

use crate::Shape;

/// Below this jitter, in nanoseconds, a correlation of delays does not show: netem takes the remainder of a correlated 32-bit
/// number by the width of the jitter (`tabledist` in net/sched/sch_netem.c), which is left to chance unless the jitter is
/// nearly as large as the number.
const JITTER_THAT_SHOWS_CORRELATION: u64 = 1_000_000_000;

/// One line for each thing that a person should know about what was asked for.
#[must_use]
pub fn remarks(shape: &Shape) -> Vec<String> {
    let mut remarks = Vec::new();
    for (direction, line) in [("download", &shape.download), ("upload", &shape.upload)] {
        remarks.extend(of_the_delay(direction, line));
        let loss = if let Loss::Random(chance) = line.loss { chance } else { Chance::default() };
        for (key, chance, verb) in [
            ("loss", loss, "lost"),
            ("duplicate", line.duplicate, "duplicated"),
            ("corrupt", line.corrupt, "corrupted"),
            ("reorder", line.reorder, "reordered"),
        ] {
            remarks.extend(of_a_chance(&format!("{direction}.{key}"), chance, verb));
        }
    }
    remarks
}

fn of_the_delay(direction: &str, line: &Line) -> Option<String> {
    let correlation = line.delay_correlation;
    if correlation.is_never() || line.jitter.nanoseconds() >= JITTER_THAT_SHOWS_CORRELATION {
        return None;
    }
    Some(format!(
        "{direction}.correlation: {correlation} has no effect on a jitter of {}: the kernel's netem uses only the low digits of \
         its correlated random numbers",
        line.jitter
    ))
}

fn of_a_chance(path: &str, chance: Chance, verb: &str) -> Option<String> {
    if chance.correlation.is_never() || chance.correlation == Probability::ALWAYS {
        return None;
    }
    let (asked, correlation, percent) = (chance.probability, chance.correlation, chance.expected() * 100.0);
    Some(format!(
        "{path}: {asked} with a correlation of {correlation} are {percent:.2}% of all packets {verb}: the kernel's netem \
         compares {asked} with a moving average of random numbers"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use shaping::Delay;

    #[test]
    fn a_correlation_is_explained() {
        let share = |text| Probability::parse(text).unwrap();
        let chance = Chance { probability: share("10%"), correlation: share("25%") };
        let ms = |ms: u64| Delay::from_nanoseconds(ms * 1_000_000).unwrap();
        let download = Line {
            delay: ms(10),
            jitter: ms(2),
            delay_correlation: share("25%"),
            loss: Loss::Random(chance),
            ..Line::default()
        };
        let told = remarks(&Shape { download, upload: Line::default() });
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with("download.correlation: 25% has no effect on a jitter of 2ms"), "{told:?}");
        assert!(told[1].starts_with("download.loss: 10% with a correlation of 25% are 1.75% of all packets lost"));
    }

    #[test]
    fn nothing_is_said_of_what_is_as_asked() {
        let loss = Loss::Random(Chance { probability: Probability::ALWAYS, ..Chance::default() });
        assert_eq!(remarks(&Shape { download: Line { loss, ..Line::default() }, upload: Line::default() }), [""; 0]);
    }
}
