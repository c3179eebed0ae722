//! Negotiating the version of the protocol for a network (VER-1, VER-9).

use anyhow::{anyhow, bail};
use cni::Version;
use serde_json::{Value, json};

use crate::network::{Network, Plugin};
use crate::plugins::Plugins;

/// Settles `network` on the newest of its versions that all its plugins speak. Every plugin is asked, so this also finds
/// those that are missing or are not plugins.
pub(crate) fn settle(network: &mut Network, plugins: &Plugins) -> anyhow::Result<()> {
    let mut agreed = network.versions.clone();
    for plugin in &network.plugins {
        let spoken = ask(plugin, plugins).map_err(|error| anyhow!("network '{}': {error}", network.name))?;
        agreed.retain(|version| spoken.iter().any(|spoken| spoken == version.as_str()));
        if agreed.is_empty() {
            let asked: Vec<_> = network.versions.iter().map(|version| version.as_str()).collect();
            bail!(
                "network '{}': plugin '{}' speaks CNI {}, the configuration asks for {}",
                network.name,
                plugin.kind,
                spoken.join(", "),
                asked.join(", ")
            );
        }
    }
    if let Some(newest) = agreed.first() {
        network.settle(*newest);
    }
    Ok(())
}

/// The versions that a plugin says it speaks.
fn ask(plugin: &Plugin, plugins: &Plugins) -> anyhow::Result<Vec<String>> {
    let executable = plugins.find(&plugin.kind).map_err(|problem| anyhow!(problem))?;
    let request = [("cniVersion".to_owned(), json!(Version::LATEST.as_str()))].into_iter().collect();
    let answer = plugins.call(executable, "VERSION", None, request);
    let reply = answer
        .and_then(|answer| answer.value())
        .map_err(|error| anyhow!("plugin '{}', VERSION: {} (code {})", plugin.kind, error.msg, error.code.number()))?;
    let reply = reply.unwrap_or_default();
    match reply.as_object().and_then(|reply| keys::find(reply, "supportedVersions")).and_then(Value::as_array) {
        Some(versions) => Ok(versions.iter().filter_map(|version| version.as_str().map(str::to_owned)).collect()),
        None => bail!("plugin '{}', VERSION: the reply has no 'supportedVersions': {reply}", plugin.kind),
    }
}
