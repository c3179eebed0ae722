//! The tables.

use std::collections::BTreeMap;
use std::time::Duration;

use bench::table::Table;

use super::maker::Maker;
use super::{Measured, growth, joins};
use crate::targets::ratio;
use crate::timing::Figures;

/// The tables with their titles.
pub(crate) fn tables(measured: &Measured) -> Vec<(&'static str, Table)> {
    let join_texts = |job: joins::Job| {
        let address = if job.has_address { "host-local" } else { "none" };
        [job.verb.to_string(), job.which.to_string(), job.way.to_string(), address.to_owned()]
    };
    let growth_texts = |job: growth::Job| [job.verb.to_string(), job.lac.to_string()];
    [
        (joins::TITLE, table(&measured.joins, ["call", "member", "others by", "address"], join_texts)),
        (growth::TITLE, table(&measured.growth, ["call", "LAC"], growth_texts)),
    ]
    .into_iter()
    .filter_map(|(title, table)| Some((title, table?)))
    .collect()
}

fn table<Job: Copy + Ord, const N: usize>(
    measured: &BTreeMap<(Job, Maker), Figures>,
    columns: [&str; N],
    texts: impl Fn(Job) -> [String; N],
) -> Option<Table> {
    if measured.is_empty() {
        return None;
    }
    let texts_of = |job, by: String| texts(job).into_iter().chain([by]);
    let columns: Vec<&str> = columns.into_iter().chain(["by"]).collect();
    let mut table = Table::new(&columns, &["shortest ms", "median ms", "CPU ms", "calls"]);
    let mut jobs: Vec<Job> = measured.keys().map(|(job, _)| *job).collect();
    jobs.dedup();
    for job in jobs {
        let figures = |maker| measured.get(&(job, maker));
        for maker in Maker::ALL {
            if let Some(figures) = figures(maker) {
                let times = [figures.least, figures.wall, figures.cpu].map(milliseconds);
                table.row(texts_of(job, maker.to_string()).chain(times).chain([figures.calls.to_string()]));
            }
        }
        for (over, under) in Maker::RATIOS {
            if let (Some(over_figures), Some(under_figures)) = (figures(over), figures(under)) {
                let of = |time: fn(&Figures) -> Duration| ratio(time(over_figures), time(under_figures));
                let ratios = [of(|figures| figures.least), of(|figures| figures.wall), of(|figures| figures.cpu)];
                let ratios = ratios.map(|ratio| format!("{ratio:.2}"));
                table.row(texts_of(job, format!("{over} / {under}")).chain(ratios));
            }
        }
    }
    Some(table)
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1000.0)
}
