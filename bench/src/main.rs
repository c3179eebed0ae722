//! What a call costs, beside the reference plugins and a floor.
//!
//! ADD, CHECK and DEL are run by turns with our executables, with the reference's and with the floor (see `bin/floor`), each
//! as a runtime runs them: a process with the configuration on stdin. All of it happens in namespaces of its own.
//! System calls, children and peak memory are counted in separate, traced runs.

mod attachment;
mod burst;
mod call;
mod contender;
mod memory;
mod network;
mod networks;
mod options;
mod ovs_port;
mod pool;
mod published;
mod report;
mod rounds;
mod sealed;
mod shaper;
mod spaces;
mod statistics;
mod strace;
mod targets;
mod timing;
mod vxlan_overlay;

use std::process::ExitCode;

use anyhow::Result;
use bench::machine;
use harness::Host;

use contender::Contender;
use network::Job;
use networks::Networks;
use options::{Options, Part};
use report::Report;
use spaces::Spaces;

fn main() -> ExitCode {
    match Options::read(std::env::args().skip(1)) {
        Ok(Some(options)) => match run(&options) {
            Ok(report) => {
                print!("{}", report.render(options.markdown));
                if report.left_out.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
            }
            Err(error) => failed(&error),
        },
        Ok(None) => {
            print!("{}", options::USAGE);
            ExitCode::SUCCESS
        }
        Err(error) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("bench: {error:#}");
    ExitCode::FAILURE
}

fn run(options: &Options) -> Result<Report> {
    if options.only == Some(Part::Sealed) {
        let sealed = sealed::measure(options.rounds, &Host::enter())?;
        return Ok(Report { machine: machine::describe(), rounds: options.rounds, sealed, ..Report::default() });
    }
    let programs = contender::Programs::find(&options.reference, options.newer.as_deref())?;
    let host = Host::enter();
    let spaces = Spaces::make(&host, burst::CALLS);
    let mut networks = Networks::new(&host, programs);
    let mut report = Report { machine: machine::describe(), rounds: options.rounds, ..Report::default() };
    if options.only == Some(Part::OvsPort) {
        report.ovs_ports = ovs_port::measure(options.rounds, networks.programs(), &host)?;
        return Ok(report);
    }
    if options.only == Some(Part::Portmap) {
        report.published = published::measure(options.rounds, networks.programs(), &host)?;
        return Ok(report);
    }
    if options.only == Some(Part::VxlanOverlay) {
        report.vxlan_overlay = vxlan_overlay::measure(options.rounds, networks.programs(), &host)?;
        return Ok(report);
    }
    eprintln!("bench: {}", shaper::TITLE);
    report.shapers = shaper::measure(options.rounds, networks.programs(), spaces.path(Contender::Ours, 0)?)?;
    if options.only == Some(Part::Shaper) {
        return Ok(report);
    }
    for job in Job::ALL {
        eprintln!("bench: {job}: {} rounds", options.rounds);
        // One job that this machine, or this version, cannot do keeps none of the others from being measured.
        match rounds::measure(job, options.rounds, &mut networks, &spaces) {
            Ok(measured) => report.jobs.push((job, measured)),
            Err(error) => {
                spaces.clear();
                report.left_out.push((job, format!("{error:#}")));
            }
        }
    }
    eprintln!("bench: {}", burst::TITLE);
    report.bursts = burst::measure(&mut networks, &spaces)?;
    eprintln!("bench: {}", pool::TITLE);
    report.pools = pool::measure(options.rounds, networks.programs(), spaces.path(Contender::Ours, 0)?)?;
    report.published = published::measure(options.rounds, networks.programs(), &host)?;
    report.ovs_ports = ovs_port::measure(options.rounds, networks.programs(), &host)?;
    report.vxlan_overlay = vxlan_overlay::measure(options.rounds, networks.programs(), &host)?;
    Ok(report)
}
