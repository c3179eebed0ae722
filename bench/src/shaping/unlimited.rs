//! The direction without a limit, beside one without a limit on the other.

use std::time::Duration;

use anyhow::Result;
use bench::goal::Goal;
use bench::table::Table;
use serde_json::json;

use crate::options::Options;
use crate::pair::{Pair, Shaper, Way};
use crate::section::Section;
use crate::traffic::{Traffic, run};

/// What is promised.
const LEAST: f64 = 0.9;

const DURATION: Duration = Duration::from_secs(1);

/// A busy machine slows the one or the other: the best of so many turns counts, for both.
const TURNS: usize = 3;

/// All rows.
pub(crate) fn measure(pair: &Pair, options: &Options) -> Result<Section> {
    let columns = ["without any limit, Mbit/s", "with one the other way", "ratio"];
    let mut table = Table::new(&["traffic", "limit"], &columns);
    let turns = if options.quick { 1 } else { TURNS };
    let mut least = f64::INFINITY;
    for (free, limited) in [(Way::Upload, Way::Download), (Way::Download, Way::Upload)] {
        let shaper = Shaper::Ours(json!({ limited.key(): { "rate": "100Mbit" } }));
        let (mut plain, mut beside) = (0.0_f64, 0.0_f64);
        for _ in 0..turns {
            plain = plain.max(rate(pair, free)?);
            beside = beside.max(pair.shaped(&shaper, || rate(pair, free))?);
        }
        let ratio = beside / plain;
        least = least.min(ratio);
        let figures = [plain / 1e6, beside / 1e6].map(|mbit| format!("{mbit:.0}"));
        let texts = [format!("TCP, {}", free.key()), format!("{} 100Mbit", limited.key())];
        table.row(texts.into_iter().chain(figures).chain([format!("{ratio:.3}")]));
    }
    let goal = Goal {
        what: "the unlimited direction beside one without any limit".to_owned(),
        found: format!("{least:.3} times its rate, at least {LEAST}"),
        reached: least >= LEAST,
    };
    Ok(Section { title: "The direction without a limit".to_owned(), table, goals: vec![goal] })
}

fn rate(pair: &Pair, way: Way) -> Result<f64> {
    let carried = run(pair, way, Traffic::Tcp { flows: 1 }, 0, DURATION)?;
    Ok(carried.curve.bit_s(Duration::ZERO, carried.curve.span().min(DURATION)).unwrap_or(f64::NAN))
}
