//! The VLANs of the port: `vlan`, `vlanTrunk`, `preserveDefaultVlan`.

use attachment::PortVlans;
use cni::Error;
use keys::{NicKeys, TrunkKeys, VlanId};

/// The VLANs of a port of a switch that keeps them apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vlans {
    /// That of what comes and goes without a tag.
    pub native: Option<u16>,
    /// Those of what comes and goes with tags: from one to another.
    pub tagged: Vec<(u16, u16)>,
    /// The port stays in the switch's default VLAN, too; see [`PortVlans::keeps_default`].
    pub keeps_default: Option<bool>,
}

impl Vlans {
    /// Parses the keys; `None` where they ask for none.
    ///
    /// # Errors
    /// Code 7 naming the key, and the entry.
    pub fn parse(keys: &NicKeys) -> Result<Option<Self>, Error> {
        let native = keys.vlan.0;
        let tagged = ranges("vlanTrunk", &keys.vlan_trunk)?;
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

/// The first and the last VLAN of each range of a key's entries.
///
/// # Errors
/// Code 7 naming the entry.
pub fn ranges(key: &str, entries: &[TrunkKeys]) -> Result<Vec<(u16, u16)>, Error> {
    let mut all = Vec::new();
    for (place, entry) in entries.iter().enumerate() {
        let ranges = ranges_of(entry);
        all.extend(ranges.map_err(|reason| Error::invalid_config(format!("{key}[{place}]: {reason}")))?);
    }
    Ok(all)
}

/// The same of an entry, which may have both forms, or what is wrong with it.
fn ranges_of(entry: &TrunkKeys) -> Result<Vec<(u16, u16)>, String> {
    let mut ranges: Vec<(u16, u16)> = entry.id.map(|VlanId(id)| (id, id)).into_iter().collect();
    match (entry.min_id, entry.max_id) {
        (Some(VlanId(first)), Some(VlanId(last))) if first > last => {
            return Err(format!("minID {first} is greater than maxID {last}"));
        }
        (Some(VlanId(first)), Some(VlanId(last))) => ranges.push((first, last)),
        (None, Some(_)) => return Err("minID is missing beside maxID".to_owned()),
        (Some(_), None) => return Err("maxID is missing beside minID".to_owned()),
        (None, None) => {}
    }
    Ok(ranges)
}
