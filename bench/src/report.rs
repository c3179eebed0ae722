//! What is printed.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use bench::table::Table;

use crate::attachment::Verb;
use crate::burst::{self, Burst};
use crate::contender::Contender;
use crate::network::Job;
use crate::ovs_port::{self, Maker};
use crate::pool;
use crate::published;
use crate::rounds::{Figures, Measured};
use crate::sealed;
use crate::shaper;
use crate::targets::{mebibytes, ratio, targets};
use crate::timing;
use crate::vxlan_overlay;

/// All that was measured.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) machine: String,
    pub(crate) rounds: usize,
    pub(crate) jobs: Vec<(Job, Measured)>,
    /// Jobs that could not be measured, and why.
    pub(crate) left_out: Vec<(Job, String)>,
    pub(crate) bursts: BTreeMap<Contender, Burst>,
    pub(crate) pools: pool::Measured,
    pub(crate) shapers: shaper::Measured,
    pub(crate) published: published::Measured,
    pub(crate) ovs_ports: ovs_port::Measured,
    pub(crate) vxlan_overlay: vxlan_overlay::Measured,
    pub(crate) sealed: sealed::Measured,
}

impl Report {
    /// The tables and the targets, for a terminal or as Markdown.
    pub(crate) fn render(&self, markdown: bool) -> String {
        let mut page = format!("{}; {} rounds by turns.\n", self.machine, self.rounds);
        let mut section = |title: &dyn std::fmt::Display, table: &Table| {
            // Writing to a string does not fail.
            let _ = if markdown {
                write!(page, "\n**{title}**\n\n{}", table.markdown())
            } else {
                write!(page, "\n{title}\n{}", table.text())
            };
        };
        for (job, measured) in &self.jobs {
            section(job, &of_job(measured));
        }
        if !self.bursts.is_empty() {
            section(&burst::TITLE, &of_bursts(&self.bursts));
        }
        if !self.pools.is_empty() {
            section(&pool::TITLE, &of_pools(&self.pools));
        }
        if !self.shapers.is_empty() {
            section(&shaper::TITLE, &of_shapers(&self.shapers));
        }
        for (title, table) in published::tables(&self.published) {
            section(&title, &table);
        }
        if !self.ovs_ports.is_empty() {
            section(&ovs_port::TITLE, &of_ovs_ports(&self.ovs_ports));
        }
        for (title, table) in vxlan_overlay::tables(&self.vxlan_overlay) {
            section(&title, &table);
        }
        if !self.sealed.is_empty() {
            section(&sealed::TITLE, &sealed::table(&self.sealed));
        }
        page.push('\n');
        for (job, cause) in &self.left_out {
            let _ = writeln!(page, "{}not measured: {job}: {cause}", if markdown { "- " } else { "" });
        }
        let goals = targets(&self.jobs, &self.bursts, &self.pools, &self.shapers);
        let of_switches = ovs_port::goals(&self.ovs_ports);
        let of_ports = published::goals(&self.published);
        let of_lacs = vxlan_overlay::goals(&self.vxlan_overlay).into_iter().chain(sealed::goals(&self.sealed));
        for target in goals.into_iter().chain(of_ports).chain(of_switches).chain(of_lacs) {
            let _ = writeln!(page, "{}{target}", if markdown { "- " } else { "" });
        }
        page
    }
}

fn of_job(measured: &Measured) -> Table {
    let columns = ["median ms", "p99 ms", "CPU ms", "peak MiB", "children", "system calls"];
    let mut table = Table::new(&["call", "by"], &columns);
    for verb in Verb::ALL {
        for contender in Contender::ALL {
            if let Some(figures) = measured.get(&(verb, contender)) {
                table.row(figures_row(verb, contender, figures));
            }
        }
        for (over, under) in Contender::RATIOS {
            if let (Some(over_figures), Some(under_figures)) =
                (measured.get(&(verb, over)), measured.get(&(verb, under)))
            {
                let name = format!("{over} / {under}");
                table.row([verb.to_string(), name].into_iter().chain(ratios(over_figures, under_figures)));
            }
        }
    }
    table
}

fn figures_row(verb: Verb, contender: Contender, figures: &Figures) -> [String; 8] {
    [
        verb.to_string(),
        contender.to_string(),
        milliseconds(figures.wall),
        milliseconds(figures.wall_p99),
        milliseconds(figures.cpu),
        format!("{:.2}", mebibytes(figures.peak_bytes)),
        figures.children.to_string(),
        figures.system_calls.to_string(),
    ]
}

