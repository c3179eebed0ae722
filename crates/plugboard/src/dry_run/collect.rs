//! `plugboard gc --dry-run`.

use std::process::ExitCode;

use cni::Version;

use super::script::Script;
use super::take_down;
use crate::cache::Entry;
use crate::chain::Chain;
use crate::cli::Selection;
use crate::gc::valid;
use crate::network::Network;
use crate::runtime::Runtime;
use crate::{negotiation, problems};

pub(crate) fn run(selection: &Selection, runtime: &Runtime) -> anyhow::Result<ExitCode> {
    let networks = runtime.conf_dir.selected(selection)?;
    let entries = runtime.cache.open_entries()?;
    let chosen = |entry: &&Entry| selection.network.as_ref().is_none_or(|network| *network == entry.network);
    let mut script = Script::default();
    let mut problems = Vec::new();
    for entry in entries.iter().filter(chosen).filter(|entry| entry.is_stale()) {
        problems.extend(take_down::print(entry, runtime, &mut script));
    }
    for network in networks {
        problems.extend(print(network, &entries, runtime, &mut script));
    }
    script.print()?;
    Ok(problems::report(problems))
}

/// Asks the plugins of a network what they would remove, given the attachments that are left.
fn print(mut network: Network, entries: &[Entry], runtime: &Runtime, script: &mut Script) -> Vec<String> {
    if network.disable_gc {
        script.heading(format!("network {}: nothing is removed (disableGC)", network.name));
        return Vec::new();
    }
    if let Err(error) = negotiation::settle(&mut network, &runtime.plugins) {
        return vec![format!("{error:#}")];
    }
    if network.version() < Version::V1_1_0 {
        script.heading(format!("network {}: CNI {} has no GC", network.name, network.version()));
        return Vec::new();
    }
    let chain = Chain { network: &network, plugins: &runtime.plugins };
    let valid = valid(&network, entries);
    let mut problems = Vec::new();
    for plugin in &network.plugins {
        script.heading(format!("leftovers on {}, found by {}", network.name, plugin.kind));
        let mut request = chain.with_valid(plugin, &valid);
        script.brief(&mut request);
        let printed = chain.print("GC", plugin, None, request).map_err(|failure| failure.to_string());
        problems.extend(printed.and_then(|printed| script.add(printed, None, str::to_owned)).err());
    }
    problems
}
