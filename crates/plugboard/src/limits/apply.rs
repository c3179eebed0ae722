//! How a limit reaches a plugin: as a capability argument.

use serde_json::{Map, Value, json};
use shaping::Limits;

use crate::known_plugins::{self, CAPABILITY, SHAPER};
use crate::network::{Network, Plugin};

/// The capability arguments for `limits`, and for a preset, which counts where these have none. If no plugin of the network keeps limits, one that does is appended.
pub(crate) fn apply(
    limits: &Limits,
    preset: Option<&str>,
    network: &mut Network,
) -> anyhow::Result<Map<String, Value>> {
    let mut args = Map::new();
    if limits.is_empty() && preset.is_none() {
        return Ok(args);
    }
    ensure_shaper(network)?;
    let mut values = Map::new();
    if let Some(preset) = preset {
        values.insert("preset".to_owned(), json!(preset));
    }
    if let Some(bw) = limits.bw {
        values.insert("bw".to_owned(), json!(bw.to_string()));
    }
    if let Some(lat) = limits.lat {
        values.insert("lat".to_owned(), json!(lat.to_string()));
    }
    args.insert(CAPABILITY.to_owned(), Value::Object(values));
    Ok(args)
}

/// Makes a plugin of the network accept limits. If ours is in the chain without the capability, the capability is added.
pub(crate) fn ensure_shaper(network: &mut Network) -> anyhow::Result<()> {
    if shaper(network).is_some() {
        return Ok(());
    }
    if let Some(plugin) = network.plugins.iter_mut().find(|plugin| plugin.kind == SHAPER) {
        plugin.ask_for_capability(CAPABILITY);
        return Ok(());
    }
    network.plugins.push(Plugin::read(&json!({"type": SHAPER, "capabilities": {CAPABILITY: true}}))?);
    Ok(())
}

/// The plugin of the network that takes limits.
pub(crate) fn shaper(network: &Network) -> Option<&Plugin> {
    network.plugins.iter().find(|plugin| known_plugins::takes_limits(plugin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_is_told_of_the_capability_and_not_doubled() {
        let text = json!({"name": "a", "plugins": [{"type": "bridge"}, {"type": "netem-shaper", "bw": "1Mbps"}]});
        let mut network = Network::from_list(text.to_string().as_bytes()).unwrap();
        ensure_shaper(&mut network).unwrap();
        assert_eq!(network.plugins.len(), 2);
        assert!(shaper(&network).is_some());
    }
}
