//! A range: consecutive addresses of one subnet.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;
use keys::RangeKeys;

/// A range with every default filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Range {
    /// The subnet; its prefix length goes with every address.
    pub(crate) subnet: IpNetwork,
    /// The first address, inclusive.
    pub(crate) first: IpAddr,
    /// The last address, inclusive.
    pub(crate) last: IpAddr,
    /// The gateway of the subnet, which need not lie inside the range, nor inside the subnet.
    pub(crate) gateway: IpAddr,
}

impl Range {
    /// Fills in the defaults: the gateway is the first address after the network's own, the range goes from there to
    /// the last address, without IPv4's broadcast address.
    ///
    /// # Errors
    /// One sentence: the key, what it says, what is accepted.
    pub(crate) fn new(keys: &RangeKeys) -> Result<Self, String> {
        let subnet = subnet(keys)?;
        let (network, broadcast) = (number(subnet.network()), number(subnet.broadcast()));
        let is_v4 = subnet.is_ipv4();
        let mut range = Self {
            subnet,
            first: address(network + 1, is_v4),
            last: address(if is_v4 { broadcast - 1 } else { broadcast }, is_v4),
            gateway: address(network + 1, is_v4),
        };
        if let Some(gateway) = optional("gateway", keys.gateway.as_deref())? {
            range.gateway = gateway;
        }
        if let Some(first) = optional("rangeStart", keys.range_start.as_deref())? {
            range.first = range.inside_subnet("rangeStart", first)?;
        }
        if let Some(last) = optional("rangeEnd", keys.range_end.as_deref())? {
            range.last = range.inside_subnet("rangeEnd", last)?;
        }
        if range.first > range.last {
            return Err(format!("rangeStart {} is after rangeEnd {}", range.first, range.last));
        }
        Ok(range)
    }

