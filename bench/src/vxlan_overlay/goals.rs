//! What is promised of ADD.

use std::time::Duration;

use bench::goal::Goal;

use super::maker::Maker;
use super::{Measured, growth, joins};
use crate::attachment::Verb;
use crate::targets::ratio;
use crate::timing::Figures;

/// A further member beside a further container of `bridge`.
const BRIDGE_RATIO: f64 = 1.2;
/// The LAC whose number that is, beside the floor's.
const MANY: u32 = 1000;
const FLOOR_RATIO: f64 = 1.3;

/// What a list of peers may add to an ADD.
const OF_PEERS: Duration = Duration::from_micros(300);

/// Compares the medians with what is promised. The same of the shortest times and of CPU time is said, too.
pub(crate) fn goals(measured: &Measured) -> Vec<Goal> {
    let Measured { joins, growth } = measured;
    let mut goals = Vec::new();
    for ((job, maker), ours) in joins {
        let is_promised = (job.verb, job.which, *maker) == (Verb::Add, joins::Which::Further, Maker::Ours);
        if let Some(bridge) = joins.get(&(*job, Maker::Bridge)).filter(|_| is_promised) {
            let address = if job.has_address { "an address of host-local" } else { "no address" };
            let what = format!("ADD of a further member, by {}, with {address}, beside bridge's", job.way);
            goals.push(at_most(what, ours, bridge, BRIDGE_RATIO));
        }
        let is_with_peers = (job.verb, *maker) == (Verb::Add, Maker::Ours);
        if let Some(closed) = joins.get(&(*job, Maker::Closed)).filter(|_| is_with_peers) {
            goals.push(peers(*job, closed, ours));
        }
    }
    let job = growth::Job { verb: Verb::Add, lac: MANY };
    if let [Some(ours), Some(floor)] = [Maker::Ours, Maker::Floor].map(|maker| growth.get(&(job, maker))) {
        goals.push(at_most(format!("ADD of the {MANY}th LAC beside the floor's"), ours, floor, FLOOR_RATIO));
    }
    goals
}

/// An ADD with peers beside the same without.
fn peers(job: joins::Job, closed: &Figures, open: &Figures) -> Goal {
    let address = if job.has_address { "an address of host-local" } else { "no address" };
    let more = |time: fn(&Figures) -> Duration| (time(closed).as_secs_f64() - time(open).as_secs_f64()) * 1000.0;
    let [median, shortest, cpu] =
        [more(|figures| figures.wall), more(|figures| figures.least), more(|figures| figures.cpu)];
    let limit = OF_PEERS.as_secs_f64() * 1000.0;
    Goal {
        what: format!("what peers add to ADD of a {} member, by {}, with {address}", job.which, job.way),
        found: format!("{median:.2} ms ({shortest:.2} by the shortest, {cpu:.2} by CPU time), at most {limit:.1}"),
        reached: median <= limit,
    }
}

fn at_most(what: String, ours: &Figures, other: &Figures, limit: f64) -> Goal {
    let [median, shortest, cpu] = [(ours.wall, other.wall), (ours.least, other.least), (ours.cpu, other.cpu)]
        .map(|(ours, other)| ratio(ours, other));
    let found =
        format!("{median:.2} times its time ({shortest:.2} by the shortest, {cpu:.2} by CPU time), at most {limit:.1}");
    Goal { what, found, reached: median <= limit }
}
