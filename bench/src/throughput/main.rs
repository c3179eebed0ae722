//! What NICs of `veth-secondary` and `ovs-port` carry, and LACs of `vxlan-overlay`, beside the same made by `ip` and `ovs-vsctl`.
//!
//! For each kind and each turn both are made anew, and iperf3 sends from the one container, from the other, from the other and from
//! the one. All of it happens in namespaces of its own. On the lab's virtual clock a processor carries out so many
//! instructions in a second, whatever else the machine does; on a real clock the rates are this machine's.

mod by_hand;
mod kind;
mod lac;
mod maker;
mod options;
mod site;
mod turns;

use std::process::ExitCode;

use anyhow::{Result, bail};
use bench::goal::Goal;
use bench::machine;
use bench::table::Table;
use harness::Host;
use meter::statistics::{median, median_interval};

use kind::Kind;
use options::Options;
use turns::{Turn, turns};

/// What is promised of the median.
const LEAST: f64 = 0.98;

fn main() -> ExitCode {
    let run = Options::read(std::env::args().skip(1)).and_then(|options| match options {
        Some(options) => run(&options),
        None => {
            print!("{}", options::USAGE);
            Ok(())
        }
    });
    match run {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-throughput: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let Some(directory) = harness::find_bin_dir() else {
        bail!("no executables to measure: run `make build` first, or name their directory in PLUGBOARD_BIN_DIR")
    };
    for program in ["veth-secondary", "ovs-port", "vxlan-overlay", "host-local"].map(|program| directory.join(program))
    {
        if !program.is_file() {
            bail!("{} was not built: run `make build` first", program.display());
        }
    }
    let host = Host::enter();
    let clock = if std::env::var_os("PLUGBOARD_LAB").is_some() { "virtual clock of the lab" } else { "real clock" };
    println!("{}, {clock}; {} turns.", machine::describe(), options.turns);

    if Kind::ALL.into_iter().any(|kind| options.has(kind)) {
        nics(&host, options);
    }
    if options.has_lacs() {
        lacs(&host, options);
    }
    Ok(())
}

/// Measures and prints what NICs carry.
fn nics(host: &Host, options: &Options) {
    let columns = ["bytes", "by hand, Gbit/s", "ours, Gbit/s", "ours / by hand", "95 % interval"];
    let mut table = Table::new(&["NIC"], &columns);
    let (mut left_out, mut worst) = (Vec::new(), (f64::INFINITY, String::new()));
    for kind in Kind::ALL {
        if !options.has(kind) {
            continue;
        }
        eprintln!("bench-throughput: {kind}");
        if !kind.is_known_to_the_kernel() {
            left_out.push(format!("{kind}: this kernel has none"));
            continue;
        }
        // A kind that cannot be measured here keeps none of the others from being measured.
        let measured = match turns(host, kind, options) {
            Ok(measured) => measured,
            Err(error) => {
                left_out.push(format!("{kind}: {error:#}"));
                continue;
            }
        };
        let ratios: Vec<f64> = measured.iter().map(Turn::ratio).collect();
        let of = |rate: fn(&Turn) -> f64| median(&measured.iter().map(rate).collect::<Vec<_>>());
        let gigabits = [of(|turn| turn.by_hand), of(|turn| turn.ours)].map(|rate| format!("{:.3}", rate / 1e9));
        let (ratio, interval) = (median(&ratios), median_interval(&ratios));
        // Few turns say nothing of it.
        let interval = Some(interval).filter(|interval| interval.low.is_finite());
        let interval = interval.map(|interval| format!("{:.3} to {:.3}", interval.low, interval.high));
        let figures = [format!("{ratio:.3}"), interval.unwrap_or_default()];
        let texts = [kind.to_string(), options.bytes_of(kind).to_owned()];
        table.row(texts.into_iter().chain(gigabits).chain(figures));
        // NaN is the worst.
        if worst.1.is_empty() || ratio.is_nan() || ratio < worst.0 {
            worst = (ratio, kind.to_string());
        }
    }
    print_table("Throughput of TCP", &table, options);
    for cause in left_out {
        println!("- not measured: {cause}");
    }
    if !worst.1.is_empty() {
        let goal = Goal {
            what: "throughput of each kind beside the same made by hand".to_owned(),
            found: format!("{:.3} times its rate ({}), at least {LEAST}", worst.0, worst.1),
            reached: worst.0 >= LEAST,
        };
        println!("- {goal}");
    }
}

/// Measures and prints what LACs carry.
fn lacs(host: &Host, options: &Options) {
    let measured = match lac::measure(host, options) {
        Ok(measured) => measured,
        Err(error) => {
            println!("\n- not measured: LACs: {error:#}");
            return;
        }
    };
    print_table("Throughput of TCP over a LAC of two hosts", &measured.table, options);
    for cause in measured.left_out {
        println!("- not measured: {cause}");
    }
    for goal in measured.goals {
        println!("- {goal}");
    }
}

fn print_table(title: &str, table: &Table, options: &Options) {
    let rows = if options.markdown { table.markdown() } else { table.text() };
    println!("\n**{title}**\n\n{}\n", rows.trim_end());
}
