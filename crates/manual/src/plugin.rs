//! The plugins, each with the tables of its keys.

use keys::{
    BridgeKeys, DelegateKeys, HostLocalKeys, LacKeys, NicKeys, OnBridgeKeys, OvsPortKeys, PluginKeys, PortmapKeys,
    SecondaryKeys, StaticKeys, SwitchKeys, Table, TapKeys,
};

/// A plugin.
#[derive(Debug)]
pub struct Manual {
    /// As in `type`.
    pub name: &'static str,
    /// What it is, in half a sentence.
    pub about: &'static str,
    /// The object that its keys are in; empty for the top level.
    pub object: &'static str,
    /// Its keys.
    pub tables: &'static [&'static Table],
    /// Those of the keys that all plugins have which it reads, too.
    pub common: &'static [&'static str],
    /// A network that uses it, as JSON.
    pub example: &'static str,
}

/// All of them.
pub const PLUGINS: [Manual; 9] = [
    Manual {
        name: "bridge",
        about: "a NIC of a container or a virtual machine on a Linux bridge of the host",
        object: "",
        tables: &[&BridgeKeys::TABLE, &OnBridgeKeys::TABLE, &NicKeys::TABLE, &TapKeys::TABLE, &DelegateKeys::TABLE],
        common: &["dns", "ipam"],
        example: include_str!("../../../conf-examples/10-walt-net.conflist"),
    },
    Manual {
        name: "veth-secondary",
        about: "further NICs of a container or a virtual machine, of any kind",
        object: "",
        tables: &[&SecondaryKeys::TABLE, &OnBridgeKeys::TABLE, &NicKeys::TABLE, &TapKeys::TABLE, &DelegateKeys::TABLE],
        common: &["dns", "ipam"],
        example: include_str!("../../../conf-examples/20-home-net.conflist"),
    },
    Manual {
        name: "ovs-port",
        about: "a NIC of a container or a virtual machine on a bridge of Open vSwitch",
        object: "",
        tables: &[&OvsPortKeys::TABLE, &SwitchKeys::TABLE, &TapKeys::TABLE, &DelegateKeys::TABLE],
        common: &["dns", "ipam"],
        example: include_str!("../../../conf-examples/ovs-net.conflist"),
    },
    Manual {
        name: "vxlan-overlay",
        about: "a NIC of a container or a virtual machine on an Ethernet that several hosts have in common, by VXLAN",
        object: "",
        tables: &[&LacKeys::TABLE, &DelegateKeys::TABLE],
        common: &["dns", "ipam"],
        example: include_str!("../../../conf-examples/lac-net.conflist"),
    },
    Manual {
        name: "netem-shaper",
        about: "bandwidth, latency and faults of a NIC that an earlier plugin of the network has made",
        object: "",
        tables: &shaping_keys::TABLES,
        common: &[],
        example: include_str!("../../../conf-examples/far-net.conflist"),
    },
    Manual {
        name: "portmap",
        about: "ports of the host that lead into a container, whose NIC an earlier plugin of the network has made",
        object: "",
        tables: &[&PortmapKeys::TABLE],
        common: &[],
        example: include_str!("../../../conf-examples/published-net.conflist"),
    },
    Manual {
        name: "loopback",
        about: "the loopback interface of a container, up",
        object: "",
        tables: &[],
        common: &["type"],
        example: include_str!("../../../conf-examples/loopback.conflist"),
    },
    Manual {
        name: "host-local",
        about: "addresses from ranges, kept in files on the host",
        object: "ipam",
        tables: &[&HostLocalKeys::TABLE],
        common: &[],
        example: include_str!("../../../conf-examples/host-local.conflist"),
    },
    Manual {
        name: "static",
        about: "addresses, routes and resolver settings as configured",
        object: "ipam",
        tables: &[&StaticKeys::TABLE],
        common: &[],
        example: include_str!("../../../conf-examples/static.conflist"),
    },
];

/// The plugin of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Manual> {
    const ALL: &[Manual] = &PLUGINS;
    ALL.iter().find(|manual| manual.name == name)
}

impl Manual {
    /// Its keys: its own, and those of all plugins that it reads, too.
    pub(crate) fn keys(&self) -> Vec<&'static keys::Key> {
        let common = |name: &&str| PluginKeys::TABLE.keys.iter().find(|key| key.name == *name);
        let own = self.tables.iter().flat_map(|table| table.keys.iter());
        own.chain(self.common.iter().filter_map(common)).collect()
    }
}
