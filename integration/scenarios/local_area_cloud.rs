//! Local Area Clouds, as `vxlan-overlay` makes them: one Ethernet of containers and machines on several hosts of a LAN.

mod evpn;
mod failures;
mod firewall;
mod groups;
mod guests;
mod moves;
mod peers;
mod pods;
mod remotes;
mod sealed;
mod site;
mod traffic;
mod underlays;

use harness::{Host, Namespace, sh};

/// Another host, which is in the cloud of the group 234.0.0.1 by the kernel's own means, with an address such as `10.0.0.1/24` there.
/// The thread's host has `lan0` towards it.
pub(crate) fn far_host(owner: &Host, address: &str) -> Namespace {
    let far = owner.namespace("far");
    sh("ip link add lan0 up type veth peer name lan0 netns far && ip address add 192.168.9.1/24 dev lan0").ok();
    far.sh(&format!(
        "ip link set lan0 up && ip address add 192.168.9.2/24 dev lan0 && \
         ip link add lac0 up type vxlan id 1 group 234.0.0.1 dev lan0 dstport 14789 && \
         ip address add {address} dev lac0"
    ))
    .ok();
    far
}
