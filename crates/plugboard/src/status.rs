//! `plugboard status`: can networks take new attachments?

use std::process::ExitCode;

use crate::chain::Chain;
use crate::cli::Selection;
use crate::negotiation::{self, Newest};
use crate::network::Network;
use crate::runtime::Runtime;
use crate::table;

pub(crate) fn run(selection: &Selection, runtime: &Runtime) -> anyhow::Result<ExitCode> {
    let mut exit = ExitCode::SUCCESS;
    let mut rows = Vec::new();
    for mut network in runtime.conf_dir.selected(selection)? {
        let said = ask(&mut network, runtime).unwrap_or_else(|problem| {
            exit = ExitCode::FAILURE;
            format!("not ready: {problem}")
        });
        rows.push([network.name, said]);
    }
    table::print_lines(rows)?;
    Ok(exit)
}

/// Asks every plugin in order, until one is not ready, each in the newest version that it speaks.
fn ask(network: &mut Network, runtime: &Runtime) -> Result<String, String> {
    let readable = |error: anyhow::Error| format!("{error:#}");
    negotiation::settle(network, &runtime.plugins).map_err(readable)?;
    let mut is_asked = false;
    let mut unasked = Vec::new();
    for plugin in &network.plugins {
        match negotiation::newest(network, plugin, "STATUS", &runtime.plugins).map_err(readable)? {
            Newest::Lacks(_) => unasked.push(plugin.kind.as_str()),
            Newest::Speaks(alone, left_out) => {
                let chain = Chain { network: &alone, plugins: &runtime.plugins };
                chain.status().map_err(|failure| failure.to_string())?;
                is_asked = true;
                unasked.extend(left_out.and_then(|_| plugin.ipam()));
            }
        }
    }
    Ok(match (is_asked, unasked.join(", ")) {
        (true, unasked) if unasked.is_empty() => "ready".to_owned(),
        (true, unasked) => format!("ready, as far as can be asked: {unasked} has no STATUS"),
        (false, unasked) => format!("not known: {unasked} has no STATUS; all plugins are installed"),
    })
}
