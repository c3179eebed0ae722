//! The plan of an attach, with everything checked that can be checked before the first plugin is called.

use std::path::Path;

use anyhow::{anyhow, bail};
use serde_json::{Map, Value};
use shaping::networks::NetworkSpec;

use crate::attachment::Attachment;
use crate::cli::Attach;
use crate::conf_dir::ConfDir;
use crate::network::Network;
use crate::plugins::Plugins;
use crate::{limits, negotiation};

/// An interface to be: which network, and as what.
#[derive(Debug)]
pub(crate) struct Nic {
    /// Settled on a version, with a plugin for the limits.
    pub(crate) network: Network,
    pub(crate) attachment: Attachment,
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
    conf_dir: &ConfDir,
    plugins: &Plugins,
) -> Result<Vec<Prepared>, Vec<anyhow::Error>> {
    let configured = conf_dir.networks().map_err(|problem| vec![problem])?;
    let prepare = |spec: &NetworkSpec| {
        let mut network = conf_dir.find(&configured, &spec.name)?;
        let capability_args = limits::apply(&spec.limits, &mut network)?;
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
    let prepared = specs.iter().map(prepare).filter_map(|result| result.map_err(|problem| problems.push(problem)).ok());
    let prepared: Vec<_> = prepared.collect();
    if problems.is_empty() { Ok(prepared) } else { Err(problems) }
}

/// The names of `count` interfaces, none of which exists in the namespace at `path`.
pub(crate) fn if_names(args: &Attach, count: usize, path: &Path, existing: &[String]) -> anyhow::Result<Vec<String>> {
    let names: Vec<_> = match &args.ifname {
        Some(name) if count == 1 => vec![name.clone()],
        Some(name) => {
            bail!("--ifname {name} names one interface, and there are {count} networks: use --ifname-prefix")
        }
        None => (0..count).map(|number| format!("{}{number}", args.ifname_prefix)).collect(),
    };
    let option = if args.ifname.is_some() { "--ifname" } else { "--ifname-prefix" };
    let refused = names.iter().find_map(|name| Some((name, cni::objection_to_interface(name)?)));
    if let Some((name, objection)) = refused {
        bail!("no interface can be named '{name}': {objection}; give another {option}");
    }
    match names.iter().find(|name| existing.contains(name)) {
        Some(name) => {
            bail!("{} has an interface {name} already: detach it first, or give another {option}", path.display())
        }
        None => Ok(names),
    }
}
