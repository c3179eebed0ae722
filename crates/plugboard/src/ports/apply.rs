//! How published ports reach plugins: as a capability argument.

use anyhow::anyhow;
use serde_json::Value;

use super::Publication;
use crate::known_plugins::{PORT_MAPPER, PORT_MAPPINGS};
use crate::plan::Prepared;
use crate::usage::Usage;

/// The most ports of a call: the entries for more than 26,000 are more values than a plugin accepts.
const MOST: usize = 20_000;

/// Refuses a port that is asked for twice.
///
/// # Errors
/// A usage error; there are too many ports, too.
pub(crate) fn refuse_twice(all: &[Publication]) -> anyhow::Result<()> {
    for (place, one) in all.iter().enumerate() {
        for other in all.iter().take(place) {
            if let Some(port) = one.overlap(other) {
                let transport = one.transport();
                return Err(Usage::new(format!(
                    "--publish: {other} and {one} both ask for port {port}/{transport} of the host"
                ))
                .into());
            }
        }
    }
    let count: usize = all.iter().map(Publication::count).sum();
    if count > MOST {
        return Err(Usage::new(format!("--publish: {count} ports are asked for, and {MOST} are the most")).into());
    }
    Ok(())
}

/// Has the networks whose plugins take published ports be told of them.
///
/// # Errors
/// None of them does.
pub(crate) fn apply(all: &[Publication], networks: &mut [Prepared]) -> anyhow::Result<()> {
    if all.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = networks.iter().map(|one| format!("'{}'", one.network.name)).collect();
    let mappings: Vec<Value> = all.iter().flat_map(Publication::mappings).collect();
    let mut is_told = false;
    for Prepared { network, capability_args } in networks {
        if network.plugins.iter().any(|plugin| plugin.has_capability(PORT_MAPPINGS)) {
            capability_args.insert(PORT_MAPPINGS.to_owned(), Value::Array(mappings.clone()));
            is_told = true;
        }
    }
    if is_told { Ok(()) } else { Err(anyhow!("{}", no_plugin(&names))) }
}

fn no_plugin(names: &[String]) -> String {
    let entry = format!(r#"{{"type": "{PORT_MAPPER}", "capabilities": {{"{PORT_MAPPINGS}": true}}}}"#);
    match names {
        [name] => format!("network {name} has no plugin that publishes ports: its plugins need {entry}"),
        _ => format!(
            "none of the networks {} has a plugin that publishes ports: the plugins of one need {entry}",
            names.join(", ")
        ),
    }
}
