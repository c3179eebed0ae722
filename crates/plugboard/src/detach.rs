//! `plugboard detach`: takes down whatever is remembered of a container, as far as possible.

use std::process::ExitCode;

use crate::cache::Entry;
use crate::chain::Chain;
use crate::cli::Subject;
use crate::network::Network;
use crate::problems;
use crate::runtime::Runtime;
use crate::target::Target;

pub(crate) fn run(subject: &Subject, runtime: &Runtime) -> anyhow::Result<ExitCode> {
    let target = Target::new(subject)?;
    // The namespace may be gone: then nobody else can be working on it either.
    let namespace = target.open().ok();
    let _lock = namespace.as_ref().map(|namespace| namespace.lock()).transpose()?;
    let entries = runtime.cache.entries_of(&target.container_id)?;
    if entries.is_empty() {
        tracing::info!("container {} is not attached to any network", target.container_id);
    }
    Ok(problems::report(entries.iter().rev().flat_map(|entry| take_down(entry, runtime))))
}

/// Takes one attachment down by the configuration that it was set up with, and removes its record. Returns what went wrong;
/// then the record stays, so that taking it down can be tried again.
pub(crate) fn take_down(entry: &Entry, runtime: &Runtime) -> Vec<String> {
    let network = match Network::from_cache(&entry.config) {
        Ok(network) => network,
        Err(error) => return vec![format!("network '{}': the remembered configuration: {error:#}", entry.network)],
    };
    let chain = Chain { network: &network, plugins: &runtime.plugins };
    let failures = chain.del(&entry.current(), entry.result.as_ref());
    if failures.is_empty() {
        return runtime.cache.remove(entry).err().map(|error| format!("{error:#}")).into_iter().collect();
    }
    failures.iter().map(ToString::to_string).collect()
}
