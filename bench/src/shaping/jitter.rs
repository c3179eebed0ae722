//! Deviations of delays.

use std::time::Duration;

use anyhow::Result;
use bench::goal::Goal;
use bench::table::Table;
use meter::statistics::{Interval, mean, mean_interval, standard_deviation, standard_deviation_interval};
use meter::{Probe, Probes, probe};
use serde_json::json;
use shaping::Distribution;

use crate::options::Options;
use crate::pair::{Pair, Shaper, Way};
use crate::section::Section;

const DELAY_MS: f64 = 10.0;
const JITTER_MS: f64 = 2.0;

/// Entries of a table are in units of this part of the jitter (`NETEM_DIST_SCALE`).
const SCALE: f64 = 8192.0;

/// All rows.
pub(crate) fn measure(pair: &Pair, options: &Options) -> Result<Section> {
    let columns = ["mean", "95 % interval", "deviation asked", "deviation", "95 % interval", "both inside"];
    let mut table = Table::new(&["distribution"], &columns);
    let count = options.samples(5_000);
    let base = probes(pair, count / 5)?.median();
    let (mut inside, mut all) = (0, 0);
    for name in ["uniform", "normal", "pareto", "paretonormal"] {
        let line = json!({ "delay": "10ms", "jitter": "2ms", "distribution": name });
        let seen = pair.shaped(&Shaper::Ours(json!({ "download": line })), || probes(pair, count))?;
        let delays: Vec<f64> = seen.delays().iter().map(|delay| (delay - base) / 1e6).collect();
        let asked = deviation(name)?;
        let (means, deviations) = (mean_interval(&delays), standard_deviation_interval(&delays));
        let verdicts = [means.contains(DELAY_MS), deviations.contains(asked)];
        all += verdicts.len();
        inside += verdicts.iter().filter(|is_inside| **is_inside).count();
        table.row([
            name.to_owned(),
            format!("{:.3}", mean(&delays)),
            interval(means),
            format!("{asked:.3}"),
            format!("{:.3}", standard_deviation(&delays)),
            interval(deviations),
            if verdicts == [true; 2] { "yes" } else { "no" }.to_owned(),
        ]);
    }
    let goal = Goal {
        what: "jitter: what was asked lies in the 95 % interval".to_owned(),
        found: format!("{inside} of {all}, where chance alone leaves out one of twenty"),
        // More than one of eight left out is chance in one run of twenty.
        reached: inside + 1 >= all,
    };
    let title = format!("Delay of {DELAY_MS} ms with a jitter of {JITTER_MS} ms, {count} datagrams, in ms");
    Ok(Section { title, table, goals: vec![goal] })
}

/// The standard deviation of a distribution in ms.
fn deviation(name: &str) -> Result<f64> {
    let Some(table) = Distribution::named(name)?.table() else {
        // All from one jitter before to one behind.
        return Ok(JITTER_MS / 3.0_f64.sqrt());
    };
    let entries: Vec<f64> = table.iter().map(|entry| f64::from(*entry) / SCALE * JITTER_MS).collect();
    Ok(standard_deviation(&entries))
}

/// So far apart that none overtakes.
fn probes(pair: &Pair, count: u32) -> Result<Probes> {
    let (from, to) = pair.places(Way::Download)?;
    Ok(probe(&from, &to, Probe { count, interval: Duration::from_millis(3), ..Probe::default() })?)
}

pub(crate) fn interval(interval: Interval) -> String {
    format!("{:.3} to {:.3}", interval.low, interval.high)
}
