//! Published ports as a person reads them.

use std::fmt::Write;
use std::net::IpAddr;

use keys::{FromJson, HostIp, Place, PortMappingKeys, Transport};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::attachment::Attachment;
use crate::known_plugins::PORT_MAPPINGS;
use crate::network::Network;

/// A port of the host that leads into the container, with the names of the capability.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Port {
    /// Empty for all.
    #[serde(rename = "hostIP", serialize_with = "or_empty")]
    address: Option<IpAddr>,
    #[serde(rename = "hostPort")]
    host: u16,
    #[serde(rename = "containerPort")]
    container: u16,
    #[serde(rename = "protocol", serialize_with = "word")]
    transport: Transport,
}

impl Port {
    /// An entry of the capability, with the keys of whatever runtime. One without a port of the host publishes nothing.
    fn read(mapping: &Value) -> Option<Self> {
        let keys = PortMappingKeys::from_json(mapping, &Place::Whole).ok()?;
        Some(Self {
            address: keys.host_ip.map(|HostIp(address)| address),
            host: keys.host_port.0,
            container: keys.container_port.0,
            transport: keys.protocol,
        })
    }

    /// Whether it is the next of a range after `other`.
    fn follows(&self, other: &Self) -> bool {
        (self.address, self.transport) == (other.address, other.transport)
            && other.host.checked_add(1) == Some(self.host)
            && other.container.checked_add(1) == Some(self.container)
    }
}

/// The ports that an attachment publishes, in order. A plugin must have been told of them.
pub(crate) fn published(config: &[u8], attachment: &Attachment) -> Vec<Port> {
    let asks = |network: Network| network.plugins.iter().any(|plugin| plugin.has_capability(PORT_MAPPINGS));
    let mappings = attachment.capability_args.get(PORT_MAPPINGS).and_then(Value::as_array);
    let mut ports: Vec<Port> = mappings.into_iter().flatten().filter_map(Port::read).collect();
    if !ports.is_empty() && !Network::from_cache(config).map_or(true, asks) {
        ports.clear();
    }
    ports.sort_by_key(|port| (port.address, port.transport.word(), port.host, port.container));
    ports
}

/// As `docker ps` writes them, such as `127.0.0.1:8080->80/tcp`, with those of a range as one.
pub(crate) fn in_words(ports: &[Port]) -> String {
    let mut words = String::new();
    for range in ports.chunk_by(|one, next| next.follows(one)) {
        let (Some(first), Some(last)) = (range.first(), range.last()) else { continue };
        let comma = if words.is_empty() { "" } else { "," };
        let address = match first.address {
            Some(IpAddr::V6(address)) => format!("[{address}]:"),
            Some(address) => format!("{address}:"),
            None => String::new(),
        };
        let (host, container) = (row(first.host, last.host), row(first.container, last.container));
        // Into a text, writing does not fail.
        let _ = write!(words, "{comma}{address}{host}->{container}/{}", first.transport);
    }
    words
}

fn row(first: u16, last: u16) -> String {
    if first == last { first.to_string() } else { format!("{first}-{last}") }
}

fn or_empty<S: Serializer>(address: &Option<IpAddr>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&address.map(|address| address.to_string()).unwrap_or_default())
}

fn word<S: Serializer>(transport: &Transport, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(transport.word())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ports(plugin: &Value, mappings: &Value) -> Vec<Port> {
        let config = json!({"name": "a", "cniVersion": "1.0.0", "plugins": [{"type": "bridge"}, plugin]});
        let args = json!({"portMappings": mappings, "mac": "02:00:00:00:00:01"});
        let attachment = Attachment { capability_args: args.as_object().unwrap().clone(), ..Attachment::default() };
        published(config.to_string().as_bytes(), &attachment)
    }

    fn told(mappings: &Value) -> String {
        in_words(&ports(&json!({"type": "portmap", "capabilities": {"portMappings": true}}), mappings))
    }

    #[test]
    fn ports_are_written_as_docker_writes_them_and_ranges_as_one() {
        let port = |host: u16, container: u16| json!({"hostPort": host, "containerPort": container, "protocol": "tcp"});
        for (mappings, expected) in [
            (json!([port(8080, 80)]), "8080->80/tcp"),
            (json!([port(8001, 81), port(8003, 83), port(8000, 80)]), "8000-8001->80-81/tcp,8003->83/tcp"),
            (json!([port(8000, 80), port(8001, 80)]), "8000->80/tcp,8001->80/tcp"),
            (json!([port(65_534, 1), port(65_535, 2)]), "65534-65535->1-2/tcp"),
            (
                json!([{"hostPort": 53, "containerPort": 53, "protocol": "udp", "hostIP": "::1"}, port(53, 53),
                    {"hostPort": 53, "containerPort": 53, "hostIP": "127.0.0.1"}]),
                "53->53/tcp,127.0.0.1:53->53/tcp,[::1]:53->53/udp",
            ),
            (json!([]), ""),
            (Value::Null, ""),
        ] {
            assert_eq!(told(&mappings), expected, "{mappings}");
        }
    }

    #[test]
    fn those_of_other_runtimes_are_told_too() {
        // Podman and CRI-O, then containerd and nerdctl, which have no tags for Go's encoder.
        let of_podman = json!([{"hostPort": 8080, "containerPort": 80, "protocol": "tcp", "hostIP": ""}]);
        let of_containerd = json!([{"HostPort": 8080, "ContainerPort": 80, "Protocol": "TCP", "HostIP": "0.0.0.0"}]);
        assert_eq!(told(&of_podman), "8080->80/tcp");
        assert_eq!(told(&of_containerd), "0.0.0.0:8080->80/tcp");
        // A port that kubelet names and the host does not have, and what is none at all.
        assert_eq!(
            told(&json!([{"hostPort": 0, "containerPort": 80}, "80:80", null, {"hostPort": 81, "containerPort": 81}])),
            "81->81/tcp"
        );
    }

    #[test]
    fn what_no_plugin_was_told_is_not_published() {
        let mappings = json!([{"hostPort": 8080, "containerPort": 80}]);
        assert_eq!(ports(&json!({"type": "portmap"}), &mappings), []);
        let port = &ports(&json!({"type": "x", "capabilities": {"portMappings": true}}), &mappings);
        assert_eq!(json!(port), json!([{"hostIP": "", "hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]));
    }
}
