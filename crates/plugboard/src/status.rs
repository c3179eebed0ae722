//! `plugboard status`: can networks take new attachments?

use std::process::ExitCode;

use cni::Version;

use crate::chain::Chain;
use crate::cli::Selection;
use crate::negotiation;
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

fn ask(network: &mut Network, runtime: &Runtime) -> Result<String, String> {
    negotiation::settle(network, &runtime.plugins).map_err(|error| format!("{error:#}"))?;
    if network.version() < Version::V1_1_0 {
        return Ok(format!("not known: CNI {} has no STATUS; all plugins are installed", network.version()));
    }
    let chain = Chain { network, plugins: &runtime.plugins };
    chain.status().map(|()| "ready".to_owned()).map_err(|failure| failure.to_string())
}
