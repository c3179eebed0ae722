//! The pool of a network: its range sets. An attachment gets one address out of each.

use std::net::IpAddr;

use cni::{Call, Error, Version};

use crate::config::{Ipam, RangeKeys};
use crate::set::RangeSet;

/// All range sets of a network, in the order that numbers their `last_reserved_ip` files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pool {
    sets: Vec<RangeSet>,
}

impl Pool {
    /// Collects the sets: those of the runtime, then the single range at the top level of `ipam`, then `ranges`; without any,
    /// the one of `rangeFromFile`.
    ///
    /// # Errors
    /// Code 5: that file cannot be read. Code 7: no range at all, a range or set that is invalid, sets that overlap, or more than one set of a family in
    /// a version that has one address of each (RES-01).
    pub(crate) fn read(call: &Call, ipam: &Ipam) -> Result<Self, Error> {
        let mut sets = call.config.capability::<Vec<Vec<RangeKeys>>>("ipRanges")?.unwrap_or_default();
        sets.extend(ipam.single_range().map(|range| vec![range]));
        sets.extend(ipam.ranges.iter().flatten().cloned());
        if sets.is_empty() {
            sets.extend(ipam.range_from_file()?.map(|range| vec![range]));
        }
        Self::new(&sets, call.config.version).map_err(|cause| {
            Error::invalid_config(format!("network {}: {cause}", call.config.name)).with_details(
                "range sets are counted from 0: runtimeConfig.ipRanges, ipam.subnet, ipam.ranges, ipam.rangeFromFile",
            )
        })
    }

    /// The pool of these sets.
    ///
    /// # Errors
    /// One sentence, as for [`Pool::read`].
    pub(crate) fn new(keys: &[Vec<RangeKeys>], version: Version) -> Result<Self, String> {
        let mut sets: Vec<RangeSet> = Vec::with_capacity(keys.len());
        for (index, keys) in keys.iter().enumerate() {
            let set = RangeSet::new(keys).map_err(|cause| format!("invalid range set {index}: {cause}"))?;
            if let Some(other) = sets.iter().position(|other| other.overlaps(&set)) {
                return Err(format!("range set {other} overlaps with {index}"));
            }
            sets.push(set);
        }
        if sets.is_empty() {
            return Err("no IP ranges specified; give ipam.ranges as [[{\"subnet\": \"10.1.2.0/24\"}]]".into());
        }
        let ipv4 = sets.iter().filter(|set| set.is_ipv4()).count();
        if version < Version::V0_3_0 && (ipv4 > 1 || sets.len() - ipv4 > 1) {
            return Err(format!("CNI version {version} does not support more than 1 address per family"));
        }
        Ok(Self { sets })
    }

    /// Its sets.
    pub(crate) fn sets(&self) -> &[RangeSet] {
        &self.sets
    }

    /// The number of the set that has this address.
    pub(crate) fn set_of(&self, address: IpAddr) -> Option<usize> {
        self.sets.iter().position(|set| set.range_of(address).is_some())
    }

    /// Whether the address is a gateway of any range, and so never given to a container.
    pub(crate) fn is_gateway(&self, address: IpAddr) -> bool {
        self.sets.iter().flat_map(RangeSet::ranges).any(|range| range.gateway == address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(subnets: &[&str]) -> Vec<RangeKeys> {
        let range = |subnet: &&str| RangeKeys { subnet: Some((*subnet).into()), ..RangeKeys::default() };
        subnets.iter().map(range).collect()
    }

    #[test]
    fn a_set_per_family_in_every_version() {
        let pool = Pool::new(&[set(&["10.1.0.0/24", "10.2.0.0/24"]), set(&["fd00::/64"])], Version::V0_1_0).unwrap();
        assert_eq!(pool.set_of("10.2.0.9".parse().unwrap()), Some(0));
        assert_eq!(pool.set_of("fd00::9".parse().unwrap()), Some(1));
        assert_eq!(pool.set_of("10.3.0.9".parse().unwrap()), None);
        assert!(pool.is_gateway("10.2.0.1".parse().unwrap()));
    }

    #[test]
    fn refusals() {
        let two = [set(&["10.1.0.0/24"]), set(&["10.2.0.0/24"])];
        assert!(Pool::new(&two, Version::V0_3_0).is_ok());
        for (sets, version, expected) in [
            (&two[..], Version::V0_2_0, "CNI version 0.2.0 does not support more than 1 address per family"),
            (&[], Version::LATEST, "no IP ranges specified"),
            (&[set(&["10.1.0.0/24"]), set(&[])], Version::LATEST, "invalid range set 1: it has no range"),
            (&[set(&["10.1.0.0/24"]), set(&["10.1.0.128/25"])], Version::LATEST, "range set 0 overlaps with 1"),
        ] {
            let cause = Pool::new(sets, version).unwrap_err();
            assert!(cause.contains(expected), "{cause}");
        }
    }
}
