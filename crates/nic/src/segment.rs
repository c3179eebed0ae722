//! The layer 2 segment of a NIC: `uplink`, `vlan`, `vlanTrunk` and `autoVlan` together, parsed once.

use attachment::{Lac, Uplink, UplinkVlan};
use cni::Error;
use keys::{NicKeys, OnBridgeKeys};
use netlink::link::NAME_BYTES;

use crate::vlans::Vlans;

/// The layer 2 network of the NIC.
#[derive(Debug, Clone)]
pub(crate) enum Segment {
    /// On the bridge, with all others there.
    Bridge,
    /// In VLANs that the bridge keeps apart.
    Vlans(Vlans),
    /// In the network behind a device of the host, or in one VLAN of it; the bridge knows no VLANs.
    Uplink(Uplink),
    /// In a Local Area Cloud, which reaches other hosts; the bridge is its own.
    Lac(Lac),
}

impl Segment {
    /// # Errors
    /// Code 7 naming the keys that are malformed, contradict each other, or mean nothing without another.
    pub(crate) fn parse(keys: &OnBridgeKeys, of_nic: &NicKeys, is_gateway: bool, bridge: &str) -> Result<Self, Error> {
        let Some(device) = &keys.uplink else {
            if keys.auto_vlan {
                let msg = "autoVlan makes the VLAN device of an uplink: set uplink and vlan, too";
                return Err(Error::invalid_config(msg));
            }
            return Ok(Vlans::parse(of_nic)?.map_or(Self::Bridge, Self::Vlans));
        };
        if device.is_empty() || device.len() > NAME_BYTES || device.contains(['/', ' ']) {
            let msg =
                format!("uplink: '{device}' cannot be the name of a link: at most 15 bytes, without '/' and blanks");
            return Err(Error::invalid_config(msg));
        }
        if device == bridge {
            let msg = format!("uplink: {device} is the bridge itself; name the device below it");
            return Err(Error::invalid_config(msg));
        }
        let contradictions = [
            (keys.auto_vlan && of_nic.vlan.0.is_none(), "autoVlan makes the VLAN device of an uplink: set vlan, too"),
            (
                is_gateway && of_nic.vlan.0.is_none(),
                "isGateway and uplink exclude each other: the bridge has the host's own addresses, and the network's \
                 gateway is beyond the uplink",
            ),
            (
                !of_nic.vlan_trunk.is_empty(),
                "vlanTrunk and uplink cannot be combined yet; give each VLAN a network with uplink and vlan",
            ),
        ];
        if let Some((_, reason)) = contradictions.iter().find(|(is_met, _)| *is_met) {
            return Err(Error::invalid_config(*reason));
        }
        let vlan = of_nic.vlan.0.map(|id| UplinkVlan { id, automatic: keys.auto_vlan });
        Ok(Self::Uplink(Uplink { device: device.clone(), vlan }))
    }

    /// The uplink, where there is one.
    pub(crate) fn uplink(&self) -> Option<&Uplink> {
        match self {
            Self::Uplink(uplink) => Some(uplink),
            _ => None,
        }
    }

    /// The cloud that the bridge is of.
    pub(crate) fn lac(&self) -> Option<&Lac> {
        match self {
            Self::Lac(lac) => Some(lac),
            _ => None,
        }
    }

    /// The VLANs of the port, where the bridge keeps them apart.
    pub(crate) fn vlans(&self) -> Option<&Vlans> {
        match self {
            Self::Vlans(vlans) => Some(vlans),
            _ => None,
        }
    }

    /// The VLAN of what the NIC sends without a tag, where the bridge keeps VLANs apart.
    pub(crate) fn native_vlan(&self) -> Option<u16> {
        self.vlans().and_then(|vlans| vlans.native)
    }

    /// The host's interface in the segment: the bridge, or, if the host is the gateway of a VLAN, its device there, which has
    /// the same name as with the reference.
    pub(crate) fn gateway_interface(&self, bridge: &str, is_gateway: bool) -> String {
        match self.native_vlan().filter(|_| is_gateway) {
            Some(id) => format!("{bridge}.{id}"),
            None => bridge.to_owned(),
        }
    }

    /// The host's interfaces through which traffic from the container to other networks arrives. In a VLAN whose gateway is the
    /// operator's, that is the operator's device there; it has the name that ours would have, or is the bridge itself.
    pub(crate) fn ways_out(&self, bridge: &str, is_gateway: bool) -> Vec<String> {
        let mut interfaces = vec![self.gateway_interface(bridge, is_gateway)];
        if let Some(id) = self.native_vlan().filter(|_| !is_gateway) {
            interfaces.push(format!("{bridge}.{id}"));
        }
        interfaces.retain(|name| name.len() <= NAME_BYTES);
        interfaces
    }
}
