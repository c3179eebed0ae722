//! The same limits, set by others.

use std::path::Path;

use anyhow::Result;
use bench::table::Table;
use serde_json::json;

use crate::judge::Seconds;
use crate::options::Options;
use crate::pair::{Pair, Shaper, Way};
use crate::rate::{COLUMNS, cells};
use crate::section::Section;
use crate::traffic::{Traffic, run};

/// What kubelet fills in where a pod is annotated with a bandwidth and no burst, in bits (`ingressBurst`: the largest 32-bit
/// number).
const KUBELET_BURST: u64 = i32::MAX.unsigned_abs() as u64;

/// All rows.
pub(crate) fn measure(pair: &Pair, options: &Options, has_netem: bool) -> Result<Section> {
    let mut table = Table::new(&["asked, Mbit/s", "traffic", "by"], &COLUMNS);
    let rates: &[u64] = if options.quick { &[10] } else { &[1, 10, 100] };
    let udp = Traffic::Udp { payload: 1472 };
    for (rate, traffic) in rates.iter().flat_map(|rate| [(*rate, Traffic::Tcp { flows: 1 }), (*rate, udp)]) {
        for (by, shaper) in contenders(rate, &options.reference, has_netem) {
            let (carried, drops) = pair.shaped(&shaper, || {
                let carried = run(pair, Way::Download, traffic, rate * 1_000_000, options.duration())?;
                Ok((carried, pair.drops()))
            })?;
            let seconds = Seconds::of(&carried.curve, options.duration());
            #[expect(clippy::cast_precision_loss, reason = "rates are far below 2^52 bit/s")]
            let asked = rate as f64 * 1e6;
            let texts = [rate.to_string(), traffic.to_string(), by.to_owned()];
            table.row(texts.into_iter().chain(cells(asked, &seconds, true, drops, &carried)));
        }
    }
    Ok(Section { title: "The same limit by others, in Mbit/s".to_owned(), table, goals: Vec::new() })
}

/// Who can set a limit of `rate` Mbit/s, and how.
fn contenders(rate: u64, reference: &Path, has_netem: bool) -> Vec<(&'static str, Shaper)> {
    let bits = rate * 1_000_000;
    let mut all = vec![("ours", Shaper::Ours(json!({ "bw": format!("{rate}Mbps") })))];
    if reference.join("bandwidth").is_file() {
        let keys = |burst: u64| json!({ "ingressRate": bits, "ingressBurst": burst });
        all.push(("reference, kubelet's burst", Shaper::Reference(keys(KUBELET_BURST))));
        // A tenth of a second, as people write who have read the documentation of tbf.
        all.push(("reference, burst of 100 ms", Shaper::Reference(keys(bits / 10))));
    }
    let tc = |commands: &[String]| Shaper::Tc(commands.to_vec());
    all.push((
        "tc: tbf burst 32kbit latency 400ms",
        tc(&[format!("root tbf rate {rate}mbit burst 32kbit latency 400ms")]),
    ));
    if has_netem {
        all.push(("tc: netem rate", tc(&[format!("root netem rate {rate}mbit")])));
    }
    all
}
