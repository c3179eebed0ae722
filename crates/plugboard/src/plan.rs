//! The plan of an attach, with everything checked that can be checked before the first plugin is called.

use std::path::Path;

use anyhow::{anyhow, bail};
use serde_json::{Map, Value};
use shaping::networks::NetworkSpec;

use crate::attachment::Attachment;
use crate::cache::Entry;
use crate::cli::Attach;
use crate::network::Network;
use crate::remembered::Remembered;
use crate::runtime::Runtime;
use crate::state::State;
use crate::target::Target;
use crate::usage::Usage;
use crate::wish::Wish;
use crate::{limits, negotiation};

/// What the names of interfaces begin with.
const PREFIX: &str = "eth";

/// An interface to be: which network, and as what.
#[derive(Debug)]
pub(crate) struct Nic {
    /// Settled on a version, with a plugin for the limits.
    pub(crate) network: Network,
    pub(crate) attachment: Attachment,
    /// What it must have in the end.
    pub(crate) wish: Wish,
}

impl Place<'_> {
    /// There is an interface of this name that stays.
    pub(crate) fn is_taken(&self, name: &String) -> bool {
        // What ADD has begun to make goes with it.
        let goes = |(entry, state): &(Entry, State)| *state == State::Incomplete && entry.attachment.if_name == *name;
        self.existing.contains(name) && !self.remembered.dead.iter().any(goes)
    }
}

/// Where interfaces are to be made.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    pub(crate) target: &'a Target,
    /// The path of the namespace.
    pub(crate) path: &'a Path,
    /// What distinguishes the namespace from others, if it could be entered.
    pub(crate) id: Option<String>,
    /// The names of the interfaces that it has.
    pub(crate) existing: Vec<String>,
    pub(crate) remembered: &'a Remembered,
}

/// A network that is ready for an interface.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) network: Network,
    pub(crate) capability_args: Map<String, Value>,
}

/// Finds each network and its plugins, agrees on a version with them, and passes the limits. Returns all problems, not only
/// the first.
pub(crate) fn networks(
    specs: &[NetworkSpec],
    wishes: &[Wish],
    configured: &[Network],
    runtime: &Runtime,
) -> Result<Vec<Prepared>, Vec<anyhow::Error>> {
    let Runtime { conf_dir, plugins, .. } = runtime;
    let prepare = |(spec, wish): (&NetworkSpec, &Wish)| {
        let mut network = conf_dir.find(configured, &spec.name)?;
        let mut capability_args = limits::apply(&spec.limits, spec.preset.as_deref(), &mut network)?;
        wish.apply(&mut network, &mut capability_args)?;
        negotiation::settle(&mut network, plugins)?;
        for plugin in &network.plugins {
            if let Some(kind) = plugin.ipam().filter(|kind| !kind.is_empty()) {
                plugins.find(kind).map_err(|problem| {
                    anyhow!("network '{}', plugin '{}', ipam: {problem}", network.name, plugin.kind)
                })?;
            }
        }
        Ok(Prepared { network, capability_args })
    };
    let mut problems = Vec::new();
    let prepared = specs
        .iter()
        .zip(wishes)
        .map(prepare)
        .filter_map(|result| result.map_err(|problem| problems.push(problem)).ok());
    let prepared: Vec<_> = prepared.collect();
    if problems.is_empty() { Ok(prepared) } else { Err(problems) }
}

/// The names of `count` interfaces, none of which exists in the namespace. The numbers are the lowest that no recorded interface of
/// the container has.
pub(crate) fn if_names(args: &Attach, count: usize, place: &Place<'_>) -> anyhow::Result<Vec<String>> {
    let Place { path, remembered, .. } = place;
    let prefix = args.ifname_prefix.as_deref().unwrap_or(PREFIX);
    let is_free = |name: &String| !remembered.living.iter().any(|entry| entry.attachment.if_name == *name);
    let names: Vec<_> = match &args.ifname {
        Some(name) if count == 1 => vec![name.clone()],
        Some(name) => {
            return Err(Usage::new(format!(
                "--ifname {name} names one interface, and there are {count} networks: use --ifname-prefix"
            ))
            .into());
        }
        None => (0_u64..).map(|number| format!("{prefix}{number}")).filter(is_free).take(count).collect(),
    };
    let option = if args.ifname.is_some() { "--ifname" } else { "--ifname-prefix" };
    let refused = names.iter().find_map(|name| Some((name, cni::objection_to_interface(name)?)));
    if let Some((name, objection)) = refused {
        bail!("no interface can be named '{name}': {objection}; give another {option}");
    }
    match names.iter().find(|name| place.is_taken(name)) {
        Some(name) => {
            bail!("{} has an interface {name} already: detach it first, or give another {option}", path.display())
        }
        None => Ok(names),
    }
}
