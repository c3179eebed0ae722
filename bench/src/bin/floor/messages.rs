//! The messages, each named by the command that sends the same.

use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd};

use libc::{
    IFA_ADDRESS, IFA_F_NOPREFIXROUTE, IFA_FLAGS, IFA_LOCAL, IFF_UP, IFLA_AF_SPEC, IFLA_IFNAME, IFLA_INFO_DATA,
    IFLA_INFO_KIND, IFLA_LINKINFO, IFLA_MASTER, IFLA_MTU, IFLA_NET_NS_FD, NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL,
    RTA_DST, RTA_GATEWAY, RTA_OIF, RTA_TABLE, RTM_DELLINK, RTM_NEWADDR, RTM_NEWLINK, RTM_NEWNEIGH, RTM_NEWQDISC,
    RTM_NEWROUTE, RTM_NEWRULE, TCA_KIND, TCA_OPTIONS,
};

use crate::batch::Batch;
use crate::nic::{Kind, Lac, Nic, Queue};

/// `linux/veth.h`.
const VETH_INFO_PEER: u16 = 1;
/// `linux/pkt_sched.h`.
const TC_H_ROOT: u32 = u32::MAX;
const TCA_TBF_PARMS: u16 = 1;
const TCA_TBF_BURST: u16 = 6;
const TC_LINKLAYER_ETHERNET: u8 = 1;
/// One tick of the packet scheduler.
const TICK_NS: u64 = 64;
/// `linux/fib_rules.h`.
const FR_ACT_TO_TBL: u8 = 1;
const FRA_SRC: u16 = 2;
const FRA_TABLE: u16 = 15;

/// `linux/if_link.h`.
const IFLA_INET6_ADDR_GEN_MODE: u16 = 8;
const IN6_ADDR_GEN_MODE_NONE: u8 = 1;
const IFLA_VXLAN_ID: u16 = 1;
const IFLA_VXLAN_GROUP: u16 = 2;
const IFLA_VXLAN_LINK: u16 = 3;
const IFLA_VXLAN_PORT: u16 = 15;
/// `linux/neighbour.h`.
const NTF_SELF: u8 = 2;
const NUD_PERMANENT: u16 = 0x80;
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
/// VDE's, which LACs have.
const PORT: u16 = 14789;

const MAKE: i32 = NLM_F_CREATE | NLM_F_EXCL;

/// The length of the subnets.
pub(crate) const PREFIX: u8 = 16;
/// That of one address.
pub(crate) const ALONE: u8 = 32;

/// An address or a network, and the length of its prefix.
pub(crate) type Prefix = (Ipv4Addr, u8);

/// A route through a device.
pub(crate) struct Route {
    pub(crate) destination: Prefix,
    pub(crate) gateway: Option<Ipv4Addr>,
    /// The main one where none is named.
    pub(crate) table: Option<u32>,
}

/// `ip link add NAME [mtu MTU] [master BRIDGE] up type veth peer name CONTAINER_NAME netns NETNS`. The kernel refuses to make the peer up.
/// In a LAC the host's end gets no IPv6 address, and is up and a port after that.
pub(crate) fn pair(batch: &mut Batch, nic: &Nic<'_>, netns: &File, bridge: Option<i32>) {
    let is_of_lac = matches!(nic.kind, Kind::InLac(_));
    let flags = if is_of_lac { 0 } else { IFF_UP };
    batch.message(RTM_NEWLINK, MAKE, &link(0, flags), |batch| {
        batch.name(IFLA_IFNAME, nic.name);
        if let Some(bridge) = bridge.filter(|_| !is_of_lac) {
            batch.attribute(IFLA_MASTER, &bridge.to_ne_bytes());
        }
        mtu(batch, nic);
        batch.nest(IFLA_LINKINFO, |batch| {
            batch.name(IFLA_INFO_KIND, "veth");
            batch.nest(IFLA_INFO_DATA, |batch| {
                batch.nest(VETH_INFO_PEER, |batch| {
                    batch.raw(&link(0, 0));
                    batch.name(IFLA_IFNAME, nic.container_name);
                    mtu(batch, nic);
                    batch.attribute(IFLA_NET_NS_FD, &netns.as_fd().as_raw_fd().to_ne_bytes());
                });
            });
        });
    });
    if is_of_lac {
        up_without_addresses(batch, nic.name, bridge);
    }
}

