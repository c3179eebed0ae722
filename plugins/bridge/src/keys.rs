//! The keys of the configuration.

use serde::Deserialize;

/// All keys at the top level.
pub(crate) const KEYS: &[&str] = &[
    "autoVlan",
    "bridge",
    "delegateTimeoutSeconds",
    "disableContainerInterface",
    "enabledad",
    "forceAddress",
    "group",
    "hairpinMode",
    "ipMasq",
    "ipMasqBackend",
    "ipspoofchk",
    "isDefaultGateway",
    "isGateway",
    "mac",
    "macspoofchk",
    "mtu",
    "multiQueue",
    "nic",
    "owner",
    "portIsolation",
    "preserveDefaultVlan",
    "promiscMode",
    "tapNamespace",
    "uplink",
    "vlan",
    "vlanTrunk",
];

/// The keys that only this plugin has, as they are written. Those that every plugin with a NIC has are in [`NicKeys`].
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Keys {
    /// The bridge's name. Default: `cni0`; with an uplink `br-` and its name. Made if it does not exist.
    pub(crate) bridge: Option<String>,
    /// The bridge gets the gateway's address, and the host forwards.
    pub(crate) is_gateway: bool,
    /// As `isGateway`, and the container's default route goes there.
    pub(crate) is_default_gateway: bool,
    /// Another address of the same family on the bridge is replaced instead of refused.
    pub(crate) force_address: bool,
    /// Frames may leave through the port that they came in by.
    pub(crate) hairpin_mode: bool,
    /// The bridge receives what is addressed to others.
    pub(crate) promisc_mode: bool,
    /// Isolated ports reach only those that are not.
    pub(crate) port_isolation: bool,
    /// A device of the host that becomes a port of the bridge, so that the NIC is in the network behind it.
    pub(crate) uplink: Option<String>,
    /// A VLAN device that the uplink lacks is made.
    pub(crate) auto_vlan: bool,
}
