//! What the project promises of its speed.

use std::collections::BTreeMap;
use std::time::Duration;

use bench::goal::Goal;

use crate::attachment::Verb;
use crate::burst::{self, Burst};
use crate::contender::Contender;
use crate::network::{Job, Kind};
use crate::pool::{self, State};
use crate::rounds::Measured;
use crate::shaper::{self, Ran, Shape};

const FLOOR_RATIO: f64 = 1.6;
const REFERENCE_RATIO: f64 = 4.0;
const BURST_RATIO: f64 = 3.0;
/// The delegate.
const CHILDREN: usize = 1;
const PEAK_MIB: f64 = 3.0;
/// ADD of a further NIC on a bridge or routed, and how much a device of the host takes beside the kernel's move.
const FURTHER_FLOOR_RATIO: f64 = 1.2;
const FURTHER_REFERENCE_RATIO: f64 = 5.0;
const DEVICE_MS: f64 = 1.0;
/// ADD with ipMasq beside ADD without, and beside the reference's.
const MASQUERADE_RATIO: f64 = 1.3;
const MASQUERADE_REFERENCE_RATIO: f64 = 10.0;
/// An allocation beside 50,000 addresses that are taken, and one from an empty pool.
const POOL_RATIO: f64 = 1.5;
/// What the shaper's ADD takes beside the start of a process.
const SHAPER_MS: f64 = 1.0;

/// Compares what was measured with what is promised.
pub(crate) fn targets(
    jobs: &[(Job, Measured)],
    bursts: &BTreeMap<Contender, Burst>,
    pools: &pool::Measured,
    shapers: &shaper::Measured,
) -> Vec<Goal> {
    let mut targets = of_shapers(shapers);
    if jobs.is_empty() {
        return targets;
    }
    if let Some((job, measured)) = jobs.iter().find(|(job, _)| *job == Job::Bridge) {
        let wall = |contender| measured.get(&(Verb::Add, contender)).map(|figures| figures.wall).unwrap_or_default();
        let to_floor = ratio(wall(Contender::Ours), wall(Contender::Floor));
        let to_reference = ratio(wall(Contender::Reference), wall(Contender::Ours));
        targets.push(at_most(&format!("ADD of {job} beside the floor"), to_floor, FLOOR_RATIO, "times its time"));
        targets.push(at_least(&format!("ADD of {job} beside the reference"), to_reference, REFERENCE_RATIO));
    }
    targets.extend(of_masquerading(jobs));
    targets.extend(Kind::ALL.into_iter().flat_map(|kind| of_further(jobs, kind)));
    targets.extend(of_all_calls(jobs));
    let wall = |contender| bursts.get(&contender).map(|burst| burst.wall).unwrap_or_default();
    let to_reference = ratio(wall(Contender::Reference), wall(Contender::Ours));
    targets.push(at_least(&format!("{} beside the reference", burst::TITLE), to_reference, BURST_RATIO));
    targets.extend(of_pools(pools));
    targets
}

fn of_shapers(shapers: &shaper::Measured) -> Vec<Goal> {
    let wall = |ran| shapers.get(&ran).map(|figures| figures.wall);
    let Some(empty) = wall(Ran::Empty) else { return Vec::new() };
    let over = |shape| {
        let time = wall(Ran::Shaper(shape, Contender::Ours))?.saturating_sub(empty);
        let what = format!("ADD of netem-shaper ({shape}) over an executable that does nothing");
        Some(at_most(&what, time.as_secs_f64() * 1000.0, SHAPER_MS, "ms"))
    };
    [Shape::Download, Shape::Both].into_iter().filter_map(over).collect()
}

/// The time of ADD.
fn add(jobs: &[(Job, Measured)], job: Job, contender: Contender) -> Option<Duration> {
    let (_, measured) = jobs.iter().find(|(measured, _)| *measured == job)?;
    measured.get(&(Verb::Add, contender)).map(|figures| figures.wall)
}

