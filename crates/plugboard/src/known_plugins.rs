//! What the command line knows of plugins by their names and keys. It learns everything else from configurations and from the
//! plugins' answers.

use std::path::Path;

use serde_json::Value;

use crate::network::Plugin;

/// Our shaper, which keeps limits on any interface that plugins before it have made. A network without a shaper gets it.
pub(crate) const SHAPER: &str = "netem-shaper";

/// Our plugin of Local Area Clouds.
pub(crate) const OVERLAY: &str = "vxlan-overlay";

/// Its keys for the other hosts: a list, or a file with one.
pub(crate) const REMOTES: [&str; 2] = ["remotes", "remotesFile"];

/// Those for the hosts that are heard.
pub(crate) const PEERS: [&str; 2] = ["peers", "peersFile"];

/// That for the file with the keys of a LAC that is encrypted.
pub(crate) const KEY_FILE: &str = "keyFile";

/// By which it is told to replace keys: for how many seconds the old ones are heard still.
pub(crate) const REKEY: &str = "plugboard/rekey";

/// The port of a LAC whose keys name none.
pub(crate) const LAC_PORT: u16 = 14789;

/// The same for one of mode `evpn`: that of VXLAN.
pub(crate) const EVPN_PORT: u16 = 4789;

/// The VNI of a LAC whose keys name none.
pub(crate) const LAC_VNI: u32 = 1;

/// The plugins that keep limits by the keys that `shaping_keys` reads: ours, and the reference's.
const SHAPERS: [&str; 2] = [SHAPER, "bandwidth"];

/// The capability by which a plugin says that it takes limits, with the keys of ours.
pub(crate) const CAPABILITY: &str = "shaping";

/// The capability by which the reference plugin `bandwidth` takes limits, with its keys.
pub(crate) const REFERENCE_CAPABILITY: &str = "bandwidth";

/// The plugin of published ports.
pub(crate) const PORT_MAPPER: &str = "portmap";

/// The capability by which a plugin says that it publishes ports.
pub(crate) const PORT_MAPPINGS: &str = "portMappings";

/// The capability by which a plugin says that it takes ranges of addresses: part of the network rather than of a container.
pub(crate) const RANGES: &str = "ipRanges";

/// The IPAM plugin whose addresses the configuration lists, or a runtime brings: a second container would get the same.
const FIXED_ADDRESSES: &str = "static";

/// Keys that a second container cannot have too, that make a machine's NIC, that limit it, or that keep a container from reaching
/// others of its network: it must be up, and isolated ports do not reach each other. They are those of our plugins, and names that
/// others use in the same sense.
const KEYS_OF_ONE: [&str; 14] = [
    "args",
    "disableContainerInterface",
    "group",
    "ingress_policing_burst",
    "ingress_policing_rate",
    "mac",
    "max_rate",
    "mirrors",
    "multiQueue",
    "ofport_request",
    "ovnPort",
    "owner",
    "portIsolation",
    "tapNamespace",
];

/// Whether the plugin keeps limits, and `shaping_keys` reads which.
pub(crate) fn keeps_limits(plugin: &Plugin) -> bool {
    SHAPERS.contains(&plugin.kind.as_str())
}

/// Whether the plugin takes limits from its runtime.
pub(crate) fn takes_limits(plugin: &Plugin) -> bool {
    plugin.has_capability(CAPABILITY)
}

/// Removes from a plugin's configuration what only one container can have.
pub(crate) fn make_common(plugin: &mut Plugin) {
    KEYS_OF_ONE.iter().for_each(|key| plugin.remove(key));
    // A hardware address, published ports: what a runtime hands over, where the configuration has it.
    plugin.keep_only(RANGES, "runtimeConfig");
    // A machine's NIC and a container's are on the same bridge, and so is a veth beside an internal port, whose name would be taken;
    // other kinds are of another network.
    for (key, kinds) in [("nic", ["tap", "internal"].as_slice()), ("interface_type", &["internal"])] {
        if plugin.key(key).and_then(Value::as_str).is_some_and(|kind| kinds.contains(&kind)) {
            plugin.remove(key);
        }
    }
    if plugin.ipam() == Some(FIXED_ADDRESSES) {
        plugin.remove("ipam");
    }
}

/// Whether the plugins in a directory are ours: only we have [`SHAPER`], and the others are where it is.
pub(crate) fn are_ours(directory: &Path) -> bool {
    directory.join(SHAPER).is_file()
}
