//! The VLANs of the port: `vlan`, `vlanTrunk`, `preserveDefaultVlan`.

use attachment::PortVlans;
use cni::Error;
use netlink::bridge_vlan::IDS;

use crate::config::{Keys, Trunk};

impl Trunk {
    /// The first and the last VLAN of each range of an entry, which may have both forms, or what is wrong with it.
    fn ranges(&self) -> Result<Vec<(u16, u16)>, String> {
        let mut ranges: Vec<(u16, u16)> = self.id.map(|id| (id, id)).into_iter().collect();
        match (self.min_id, self.max_id) {
            (Some(first), Some(last)) => ranges.push((first, last)),
            (None, Some(_)) => return Err("minID is missing beside maxID".to_owned()),
            (Some(_), None) => return Err("maxID is missing beside minID".to_owned()),
            (None, None) => {}
        }
        for (first, last) in &ranges {
            if let Some(id) = [first, last].into_iter().find(|id| !IDS.contains(id)) {
                return Err(format!("{id} is no VLAN, which is {} to {}", IDS.start(), IDS.end()));
            }
            if first > last {
                return Err(format!("minID {first} is greater than maxID {last}"));
            }
        }
        Ok(ranges)
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
            entry.ranges().map_err(|reason| Error::invalid_config(format!("vlanTrunk[{place}]: {reason}")))?;
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
            tagged: self.vlan_trunk.iter().flat_map(|entry| entry.ranges().unwrap_or_default()).collect(),
            keeps_default: self.preserve_default_vlan,
        })
    }
}