    /// Whether the address is one of the range's.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.is_ipv4() && (self.first..=self.last).contains(&address)
    }

    /// Whether the two have an address in common.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.is_ipv4() == other.is_ipv4() && self.first <= other.last && other.first <= self.last
    }

    /// Whether its addresses are of IPv4.
    pub(crate) fn is_ipv4(&self) -> bool {
        self.subnet.is_ipv4()
    }

    fn inside_subnet(&self, key: &str, address: IpAddr) -> Result<IpAddr, String> {
        if self.subnet.contains(address) {
            Ok(address)
        } else {
            Err(format!("{key} {address} is not in network {}", self.subnet))
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

fn subnet(keys: &RangeKeys) -> Result<IpNetwork, String> {
    let Some(text) = keys.subnet.as_deref() else {
        return Err("subnet is missing".into());
    };
    let subnet = cni::parse_address(text).map_err(|cause| format!("subnet: {cause}"))?;
    if subnet.ip() != subnet.network() {
        return Err(format!(
            "subnet {text:?} has host bits set; the network address for a length of {} is {}",
            subnet.prefix(),
            subnet.network()
        ));
    }
    let bits = if subnet.is_ipv4() { 32 } else { 128 };
    if subnet.prefix() > bits - 2 {
        return Err(format!("subnet {text:?} is too small to allocate from; the smallest is a /{}", bits - 2));
    }
    if subnet.ip().to_canonical() != subnet.ip() {
        return Err(format!("subnet {text:?} maps IPv4 into IPv6; write it as an IPv4 network"));
    }
    Ok(subnet)
}

/// An empty text counts as no text, as in the reference.
fn optional(key: &str, text: Option<&str>) -> Result<Option<IpAddr>, String> {
    match text {
        None | Some("") => Ok(None),
        Some(text) => cni::parse_host(text).map(Some).map_err(|cause| format!("{key}: {cause}")),
    }
}

/// The address as a number; those of IPv4 are below 2^32.
pub(crate) fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

/// The address of a number that [`number`] gave, or one between two such.
pub(crate) fn address(number: u128, is_v4: bool) -> IpAddr {
    if is_v4 { IpAddr::V4(Ipv4Addr::from((number & 0xffff_ffff) as u32)) } else { IpAddr::V6(Ipv6Addr::from(number)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys(subnet: &str, start: &str, end: &str, gateway: &str) -> RangeKeys {
        let optional = |text: &str| (text != "-").then(|| text.to_owned());
        RangeKeys {
            subnet: optional(subnet),
            range_start: optional(start),
            range_end: optional(end),
            gateway: optional(gateway),
        }
    }

    fn shown(subnet: &str, start: &str, end: &str, gateway: &str) -> Result<String, String> {
        Range::new(&keys(subnet, start, end, gateway)).map(|range| format!("{range} via {}", range.gateway))
    }

    #[test]
    fn defaults() {
        for (subnet, expected) in [
            ("10.1.2.0/24", "10.1.2.1-10.1.2.254 via 10.1.2.1"),
            ("10.1.2.4/30", "10.1.2.5-10.1.2.6 via 10.1.2.5"),
            ("0.0.0.0/0", "0.0.0.1-255.255.255.254 via 0.0.0.1"),
            ("255.255.255.252/30", "255.255.255.253-255.255.255.254 via 255.255.255.253"),
            ("fd00::/64", "fd00::1-fd00::ffff:ffff:ffff:ffff via fd00::1"),
            ("fd00::4/126", "fd00::5-fd00::7 via fd00::5"),
            ("::/0", "::1-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff via ::1"),
        ] {
            assert_eq!(shown(subnet, "-", "-", "-").as_deref(), Ok(expected));
        }
    }

    #[test]
    fn given_ends_and_gateways() {
        for (start, end, gateway, expected) in [
            ("10.1.2.10", "10.1.2.20", "10.1.2.254", "10.1.2.10-10.1.2.20 via 10.1.2.254"),
            ("10.1.2.0", "10.1.2.255", "-", "10.1.2.0-10.1.2.255 via 10.1.2.1"),
            ("10.1.2.9", "10.1.2.9", "192.0.2.1", "10.1.2.9-10.1.2.9 via 192.0.2.1"),
            ("::ffff:10.1.2.10", "", "", "10.1.2.10-10.1.2.254 via 10.1.2.1"),
        ] {
            assert_eq!(shown("10.1.2.0/24", start, end, gateway).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn refusals_name_key_and_value() {
        for (given, expected) in [
            (["-", "-", "-", "-"], "subnet is missing"),
            (["10.1.2.3/24", "-", "-", "-"], "the network address for a length of 24 is 10.1.2.0"),
            (["10.1.2.0/31", "-", "-", "-"], "\"10.1.2.0/31\" is too small"),
            (["10.1.2.0/32", "-", "-", "-"], "\"10.1.2.0/32\" is too small"),
            (["fd00::/127", "-", "-", "-"], "the smallest is a /126"),
            (["::ffff:10.1.2.0/120", "-", "-", "-"], "maps IPv4 into IPv6"),
            (["10.1.2.0/24", "10.1.3.1", "-", "-"], "rangeStart 10.1.3.1 is not in network 10.1.2.0/24"),
            (["10.1.2.0/24", "-", "fd00::1", "-"], "rangeEnd fd00::1 is not in network 10.1.2.0/24"),
            (["10.1.2.0/24", "10.1.2.9", "10.1.2.8", "-"], "rangeStart 10.1.2.9 is after rangeEnd 10.1.2.8"),
            (["10.1.2.0/24", "x", "-", "-"], "rangeStart: \"x\" is not an IP address"),
            (["10.1.2.0/24", "-", "-", "10.1.2.1/24"], "gateway: \"10.1.2.1/24\" is not an IP address"),
        ] {
            let [subnet, start, end, gateway] = given;
            let cause = shown(subnet, start, end, gateway).unwrap_err();
            assert!(cause.contains(expected), "{given:?}: {cause}");
        }
    }

    fn any_address() -> impl Strategy<Value = IpAddr> {
        prop_oneof![any::<Ipv4Addr>().prop_map(IpAddr::V4), any::<Ipv6Addr>().prop_map(IpAddr::V6)]
    }

    proptest! {
        #[test]
        fn numbers_are_addresses(given in any_address()) {
            prop_assert_eq!(address(number(given), given.is_ipv4()), given);
        }

        /// Any network of either family, /0 and the ends of the address space included.
        #[test]
        fn every_network_has_a_range_inside(given in any_address(), length in 0u8..=128) {
            let bits = if given.is_ipv4() { 32 } else { 128 };
            let network = IpNetwork::new(given, length.min(bits)).unwrap();
            let network = IpNetwork::new(network.network(), network.prefix()).unwrap();
            match Range::new(&keys(&network.to_string(), "-", "-", "-")) {
                Ok(range) => {
                    prop_assert!(network.contains(range.first) && network.contains(range.last));
                    prop_assert!(range.contains(range.first) && range.contains(range.last));
                    prop_assert!(range.first <= range.last && range.gateway == range.first);
                    let hosts = number(range.last) - number(range.first);
                    let network_and_broadcast = if given.is_ipv4() { 2 } else { 1 };
                    let size = 1u128.checked_shl(u32::from(bits - network.prefix())).unwrap_or(0);
                    prop_assert_eq!(hosts, size.wrapping_sub(1 + network_and_broadcast));
                }
                Err(cause) => prop_assert!(network.prefix() > bits - 2 || cause.contains("maps IPv4"), "{}", cause),
            }
        }

        #[test]
        fn ends_anywhere_do_not_panic(a in any_address(), b in any_address(), c in any_address(), length in 0u8..=128) {
            let subnet = IpNetwork::new(a, length).map_or_else(|_| a.to_string(), |subnet| subnet.to_string());
            if let Ok(range) = Range::new(&keys(&subnet, &b.to_string(), &c.to_string(), "")) {
                prop_assert!(range.contains(b.to_canonical()) && range.contains(c.to_canonical()));
            }
        }
    }
}
