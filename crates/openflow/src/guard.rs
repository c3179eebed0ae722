//! Port security: the flows that let only what is its own pass from a port.
//!
//! They mean what the packet filter does for ports of a Linux bridge with `macspoofchk` and `ipspoofchk`. All are in table 0, where
//! frames begin. OpenFlow knows no "other than", so what is allowed has a flow each, above one that drops the rest of its kind:
//!
//! | priority | flows |
//! |---|---|
//! | 60004 | neighbour discovery with malformed options is dropped |
//! | 60003 | ARP and neighbour discovery that claim what is the port's own |
//! | 60002 | other ARP and neighbour discovery is dropped; so are router advertisements, redirects and answers of DHCP |
//! | 60001 | all else from the port's own addresses |
//! | 60000 | what the port sends is dropped |
//!
//! What passes is forwarded as if there were no flows (`NORMAL`); flows of others with a lower priority do not see it. A condition on
//! what a frame carries holds in any VLAN, so the ports of a trunk are guarded in all of them.
//!
//! The switch takes new flows into account at once for what it has not seen yet. For a port that has sent frames already, it renews
//! what its datapath has cached within a moment after the barrier, so a port should have its flows before it may send. A port number
//! may be used again: the flows of a port must go with it.
//!
//! # What is different from the packet filter
//!
//! - Open vSwitch walks extension headers and lists of options itself, so neighbour discovery with them is judged, not dropped.
//! - With `ipspoofchk` frames with one VLAN tag are judged by what they carry, not dropped: a trunk needs them. With two tags
//!   (unless `other_config:vlan-limit` allows matching on both) they are another protocol, and dropped.
//! - What flows cannot express:
//!   - the hardware address in a **router solicitation**: Open vSwitch reads the options of neighbour solicitations and
//!     advertisements alone. A router can so be told another hardware address for an address that the port may use.
//!   - a link-layer option of **all zeroes**: it is the same as none.
//!   - what is in a **fragment**: the switch treats ports and ICMP types of fragments as unknown (`ofpc_frag_handling`), so a DHCP answer
//!     or an ICMP redirect in two fragments passes. Neighbour discovery in fragments is ignored by its receivers (RFC 6980).
//!   - what is below two **VLAN tags** or PPPoE, without `ipspoofchk`: nothing but the hardware address of the frame is judged.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink::Mac;

use crate::Match::{
    ArpSha, ArpSpa, ArpTpa, EthSrc, EthType, IcmpV4Type, IcmpV6Code, IcmpV6Type, InPort, IpProto, Ipv4Src, Ipv6Src,
    NdSll, NdTarget, NdTll, UdpDst,
};
use crate::ethertype::{ARP, IPV4, IPV6};
use crate::protocol::{ICMP, ICMPV6, UDP};
use crate::{Action, Flow, Match};

/// What a port may send.
#[derive(Debug, Clone, Copy)]
pub struct Guard<'a> {
    /// The number of the port.
    pub port: u32,
    /// Whose the flows are.
    pub cookie: u64,
    /// The hardware address of what is behind the port.
    pub mac: Mac,
    /// Its IP addresses. The link-local address of `mac` is its own in any case.
    pub addresses: &'a [IpAddr],
    /// Frames from other hardware addresses are dropped, and ARP and neighbour discovery that claim another.
    pub checks_mac: bool,
    /// Packets from other IP addresses are dropped, ARP and neighbour advertisements that claim another, and other protocols.
    /// 0.0.0.0 and `::` may be used before there is an address, to ask whether an own one is free or for one by DHCP.
    pub checks_addresses: bool,
}

const DROP_REST: u16 = 60_000;
const ALLOW: u16 = 60_001;
const DROP_KIND: u16 = 60_002;
const ALLOW_CLAIM: u16 = 60_003;
const DROP_MALFORMED: u16 = 60_004;

/// Types of ICMP (RFC 792, RFC 1256) and `ICMPv6` (RFC 4861).
const REDIRECT4: u8 = 5;
const ROUTER4: u8 = 9;
const ROUTER_ADVERTISEMENT: u8 = 134;
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
const REDIRECT6: u8 = 137;

/// The ports of DHCP clients (RFC 2131, RFC 8415).
const DHCP_CLIENT: u16 = 68;
const DHCP6_CLIENT: u16 = 546;

/// Stands for an option that is not there.
const NO_MAC: Mac = Mac([0; 6]);