/// `ip link set NAME addrgenmode none`, and `ip link set NAME up [master BRIDGE]`.
fn up_without_addresses(batch: &mut Batch, name: &str, bridge: Option<i32>) {
    batch.message(RTM_NEWLINK, 0, &link(0, 0), |batch| {
        batch.name(IFLA_IFNAME, name);
        batch.nest(IFLA_AF_SPEC, |batch| {
            batch.nest(u16::try_from(libc::AF_INET6).unwrap_or_default(), |batch| {
                batch.attribute(IFLA_INET6_ADDR_GEN_MODE, &[IN6_ADDR_GEN_MODE_NONE]);
            });
        });
    });
    batch.message(RTM_NEWLINK, 0, &link(0, IFF_UP), |batch| {
        batch.name(IFLA_IFNAME, name);
        if let Some(bridge) = bridge {
            batch.attribute(IFLA_MASTER, &bridge.to_ne_bytes());
        }
    });
}

fn mtu(batch: &mut Batch, nic: &Nic<'_>) {
    if let Some(mtu) = nic.mtu {
        batch.attribute(IFLA_MTU, &mtu.to_ne_bytes());
    }
}

/// `ip link add BRIDGE index INDEX type bridge`, and `ip link add DEVICE index INDEX type vxlan id VNI dstport PORT dev UNDERLAY
/// [group GROUP]`, both up without addresses of IPv6, the device as a port of the bridge, with `bridge fdb append 00:00:00:00:00:00 dev DEVICE dst HOST self permanent` for each of the hosts.
pub(crate) fn cloud(batch: &mut Batch, bridge: &str, lac: &Lac<'_>, underlay: i32) {
    let (bridge_index, device_index) = lac.indexes();
    batch.message(RTM_NEWLINK, MAKE, &link(bridge_index, 0), |batch| {
        batch.name(IFLA_IFNAME, bridge);
        batch.nest(IFLA_LINKINFO, |batch| batch.name(IFLA_INFO_KIND, "bridge"));
    });
    up_without_addresses(batch, bridge, None);
    let group = lac.remotes.first().filter(|remote| remote.is_multicast());
    batch.message(RTM_NEWLINK, MAKE, &link(device_index, 0), |batch| {
        batch.name(IFLA_IFNAME, lac.device);
        batch.nest(IFLA_LINKINFO, |batch| {
            batch.name(IFLA_INFO_KIND, "vxlan");
            batch.nest(IFLA_INFO_DATA, |batch| {
                batch.attribute(IFLA_VXLAN_ID, &lac.vni.to_ne_bytes());
                batch.attribute(IFLA_VXLAN_PORT, &PORT.to_be_bytes());
                batch.attribute(IFLA_VXLAN_LINK, &underlay.to_ne_bytes());
                if let Some(group) = group {
                    batch.attribute(IFLA_VXLAN_GROUP, &group.octets());
                }
            });
        });
    });
    up_without_addresses(batch, lac.device, Some(bridge_index));
    for host in lac.remotes.iter().filter(|remote| !remote.is_multicast()) {
        let mut body = [u8::try_from(libc::AF_BRIDGE).unwrap_or_default(), 0, 0, 0].to_vec();
        body.extend(device_index.to_ne_bytes());
        body.extend(NUD_PERMANENT.to_ne_bytes());
        body.extend([NTF_SELF, 0]);
        batch.message(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_APPEND, &body, |batch| {
            batch.attribute(NDA_LLADDR, &[0; 6]);
            batch.attribute(NDA_DST, &host.octets());
        });
    }
}

/// `ip link set INDEX netns NETNS name NAME up`, which the kernel does in that order.
pub(crate) fn moved(batch: &mut Batch, index: i32, netns: &File, name: &str) {
    batch.message(RTM_NEWLINK, 0, &link(index, IFF_UP), |batch| {
        batch.name(IFLA_IFNAME, name);
        batch.attribute(IFLA_NET_NS_FD, &netns.as_fd().as_raw_fd().to_ne_bytes());
    });
}

/// `ip link set INDEX up`.
pub(crate) fn up(batch: &mut Batch, index: i32) {
    batch.message(RTM_NEWLINK, 0, &link(index, IFF_UP), |_| ());
}