fn of_further(jobs: &[(Job, Measured)], kind: Kind) -> Vec<Goal> {
    let all = [Contender::Ours, Contender::Floor, Contender::Reference];
    let [Some(ours), Some(floor), Some(reference)] = all.map(|contender| add(jobs, Job::Further(kind), contender))
    else {
        return Vec::new();
    };
    if kind == Kind::Device {
        let over = ours.saturating_sub(floor).as_secs_f64() * 1000.0;
        return vec![at_most(&format!("ADD of a further NIC, {kind}, over the floor"), over, DEVICE_MS, "ms")];
    }
    let beside = |whom| format!("ADD of a further NIC, {kind}, beside the {whom}");
    vec![
        at_most(&beside("floor"), ratio(ours, floor), FURTHER_FLOOR_RATIO, "times its time"),
        at_least(&beside("reference"), ratio(reference, ours), FURTHER_REFERENCE_RATIO),
    ]
}

fn of_masquerading(jobs: &[(Job, Measured)]) -> Vec<Goal> {
    let Some(ours) = add(jobs, Job::Masquerade, Contender::Ours) else { return Vec::new() };
    let without = add(jobs, Job::Bridge, Contender::Ours).map(|without| {
        at_most("ADD with ipMasq beside ADD without", ratio(ours, without), MASQUERADE_RATIO, "times its time")
    });
    let references =
        [(Contender::Reference, "iptables"), (Contender::Newer, "nftables")].map(|(reference, backend)| {
            let reference = add(jobs, Job::Masquerade, reference)?;
            let what = format!("ADD with ipMasq beside the reference's with {backend}");
            Some(at_least(&what, ratio(reference, ours), MASQUERADE_REFERENCE_RATIO))
        });
    without.into_iter().chain(references.into_iter().flatten()).collect()
}

fn of_pools(pools: &pool::Measured) -> Vec<Goal> {
    let wall = |verb, state| pools.get(&(verb, state, Contender::Ours)).map(|figures| figures.wall).unwrap_or_default();
    let beside = |verb, state: State| {
        let what = format!("{verb} by host-local, {state}, beside an empty pool");
        at_most(&what, ratio(wall(verb, state), wall(verb, State::Empty)), POOL_RATIO, "times its time")
    };
    vec![
        beside(Verb::Add, State::Taken),
        beside(Verb::Add, State::Search),
        beside(Verb::Check, State::Taken),
        beside(Verb::Del, State::Taken),
    ]
}

fn of_all_calls(jobs: &[(Job, Measured)]) -> [Goal; 2] {
    let ours = || jobs.iter().flat_map(|(_, measured)| measured).filter(|((_, who), _)| *who == Contender::Ours);
    let children = ours().map(|(_, figures)| figures.children).max().unwrap_or_default();
    let peak = ours().map(|(_, figures)| figures.peak_bytes).max().unwrap_or_default();
    [
        Goal {
            what: "no child but the delegate".to_owned(),
            found: format!("{children} at most"),
            reached: children <= CHILDREN,
        },
        at_most("peak memory of any call", mebibytes(peak), PEAK_MIB, "MiB"),
    ]
}

fn at_most(what: &str, found: f64, limit: f64, unit: &str) -> Goal {
    Goal { what: what.to_owned(), found: format!("{found:.2} {unit}, at most {limit:.1}"), reached: found <= limit }
}

fn at_least(what: &str, found: f64, limit: f64) -> Goal {
    Goal {
        what: what.to_owned(),
        found: format!("{found:.2} times faster, at least {limit:.1}"),
        reached: found >= limit,
    }
}

/// How often `part` goes into `whole`; not a number when neither took any time.
pub(crate) fn ratio(whole: Duration, part: Duration) -> f64 {
    whole.as_secs_f64() / part.as_secs_f64()
}

/// Bytes as MiB.
#[expect(clippy::cast_precision_loss, reason = "memory in use is far below 2^52 bytes")]
pub(crate) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_at_its_limit_reaches_it() {
        assert!(at_most("", 1.6, 1.6, "").reached && !at_most("", 1.61, 1.6, "").reached);
        assert!(at_least("", 4.0, 4.0).reached && !at_least("", 3.99, 4.0).reached);
        assert!(!at_most("", ratio(Duration::ZERO, Duration::ZERO), 1.6, "").reached);
    }
}
