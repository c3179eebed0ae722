//! What a long delay line drops of what fits the line.

use std::time::Duration;

use anyhow::{Context, Result};
use bench::goal::Goal;
use bench::table::Table;
use meter::{Udp, udp};
use serde_json::{Value, json};

use crate::options::Options;
use crate::pair::{Pair, Shaper, Way};
use crate::section::Section;

const PAYLOAD: u16 = 1_200;

/// All rows.
pub(crate) fn measure(pair: &Pair, options: &Options) -> Result<Section> {
    let columns = ["sent", "arrived", "dropped by the queue", "longest delay line, packets"];
    let mut table = Table::new(&["limit", "datagrams of 1200 bytes"], &columns);
    let duration = Duration::from_secs(if options.quick { 2 } else { 5 });
    let kernel = Shaper::Tc(vec!["root netem delay 600ms".to_owned()]);
    let cases = [
        ("600 ms", Shaper::Ours(json!({ "lat": "600ms" })), 24, true),
        ("600 ms, 24 Mbit/s", Shaper::Ours(json!({ "lat": "600ms", "bw": "24Mbps" })), 24, true),
        ("600 ms, 24 Mbit/s", Shaper::Ours(json!({ "lat": "600ms", "bw": "24Mbps" })), 23, true),
        ("600 ms by tc with the kernel's queue", kernel, 24, false),
    ];
    let mut most = 0;
    for (name, shaper, mbit, is_ours) in cases {
        let (from, to) = pair.places(Way::Download)?;
        let patience = Duration::from_secs(3);
        let request =
            Udp { payload_bytes: PAYLOAD, layer2_bit_s: mbit * 1_000_000, duration, patience, ..Udp::default() };
        let (measured, drops, limit) = pair.shaped(&shaper, || {
            let measured = udp(&from, &to, request)?;
            Ok((measured, pair.drops(), longest_queue()))
        })?;
        let datagrams = measured.datagrams.context("datagrams are counted")?;
        if is_ours {
            most = most.max(drops).max(datagrams.lost());
        }
        let figures = [datagrams.sent, datagrams.received, drops, limit].map(|number| number.to_string());
        table.row([name.to_owned(), format!("{mbit} Mbit/s")].into_iter().chain(figures));
    }
    let goal = Goal {
        what: "600 ms and 24 Mbit/s: dropped by the queue".to_owned(),
        found: format!("{most} at most, at most 0"),
        reached: most == 0,
    };
    Ok(Section { title: format!("A long delay line, {} s", duration.as_secs()), table, goals: vec![goal] })
}

/// The packets that netem holds at most.
fn longest_queue() -> u64 {
    let queues = harness::tc("qdisc show");
    let limit = |queue: &Value| queue.pointer("/options/limit").and_then(Value::as_u64);
    let netem = |queue: &&Value| queue.get("kind").and_then(Value::as_str) == Some("netem");
    queues.as_array().into_iter().flatten().filter(netem).filter_map(limit).max().unwrap_or_default()
}
