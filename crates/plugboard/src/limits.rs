//! How a limit reaches a plugin: as the capability argument `shaping`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use shaping::Limits;

use crate::network::{Network, Plugin};

/// The capability by which a plugin says that it keeps limits.
pub(crate) const CAPABILITY: &str = "shaping";

/// The plugin that keeps limits on any interface that plugins before it have made.
const SHAPER: &str = "netem-shaper";

/// The keys of a shaper that say limits, of ours and of the reference's `bandwidth`.
const KEYS: [&str; 9] =
    ["bw", "lat", "preset", "download", "upload", "ingressRate", "ingressBurst", "egressRate", "egressBurst"];

/// Two names of one limit.
pub(crate) const ALIASES: [(&str, &str); 2] = [("bw", "download.rate"), ("lat", "download.delay")];

/// The capability arguments for `limits`. A network of which no plugin keeps limits gets one that does at its end.
pub(crate) fn apply(limits: &Limits, network: &mut Network) -> anyhow::Result<Map<String, Value>> {
    let mut args = Map::new();
    if limits.is_empty() {
        return Ok(args);
    }
    ensure_shaper(network)?;
    let mut values = Map::new();
    if let Some(bw) = limits.bw {
        values.insert("bw".to_owned(), json!(bw.to_string()));
    }
    if let Some(lat) = limits.lat {
        values.insert("lat".to_owned(), json!(lat.to_string()));
    }
    args.insert(CAPABILITY.to_owned(), Value::Object(values));
    Ok(args)
}

/// Makes a plugin of the network take limits. Where ours is there and was not told of the capability, it is told.
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
    network.plugins.iter().find(|plugin| plugin.has_capability(CAPABILITY))
}

/// The limits of an attachment, for a person: those of the network's configuration, and in their place those among the
/// capability arguments.
pub(crate) fn describe(config: &[u8], capability_args: &Map<String, Value>) -> String {
    let mut all = BTreeMap::new();
    let network = Network::from_cache(config).ok();
    let is_shaper = |plugin: &&Plugin| plugin.kind == SHAPER || plugin.has_capability(CAPABILITY);
    for plugin in network.iter().flat_map(|network| network.plugins.iter()).filter(is_shaper) {
        for key in KEYS {
            flatten(key, plugin.key(key).unwrap_or(&Value::Null), &mut all);
        }
    }
    let mut given = BTreeMap::new();
    flatten("", capability_args.get(CAPABILITY).unwrap_or(&Value::Null), &mut given);
    for key in given.keys() {
        let first = |key: &str| key.split('.').take(2).collect::<Vec<_>>().join(".");
        let alias = alias(key);
        all.retain(|other, _| first(other) != first(key) && alias != Some(other.as_str()));
    }
    all.extend(given);
    let mut all: Vec<(String, String)> = all.into_iter().collect();
    let place = |key: &str| KEYS.iter().position(|known| key.split('.').next() == Some(known)).unwrap_or(KEYS.len());
    all.sort_by_cached_key(|(key, _)| (place(key), key.clone()));
    all.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

/// The other name of a limit.
pub(crate) fn alias(key: &str) -> Option<&'static str> {
    ALIASES.iter().find_map(|(short, long)| match key {
        _ if key == *short => Some(*long),
        _ if key == *long => Some(*short),
        _ => None,
    })
}

/// Objects as dotted keys, everything else as it is written.
fn flatten(key: &str, value: &Value, all: &mut BTreeMap<String, String>) {
    match value {
        Value::Null => {}
        Value::Object(object) => {
            for (name, value) in object {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                flatten(&key, value, all);
            }
        }
        Value::String(text) => _ = all.insert(key.to_owned(), text.clone()),
        other => _ = all.insert(key.to_owned(), other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(plugin: &Value, shaping: &Value) -> String {
        let config = json!({"name": "a", "cniVersion": "1.0.0", "plugins": [{"type": "bridge", "mtu": 9000}, plugin]});
        let args = json!({"mac": "02:00:00:00:00:01", "shaping": shaping});
        describe(config.to_string().as_bytes(), args.as_object().unwrap())
    }

    #[test]
    fn all_limits_are_told_and_the_nearest_of_each() {
        let far = json!({"type": "netem-shaper", "bw": "50Mbps", "lat": "40ms", "upload": {"loss": {"percent": "1%"}}});
        assert_eq!(described(&far, &Value::Null), "bw=50Mbps,lat=40ms,upload.loss.percent=1%");
        assert_eq!(described(&far, &json!({"bw": "1Gbps"})), "bw=1Gbps,lat=40ms,upload.loss.percent=1%");
        assert_eq!(
            described(&far, &json!({"download": {"rate": "1Mbit"}, "upload": {"loss": "0%", "gap": 5}})),
            "lat=40ms,download.rate=1Mbit,upload.gap=5,upload.loss=0%"
        );
        assert_eq!(describe(b"", &Map::new()), "");
    }

    #[test]
    fn ours_is_told_of_the_capability_and_not_doubled() {
        let text = json!({"name": "a", "plugins": [{"type": "bridge"}, {"type": "netem-shaper", "bw": "1Mbps"}]});
        let mut network = Network::from_list(text.to_string().as_bytes()).unwrap();
        ensure_shaper(&mut network).unwrap();
        assert_eq!(network.plugins.len(), 2);
        assert!(shaper(&network).is_some());
    }
}
