//! Delays.

use std::time::Duration;

use anyhow::{Result, anyhow};
use bench::goal::Goal;
use bench::table::Table;
use meter::statistics::percentile;
use meter::{Place, RoundTrips, round_trips};
use serde_json::{Value, json};

use crate::options::Options;
use crate::pair::{Pair, Shaper, Way};
use crate::section::Section;
use crate::traffic::{Traffic, run};

/// What is promised of the median.
const TOLERANCE_MS: f64 = 0.05;

/// The rate of the line under load.
const RATE: &str = "10Mbit";
const RATE_BITS: u64 = 10_000_000;

/// Asked, as a person writes it and in ms.
const DELAYS: [(&str, f64); 5] = [("500us", 0.5), ("1ms", 1.0), ("10ms", 10.0), ("100ms", 100.0), ("600ms", 600.0)];

/// All rows.
pub(crate) fn measure(pair: &Pair, options: &Options) -> Result<Section> {
    let columns = [
        "median - base",
        "p99 - base",
        "longest - base",
        "error of the median",
        "wait at half the rate",
        "at 1.5 times the rate",
        "with TCP",
        "within 0.05 ms",
    ];
    let mut table = Table::new(&["asked"], &columns);
    let count = options.samples(500);
    let base = probes(pair, count, Duration::from_millis(5))?.median();
    let mut worst = 0.0_f64;
    for (asked, asked_ms) in DELAYS {
        let line = |rate: bool| {
            let mut line = json!({ "delay": asked });
            if let (Value::Object(line), true) = (&mut line, rate) {
                line.insert("rate".to_owned(), RATE.into());
            }
            Shaper::Ours(json!({ "download": line }))
        };
        let alone = pair.shaped(&line(false), || probes(pair, count, Duration::from_millis(5)))?;
        let added = |time: f64| (time - base) / 1e6;
        let error = added(alone.median()) - asked_ms;
        worst = if alone.lost() > 0 || error.is_nan() { f64::NAN } else { worst.max(error.abs()) };
        let p99 = percentile(&alone.times, 99.0);
        let mut cells: Vec<String> =
            [added(alone.median()), added(p99), added(alone.max()), error].map(milliseconds).into();
        for load in [Load::Datagrams(RATE_BITS / 2), Load::Datagrams(RATE_BITS / 2 * 3), Load::Tcp] {
            let loaded = pair.shaped(&line(true), || under(pair, load, asked_ms))?;
            cells.push(milliseconds(added(loaded) - asked_ms));
        }
        cells.push(if error.abs() <= TOLERANCE_MS { "yes" } else { "no" }.to_owned());
        table.row(std::iter::once(asked.to_owned()).chain(cells));
    }
    let goal = Goal {
        what: "delay: the median beside the base's and what was asked".to_owned(),
        found: format!("{worst:.4} ms off at most, at most {TOLERANCE_MS}"),
        reached: worst <= TOLERANCE_MS,
    };
    let title = format!(
        "Delay added to a round trip (base {:.4} ms), in ms; alone, and what a line of {RATE} lets wait beside it under load",
        base / 1e6
    );
    Ok(Section { title, table, goals: vec![goal] })
}

/// Round trips from the shaped container: the answers are what is delayed.
fn probes(pair: &Pair, count: u32, interval: Duration) -> Result<RoundTrips> {
    let (far, near) = pair.places(Way::Download)?;
    Ok(round_trips(&near, &far, count, interval)?)
}

/// What fills the line meanwhile.
#[derive(Debug, Clone, Copy)]
enum Load {
    /// So many bit/s.
    Datagrams(u64),
    Tcp,
}

/// The median round trip in ns while the line is loaded, from a second after it has begun, for two seconds.
fn under(pair: &Pair, load: Load, delay_ms: f64) -> Result<f64> {
    let begin = Duration::from_secs_f64(1.0 + delay_ms * 4.0 / 1000.0);
    let duration = begin + Duration::from_secs(3);
    let (far, near): (Place, Place) = pair.places(Way::Download)?;
    let trips = std::thread::scope(|scope| {
        let probing = scope.spawn(move || {
            std::thread::sleep(begin);
            round_trips(&near, &far, 200, Duration::from_millis(10))
        });
        match load {
            // It sends 1.5 times what it is told.
            Load::Datagrams(bit_s) => run(pair, Way::Download, Traffic::Udp { payload: 1472 }, bit_s / 3 * 2, duration),
            Load::Tcp => run(pair, Way::Download, Traffic::Tcp { flows: 1 }, RATE_BITS, duration),
        }?;
        probing.join().map_err(|_| anyhow!("probing ended early"))?.map_err(anyhow::Error::from)
    })?;
    Ok(trips.median())
}

fn milliseconds(ms: f64) -> String {
    format!("{ms:.3}")
}
