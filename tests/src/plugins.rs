//! The plugins under test, each with the least configuration that is valid.

use serde_json::{Value, json};

/// All versions of the protocol that the plugins speak, the oldest first.
pub const VERSIONS: [&str; 7] = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];

/// The newest version.
pub const LATEST: &str = "1.1.0";

/// An executable of the project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plugin {
    /// `bridge`: makes an interface.
    Bridge,
    /// `veth-secondary`: makes a further interface.
    Secondary,
    /// `ovs-port`: makes an interface on a switch, which a [`Scene`](crate::Scene) has only where a test asks for it.
    OvsPort,
    /// `vxlan-overlay`: makes an interface in a Local Area Cloud, by the device [`UNDERLAY`](UNDERLAY).
    Overlay,
    /// `netem-shaper`: chained, adjusts one.
    Shaper,
    /// `portmap`: chained, publishes ports of an interface.
    Portmap,
    /// `loopback`: chained or alone, sets up an interface that is there.
    Loopback,
    /// `host-local`: IPAM with files.
    HostLocal,
    /// `static`: IPAM as configured.
    Static,
}

/// The device of the host that leads to other hosts, where a scene has one.
pub const UNDERLAY: &str = "lan0";

/// All plugins.
pub const ALL: [Plugin; 9] = [
    Plugin::Bridge,
    Plugin::Secondary,
    Plugin::OvsPort,
    Plugin::Overlay,
    Plugin::Shaper,
    Plugin::Portmap,
    Plugin::Loopback,
    Plugin::HostLocal,
    Plugin::Static,
];

/// Those that make or adjust interfaces.
pub const INTERFACE: [Plugin; 7] = [
    Plugin::Bridge,
    Plugin::Secondary,
    Plugin::OvsPort,
    Plugin::Overlay,
    Plugin::Shaper,
    Plugin::Portmap,
    Plugin::Loopback,
];

/// Those that allocate addresses.
pub const IPAM: [Plugin; 2] = [Plugin::HostLocal, Plugin::Static];

impl Plugin {
    /// The name of the executable and the value of `type`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Secondary => "veth-secondary",
            Self::OvsPort => "ovs-port",
            Self::Overlay => "vxlan-overlay",
            Self::Shaper => "netem-shaper",
            Self::Portmap => "portmap",
            Self::Loopback => "loopback",
            Self::HostLocal => "host-local",
            Self::Static => "static",
        }
    }

    /// It knows UPDATE, an extension of ours.
    pub fn knows_update(self) -> bool {
        matches!(self, Self::Shaper | Self::Overlay)
    }

    /// It reads `CNI_ARGS`, so that what is malformed there is refused.
    pub fn reads_args(self) -> bool {
        !matches!(self, Self::Portmap | Self::Loopback)
    }

    /// The least valid configuration, of network `net`. Those of `netem-shaper` and `portmap` still lack their
    /// `prevResult`.
    pub fn config(self, version: &str) -> Value {
        match self {
            Self::Bridge => json!({"cniVersion": version, "name": "net", "type": "bridge", "bridge": "br0",
                "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}]]}}),
            Self::Secondary => json!({"cniVersion": version, "name": "net", "type": "veth-secondary", "bridge": "br0",
                "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}]]}}),
            Self::OvsPort => json!({"cniVersion": version, "name": "net", "type": "ovs-port", "bridge": "ovs0",
                "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}]]}}),
            Self::Overlay => {
                json!({"cniVersion": version, "name": "net", "type": "vxlan-overlay", "group": "239.0.0.1",
                "if": UNDERLAY, "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}]]}})
            }
            Self::Shaper => json!({"cniVersion": version, "name": "net", "type": "netem-shaper", "bw": "100Mbps"}),
            Self::Portmap => json!({"cniVersion": version, "name": "net", "type": "portmap",
                "runtimeConfig": {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}}),
            Self::Loopback => json!({"cniVersion": version, "name": "net", "type": "loopback"}),
            Self::HostLocal => json!({"cniVersion": version, "name": "net", "type": "bridge",
                "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}]]}}),
            Self::Static => json!({"cniVersion": version, "name": "net", "type": "bridge",
                "ipam": {"type": "static", "addresses": [{"address": "10.1.0.5/24", "gateway": "10.1.0.1"}]}}),
        }
    }
}

/// The object with keys replaced or added; a key with `null` is removed.
///
/// # Panics
/// If either is no object.
#[must_use]
pub fn with(config: &Value, keys: Value) -> Value {
    let mut object = config.as_object().expect("a configuration is an object").clone();
    let Value::Object(keys) = keys else { panic!("keys are given as an object, not {keys}") };
    for (key, value) in keys {
        if value.is_null() {
            object.remove(&key);
        } else {
            object.insert(key, value);
        }
    }
    Value::Object(object)
}