fn ratios(over: &Figures, under: &Figures) -> [String; 6] {
    let calls = |figures: &Figures| f64::from(u32::try_from(figures.system_calls).unwrap_or(u32::MAX));
    [
        format!("{:.2}", ratio(over.wall, under.wall)),
        format!("{:.2}", ratio(over.wall_p99, under.wall_p99)),
        format!("{:.2}", ratio(over.cpu, under.cpu)),
        format!("{:.2}", mebibytes(over.peak_bytes) / mebibytes(under.peak_bytes)),
        String::new(),
        format!("{:.2}", calls(over) / calls(under)),
    ]
}

fn of_bursts(bursts: &BTreeMap<Contender, Burst>) -> Table {
    let mut table = Table::new(&["by"], &["wall ms", "CPU ms"]);
    for (contender, burst) in bursts {
        table.row([contender.to_string(), milliseconds(burst.wall), milliseconds(burst.cpu)]);
    }
    for (over, under) in Contender::RATIOS {
        if let (Some(over_burst), Some(under_burst)) = (bursts.get(&over), bursts.get(&under)) {
            table.row([
                format!("{over} / {under}"),
                format!("{:.2}", ratio(over_burst.wall, under_burst.wall)),
                format!("{:.2}", ratio(over_burst.cpu, under_burst.cpu)),
            ]);
        }
    }
    table
}

fn of_pools(pools: &pool::Measured) -> Table {
    let mut table = Table::new(&["call", "pool", "by"], &["median ms", "p99 ms", "CPU ms"]);
    for ((verb, state, contender), figures) in pools {
        let times = [figures.wall, figures.wall_p99, figures.cpu].map(milliseconds);
        table.row([verb.to_string(), state.to_string(), contender.to_string()].into_iter().chain(times));
        let ours = pools.get(&(*verb, *state, Contender::Ours)).filter(|_| *contender == Contender::Reference);
        if let Some(ours) = ours {
            let times = [(figures.wall, ours.wall), (figures.wall_p99, ours.wall_p99), (figures.cpu, ours.cpu)];
            let ratios = times.map(|(reference, ours)| format!("{:.2}", ratio(reference, ours)));
            table.row([verb.to_string(), state.to_string(), "reference / ours".to_owned()].into_iter().chain(ratios));
        }
    }
    table
}

fn of_shapers(shapers: &shaper::Measured) -> Table {
    let mut table = Table::new(&["limits", "by"], &["median ms", "p99 ms", "CPU ms"]);
    for (ran, figures) in shapers {
        let (limits, by) = match ran {
            shaper::Ran::Empty => ("none".to_owned(), "an empty executable".to_owned()),
            shaper::Ran::Shaper(shape, contender) => (shape.to_string(), contender.to_string()),
        };
        let times = [figures.wall, figures.wall_p99, figures.cpu].map(milliseconds);
        table.row([limits, by].into_iter().chain(times));
    }
    table
}

fn of_ovs_ports(ports: &ovs_port::Measured) -> Table {
    let mut table = Table::new(&["call", "NIC", "ports", "by"], &["shortest ms", "median ms", "CPU ms", "calls"]);
    for ((job, maker), figures) in ports {
        let texts = |by: String| [job.verb.to_string(), job.nic.to_string(), job.ports.to_string(), by];
        let times = [figures.least, figures.wall, figures.cpu].map(milliseconds);
        table.row(texts(maker.to_string()).into_iter().chain(times).chain([figures.calls.to_string()]));
        // The last one of a job.
        if *maker != Maker::Floor {
            continue;
        }
        for (over, under) in Maker::RATIOS {
            let figures = |maker| ports.get(&(*job, maker));
            if let (Some(over_figures), Some(under_figures)) = (figures(over), figures(under)) {
                let of = |time: fn(&timing::Figures) -> Duration| ratio(time(over_figures), time(under_figures));
                let ratios = [of(|figures| figures.least), of(|figures| figures.wall), of(|figures| figures.cpu)];
                let ratios = ratios.map(|ratio| format!("{ratio:.2}"));
                table.row(texts(format!("{over} / {under}")).into_iter().chain(ratios));
            }
        }
    }
    table
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1000.0)
}
