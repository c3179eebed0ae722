//! Limits as a person reads them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use shaping_keys::{BANDWIDTH, LIMITS};

use super::alias::long_name;
use crate::attachment::Attachment;
use crate::known_plugins::{self, CAPABILITY, REFERENCE_CAPABILITY, SHAPER};
use crate::network::{Network, Plugin};

/// The limits of an attachment, for a person, as they are written: of each the one that counts, whether it is the configuration's
/// or came with the call.
pub(crate) fn describe(config: &[u8], attachment: &Attachment) -> String {
    let mut all = Limits::default();
    if let Ok(network) = Network::from_cache(config) {
        network.plugins.iter().for_each(|plugin| all.add(of_plugin(plugin, attachment)));
    } else {
        all.add(of_object(LIMITS, attachment.capability_args.get(CAPABILITY)));
    }
    all.in_words()
}

/// What one plugin is asked, by each of its sources, the last one first.
fn of_plugin(plugin: &Plugin, attachment: &Attachment) -> Limits {
    let mut all = Limits::default();
    if known_plugins::keeps_limits(plugin) || known_plugins::takes_limits(plugin) {
        all.put(of_keys(LIMITS, |key| plugin.key(key)));
    }
    if plugin.kind == SHAPER {
        let args = attachment.args.iter().map(|(key, value)| (key.clone(), Value::String(value.clone()))).collect();
        all.put(of_keys(SHORT, |key| Map::get(&args, &key.to_ascii_uppercase())));
        let args = plugin.key("args").and_then(|args| keys::find(args.as_object()?, "cni"));
        all.put(of_object(LIMITS, args.and_then(|args| keys::find(args.as_object()?, CAPABILITY))));
    }
    let told = |capability| attachment.capability_args.get(capability).filter(|_| plugin.has_capability(capability));
    all.put(of_object(BANDWIDTH, told(REFERENCE_CAPABILITY)));
    all.put(of_object(LIMITS, told(CAPABILITY)));
    all
}

/// What `CNI_ARGS` may have, there in capital letters.
const SHORT: [&str; 3] = ["bw", "lat", "preset"];

fn of_object<const N: usize>(known: [&str; N], object: Option<&Value>) -> Limits {
    let object = object.and_then(Value::as_object);
    of_keys(known, |key| keys::find(object?, key))
}

fn of_keys<'a, const N: usize>(known: [&str; N], value: impl Fn(&str) -> Option<&'a Value>) -> Limits {
    let mut limits = Limits::default();
    for key in known {
        let value = value(key).filter(|value| !shaping_keys::is_no_limit(key, value));
        flatten(key, value.unwrap_or(&Value::Null), &mut limits.0);
    }
    limits
}

/// Limits by their keys, with dots.
#[derive(Debug, Default)]
struct Limits(BTreeMap<String, String>);

impl Limits {
    /// Puts others in the place of those of the same meaning.
    fn put(&mut self, others: Self) {
        for key in others.0.keys() {
            let name = long_name(key);
            self.0.retain(|other, _| long_name(other) != name);
        }
        self.0.extend(others.0);
    }

    fn add(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    fn in_words(self) -> String {
        let mut all: Vec<(String, String)> = self.0.into_iter().collect();
        let place =
            |key: &str| LIMITS.iter().position(|known| key.split('.').next() == Some(known)).unwrap_or(LIMITS.len());
        all.sort_by_cached_key(|(key, _)| (place(key), key.clone()));
        all.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
    }
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

    fn described(plugin: &Value, told: &Value, args: &[(&str, &str)]) -> String {
        let config = json!({"name": "a", "cniVersion": "1.0.0", "plugins": [{"type": "bridge", "mtu": 9000}, plugin]});
        let attachment = Attachment {
            args: args.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            capability_args: told.as_object().unwrap().clone(),
            ..Attachment::default()
        };
        describe(config.to_string().as_bytes(), &attachment)
    }

    fn shaped(plugin: &Value, shaping: &Value) -> String {
        described(plugin, &json!({"mac": "02:00:00:00:00:01", "shaping": shaping}), &[])
    }

    #[test]
    fn all_limits_are_told_and_the_nearest_of_each() {
        let far = json!({"type": "netem-shaper", "bw": "50Mbps", "lat": "40ms", "upload": {"loss": {"percent": "1%"}},
            "capabilities": {"shaping": true}});
        assert_eq!(shaped(&far, &Value::Null), "bw=50Mbps,lat=40ms,upload.loss.percent=1%");
        assert_eq!(shaped(&far, &json!({"bw": "1Gbps"})), "bw=1Gbps,lat=40ms,upload.loss.percent=1%");
        assert_eq!(
            shaped(&far, &json!({"download": {"rate": "1Mbit"}, "upload": {"loss": "0%", "gap": 5}})),
            "lat=40ms,download.rate=1Mbit,upload.gap=5,upload.loss=0%"
        );
        assert_eq!(describe(b"", &Attachment::default()), "");
    }

    #[test]
    fn those_of_the_reference_are_told_too() {
        let plugin = json!({"type": "bandwidth", "ingressRate": 8000, "ingressBurst": 80000});
        assert_eq!(shaped(&plugin, &Value::Null), "ingressRate=8000,ingressBurst=80000");
        assert_eq!(shaped(&json!({"type": "other", "ingressRate": 8000}), &Value::Null), "");
    }

    #[test]
    fn limits_that_come_with_the_call_are_told_from_wherever_they_come() {
        let told = json!({"bandwidth": {"IngressRate": 8_000_000, "ingressBurst": 2_147_483_647_u64, "egressRate": 0}});
        for (plugin, args, expected) in [
            (json!({"type": "bandwidth", "capabilities": {"bandwidth": true}}), [].as_slice(), "ingressRate=8000000"),
            (json!({"type": "other", "capabilities": {"bandwidth": true}}), &[], "ingressRate=8000000"),
            (json!({"type": "bandwidth"}), &[], ""),
            (
                json!({"type": "netem-shaper", "capabilities": {"bandwidth": true}, "bw": "1Mbps", "lat": "5ms"}),
                &[("LAT", "7ms"), ("BW", "2Mbps")],
                "lat=7ms,ingressRate=8000000",
            ),
            (
                json!({"type": "netem-shaper", "args": {"cni": {"shaping": {"upload": {"rate": "1Mbit"}}}}}),
                &[("BW", "2Mbps"), ("K8S_POD_NAME", "web")],
                "bw=2Mbps,upload.rate=1Mbit",
            ),
        ] {
            assert_eq!(described(&plugin, &told, args), expected, "{plugin}");
        }
    }
}
