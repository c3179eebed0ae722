//! `plugboard shape`: changes the limits of an interface while it is in use.

use std::process::ExitCode;

use anyhow::{Context, anyhow, bail};
use serde_json::Value;

use super::apply::{ensure_shaper, shaper};
use super::words::Change;
use crate::cache::Entry;
use crate::chain::{Chain, Failure};
use crate::cli::Shape;
use crate::known_plugins::CAPABILITY;
use crate::network::Network;
use crate::runtime::Runtime;
use crate::target::Target;
use crate::view::{self, View};

pub(crate) fn run(args: &Shape, runtime: &Runtime) -> anyhow::Result<ExitCode> {
    let changes = Change::read_all(&args.limits)?;
    let target = Target::new(&args.subject)?;
    if changes.is_empty() {
        view::print_attached(&[View::of(&runtime.cache.entry_of(&target.container_id, &args.interface)?)])?;
        return Ok(ExitCode::SUCCESS);
    }
    let namespace = target.open()?;
    let _lock = namespace.lock()?;
    // A gc would take what is written here for a leftover.
    let _attaching = runtime.cache.lock_to_attach()?;
    let entry = runtime.cache.entry_of(&target.container_id, &args.interface)?.in_namespace(&namespace.path);
    let changed = shape(&entry, &changes, runtime)?;
    view::print_attached(&[View::of(&changed)])?;
    Ok(ExitCode::SUCCESS)
}

/// Changes the limits of an attachment. Whatever fails, the record has the limits that are in effect.
fn shape(entry: &Entry, changes: &[Change], runtime: &Runtime) -> anyhow::Result<Entry> {
    let Some(result) = &entry.result else {
        bail!("{} was never set up completely: detach it", entry.attachment.if_name);
    };
    if entry.is_stale() {
        bail!("the namespace that {} was set up in is gone: detach it", entry.attachment.if_name);
    }
    let mut network = Network::from_cache(&entry.config).context("the remembered configuration")?;
    let mut changed = entry.clone();
    let brings_shaper = shaper(&network).is_none();
    if brings_shaper {
        ensure_shaper(&mut network)?;
        changed.config = network.to_bytes();
        // Recorded before it is called, so that a detach finds what it makes even if we are killed in the middle.
        runtime.cache.store(&Entry { config: changed.config.clone(), ..entry.clone() })?;
    }
    let args = &mut changed.attachment.capability_args;
    let mut all = args.get(CAPABILITY).and_then(Value::as_object).cloned().unwrap_or_default();
    changes.iter().for_each(|change| change.apply(&mut all));
    if all.is_empty() {
        args.remove(CAPABILITY);
    } else {
        args.insert(CAPABILITY.to_owned(), Value::Object(all));
    }
    if let Err(failure) = update(&changed, &network, result, runtime) {
        let forgotten = if brings_shaper { runtime.cache.store(entry) } else { Ok(()) };
        return Err(forgotten.map_or_else(|error| error.context(failure.to_string()), |()| explain(&failure)));
    }
    if let Err(error) = runtime.cache.store(&changed) {
        let back = update(entry, &network, result, runtime);
        return Err(match back {
            Ok(()) => error.context("the limits are unchanged"),
            Err(failure) => error.context(format!("the new limits are in effect, but are not remembered: {failure}")),
        });
    }
    Ok(changed)
}

/// Calls the plugin that keeps the limits, and no other.
fn update(entry: &Entry, network: &Network, result: &Value, runtime: &Runtime) -> Result<(), Failure> {
    let chain = Chain { network, plugins: &runtime.plugins };
    shaper(network).map_or(Ok(()), |plugin| chain.update(plugin, &entry.attachment, result))
}

fn explain(failure: &Failure) -> anyhow::Error {
    if failure.is_unknown_verb() {
        return anyhow!("{failure}; this plugin cannot change limits in use: detach the container and attach it again");
    }
    anyhow!("{failure}")
}
