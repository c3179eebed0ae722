//! Rates.

use std::fmt;

use anyhow::Result;
use bench::goal::Goal;
use bench::table::Table;
use serde_json::{Value, json};

use crate::capacity::Capacities;
use crate::judge::{Seconds, TOLERANCE, is_within};
use crate::options::Options;
use crate::pair::{Pair, Shaper, Way};
use crate::section::Section;
use crate::traffic::{Carried, Traffic, run};

const MBIT: u64 = 1_000_000;

/// Datagrams that fill a frame of 1514 bytes, and ones that make frames of 60 bytes, the smallest.
const FULL: u16 = 1472;
const SMALL: u16 = 18;

/// Where the machine carries less than so many times the limit without one, the limit is not judged.
const HEADROOM: f64 = 1.3;

/// One row.
#[derive(Debug, Clone)]
struct Case {
    rate_mbit: u64,
    traffic: Traffic,
    way: Way,
    offloads: bool,
    delay_ms: u64,
}

impl Case {
    fn new(rate_mbit: u64, traffic: Traffic) -> Self {
        Self { rate_mbit, traffic, way: Way::Download, offloads: true, delay_ms: 0 }
    }

    fn all(rate_mbit: u64, has_netem: bool) -> Vec<Self> {
        let full = Traffic::Udp { payload: FULL };
        let (one, eight) = (Traffic::Tcp { flows: 1 }, Traffic::Tcp { flows: 8 });
        let case = |traffic| Self::new(rate_mbit, traffic);
        let mut cases = vec![
            case(one),
            Self { offloads: false, ..case(one) },
            case(eight),
            case(full),
            case(Traffic::Udp { payload: SMALL }),
            Self { way: Way::Upload, ..case(one) },
            Self { way: Way::Upload, ..case(full) },
        ];
        if has_netem {
            for case in [case(one), case(eight), case(full), Self { way: Way::Upload, ..case(one) }] {
                cases.push(Self { delay_ms: 10, ..case });
            }
        }
        cases
    }

    fn keys(&self) -> Value {
        let mut line = json!({ "rate": format!("{}Mbit", self.rate_mbit) });
        if let (Value::Object(line), 1..) = (&mut line, self.delay_ms) {
            line.insert("delay".to_owned(), format!("{}ms", self.delay_ms).into());
        }
        let mut keys = json!({});
        if let Value::Object(keys) = &mut keys {
            keys.insert(self.way.key().to_owned(), line);
        }
        keys
    }

    /// TCP over a delay takes round trips until it fills the line, in the first second: that is TCP's, and not the limit's.
    fn counts_first(&self) -> bool {
        self.delay_ms == 0 || matches!(self.traffic, Traffic::Udp { .. })
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.way.key())?;
        if self.delay_ms > 0 {
            write!(f, ", {} ms", self.delay_ms)?;
        }
        if !self.offloads {
            write!(f, ", without GSO")?;
        }
        Ok(())
    }
}

/// The columns behind those of text.
pub(crate) const COLUMNS: [&str; 8] =
    ["mean", "first second", "poorest", "richest", "worst, %", "dropped", "sent again", "within 1 %"];

/// The figures of a row: Mbit/s, and the worst deviation of any second.
pub(crate) fn cells(asked: f64, seconds: &Seconds, counts_first: bool, drops: u64, carried: &Carried) -> Vec<String> {
    let worst = seconds.worst(asked, counts_first);
    let verdict = match (carried.missed, is_within(worst)) {
        (1.., _) => "not seen whole",
        (0, true) => "yes",
        (0, false) => "no",
    };
    let rates = [seconds.mean, seconds.first, seconds.low, seconds.high].map(megabits);
    let figures = [format!("{:+.2}", worst * 100.0), drops.to_string(), carried.retransmits.to_string()];
    rates.into_iter().chain(figures).chain([verdict.to_owned()]).collect()
}

/// As many digits as the deviation takes to show.
fn megabits(bit_s: f64) -> String {
    let mbit = bit_s / 1e6;
    if mbit < 10.0 {
        format!("{mbit:.4}")
    } else if mbit < 1000.0 {
        format!("{mbit:.2}")
    } else {
        format!("{mbit:.1}")
    }
}

/// All rows.
pub(crate) fn measure(pair: &Pair, options: &Options, has_netem: bool) -> Result<Section> {
    let mut table = Table::new(&["asked, Mbit/s", "traffic", "limit"], &COLUMNS);
    let capacities = Capacities::default();
    let (mut kept, mut judged, mut worst_row) = (0, 0, (0.0, String::new()));
    let rates = options.rates_mbit().iter();
    for case in rates.flat_map(|rate_mbit| Case::all(*rate_mbit, has_netem)) {
        let rate = case.rate_mbit * MBIT;
        let texts = [case.rate_mbit.to_string(), case.traffic.to_string(), case.to_string()];
        let capacity = capacities.of(pair, case.traffic, case.offloads)?;
        #[expect(clippy::cast_precision_loss, reason = "rates are far below 2^52 bit/s")]
        let asked = rate as f64;
        if capacity < asked * HEADROOM {
            let why = format!("not judged: {} without a limit", megabits(capacity));
            table.row(texts.into_iter().chain([""; COLUMNS.len() - 1].map(str::to_owned)).chain([why]));
            continue;
        }
        let (carried, drops) = pair.with_offloads(case.offloads, || {
            pair.shaped(&Shaper::Ours(case.keys()), || {
                let carried = run(pair, case.way, case.traffic, rate, options.duration())?;
                Ok((carried, pair.drops()))
            })
        })?;
        let seconds = Seconds::of(&carried.curve, options.duration());
        let worst = seconds.worst(asked, case.counts_first());
        judged += 1;
        kept += u32::from(is_within(worst));
        // NaN is the worst.
        if worst.abs().total_cmp(&f64::abs(worst_row.0)).is_gt() {
            worst_row = (worst, texts.join(", "));
        }
        table.row(texts.into_iter().chain(cells(asked, &seconds, case.counts_first(), drops, &carried)));
    }
    let goal = Goal {
        what: format!("every second within {} %", TOLERANCE * 100.0),
        found: format!("{kept} of {judged} rows, the worst {:+.2} % ({})", worst_row.0 * 100.0, worst_row.1),
        reached: kept == judged,
    };
    Ok(Section { title: "Rate at layer 2, in Mbit/s".to_owned(), table, goals: vec![goal] })
}
