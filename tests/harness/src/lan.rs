use crate::{Host, Namespace, sh};
use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A local area network: an Ethernet segment in a namespace of its own, on which other namespaces are hosts.
///
/// Frames to groups reach every host, as with a switch that does not snoop.
#[derive(Debug)]
pub struct Lan {
    segment: Namespace,
    /// The number in its prefixes, 192.168.NUMBER.0/24 and fd00:NUMBER::/64.
    number: u8,
    mtu: u32,
    joined: Cell<u8>,
}

/// A host's NIC on a [`Lan`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uplink {
    /// Its name on the host.
    pub nic: String,
    /// 192.168.NUMBER.PLACE, with 24 bits of the prefix.
    pub ipv4: Ipv4Addr,
    /// fd00:NUMBER::PLACE, with 64 bits of the prefix.
    pub ipv6: Ipv6Addr,
}

impl Uplink {
    /// Its address of the family of a group.
    pub fn address_for(&self, group: IpAddr) -> IpAddr {
        if group.is_ipv4() { self.ipv4.into() } else { self.ipv6.into() }
    }
}

/// The way to groups and elsewhere that a host gets with its NIC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// By this NIC, as by the only one: routes `default`.
    Default,
    /// To IPv4 groups by this NIC: the route 224.0.0.0/4. The kernel has one for IPv6 groups by each NIC.
    Groups,
    /// None beyond the segment's own prefixes.
    Nowhere,
}

impl Lan {
    /// Makes a segment in the namespace `name`, whose NICs have an MTU of 1500 bytes.
    ///
    /// Its name and its number are no other segment's of the test.
    pub fn new(owner: &Host, name: &str, number: u8) -> Self {
        Self::with_mtu(owner, name, number, 1500)
    }

    /// The same with the MTU of all NICs, in bytes.
    pub fn with_mtu(owner: &Host, name: &str, number: u8, mtu: u32) -> Self {
        let segment = owner.namespace(name);
        segment.sh("ip link add segment up type bridge mcast_snooping 0").ok();
        Self { segment, number, mtu, joined: Cell::new(0) }
    }

    /// The segment with hosts on it, each a new namespace with the NIC `eth0` and [`Route::Default`]. Their places are 1, 2 and
    /// so on.
    pub fn with_hosts<const N: usize>(owner: &Host, names: [&str; N]) -> (Self, [Namespace; N]) {
        let lan = Self::new(owner, "lan", 7);
        let hosts = names.map(|name| {
            let host = owner.namespace(name);
            lan.join(&host, "eth0", Route::Default);
            host
        });
        (lan, hosts)
    }

    /// Connects a namespace to the segment by a new NIC, which is up and has its addresses.
    pub fn join(&self, host: &Namespace, nic: &str, route: Route) -> Uplink {
        let place = self.joined.get() + 1;
        self.joined.set(place);
        let uplink = self.uplink(nic, place);
        let Self { segment: Namespace { name: segment, .. }, number, mtu, .. } = self;
        let (name, Uplink { ipv4, ipv6, .. }) = (&host.name, &uplink);
        sh(&format!(
            "ip -n {segment} link add port{place} mtu {mtu} master segment up \
               type veth peer name {nic} mtu {mtu} netns {name} && \
             ip -n {name} address add {ipv4}/24 dev {nic} && ip -n {name} address add {ipv6}/64 dev {nic} nodad && \
             ip -n {name} link set {nic} up"
        ))
        .ok();
        match route {
            Route::Default => {
                host.sh(&format!(
                    "ip route add default via 192.168.{number}.254 && ip route add default via fd00:{number}::fe"
                ))
                .ok();
            }
            Route::Groups => _ = host.sh(&format!("ip route add 224.0.0.0/4 dev {nic}")).ok(),
            Route::Nowhere => {}
        }
        uplink
    }

    /// The NIC of the host that joined as the `place`th, from 1.
    pub fn uplink(&self, nic: &str, place: u8) -> Uplink {
        Uplink {
            nic: nic.to_owned(),
            ipv4: Ipv4Addr::new(192, 168, self.number, place),
            // The number is written in decimal in both.
            ipv6: format!("fd00:{}::{place}", self.number).parse().unwrap_or(Ipv6Addr::UNSPECIFIED),
        }
    }

    /// Gives the NICs of all hosts another MTU, in bytes.
    pub fn set_mtu(&self, hosts: &[&Namespace], nic: &str, mtu: u32) {
        for place in 1..=self.joined.get() {
            self.segment.sh(&format!("ip link set port{place} mtu {mtu}")).ok();
        }
        for host in hosts {
            host.sh(&format!("ip link set {nic} mtu {mtu}")).ok();
        }
    }
}
