//! What was asked of an interface: read as the plugin reads it, from what it was called with.

use anyhow::{Context, anyhow};
use cni::{Args, Call, Command, Config, Environment};
use serde_json::Value;
use shaping_keys::Shape;

use crate::cache::Entry;
use crate::known_plugins::keeps_limits;
use crate::network::{Network, Plugin};

/// What the container's attachments ask of one of its interfaces. Another attachment's chain may shape it too (the key
/// `interfaces`), and each direction may have a shaper of its own; of several for the same one, the interface's own comes first.
pub(super) fn of(entries: &[Entry], if_name: &str) -> anyhow::Result<Shape> {
    let (own, others): (Vec<_>, Vec<_>) = entries.iter().partition(|entry| entry.attachment.if_name == if_name);
    let mut shapes = Vec::new();
    for entry in own.into_iter().chain(others) {
        let network = Network::from_cache(&entry.config)
            .with_context(|| format!("network '{}': the remembered configuration", entry.network))?;
        for plugin in network.plugins.iter().filter(|plugin| keeps_limits(plugin)) {
            let told =
                |error: cni::Error| anyhow!("network '{}', plugin '{}': {}", network.name, plugin.kind, error.msg);
            let call = call(&network, plugin, entry).map_err(told)?;
            if shaping_keys::interfaces(&call).map_err(told)?.iter().any(|name| name == if_name) {
                shapes.push(shaping_keys::shape(&call).map_err(told)?);
            }
        }
    }
    let mut asked = Shape::default();
    for Shape { download, upload } in shapes {
        let lines = [("download", &mut asked.download, download), ("upload", &mut asked.upload, upload)];
        for (direction, line, other) in lines.into_iter().filter(|(_, _, other)| !other.is_empty()) {
            if line.is_empty() {
                *line = other;
            } else {
                tracing::warn!("the {direction} of {if_name} is shaped more than once; it is compared with the first");
            }
        }
    }
    Ok(asked)
}

/// The call of ADD, as the plugin saw it.
fn call(network: &Network, plugin: &Plugin, entry: &Entry) -> Result<Call, cni::Error> {
    let attachment = &entry.attachment;
    let request = Value::Object(plugin.request(network, &attachment.capability_args));
    let args: Vec<_> = attachment.args.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let config = Config::read(request.to_string().into_bytes(), Command::Add)?;
    let environment = Environment {
        command: Command::Add,
        is_printed: false,
        container_id: attachment.container_id.clone(),
        netns: attachment.netns.clone(),
        if_name: attachment.if_name.clone(),
        args: Args::parse(&args.join(";"))?,
        path: Vec::new(),
        netns_override: false,
        delegated_by: None,
        args_objection: None,
    };
    Ok(Call { environment, config })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::attachment::Attachment;

    fn entry(if_name: &str, shaper: &Value, args: &Value) -> Entry {
        let config = json!({"cniVersion": "1.0.0", "name": "lan", "plugins": [{"type": "bridge"}, shaper]});
        Entry {
            network: "lan".to_owned(),
            attachment: Attachment {
                container_id: "c1".to_owned(),
                if_name: if_name.to_owned(),
                args: vec![("LAT".to_owned(), "5ms".to_owned())],
                capability_args: args.as_object().unwrap().clone(),
                ..Attachment::default()
            },
            config: config.to_string().into_bytes(),
            result: None,
            namespace_id: None,
        }
    }

    #[test]
    fn it_is_what_the_plugin_was_called_with() {
        let shaper = json!({"type": "netem-shaper", "capabilities": {"shaping": true}, "bw": "1Mbps",
            "upload": {"rate": "20Mbit"}});
        let args = json!({"shaping": {"bw": "50Mbps"}, "bandwidth": {"egressRate": 1000}});
        let asked = of(&[entry("eth1", &shaper, &args)], "eth1").unwrap();
        let rates = [&asked.download, &asked.upload].map(|line| line.rate.unwrap().bits_per_second());
        assert_eq!(rates, [50_000_000, 20_000_000], "a capability that was not declared does not count");
        assert_eq!(asked.download.delay.nanoseconds(), 5_000_000, "from CNI_ARGS");
    }

    #[test]
    fn each_direction_may_have_a_shaper_of_its_own() {
        let mut entry = entry("eth1", &json!({"type": "netem-shaper", "lat": "10ms"}), &json!({}));
        entry.attachment.args.clear();
        let mut list: Value = serde_json::from_slice(&entry.config).unwrap();
        let upload = json!({"type": "bandwidth", "egressRate": 8_000_000, "egressBurst": 80_000});
        list["plugins"].as_array_mut().unwrap().push(upload);
        entry.config = list.to_string().into_bytes();
        let asked = of(&[entry], "eth1").unwrap();
        assert_eq!((asked.download.delay.nanoseconds(), asked.download.rate), (10_000_000, None));
        assert_eq!(asked.upload.rate.unwrap().bits_per_second(), 8_000_000);
    }

    #[test]
    fn another_chain_may_shape_the_interface() {
        let none = entry("eth0", &json!({"type": "firewall"}), &json!({}));
        let other =
            entry("eth1", &json!({"type": "bandwidth", "ingressRate": 8000, "interfaces": ["eth0"]}), &json!({}));
        let asked = of(&[none, other.clone()], "eth0").unwrap();
        assert_eq!(asked.download.rate.unwrap().bits_per_second(), 8000);
        assert!(of(&[other], "eth1").unwrap().is_empty());
    }
}
