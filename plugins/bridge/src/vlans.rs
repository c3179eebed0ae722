//! The VLANs of the port: `vlan`, `vlanTrunk`, `preserveDefaultVlan`.

use attachment::PortVlans;
use cni::Error;
use netlink::bridge_vlan::IDS;

use crate::config::{Keys, Trunk};

impl Trunk {
    /// The first and the last VLAN of an entry, or what is wrong with it.
    fn range(&self) -> Result<(u16, u16), String> {
        let range = match (self.id, self.min_id, self.max_id) {
            (Some(id), None, None) => (id, id),
            (None, Some(first), Some(last)) => (first, last),
            (None, None, Some(_)) => return Err("minID is missing beside maxID".to_owned()),
            (None, Some(_), None) => return Err("maxID is missing beside minID".to_owned()),
            _ => return Err("it takes either id, or minID and maxID".to_owned()),
        };
        if let Some(id) = [range.0, range.1].into_iter().find(|id| !IDS.contains(id)) {
            return Err(format!("{id} is no VLAN, which is {} to {}", IDS.start(), IDS.end()));
        }
        if range.0 > range.1 {
            return Err(format!("minID {} is greater than maxID {}", range.0, range.1));
        }
        Ok(range)
    }
}

impl Keys {
    /// # Errors
    /// Code 7 naming the key, and the entry.
    pub(crate) fn check_vlans(&self) -> Result<(), Error> {
        if self.vlan != 0 && !IDS.contains(&self.vlan) {
            let (first, last) = (IDS.start(), IDS.end());
            return Err(Error::invalid_config(format!("vlan: {} is no VLAN, which is {first} to {last}", self.vlan)));
        }
        for (place, entry) in self.vlan_trunk.iter().enumerate() {
            entry.range().map_err(|reason| Error::invalid_config(format!("vlanTrunk[{place}]: {reason}")))?;
        }
        Ok(())
    }

    /// The bridge keeps VLANs apart. With `uplink` a VLAN is a device below the bridge.
    pub(crate) fn filters_vlans(&self) -> bool {
        (self.vlan != 0 && self.uplink.is_none()) || !self.vlan_trunk.is_empty()
    }

    /// The VLANs of the port; `None` on a bridge that needs none.
    pub(crate) fn port_vlans(&self, device: String) -> Option<PortVlans> {
        self.filters_vlans().then(|| PortVlans {
            device,
            bridge: self.bridge.clone(),
            native: Some(self.vlan).filter(|id| *id != 0 && self.uplink.is_none()),
            tagged: self.vlan_trunk.iter().filter_map(|entry| entry.range().ok()).collect(),
            keeps_default: self.preserve_default_vlan,
        })
    }
}
