//! `plugboard shape`: changes the limits of an interface while it is in use.

use std::io;
use std::process::ExitCode;

use anyhow::{Context, anyhow, bail};
use serde_json::Value;

use super::apply::{ensure_shaper, shaper};
use super::words::Change;
use crate::cache::Entry;
use crate::chain::{Chain, Failure};
use crate::cli::Shape;
use crate::document::{self, About};
use crate::interrupt;
use crate::known_plugins::{self, CAPABILITY};
use crate::network::Network;
use crate::runtime::{Entered, Runtime};
use crate::state::State;
use crate::target::{Known, Target};
use crate::usage::Usage;
use crate::view::{self, View};

pub(crate) fn run(args: &Shape, runtime: &Runtime) -> anyhow::Result<ExitCode> {
    let changes = Change::read_all(&args.limits).map_err(Usage::new)?;
    let target = Target::attached(&args.subject, &Known::of(&runtime.cache.survey()?.entries))?;
    if changes.is_empty() {
        let entry = runtime.cache.entry_of(&target.container_id, &args.interface)?;
        print(View::of(&entry, State::Attached), args.json)?;
        return Ok(ExitCode::SUCCESS);
    }
    let Entered { namespace, locks: _locks } = runtime.enter(&target)?;
    // A gc would take what is written here for a leftover.
    let _attaching = runtime.cache.lock_to_attach(runtime.lock_limit)?;
    let entry = runtime.cache.entry_of(&target.container_id, &args.interface)?.in_namespace(&namespace.path);
    let changed = shape(&entry, &changes, runtime)?;
    if let Err(error) = interrupt::refuse() {
        tracing::warn!("{error}, but the new limits are in effect and remembered");
    }
    print(View::of(&changed, State::Attached), args.json)?;
    Ok(ExitCode::SUCCESS)
}

fn print(view: View, is_json: bool) -> io::Result<()> {
    let views = [view];
    if is_json { document::print(About::Attachments, &views, &[]) } else { view::print_attached(&views) }
}

/// Changes the limits of an attachment. Whatever fails, the record has the limits that are in effect.
fn shape(entry: &Entry, changes: &[Change], runtime: &Runtime) -> anyhow::Result<Entry> {
    let Some(result) = &entry.result else {
        bail!("{} was never set up completely: detach it", entry.attachment.if_name);
    };
    if entry.is_stale() {
        bail!("{}: {} is gone: detach it", entry.attachment.if_name, entry.place());
    }
    interrupt::refuse()?;
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
        if failure.is_broken_off() {
            let was = Was { entry, network: &network, result, has_shaper: !brings_shaper };
            return Err(go_back(&was, runtime, &failure));
        }
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

/// A plugin that was killed has undone nothing: the former limits are put back, or, where there was no shaper, it is taken down.
/// Says what has become of it.
fn go_back(was: &Was<'_>, runtime: &Runtime, failure: &Failure) -> anyhow::Error {
    let back = match was.has_shaper {
        true => update(was.entry, was.network, was.result, runtime).map_err(|failure| failure.to_string()),
        false => take_shaper_down(was, runtime),
    };
    match back {
        Ok(()) => anyhow!("{failure}; the limits are unchanged"),
        Err(other) => {
            anyhow!("{failure}; the limits may be the old ones, the new ones or neither: {other}; shape again")
        }
    }
}

/// What there was before a change.
struct Was<'a> {
    entry: &'a Entry,
    /// With a shaper.
    network: &'a Network,
    result: &'a Value,
    /// The network had one before.
    has_shaper: bool,
}

fn take_shaper_down(was: &Was<'_>, runtime: &Runtime) -> Result<(), String> {
    let mut alone = was.network.clone();
    alone.plugins.retain(known_plugins::takes_limits);
    let chain = Chain { network: &alone, plugins: &runtime.plugins };
    match chain.del(&was.entry.attachment, Some(was.result)).first() {
        None => runtime.cache.store(was.entry).map_err(|error| format!("{error:#}")),
        Some(failure) => Err(failure.to_string()),
    }
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