/// `ip link delete NAME`.
pub(crate) fn gone(batch: &mut Batch, name: &str) {
    batch.message(RTM_DELLINK, 0, &link(0, 0), |batch| batch.name(IFLA_IFNAME, name));
}

/// `tc qdisc add dev INDEX root tbf rate RATE burst BURST limit LIMIT`.
pub(crate) fn tbf(batch: &mut Batch, queue: Queue, index: i32) {
    let ticks = u64::from(queue.burst) * 1_000_000_000 / u64::from(queue.rate.max(1)) / TICK_NS;
    let mut parameters = [0, TC_LINKLAYER_ETHERNET, 0, 0, 0, 0, 0, 0].to_vec();
    parameters.extend(queue.rate.to_ne_bytes());
    parameters.extend([0; 12]);
    parameters.extend(queue.limit.to_ne_bytes());
    parameters.extend(u32::try_from(ticks).unwrap_or(u32::MAX).to_ne_bytes());
    parameters.extend([0; 4]);

    let mut body = [0; 4].to_vec();
    body.extend(index.to_ne_bytes());
    body.extend(0u32.to_ne_bytes());
    body.extend(TC_H_ROOT.to_ne_bytes());
    body.extend([0; 4]);
    batch.message(RTM_NEWQDISC, MAKE, &body, |batch| {
        batch.name(TCA_KIND, "tbf");
        batch.nest(TCA_OPTIONS, |batch| {
            batch.attribute(TCA_TBF_PARMS, &parameters);
            batch.attribute(TCA_TBF_BURST, &queue.burst.to_ne_bytes());
        });
    });
}

/// `ip address add ADDRESS dev INDEX [noprefixroute]`.
pub(crate) fn address(batch: &mut Batch, index: i32, (address, length): Prefix, has_route: bool) {
    let mut body = [family(), length, 0, libc::RT_SCOPE_UNIVERSE].to_vec();
    body.extend(index.to_ne_bytes());
    batch.message(RTM_NEWADDR, MAKE, &body, |batch| {
        batch.attribute(IFA_LOCAL, &address.octets());
        batch.attribute(IFA_ADDRESS, &address.octets());
        if !has_route {
            batch.attribute(IFA_FLAGS, &IFA_F_NOPREFIXROUTE.to_ne_bytes());
        }
    });
}

/// `ip route add DESTINATION [via GATEWAY] dev INDEX [table TABLE]`.
pub(crate) fn route(batch: &mut Batch, index: i32, route: &Route) {
    let (destination, length) = route.destination;
    let scope = if route.gateway.is_some() { libc::RT_SCOPE_UNIVERSE } else { libc::RT_SCOPE_LINK };
    let table = libc::RT_TABLE_MAIN;
    let body = [family(), length, 0, 0, table, libc::RTPROT_BOOT, scope, libc::RTN_UNICAST, 0, 0, 0, 0];
    batch.message(RTM_NEWROUTE, MAKE, &body, |batch| {
        if length > 0 {
            batch.attribute(RTA_DST, &destination.octets());
        }
        if let Some(gateway) = route.gateway {
            batch.attribute(RTA_GATEWAY, &gateway.octets());
        }
        batch.attribute(RTA_OIF, &index.to_ne_bytes());
        if let Some(table) = route.table {
            batch.attribute(RTA_TABLE, &table.to_ne_bytes());
        }
    });
}

/// `ip rule add from SOURCE lookup TABLE`, or, by the type [`libc::RTM_DELRULE`], `delete`.
pub(crate) fn rule(batch: &mut Batch, kind: u16, source: Ipv4Addr, table: u32) {
    let body = [family(), 0, ALONE, 0, libc::RT_TABLE_UNSPEC, 0, 0, FR_ACT_TO_TBL, 0, 0, 0, 0];
    batch.message(kind, if kind == RTM_NEWRULE { MAKE } else { 0 }, &body, |batch| {
        batch.attribute(FRA_SRC, &source.octets());
        batch.attribute(FRA_TABLE, &table.to_ne_bytes());
    });
}

/// `struct ifinfomsg` of a link whose `flags` are to be set.
fn link(index: i32, flags: i32) -> Vec<u8> {
    let mut body = [0; 4].to_vec();
    for field in [index, flags, flags] {
        body.extend(field.to_ne_bytes());
    }
    body
}

fn family() -> u8 {
    u8::try_from(libc::AF_INET).unwrap_or_default()
}
