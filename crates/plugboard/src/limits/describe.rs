//! Limits as a person reads them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use shaping_keys::LIMITS;

use super::alias::alias;
use crate::known_plugins::{self, CAPABILITY};
use crate::network::{Network, Plugin};

/// The limits of an attachment, for a person: those of the network's configuration, and in their place those among the
/// capability arguments.
pub(crate) fn describe(config: &[u8], capability_args: &Map<String, Value>) -> String {
    let mut all = BTreeMap::new();
    let network = Network::from_cache(config).ok();
    let is_shaper = |plugin: &&Plugin| known_plugins::keeps_limits(plugin) || known_plugins::takes_limits(plugin);
    for plugin in network.iter().flat_map(|network| network.plugins.iter()).filter(is_shaper) {
        for key in LIMITS {
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
    let place =
        |key: &str| LIMITS.iter().position(|known| key.split('.').next() == Some(known)).unwrap_or(LIMITS.len());
    all.sort_by_cached_key(|(key, _)| (place(key), key.clone()));
    all.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
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
    use serde_json::json;

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
    fn those_of_the_reference_are_told_too() {
        let plugin = json!({"type": "bandwidth", "ingressRate": 8000, "ingressBurst": 80000});
        assert_eq!(described(&plugin, &Value::Null), "ingressRate=8000,ingressBurst=80000");
        assert_eq!(described(&json!({"type": "other", "ingressRate": 8000}), &Value::Null), "");
    }
}
