//! Losses.

use std::time::Duration;

use anyhow::Result;
use bench::goal::Goal;
use bench::table::Table;
use meter::statistics::Interval;
use meter::{Probe, probe};
use serde_json::{Value, json};

use crate::jitter::interval;
use crate::options::Options;
use crate::pair::{Pair, Shaper, Way};
use crate::section::Section;

/// What is asked, in words and in the configuration, and the share in percent that is lost in the long run.
fn asked() -> [(&'static str, Value, f64); 5] {
    let bursts = json!({ "gilbertElliott": { "p": "1%", "r": "19%" } });
    let half = json!({ "gilbertElliott": { "p": "1%", "r": "9%", "bad": "50%" } });
    [
        ("random 0.1 %", json!("0.1%"), 0.1),
        ("random 1 %", json!("1%"), 1.0),
        ("random 10 %", json!("10%"), 10.0),
        ("Gilbert-Elliott, p 1 %, r 19 %", bursts, 5.0),
        ("Gilbert-Elliott, p 1 %, r 9 %, half lost while bad", half, 5.0),
    ]
}

/// All rows.
pub(crate) fn measure(pair: &Pair, options: &Options) -> Result<Section> {
    let columns = ["asked, %", "lost, %", "95 % interval", "longest burst", "inside"];
    let mut table = Table::new(&["loss"], &columns);
    let count = options.samples(20_000);
    let (mut inside, mut all) = (0, 0);
    for (name, loss, asked) in asked() {
        let (from, to) = pair.places(Way::Download)?;
        let request = Probe { count, interval: Duration::from_micros(500), ..Probe::default() };
        let shaper = Shaper::Ours(json!({ "download": { "loss": loss } }));
        let seen = pair.shaped(&shaper, || Ok(probe(&from, &to, request)?))?;
        let found = if loss.is_string() { seen.loss_interval() } else { seen.loss_interval_in_bursts() };
        let percent = Interval { low: found.low * 100.0, high: found.high * 100.0 };
        let is_inside = percent.contains(asked);
        all += 1;
        inside += usize::from(is_inside);
        table.row([
            name.to_owned(),
            format!("{asked:.1}"),
            format!("{:.3}", seen.loss() * 100.0),
            interval(percent),
            seen.longest_loss_burst().to_string(),
            if is_inside { "yes" } else { "no" }.to_owned(),
        ]);
    }
    let goal = Goal {
        what: "loss: what was asked lies in the 95 % interval".to_owned(),
        found: format!("{inside} of {all}, where chance alone leaves out one of twenty"),
        reached: inside == all,
    };
    Ok(Section { title: format!("Loss, {count} datagrams"), table, goals: vec![goal] })
}
