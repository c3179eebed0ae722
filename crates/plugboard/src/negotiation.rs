//! Negotiating the version of the protocol for a network (VER-1, VER-9).

use anyhow::{anyhow, bail};
use cni::Version;
use serde_json::{Value, json};

use crate::network::{Network, Plugin};
use crate::plugins::Plugins;

/// Settles `network` on the newest of its versions that all its plugins speak, and where there is a choice, their IPAM plugins, too.
/// Every plugin is asked, so this also finds those that are missing or are not plugins.
pub(crate) fn settle(network: &mut Network, plugins: &Plugins) -> anyhow::Result<()> {
    let mut agreed = network.versions.clone();
    for plugin in &network.plugins {
        let spoken = ask(&plugin.kind, plugins).map_err(|error| anyhow!("network '{}': {error}", network.name))?;
        agreed.retain(|version| spoken.iter().any(|spoken| spoken == version.as_str()));
        if agreed.is_empty() {
            let asked: Vec<_> = network.versions.iter().map(|version| version.as_str()).collect();
            bail!(
                "network '{}': plugin '{}' speaks CNI {}, and the configuration asks for {}: give it a cniVersion that all its plugins \
                 speak, or install another release of the plugin",
                network.name,
                plugin.kind,
                spoken.join(", "),
                asked.join(", ")
            );
        }
    }
    for kind in network.plugins.iter().filter_map(Plugin::ipam).filter(|kind| !kind.is_empty()) {
        if agreed.len() > 1
            && let Ok(spoken) = ask(kind, plugins)
            && agreed.iter().any(|version| spoken.iter().any(|spoken| spoken == version.as_str()))
        {
            agreed.retain(|version| spoken.iter().any(|spoken| spoken == version.as_str()));
        }
    }
    if let Some(newest) = agreed.first() {
        network.settle(*newest);
    }
    Ok(())
}

/// A plugin as it is to be called with a verb that came with CNI 1.1.0: GC or STATUS.
#[derive(Debug)]
pub(crate) enum Newest {
    /// The network with this plugin alone, in a version that has the verb; and what is left out.
    Speaks(Box<Network>, Option<String>),
    /// It has none. This says so.
    Lacks(String),
}

/// Settles on the newest version that `plugin` speaks, whatever the configuration says: that is about the verbs which concern
/// an attachment. If its IPAM plugin has no such verb, the configuration goes without it.
pub(crate) fn newest(network: &Network, plugin: &Plugin, verb: &str, plugins: &Plugins) -> anyhow::Result<Newest> {
    let lacks = |kind: &str| -> anyhow::Result<Option<String>> {
        let spoken = ask(kind, plugins).map_err(|error| anyhow!("network '{}': {error}", network.name))?;
        let has_it = spoken.iter().any(|spoken| spoken == Version::LATEST.as_str());
        Ok((!has_it).then(|| {
            format!("network '{}': plugin '{kind}' has no {verb}: it speaks CNI {}", network.name, spoken.join(", "))
        }))
    };
    if let Some(note) = lacks(&plugin.kind)? {
        return Ok(Newest::Lacks(note));
    }
    let mut alone = network.clone();
    alone.settle(Version::LATEST);
    alone.plugins = vec![plugin.clone()];
    let note = match plugin.ipam() {
        Some(kind) if !kind.is_empty() => lacks(kind)?,
        _ => None,
    };
    if note.is_some() {
        alone.plugins.iter_mut().for_each(|plugin| plugin.remove("ipam"));
    }
    Ok(Newest::Speaks(Box::new(alone), note))
}

/// The versions that a plugin says it speaks.
fn ask(kind: &str, plugins: &Plugins) -> anyhow::Result<Vec<String>> {
    let executable = plugins.find(kind).map_err(|problem| anyhow!(problem))?;
    let request = [("cniVersion".to_owned(), json!(Version::LATEST.as_str()))].into_iter().collect();
    let answer = plugins.call(executable, "VERSION", None, request);
    let reply = answer
        .and_then(|answer| answer.value())
        .map_err(|error| anyhow!("plugin '{kind}', VERSION: {} (code {})", error.msg, error.code.number()))?;
    let reply = reply.unwrap_or_default();
    match reply.as_object().and_then(|reply| keys::find(reply, "supportedVersions")).and_then(Value::as_array) {
        Some(versions) => Ok(versions.iter().filter_map(|version| version.as_str().map(str::to_owned)).collect()),
        None => bail!(
            "plugin '{kind}', VERSION: it is no CNI plugin, or a broken one: its reply has no 'supportedVersions': {reply}"
        ),
    }
}
