//! The VLANs of the port: `vlan`, `vlanTrunk`, `preserveDefaultVlan`.

use attachment::PortVlans;
use cni::Error;
use netlink::bridge_vlan::IDS;

use crate::keys::{NicKeys, Trunk};

/// The VLANs of a port of a switch that keeps them apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vlans {
    /// That of what comes and goes without a tag.
    pub native: Option<u16>,
    /// Those of what comes and goes with tags: from one to another.
    pub tagged: Vec<(u16, u16)>,
    /// The port stays in the switch's default VLAN, too.
    pub keeps_default: bool,
}

impl Vlans {
    /// Parses the keys; `None` where they ask for none.
    ///
    /// # Errors
    /// Code 7 naming the key, and the entry.
    pub fn parse(keys: &NicKeys) -> Result<Option<Self>, Error> {
        let native = check_vlan(keys.vlan)?;
        let mut tagged = Vec::new();
        for (place, entry) in keys.vlan_trunk.iter().enumerate() {
            let ranges = entry.ranges();
            tagged.extend(ranges.map_err(|reason| Error::invalid_config(format!("vlanTrunk[{place}]: {reason}")))?);
        }
        if native.is_none() && tagged.is_empty() {
            return Ok(None);
        }
        Ok(Some(Self { native, tagged, keeps_default: keys.preserve_default_vlan }))
    }

    /// As the object of a bridge's port.
    #[must_use]
    pub fn of_port(&self, device: String, bridge: String) -> PortVlans {
        PortVlans {
            device,
            bridge,
            native: self.native,
            tagged: self.tagged.clone(),
            keeps_default: self.keeps_default,
        }
    }
}

/// The key `vlan`, where 0 says none.
///
/// # Errors
/// Code 7 for what is no VLAN.
pub fn check_vlan(vlan: u16) -> Result<Option<u16>, Error> {
    if vlan != 0 && !IDS.contains(&vlan) {
        let (first, last) = (IDS.start(), IDS.end());
        return Err(Error::invalid_config(format!("vlan: {vlan} is no VLAN, which is {first} to {last}")));
    }
    Ok(Some(vlan).filter(|id| *id != 0))
}

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
