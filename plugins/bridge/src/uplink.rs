//! `uplink`, `vlan` and `autoVlan`: what they mean together, and the name of the bridge that follows from them.

use attachment::{Uplink, Vlan};
use cni::{Call, Error};
use netlink::link::NAME_BYTES;

use crate::config::Keys;

impl Keys {
    /// The uplink as the configuration asks for it.
    pub(crate) fn uplink(&self) -> Option<Uplink> {
        let vlan = (self.vlan != 0).then_some(Vlan { id: self.vlan, automatic: self.auto_vlan });
        self.uplink.clone().map(|device| Uplink { device, vlan })
    }

    /// What `uplink` cannot be had with, and what cannot be had without it.
    ///
    /// # Errors
    /// Code 7 naming the keys.
    pub(crate) fn refuse_uplink(&self) -> Result<(), Error> {
        let Some(uplink) = &self.uplink else {
            return match self.auto_vlan {
                true => {
                    Err(Error::invalid_config("autoVlan makes the VLAN device of an uplink: set uplink and vlan, too"))
                }
                false => Ok(()),
            };
        };
        if uplink.is_empty() || uplink.len() > NAME_BYTES || uplink.contains(['/', ' ']) {
            let msg =
                format!("uplink: '{uplink}' cannot be the name of a link: at most 15 bytes, without '/' and blanks");
            return Err(Error::invalid_config(msg));
        }
        if *uplink == self.bridge {
            return Err(Error::invalid_config(format!(
                "uplink: {uplink} is the bridge itself; name the device below it"
            )));
        }
        let contradictions = [
            (self.auto_vlan && self.vlan == 0, "autoVlan makes the VLAN device of an uplink: set vlan, too"),
            (
                self.is_gateway && self.vlan == 0,
                "isGateway and uplink exclude each other: the bridge has the host's own addresses, and the network's \
                 gateway is beyond the uplink",
            ),
            (
                !self.vlan_trunk.is_empty(),
                "vlanTrunk and uplink cannot be had together yet; give each VLAN a network with uplink and vlan",
            ),
        ];
        match contradictions.iter().find(|(is_met, _)| *is_met) {
            Some((_, reason)) => Err(Error::invalid_config(*reason)),
            None => Ok(()),
        }
    }
}

/// The name of the bridge where the configuration gives none. It follows from the configuration alone, so that DEL finds the
/// bridge: with an uplink that of the device, or of the VLAN device as it is usually called. `None` where that is too long.
pub(crate) fn default_bridge(uplink: Option<&str>, vlan: u64) -> Option<String> {
    let name = match (uplink, vlan) {
        (None, _) => "cni0".to_owned(),
        (Some(uplink), 0) => format!("br-{uplink}"),
        (Some(uplink), vlan) => format!("br-{uplink}.{vlan}"),
    };
    (name.len() <= NAME_BYTES).then_some(name)
}

/// The bridge's name, whatever else the configuration says.
pub(crate) fn bridge_of(call: &Call) -> Option<String> {
    let key = |name| call.config.object.get(name);
    match key("bridge").and_then(|name| name.as_str()) {
        Some(name) => Some(name.to_owned()),
        None => default_bridge(
            key("uplink").and_then(|name| name.as_str()),
            key("vlan").and_then(|vlan| vlan.as_u64()).unwrap_or_default(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bridges_differ_by_uplink_and_vlan() {
        assert_eq!(default_bridge(None, 0).as_deref(), Some("cni0"));
        assert_eq!(default_bridge(None, 5).as_deref(), Some("cni0"));
        assert_eq!(default_bridge(Some("eth0"), 0).as_deref(), Some("br-eth0"));
        assert_eq!(default_bridge(Some("eth0"), 4094).as_deref(), Some("br-eth0.4094"));
        assert_eq!(default_bridge(Some("enp101s0f0np0"), 0), None);
    }
}
