//! What is promised of ADD.

use std::time::Duration;

use bench::goal::Goal;

use super::job::{Job, MANY, Measured, Nic};
use super::maker::Maker;
use crate::attachment::Verb;
use crate::targets::ratio;
use crate::timing::Figures;

/// Over the floor, in ms, where the bridge has few ports.
const OVER_MS: f64 = 1.5;
/// Beside the floor, where it has many.
const FLOOR_RATIO: f64 = 1.15;
/// How much faster than the commands for a veth, beside how many ports.
const FASTER: [(usize, f64); 2] = [(1, 6.0), (100, 2.0)];

/// Compares the medians with what is promised. The same of the shortest times is said, too.
pub(crate) fn goals(measured: &Measured) -> Vec<Goal> {
    let adds = measured.iter().filter(|((job, maker), _)| job.verb == Verb::Add && *maker == Maker::Ours);
    adds.flat_map(|((job, _), ours)| of(*job, ours, measured)).collect()
}

fn of(job: Job, ours: &Figures, measured: &Measured) -> Vec<Goal> {
    let other = |maker| measured.get(&(job, maker));
    let what = format!("ADD of a port, {}, beside {} others", job.nic, job.ports);
    let mut goals = Vec::new();
    if let Some(floor) = other(Maker::Floor) {
        let what = format!("{what}, and the floor's");
        goals.push(if job.ports < MANY {
            let over = both(|times| milliseconds(times(ours).saturating_sub(times(floor))));
            at_most(what, over, OVER_MS, "ms over it")
        } else {
            at_most(what, both(|times| ratio(times(ours), times(floor))), FLOOR_RATIO, "times its time")
        });
    }
    let faster = FASTER.iter().find(|(ports, _)| job.nic == Nic::Veth && job.ports == *ports);
    if let (Some((_, least)), Some(commands)) = (faster, other(Maker::Commands)) {
        let [median, shortest] = both(|times| ratio(times(commands), times(ours)));
        goals.push(Goal {
            what: format!("{what}, and the commands'"),
            found: format!("{median:.2} times faster ({shortest:.2} by the shortest), at least {least:.1}"),
            reached: median >= *least,
        });
    }
    goals
}

/// Something of the medians, and of the shortest times.
fn both(of: impl Fn(fn(&Figures) -> Duration) -> f64) -> [f64; 2] {
    [of(|figures| figures.wall), of(|figures| figures.least)]
}

fn at_most(what: String, [median, shortest]: [f64; 2], limit: f64, unit: &str) -> Goal {
    let found = format!("{median:.2} {unit} ({shortest:.2} by the shortest), at most {limit}");
    Goal { what, found, reached: median <= limit }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
