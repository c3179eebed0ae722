//! The pool of a network: its range sets. An attachment gets one address out of each.

use std::collections::BTreeSet;
use std::net::IpAddr;

use cni::{Call, Error, Version};
use keys::RangeKeys;

use crate::config::Ipam;
use crate::set::{Flaw, RangeSet};

/// All range sets of a network, in the order that numbers their `last_reserved_ip` files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pool {
    sets: Vec<RangeSet>,
}

/// Where the sets are from, in order: so many from the runtime, from `subnet`, and from the file; the others from `ranges`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources {
    of_runtime: usize,
    of_subnet: usize,
    of_file: usize,
}

impl Sources {
    /// The key of a set.
    fn place(&self, set: usize) -> String {
        let configured = set.saturating_sub(self.of_runtime);
        match configured.checked_sub(self.of_subnet + self.of_file) {
            _ if set < self.of_runtime => format!("runtimeConfig.ipRanges[{set}]"),
            Some(index) => format!("ipam.ranges[{index}]"),
            None if self.of_file > 0 => "ipam.rangeFromFile".to_owned(),
            None => "ipam.subnet".to_owned(),
        }
    }

    /// What is wrong with a set, with the key that it is about.
    fn told(&self, set: usize, flaw: &Flaw) -> String {
        let (place, cause) = (self.place(set), &flaw.cause);
        match flaw.range {
            None => format!("{place}: {cause}"),
            Some(_) if place == "ipam.subnet" => format!("ipam.{cause}"),
            Some(_) if place == "ipam.rangeFromFile" => format!("{place}: {cause}"),
            Some(range) => format!("{place}[{range}].{cause}"),
        }
    }
}

impl Pool {
    /// Collects the sets: those of the runtime, then the single range at the top level of `ipam`, then `ranges`; without any,
    /// the one of `rangeFromFile`.
    ///
    /// # Errors
    /// Code 5: that file cannot be read. Code 7: no range at all, a range or set that is invalid, sets that overlap, a set whose
    /// addresses are all gateways, or more than one set of a family in a version that has one address of each (RES-01).
    pub(crate) fn read(call: &Call, ipam: &Ipam) -> Result<Self, Error> {
        let mut sets = call.config.capability::<Vec<Vec<RangeKeys>>>("ipRanges")?.unwrap_or_default();
        let mut sources = Sources { of_runtime: sets.len(), ..Sources::default() };
        sets.extend(ipam.single_range().map(|range| vec![range]));
        sources.of_subnet = sets.len() - sources.of_runtime;
        sets.extend(ipam.0.ranges.iter().cloned());
        if sets.is_empty() {
            sets.extend(ipam.range_from_file()?.map(|range| vec![range]));
            sources.of_file = sets.len();
        }
        Self::new(&sets, &sources, call.config.version)
            .map_err(|cause| Error::invalid_config(format!("network {}: {cause}", call.config.name)))
    }

