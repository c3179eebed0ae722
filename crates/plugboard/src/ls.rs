//! `plugboard ls`: what is attached where.

use std::process::ExitCode;

use crate::cli::Listing;
use crate::runtime::Runtime;
use crate::state::State;
use crate::view::{self, View};

pub(crate) fn run(listing: &Listing, runtime: &Runtime) -> anyhow::Result<ExitCode> {
    let entries = runtime.cache.entries()?;
    let views: Vec<_> = entries.iter().map(|entry| View::of(entry, State::of(entry))).collect();
    if listing.json {
        view::print_json(&views)?;
    } else {
        view::print_table(&views)?;
    }
    Ok(ExitCode::SUCCESS)
}
