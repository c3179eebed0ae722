//! `plugboard gc`: removes what no longer belongs to any container.

use std::process::ExitCode;

use cni::{AttachmentId, Version};

use crate::cache::Entry;
use crate::chain::{Chain, Valid};
use crate::cli::Selection;
use crate::detach;
use crate::negotiation;
use crate::network::Network;
use crate::problems;
use crate::runtime::Runtime;

pub(crate) fn run(selection: &Selection, runtime: &Runtime) -> anyhow::Result<ExitCode> {
    let networks = runtime.conf_dir.selected(selection)?;
    let chosen = |entry: &&Entry| selection.network.as_ref().is_none_or(|network| *network == entry.network);
    let _lock = runtime.cache.lock_to_collect()?;
    let entries = runtime.cache.entries()?;
    let stale = entries.iter().filter(chosen).filter(|entry| entry.is_stale());
    let mut problems: Vec<String> = stale.flat_map(|entry| detach::take_down(entry, runtime)).collect();
    for network in networks {
        problems.extend(collect(network, &entries, runtime));
    }
    Ok(problems::report(problems))
}

/// Tells a network's plugins which attachments are left.
fn collect(mut network: Network, entries: &[Entry], runtime: &Runtime) -> Vec<String> {
    if network.disable_gc {
        return Vec::new();
    }
    if let Err(error) = negotiation::settle(&mut network, &runtime.plugins) {
        return vec![format!("{error:#}")];
    }
    if network.version() < Version::V1_1_0 {
        tracing::info!("network '{}': CNI {} has no GC", network.name, network.version());
        return Vec::new();
    }
    let chain = Chain { network: &network, plugins: &runtime.plugins };
    chain.gc(&valid(&network, entries)).iter().map(ToString::to_string).collect()
}

pub(crate) fn valid(network: &Network, entries: &[Entry]) -> Valid {
    let left = entries.iter().filter(|entry| entry.network == network.name && !entry.is_stale());
    left.map(|entry| AttachmentId {
        container_id: entry.attachment.container_id.clone(),
        if_name: entry.attachment.if_name.clone(),
    })
    .collect()
}