    /// The pool of these sets.
    ///
    /// # Errors
    /// One sentence, as for [`Pool::read`].
    pub(crate) fn new(keys: &[Vec<RangeKeys>], sources: &Sources, version: Version) -> Result<Self, String> {
        let mut sets: Vec<RangeSet> = Vec::with_capacity(keys.len());
        for (index, keys) in keys.iter().enumerate() {
            let set = RangeSet::new(keys).map_err(|flaw| sources.told(index, &flaw))?;
            if let Some(other) = sets.iter().position(|other| other.overlaps(&set)) {
                return Err(format!("{} overlaps with {}", sources.place(other), sources.place(index)));
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
        let pool = Self { sets };
        match pool.sets.iter().position(|set| pool.all_are_gateways(set)) {
            None => Ok(pool),
            Some(index) => Err(format!(
                "{} can never give an address: {} has only gateways, which containers do not get; widen the range, or give another \
                 gateway",
                sources.place(index),
                pool.sets.get(index).map(ToString::to_string).unwrap_or_default(),
            )),
        }
    }

    fn all_are_gateways(&self, set: &RangeSet) -> bool {
        let gateways: BTreeSet<IpAddr> = self.gateways().filter(|gateway| set.range_of(*gateway).is_some()).collect();
        u128::try_from(gateways.len()).is_ok_and(|gateways| set.size() <= gateways)
    }

    fn gateways(&self) -> impl Iterator<Item = IpAddr> {
        self.sets.iter().flat_map(RangeSet::ranges).map(|range| range.gateway)
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
        self.gateways().any(|gateway| gateway == address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(subnets: &[&str]) -> Vec<RangeKeys> {
        let range = |subnet: &&str| RangeKeys { subnet: Some((*subnet).into()), ..RangeKeys::default() };
        subnets.iter().map(range).collect()
    }

    fn new(sets: &[Vec<RangeKeys>], version: Version) -> Result<Pool, String> {
        Pool::new(sets, &Sources::default(), version)
    }

    #[test]
    fn a_flaw_is_told_with_its_key() {
        let sets = |wrong: usize| -> Vec<Vec<RangeKeys>> {
            let subnet = |place| if place == wrong { "10.9.0.1/24".to_owned() } else { format!("10.{place}.0.0/24") };
            (0..5).map(|place| set(&[&subnet(place)])).collect()
        };
        let sources = Sources { of_runtime: 2, of_subnet: 1, of_file: 0 };
        for (wrong, place) in [
            (0, "runtimeConfig.ipRanges[0][0].subnet \"10.9.0.1/24\" has host bits"),
            (1, "runtimeConfig.ipRanges[1][0].subnet"),
            (2, "ipam.subnet \"10.9.0.1/24\" has host bits"),
            (3, "ipam.ranges[0][0].subnet"),
            (4, "ipam.ranges[1][0].subnet"),
        ] {
            let cause = Pool::new(&sets(wrong), &sources, Version::LATEST).unwrap_err();
            assert!(cause.starts_with(place), "{cause}");
        }
        let cause =
            Pool::new(&[set(&["x"])], &Sources { of_file: 1, ..Sources::default() }, Version::LATEST).unwrap_err();
        assert!(cause.starts_with("ipam.rangeFromFile: subnet: \"x\""), "{cause}");
    }

    #[test]
    fn a_set_per_family_in_every_version() {
        let pool = new(&[set(&["10.1.0.0/24", "10.2.0.0/24"]), set(&["fd00::/64"])], Version::V0_1_0).unwrap();
        assert_eq!(pool.set_of("10.2.0.9".parse().unwrap()), Some(0));
        assert_eq!(pool.set_of("fd00::9".parse().unwrap()), Some(1));
        assert_eq!(pool.set_of("10.3.0.9".parse().unwrap()), None);
        assert!(pool.is_gateway("10.2.0.1".parse().unwrap()));
    }

    /// Whatever containers come and go, such a set has nothing for them.
    #[test]
    fn a_set_of_gateways_alone_is_refused() {
        let range = |subnet: &str, ends: [&str; 2], gateway: &str| RangeKeys {
            subnet: Some(subnet.into()),
            range_start: Some(ends[0].into()),
            range_end: Some(ends[1].into()),
            gateway: Some(gateway.into()),
        };
        let one = |address: &str| range("10.1.0.0/24", [address, address], "");
        let pair = || range("10.2.0.0/30", ["", ""], "10.2.0.2");
        for (sets, expected) in [
            (vec![vec![one("10.1.0.1")]], Some("ipam.ranges[0] can never give an address: 10.1.0.1-10.1.0.1 has")),
            (vec![set(&["10.3.0.0/24"]), vec![one("10.1.0.1")]], Some("ipam.ranges[1] can never")),
            // The gateway of another range, and that of another set, are none for containers either.
            (vec![vec![pair(), range("10.9.0.0/24", ["10.9.0.1", "10.9.0.1"], "10.2.0.1")]], None),
            (
                vec![
                    vec![pair(), range("10.9.0.0/24", ["10.9.0.1", "10.9.0.1"], "")],
                    vec![one("10.1.0.9"), range("10.8.0.0/24", ["", ""], "10.2.0.1")],
                ],
                Some("ipam.ranges[0] can never give an address: 10.2.0.1-10.2.0.2,10.9.0.1-10.9.0.1 has"),
            ),
            (vec![vec![range("fd00::/64", ["fd00::5", "fd00::5"], "fd00::5")]], Some("ipam.ranges[0] can never")),
            (vec![vec![one("10.1.0.1"), range("10.4.0.0/24", ["10.4.0.9", "10.4.0.9"], "")]], None),
            (vec![vec![one("10.1.0.2")]], None),
            (vec![set(&["::/0"])], None),
        ] {
            let cause = new(&sets, Version::LATEST).err();
            match (&cause, expected) {
                (None, None) => {}
                (Some(cause), Some(expected)) => assert!(cause.starts_with(expected), "{cause}"),
                _ => panic!("{cause:?}, not {expected:?}"),
            }
        }
    }

    #[test]
    fn refusals() {
        let two = [set(&["10.1.0.0/24"]), set(&["10.2.0.0/24"])];
        assert!(new(&two, Version::V0_3_0).is_ok());
        for (sets, version, expected) in [
            (&two[..], Version::V0_2_0, "CNI version 0.2.0 does not support more than 1 address per family"),
            (&[], Version::LATEST, "no IP ranges specified"),
            (&[set(&["10.1.0.0/24"]), set(&[])], Version::LATEST, "ipam.ranges[1]: it has no range"),
            (
                &[set(&["10.1.0.0/24"]), set(&["10.1.0.128/25"])],
                Version::LATEST,
                "ipam.ranges[0] overlaps with ipam.ranges[1]",
            ),
        ] {
            let cause = new(sets, version).unwrap_err();
            assert!(cause.contains(expected), "{cause}");
        }
    }
}
