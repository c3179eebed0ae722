//! Which kind of NIC a configuration asks for, and whether its keys mean something for that kind.

use cni::{Call, Error};
use keys::{SecondaryDevice, SecondaryKeys};

/// A kind of NIC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A veth pair on a bridge.
    Veth,
    /// A TAP device on a bridge.
    Tap,
    /// A veth pair whose host interface has routes to the container's addresses.
    Routed,
    /// Children of a link.
    Macvlan,
    Ipvlan,
    Vlan,
    /// A device of the host.
    HostDevice,
}

use Kind::{HostDevice, Ipvlan, Macvlan, Routed, Tap, Veth, Vlan};

/// The keys that mean something for some kinds only. What is said of the keys of a TAP device is in `nic`.
const OF_KINDS: [(&[&str], &[Kind]); 9] = [
    (
        &[
            "bridge",
            "isGateway",
            "forceAddress",
            "hairpinMode",
            "promiscMode",
            "portIsolation",
            "uplink",
            "autoVlan",
            "vlanTrunk",
            "preserveDefaultVlan",
            "macspoofchk",
            "ipspoofchk",
        ],
        &[Veth, Tap],
    ),
    (&["owner", "group", "multiQueue", "tapNamespace"], &[Veth, Tap]),
    (&["ipMasq", "ipMasqBackend"], &[Veth, Tap, Routed]),
    (&["enabledad"], &[Veth, Tap, Macvlan, Ipvlan, Vlan, HostDevice]),
    (&["vlan"], &[Veth, Tap, Vlan]),
    (&["vlanId"], &[Vlan]),
    (&["link", "master", "linkInContainer"], &[Macvlan, Ipvlan, Vlan]),
    (&["bcqueuelen"], &[Macvlan]),
    (&["device", "hwaddr", "kernelpath", "pciBusID", "force"], &[HostDevice]),
];

impl Kind {
    /// That of the configuration.
    ///
    /// # Errors
    /// Code 7 for a mode that the kind does not have, and for keys that mean nothing for it.
    pub(crate) fn read(keys: &SecondaryKeys, call: &Call) -> Result<Self, Error> {
        let mode = keys.mode.as_deref().filter(|mode| !mode.is_empty());
        let kind = match (keys.nic, mode) {
            (SecondaryDevice::Veth, None | Some("bridge")) => Veth,
            (SecondaryDevice::Veth, Some("routed")) => Routed,
            (SecondaryDevice::Tap, None | Some("bridge")) => Tap,
            (SecondaryDevice::Macvlan, None | Some("bridge" | "private" | "vepa" | "passthru")) => Macvlan,
            (SecondaryDevice::Ipvlan, None | Some("l2" | "l3" | "l3s")) => Ipvlan,
            (SecondaryDevice::Vlan, None) => Vlan,
            (SecondaryDevice::HostDevice, None) => HostDevice,
            (device, Some(mode)) => return Err(no_mode(device, mode)),
        };
        let means_nothing = |key: &&&str| keys::find(&call.config.object, key).is_some_and(keys::is_set);
        let foreign = OF_KINDS.iter().filter(|(_, kinds)| !kinds.contains(&kind));
        match foreign.clone().find_map(|(keys, kinds)| Some((keys.iter().find(means_nothing)?, kinds))) {
            None => Ok(kind),
            Some((key, kinds)) => {
                let kinds: Vec<&str> = kinds.iter().map(|kind| kind.words()).collect();
                Err(Error::invalid_config(format!(
                    "{key} means nothing for {}; it is for {}; remove the key, or change nic",
                    kind.words(),
                    kinds.join(", ")
                )))
            }
        }
    }

    /// As a configuration asks for it.
    const fn words(self) -> &'static str {
        match self {
            Veth => "nic \"veth\" on a bridge",
            Tap => "nic \"tap\"",
            Routed => "nic \"veth\" with mode \"routed\"",
            Macvlan => "nic \"macvlan\"",
            Ipvlan => "nic \"ipvlan\"",
            Vlan => "nic \"vlan\"",
            HostDevice => "nic \"host-device\"",
        }
    }
}

fn no_mode(device: SecondaryDevice, mode: &str) -> Error {
    let (nic, modes) = match device {
        SecondaryDevice::Veth => ("veth", "\"bridge\" or \"routed\""),
        SecondaryDevice::Tap => ("tap", "\"bridge\""),
        SecondaryDevice::Macvlan => ("macvlan", "\"bridge\", \"private\", \"vepa\" or \"passthru\""),
        SecondaryDevice::Ipvlan => ("ipvlan", "\"l2\", \"l3\" or \"l3s\""),
        SecondaryDevice::Vlan => ("vlan", "none"),
        SecondaryDevice::HostDevice => ("host-device", "none"),
    };
    Error::invalid_config(format!("mode: {mode:?} is none of nic {nic:?}, which has {modes}"))
}

/// The bridge of a network where the configuration names none: `br-` and the network's name; or, where that is too long for a
/// link's, a hash of it.
pub(crate) fn default_bridge(network: &str) -> String {
    attachment::network_link("br-", network)
}
