//! ADD.

use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;

use anyhow::{Context, Result};
use libc::{
    IFA_ADDRESS, IFA_LOCAL, IFF_UP, IFLA_IFNAME, IFLA_INFO_DATA, IFLA_INFO_KIND, IFLA_LINKINFO, IFLA_MASTER,
    IFLA_NET_NS_FD, NLM_F_CREATE, NLM_F_EXCL, RTA_GATEWAY, RTM_NEWADDR, RTM_NEWLINK, RTM_NEWQDISC, RTM_NEWROUTE,
    TCA_KIND, TCA_OPTIONS,
};
use nix::sched::{CloneFlags, setns};

use crate::batch::Batch;
use crate::pool;
use crate::socket::Socket;

/// `linux/veth.h`.
const VETH_INFO_PEER: u16 = 1;
/// `linux/pkt_sched.h`.
const TC_H_ROOT: u32 = u32::MAX;
const TCA_TBF_PARMS: u16 = 1;
const TCA_TBF_BURST: u16 = 6;
const TC_LINKLAYER_ETHERNET: u8 = 1;
/// One tick of the packet scheduler.
const TICK_NS: u64 = 64;

const MAKE: i32 = NLM_F_CREATE | NLM_F_EXCL;
const PREFIX: u8 = 16;

/// What is asked for; see the usage.
pub(crate) struct Add<'a> {
    pub(crate) bridge: &'a str,
    pub(crate) host_name: &'a str,
    pub(crate) netns: &'a str,
    pub(crate) container_name: &'a str,
    pub(crate) pool: &'a str,
    pub(crate) subnet: &'a str,
    pub(crate) queue: Option<Queue>,
}

/// A tbf queue: bytes per second, and bytes.
#[derive(Clone, Copy)]
pub(crate) struct Queue {
    pub(crate) rate: u32,
    pub(crate) burst: u32,
    pub(crate) limit: u32,
}

/// Makes the attachment and prints its address.
pub(crate) fn add(add: &Add<'_>) -> Result<()> {
    let subnet: Ipv4Addr = format!("{}.0.0", add.subnet).parse().context("SUBNET")?;
    let owner = format!("{}\r\n{}", add.host_name, add.container_name);
    let address = pool::take(Path::new(add.pool), subnet, &owner)?;
    let netns = File::open(add.netns).with_context(|| add.netns.to_owned())?;

    let host = Socket::open()?;
    host.send(pair(add, &netns, host.index(add.bridge)?)).context("make the pair")?;
    if let Some(queue) = add.queue {
        host.send(tbf(queue, host.index(add.host_name)?)).context("make the queue")?;
    }

    setns(netns, CloneFlags::CLONE_NEWNET).context("enter the namespace")?;
    let container = Socket::open()?;
    let index = container.index(add.container_name)?;
    let gateway = Ipv4Addr::from_bits(subnet.to_bits() | 1);
    container.send(addressing(index, address, gateway)).context("set address and route")?;
    println!("{address}");
    Ok(())
}

/// `ip link add HOST_NAME master BRIDGE up type veth peer name CONTAINER_NAME netns NETNS`. The kernel refuses to make the peer
/// up.
fn pair(add: &Add<'_>, netns: &File, bridge: i32) -> Batch {
    let mut batch = Batch::default();
    batch.message(RTM_NEWLINK, MAKE, &link(0, IFF_UP), |batch| {
        batch.name(IFLA_IFNAME, add.host_name);
        batch.attribute(IFLA_MASTER, &bridge.to_ne_bytes());
        batch.nest(IFLA_LINKINFO, |batch| {
            batch.name(IFLA_INFO_KIND, "veth");
            batch.nest(IFLA_INFO_DATA, |batch| {
                batch.nest(VETH_INFO_PEER, |batch| {
                    batch.raw(&link(0, 0));
                    batch.name(IFLA_IFNAME, add.container_name);
                    batch.attribute(IFLA_NET_NS_FD, &netns.as_fd().as_raw_fd().to_ne_bytes());
                });
            });
        });
    });
    batch
}

/// `tc qdisc add dev INDEX root tbf rate RATE burst BURST limit LIMIT`.
fn tbf(queue: Queue, index: i32) -> Batch {
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
    let mut batch = Batch::default();
    batch.message(RTM_NEWQDISC, MAKE, &body, |batch| {
        batch.name(TCA_KIND, "tbf");
        batch.nest(TCA_OPTIONS, |batch| {
            batch.attribute(TCA_TBF_PARMS, &parameters);
            batch.attribute(TCA_TBF_BURST, &queue.burst.to_ne_bytes());
        });
    });
    batch
}

/// `ip address add ADDRESS/16 dev INDEX`, `ip link set INDEX up`, and `ip route add default via GATEWAY`.
fn addressing(index: i32, address: Ipv4Addr, gateway: Ipv4Addr) -> Batch {
    let mut batch = Batch::default();
    let mut body = [family(), PREFIX, 0, libc::RT_SCOPE_UNIVERSE].to_vec();
    body.extend(index.to_ne_bytes());
    batch.message(RTM_NEWADDR, MAKE, &body, |batch| {
        batch.attribute(IFA_LOCAL, &address.octets());
        batch.attribute(IFA_ADDRESS, &address.octets());
    });
    batch.message(RTM_NEWLINK, 0, &link(index, IFF_UP), |_| ());
    let table = libc::RT_TABLE_MAIN;
    let route = [family(), 0, 0, 0, table, libc::RTPROT_BOOT, libc::RT_SCOPE_UNIVERSE, libc::RTN_UNICAST, 0, 0, 0, 0];
    batch.message(RTM_NEWROUTE, MAKE, &route, |batch| batch.attribute(RTA_GATEWAY, &gateway.octets()));
    batch
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