impl Guard<'_> {
    /// The flows, highest first; none if nothing is checked. Their number grows with the square of the number of IPv6 addresses: an
    /// advertisement of any own address may come from any own address.
    #[must_use]
    pub fn flows(&self) -> Vec<Flow> {
        let mut flows = Vec::new();
        if self.checks_mac || self.checks_addresses {
            self.malformed(&mut flows);
            self.claims_of_arp(&mut flows);
            self.claims_of_discovery(&mut flows);
            self.kinds(&mut flows);
            self.rest(&mut flows);
        }
        flows
    }

    /// Of an option that comes twice the switch shows none, and `::` as the target.
    fn malformed(&self, flows: &mut Vec<Flow>) {
        for kind in [SOLICITATION, ADVERTISEMENT] {
            flows.push(self.drop(DROP_MALFORMED, &[&neighbours(kind), &[NdTarget(Ipv6Addr::UNSPECIFIED)]]));
        }
    }

    fn claims_of_arp(&self, flows: &mut Vec<Flow>) {
        let mac = if self.checks_mac { &[EthType(ARP), ArpSha(self.mac)][..] } else { &[EthType(ARP)] };
        if !self.checks_addresses {
            flows.push(self.allow(ALLOW_CLAIM, &[mac]));
            return;
        }
        for address in self.own4() {
            flows.push(self.allow(ALLOW_CLAIM, &[mac, &[ArpSpa(address)]]));
            // RFC 5227, section 2.1.1: the question whether it is free.
            flows.push(self.allow(ALLOW_CLAIM, &[mac, &[ArpSpa(Ipv4Addr::UNSPECIFIED), ArpTpa(address)]]));
        }
    }

    fn claims_of_discovery(&self, flows: &mut Vec<Flow>) {
        let told = |option: fn(Mac) -> Match| {
            let macs: &[Mac] = if self.checks_mac { &[self.mac, NO_MAC] } else { &[] };
            let options: Vec<Vec<Match>> = macs.iter().map(|mac| vec![option(*mac)]).collect();
            if options.is_empty() { vec![Vec::new()] } else { options }
        };
        let mut allow = |kind, conditions: &[Match], options: Vec<Vec<Match>>| {
            let flow = |option: Vec<Match>| self.allow(ALLOW_CLAIM, &[&neighbours(kind), conditions, &option]);
            flows.extend(options.into_iter().map(flow));
        };
        if !self.checks_addresses {
            allow(SOLICITATION, &[], told(NdSll));
            allow(ADVERTISEMENT, &[], told(NdTll));
            return;
        }
        let own = self.own6();
        for address in &own {
            allow(SOLICITATION, &[Ipv6Src((*address).into())], told(NdSll));
            // RFC 4862, section 5.4.2: whether it is free. There is no option (RFC 4861, section 4.3).
            let is_free = [Ipv6Src(Ipv6Addr::UNSPECIFIED.into()), NdTarget(*address)];
            allow(SOLICITATION, &is_free, vec![if self.checks_mac { vec![NdSll(NO_MAC)] } else { Vec::new() }]);
            for target in &own {
                allow(ADVERTISEMENT, &[Ipv6Src((*address).into()), NdTarget(*target)], told(NdTll));
            }
        }
    }

    fn kinds(&self, flows: &mut Vec<Flow>) {
        let mut drop = |conditions: &[Match]| flows.push(self.drop(DROP_KIND, &[conditions]));
        drop(&icmp6(SOLICITATION));
        drop(&icmp6(ADVERTISEMENT));
        if !self.checks_addresses {
            drop(&[EthType(ARP)]); // which is otherwise among the rest
            return;
        }
        drop(&icmp6(ROUTER_ADVERTISEMENT));
        drop(&icmp6(REDIRECT6));
        for kind in [ROUTER4, REDIRECT4] {
            drop(&[EthType(IPV4), IpProto(ICMP), IcmpV4Type(kind)]);
        }
        drop(&[EthType(IPV4), IpProto(UDP), UdpDst(DHCP_CLIENT)]);
        drop(&[EthType(IPV6), IpProto(UDP), UdpDst(DHCP6_CLIENT)]);
    }

    fn rest(&self, flows: &mut Vec<Flow>) {
        if self.checks_addresses {
            for address in self.own4().chain([Ipv4Addr::UNSPECIFIED]) {
                flows.push(self.allow(ALLOW, &[&[EthType(IPV4), Ipv4Src(address.into())]]));
            }
            for address in self.own6().into_iter().chain([Ipv6Addr::UNSPECIFIED]) {
                flows.push(self.allow(ALLOW, &[&[EthType(IPV6), Ipv6Src(address.into())]]));
            }
        } else {
            flows.push(self.allow(ALLOW, &[]));
        }
        flows.push(self.drop(DROP_REST, &[]));
    }

    fn own4(&self) -> impl Iterator<Item = Ipv4Addr> {
        self.addresses.iter().filter_map(|address| match address {
            IpAddr::V4(address) => Some(*address),
            IpAddr::V6(_) => None,
        })
    }

    fn own6(&self) -> Vec<Ipv6Addr> {
        let mut own = vec![self.mac.link_local()];
        for address in self.addresses {
            match address {
                IpAddr::V6(address) if !own.contains(address) => own.push(*address),
                _ => {}
            }
        }
        own
    }

    fn allow(&self, priority: u16, conditions: &[&[Match]]) -> Flow {
        let source: &[Match] = if self.checks_mac { &[EthSrc(self.mac)] } else { &[] };
        self.flow(priority, Action::Normal, &[&[source], conditions].concat())
    }

    fn drop(&self, priority: u16, conditions: &[&[Match]]) -> Flow {
        self.flow(priority, Action::Drop, conditions)
    }

    fn flow(&self, priority: u16, action: Action, conditions: &[&[Match]]) -> Flow {
        let matches = [&[InPort(self.port)][..], &conditions.concat()].concat();
        Flow { table: 0, priority, cookie: self.cookie, matches, action }
    }
}

fn icmp6(kind: u8) -> [Match; 3] {
    [EthType(IPV6), IpProto(ICMPV6), IcmpV6Type(kind)]
}

/// A solicitation or advertisement as receivers take it, with the code 0 (RFC 4861, section 7.1).
///
/// Without the code Open vSwitch may apply what it decided about one to all others: what it tells the kernel's datapath to remember
/// has the target and the options only if both type and code are matched (`odp_flow_key_from_flow__` in `lib/odp-util.c`; much as
/// CVE-2023-5366). Seen with Debian's 3.1.0-2+deb12u1 and Linux 6.1.
fn neighbours(kind: u8) -> [Match; 4] {
    [EthType(IPV6), IpProto(ICMPV6), IcmpV6Type(kind), IcmpV6Code(0)]
}
