//! How a limit reaches a plugin: as the capability argument `shaping`.

use serde_json::{Map, Value, json};
use shaping::Limits;

use crate::network::{Network, Plugin};

/// The capability by which a plugin says that it keeps limits.
const CAPABILITY: &str = "shaping";

/// The plugin that keeps limits on any interface that plugins before it have made.
const SHAPER: &str = "netem-shaper";

/// The capability arguments for `limits`. A network of which no plugin keeps limits gets one that does at its end.
pub(crate) fn apply(limits: &Limits, network: &mut Network) -> anyhow::Result<Map<String, Value>> {
    let mut args = Map::new();
    if limits.is_empty() {
        return Ok(args);
    }
    if !network.plugins.iter().any(|plugin| plugin.has_capability(CAPABILITY)) {
        network.plugins.push(Plugin::read(&json!({"type": SHAPER, "capabilities": {CAPABILITY: true}}))?);
    }
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

/// The limits among capability arguments, for a person.
pub(crate) fn describe(capability_args: &Map<String, Value>) -> String {
    let value = |key| capability_args.get(CAPABILITY)?.get(key)?.as_str().map(|value| format!("{key}={value}"));
    [value("bw"), value("lat")].into_iter().flatten().collect::<Vec<_>>().join(",")
}
