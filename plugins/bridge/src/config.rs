//! What a configuration asks for.

use attachment::Identity;
use cni::{Call, Error};
use keys::{BridgeKeys, NicKeys};
use netlink::link::NAME_BYTES;
use nic::{Gateway, Guard, Nic};

use crate::segment::{Segment, default_bridge};

/// What a configuration asks for.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) nic: Nic,
    /// The bridge's name.
    pub(crate) bridge: String,
    pub(crate) promiscuous: bool,
    pub(crate) hairpin: bool,
    pub(crate) isolated: bool,
    pub(crate) segment: Segment,
    pub(crate) gateway: Option<Gateway>,
    pub(crate) guard: Guard,
    /// Addresses come from somewhere.
    pub(crate) has_ipam: bool,
}

impl Wanted {
    /// Reads and validates.
    ///
    /// # Errors
    /// Code 7 naming the key.
    pub(crate) fn read(call: &Call, identity: Identity) -> Result<Self, Error> {
        let keys: BridgeKeys = call.config.keys()?;
        let of_nic: NicKeys = call.config.keys()?;
        let bridge = bridge(&keys, &of_nic)?;
        let is_gateway = keys.is_gateway || keys.is_default_gateway;
        let segment = Segment::parse(&keys, &of_nic, is_gateway, &bridge)?;
        let refused = [
            (keys.hairpin_mode && keys.promisc_mode, "hairpinMode and promiscMode cannot be set at the same time"),
            (
                of_nic.ip_masq && matches!(&segment, Segment::Uplink(uplink) if uplink.vlan.is_none()),
                "ipMasq and uplink cannot be set together without vlan: the containers are in the uplink's own network, and \
                 there is nothing to translate; remove one of the two",
            ),
        ];
        let nic = Nic::parse(&of_nic, call, identity)?;
        if let Some((_, reason)) = refused.iter().find(|(is_met, _)| *is_met) {
            return Err(Error::invalid_config(*reason));
        }
        let gateway =
            is_gateway.then_some(Gateway { is_default: keys.is_default_gateway, replaces: keys.force_address });
        let guard = Guard::parse(&of_nic, call, segment.ways_out(&bridge, is_gateway))?;
        let wanted = Self {
            nic,
            bridge,
            promiscuous: keys.promisc_mode,
            hairpin: keys.hairpin_mode,
            isolated: keys.port_isolation,
            segment,
            gateway,
            guard,
            has_ipam: call.config.ipam.is_some(),
        };
        wanted.check_gateway()?;
        Ok(wanted)
    }

    /// The VLAN of the gateway: that of the NIC. With an uplink the VLAN is below the bridge, which knows no VLANs.
    pub(crate) fn gateway_vlan(&self) -> Option<u16> {
        self.gateway.as_ref().and_then(|_| self.segment.native_vlan())
    }

    /// The host's interface with the gateway's addresses: the bridge, or its device in the NIC's VLAN.
    pub(crate) fn gateway_interface(&self) -> String {
        self.segment.gateway_interface(&self.bridge, self.gateway.is_some())
    }

    fn check_gateway(&self) -> Result<(), Error> {
        let name = self.gateway_interface();
        if name.len() <= NAME_BYTES {
            return Ok(());
        }
        Err(Error::invalid_config(format!(
            "bridge: the gateway of vlan {} would be the link {name}, whose name is longer than {NAME_BYTES} bytes; choose a \
             shorter name for the bridge",
            self.gateway_vlan().unwrap_or_default(),
        )))
    }
}

fn bridge(keys: &BridgeKeys, of_nic: &NicKeys) -> Result<String, Error> {
    let name = match &keys.bridge {
        Some(name) => name.clone(),
        None => default_bridge(keys.uplink.as_deref(), of_nic.vlan.0).ok_or_else(|| {
            let uplink = keys.uplink.as_deref().unwrap_or_default();
            Error::invalid_config(format!("bridge: the uplink {uplink} makes too long a name; name the bridge"))
        })?,
    };
    if name.is_empty() || name.len() > NAME_BYTES || name.contains(['/', ':', ' ']) {
        return Err(Error::invalid_config(format!(
            "bridge: '{name}' cannot be the name of a link: at most 15 bytes, without '/', ':' and blanks"
        )));
    }
    Ok(name)
}

/// The bridge's name, whatever else the configuration says: for DEL, for which it may have become invalid.
pub(crate) fn bridge_of(call: &Call) -> Option<String> {
    let key = |name| keys::find(&call.config.object, name);
    match key("bridge").and_then(|name| name.as_str()) {
        Some(name) => Some(name.to_owned()),
        None => default_bridge(
            key("uplink").and_then(|name| name.as_str()),
            key("vlan")
                .and_then(|vlan| vlan.as_u64())
                .and_then(|vlan| u16::try_from(vlan).ok())
                .filter(|vlan| *vlan != 0),
        ),
    }
}
