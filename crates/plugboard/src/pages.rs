//! Generated documentation of the command line and the plugins: manual pages, a schema.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::CommandFactory;

use crate::cli::Cli;
use crate::table;

/// The page of the command, or of a plugin; with a directory those of all commands, in files there.
pub(crate) fn pages(plugin: Option<&str>, dir: Option<&Path>) -> anyhow::Result<ExitCode> {
    match (plugin.and_then(manual::find), dir) {
        (_, Some(dir)) => {
            clap_mangen::generate_to(Cli::command(), dir)
                .with_context(|| format!("cannot write the manual pages to {}", dir.display()))?;
        }
        (Some(plugin), None) => io::stdout().write_all(manual::page(plugin).as_bytes())?,
        (None, None) => clap_mangen::Man::new(Cli::command()).render(&mut io::stdout())?,
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn schema() -> anyhow::Result<ExitCode> {
    table::print_json(&manual::schema())?;
    Ok(ExitCode::SUCCESS)
}
