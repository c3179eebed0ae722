//! What LACs of two hosts carry, beside the same made by `ip`, VDE's own client, and the underlay without any.
//!
//! For each mode and each turn all are made anew, on the same two hosts with the same underlay.

mod connection;
mod maker;
mod mode;

use anyhow::Result;
use bench::goal::Goal;
use bench::table::Table;
use harness::{Host, Lan, Namespace, sh};
use meter::statistics::{median, median_interval};

use crate::options::Options;
use crate::turns::TRANSFERS;

use connection::Connection;
use maker::Maker;
use mode::Mode;

/// What is promised of the medians: beside the same made by hand, and beside VDE's client.
const LEAST_BESIDE_HAND: f64 = 0.98;
const LEAST_BESIDE_VDE: f64 = 20.0;

/// What was measured.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) table: Table,
    /// What could not be measured, and why.
    pub(crate) left_out: Vec<String>,
    pub(crate) goals: Vec<Goal>,
}

/// What one maker's connection carried in each turn, in bit/s.
type Rates = (Maker, Vec<f64>);

/// Measures all by turns.
///
/// # Errors
/// A plugin fails.
pub(crate) fn measure(owner: &Host, options: &Options) -> Result<Measured> {
    let (lan, hosts) = Lan::with_hosts(owner, ["lac-host1", "lac-host2"]);
    let has_vde = sh("command -v vde_plug").status == 0;
    let columns = ["its Gbit/s", "ours, Gbit/s", "ours / its", "95 % interval"];
    let mut table = Table::new(&["mode", "beside"], &columns);
    let (mut goals, mut worst) = (Vec::new(), (f64::INFINITY, Mode::Group));
    let mut left_out: Vec<String> =
        (!has_vde).then(|| "vde_plug: install Debian's vdeplug".to_owned()).into_iter().collect();
    for mode in Mode::ALL {
        if options.has_sealed_lacs_alone() && mode != Mode::Sealed {
            continue;
        }
        eprintln!("bench-throughput: LAC, {mode}");
        if mode == Mode::Sealed && !mode::has_esp(owner) {
            left_out.push("LACs with a key: this kernel has no ESP; the lab's has".to_owned());
            continue;
        }
        let mut makers = mode.makers().to_vec();
        makers.retain(|maker| has_vde || *maker != Maker::Vde);
        let measured = turns(owner, &hosts, (mode, &makers), options)?;
        let Some(((_, ours), others)) = measured.split_first() else { continue };
        for (maker, theirs) in others {
            let ratios: Vec<f64> = ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect();
            let (ratio, interval) = (median(&ratios), median_interval(&ratios));
            // Few turns say nothing of it.
            let interval = Some(interval).filter(|interval| interval.low.is_finite());
            let interval = interval.map(|interval| format!("{:.3} to {:.3}", interval.low, interval.high));
            let gigabits = [theirs, ours].map(|rates| format!("{:.3}", median(rates) / 1e9));
            let figures = [format!("{ratio:.3}"), interval.unwrap_or_default()];
            table.row([mode.to_string(), maker.to_string()].into_iter().chain(gigabits).chain(figures));
            match (mode, maker) {
                (Mode::Group, Maker::Vde) => {
                    goals.push(at_least("a LAC by multicast beside vde_plug", ratio, "", LEAST_BESIDE_VDE));
                }
                (_, Maker::Hand) if ratio.is_nan() || ratio < worst.0 => worst = (ratio, mode),
                _ => {}
            }
        }
    }
    drop(lan);
    let what = "a LAC of each mode beside the same made by hand";
    goals.insert(0, at_least(what, worst.0, &format!(" ({})", worst.1), LEAST_BESIDE_HAND));
    Ok(Measured { table, left_out, goals })
}

/// The rates of each maker, ours first.
fn turns(
    owner: &Host,
    hosts: &[Namespace; 2],
    (mode, makers): (Mode, &[Maker]),
    options: &Options,
) -> Result<Vec<Rates>> {
    let mut all: Vec<Rates> = makers.iter().map(|maker| (*maker, Vec::new())).collect();
    for number in 0..options.turns {
        let mut connections = Vec::new();
        for maker in makers {
            connections.push((Connection::make(owner, hosts, (*maker, mode), number)?, 0.0_f64));
        }
        for transfer in 0..TRANSFERS {
            for place in 0..connections.len() {
                // None always runs in the wake of the same one.
                let place = (place + number + transfer) % makers.len();
                if let Some((connection, best)) = connections.get_mut(place) {
                    *best = best.max(connection.rate(&connection.bytes(options)));
                }
            }
        }
        for ((connection, best), (_, rates)) in connections.into_iter().zip(&mut all) {
            rates.push(best);
            connection.remove()?;
        }
    }
    Ok(all)
}

fn at_least(what: &str, ratio: f64, which: &str, least: f64) -> Goal {
    Goal {
        what: format!("throughput of {what}"),
        found: format!("{ratio:.3} times its rate{which}, at least {least}"),
        reached: ratio >= least,
    }
}
