//! How true limits are: asked and got, on networks that the plugins made, beside the reference plugin and plain `tc`.
//!
//! All of it happens in namespaces of its own. Rates are counted at layer 2 where the frames arrive ([`meter::frames`]), as the
//! kernel's queues count them. On the lab's virtual clock times are exact and a busy machine disturbs nothing; on a real clock
//! the figures are this machine's.

mod beside;
mod capacity;
mod delay;
mod jitter;
mod judge;
mod loss;
mod options;
mod pair;
mod queue;
mod rate;
mod section;
mod traffic;
mod unlimited;

use std::process::ExitCode;

use anyhow::Result;
use bench::machine;

use options::{Options, Subject};
use pair::Pair;
use section::Section;

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
            eprintln!("bench-shaping: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Measures and prints section by section: a long run shows what it has.
fn run(options: &Options) -> Result<()> {
    let pair = Pair::make(&options.reference)?;
    let clock = if std::env::var_os("PLUGBOARD_LAB").is_some() { "virtual clock of the lab" } else { "real clock" };
    println!("{}, {clock}.", machine::describe());
    let has_netem = pair.has_netem();
    if !has_netem {
        println!("\nThis kernel has no netem: rates only, without a delay.");
    }
    let mut goals = Vec::new();
    for subject in Subject::ALL {
        if !options.only.is_none_or(|only| only == subject) || (!has_netem && subject.needs_netem()) {
            continue;
        }
        eprintln!("bench-shaping: {subject}");
        let measured = match subject {
            Subject::Rate => rate::measure(&pair, options, has_netem),
            Subject::Beside => beside::measure(&pair, options, has_netem),
            Subject::Unlimited => unlimited::measure(&pair, options),
            Subject::Delay => delay::measure(&pair, options),
            Subject::Jitter => jitter::measure(&pair, options),
            Subject::Loss => loss::measure(&pair, options),
            Subject::Queue => queue::measure(&pair, options),
        };
        // A subject that this machine cannot measure keeps none of the others from being measured.
        let Section { title, table, goals: found } = match measured {
            Ok(section) => section,
            Err(error) => {
                println!("\nNot measured: {subject}: {error:#}");
                continue;
            }
        };
        println!("\n**{title}**\n\n{}", if options.markdown { table.markdown() } else { table.text() }.trim_end());
        goals.extend(found);
    }
    println!();
    for goal in goals {
        println!("- {goal}");
    }
    Ok(())
}
