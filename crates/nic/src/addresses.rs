//! The addresses of the container interface.

use attachment::{
    Address, Announce, AskForHolder, AwaitDetection, AwaitForwarding, AwaitListening, Description, Loopback,
    LoopbackUp, Need, Others, Side, Stage, Sysctl,
};
use cni::Success;

use crate::attached::{Attached, Nic};
use crate::{Found, routes};

/// The addresses and routes of the container interface: probed for unless somebody guarantees that they are free, added, and
/// announced to the neighbours.
pub fn addressing(nic: &Nic, found: &Found, addressing: &Success, description: &mut Description) {
    let forwards = AwaitForwarding { device: nic.identity.host_name() };
    if nic.attached(found) == Attached::ContainerTap {
        description.act(forwards);
        return;
    }
    if nic.has_interface(found) {
        description.act(forwards);
    }
    on_link(nic, found, addressing, description);
}

/// The same without a port of a switch that has to forward first.
pub fn on_link(nic: &Nic, found: &Found, addressing: &Success, description: &mut Description) {
    if !nic.has_interface(found) {
        return;
    }
    let device = nic.container_interface();
    let is_detected = nic.detects_duplicates;
    prepare(nic, addressing, description);
    for ip in &addressing.ips {
        let address = ip.address.ip();
        if !(nic.is_allocated || (is_detected && ip.address.is_ipv6())) {
            description.act(AskForHolder { device: device.clone(), address });
        }
        let (device, others) = (device.clone(), Others::Alone);
        description.own(Address { device, address: ip.address, others, is_detected, has_route: true });
    }
    if is_detected {
        description.act(AwaitDetection { device: device.clone() });
    }
    for ip in &addressing.ips {
        let address = ip.address.ip();
        description.act(AwaitListening { device: device.clone(), address });
        description.act(Announce { device: device.clone(), address, mac: nic.mac(found) });
    }
    routes::describe(&device, addressing, description);
}

/// The addresses and routes of a container interface that knows no neighbours: what it sends is routed by the kernel below it.
pub fn without_neighbours(nic: &Nic, found: &Found, addressing: &Success, description: &mut Description) {
    if nic.has_interface(found) {
        unasked(nic, addressing, true, description);
        routes::describe(&nic.container_interface(), addressing, description);
    }
}

/// The addresses of a container interface that has only the host for a neighbour: the subnet is not on the link.
pub fn alone(nic: &Nic, found: &Found, addressing: &Success, description: &mut Description) {
    if !nic.has_interface(found) {
        return;
    }
    unasked(nic, addressing, false, description);
    for ip in &addressing.ips {
        description.act(AwaitListening { device: nic.container_interface(), address: ip.address.ip() });
    }
}

/// What addresses need: the loopback device, by which the container reaches its own, and IPv6 on it and on the container interface.
fn prepare(nic: &Nic, addressing: &Success, description: &mut Description) {
    if addressing.ips.is_empty() {
        return;
    }
    description.own(LoopbackUp);
    if addressing.ips.iter().any(|ip| ip.address.is_ipv6()) {
        for interface in [Loopback::NAME, nic.identity.if_name()] {
            let path = format!("net/ipv6/conf/{interface}/disable_ipv6");
            let (side, need, stage) = (Side::Container, Need::IfAny, Stage::Ready);
            description.own(Sysctl { side, path, value: "0", need, stage });
        }
    }
}

/// Addresses of which nobody is asked, and which are not announced.
fn unasked(nic: &Nic, addressing: &Success, has_route: bool, description: &mut Description) {
    prepare(nic, addressing, description);
    for ip in &addressing.ips {
        let (device, others) = (nic.container_interface(), Others::Alone);
        description.own(Address { device, address: ip.address, others, is_detected: false, has_route });
    }
}
