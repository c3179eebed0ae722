//! The same NICs by `ip`, on Open vSwitch by `ovs-vsctl` too.

use harness::{Datapath, Namespace, sh};

use crate::kind::Kind;
use crate::maker::{INTERFACE, Maker};

/// Connects a container to the other, or to the link of the host that is there.
pub(crate) fn connect(kind: Kind, near: &Namespace, far: &Namespace) {
    let (link, subnet) = (Maker::Hand.link(), Maker::Hand.subnet());
    match kind {
        Kind::Bridged => {
            sh(&format!("ip link add {link} type bridge && ip link set {link} up")).ok();
            for (number, container) in [(2, near), (3, far)] {
                pair(&format!("master {link}"), number, container);
                up(INTERFACE, number, container);
            }
        }
        Kind::Routed => {
            for (number, container) in [(2, near), (3, far)] {
                pair("", number, container);
                let (port, address) = (port(number), format!("{subnet}.0.{number}"));
                sh(&format!("ip address add {subnet}.0.1/32 dev {port} && ip route add {address} dev {port}")).ok();
                let inside = format!(
                    "ip address add {address}/16 dev {INTERFACE} noprefixroute && ip link set {INTERFACE} up && \
                     ip route add {subnet}.0.1 dev {INTERFACE} && ip route add {subnet}.0.0/16 via {subnet}.0.1"
                );
                container.sh(&inside).ok();
            }
            sh("echo 1 > /proc/sys/net/ipv4/ip_forward").ok();
        }
        Kind::OvsVeth => {
            for (number, container) in [(2, near), (3, far)] {
                pair("", number, container);
                up(INTERFACE, number, container);
                fill_in_checksums(container);
                sh(&format!("ovs-vsctl add-port {link} {}", port(number))).ok();
            }
        }
        Kind::OvsInternal => {
            for (number, container) in [(2, near), (3, far)] {
                let (name, netns) = (kind.interface(Maker::Hand, number), &container.name);
                sh(&format!("ovs-vsctl add-port {link} {name} -- set interface {name} type=internal")).ok();
                sh(&format!("ip link set {name} netns {netns}")).ok();
                up(&name, number, container);
            }
        }
        Kind::Macvlan | Kind::Ipvlan | Kind::Vlan => {
            let arguments = kind.of_a_child().unwrap_or_default();
            sh(&format!("ip link add link {link} name {INTERFACE} netns {} {arguments}", near.name)).ok();
            up(INTERFACE, 2, near);
        }
        Kind::Device => {
            sh(&format!("ip link set {link} netns {} name {INTERFACE}", near.name)).ok();
            up(INTERFACE, 2, near);
        }
    }
}

/// Removes it, but for a link of the host, with which its children go.
pub(crate) fn remove(kind: Kind, near: &Namespace) {
    let ports = format!("ip link delete {} && ip link delete {}", port(2), port(3));
    match kind {
        Kind::Bridged => drop(sh(&format!("{ports} && ip link delete {}", Maker::Hand.link())).ok()),
        Kind::Routed => drop(sh(&ports).ok()),
        Kind::OvsVeth => {
            let unplugged = format!("ovs-vsctl del-port {} && ovs-vsctl del-port {}", port(2), port(3));
            drop(sh(&format!("{unplugged} && {ports}")).ok());
        }
        Kind::OvsInternal => {
            let names = [2, 3].map(|number| kind.interface(Maker::Hand, number));
            drop(sh(&names.map(|name| format!("ovs-vsctl del-port {name}")).join(" && ")).ok());
        }
        Kind::Device => drop(near.sh(&format!("ip link delete {INTERFACE}")).ok()),
        Kind::Macvlan | Kind::Ipvlan | Kind::Vlan => {}
    }
}

fn pair(arguments: &str, number: u8, container: &Namespace) {
    let (port, netns) = (port(number), &container.name);
    sh(&format!("ip link add {port} {arguments} up type veth peer name {INTERFACE} netns {netns}")).ok();
}

/// The host's end.
fn port(number: u8) -> String {
    format!("port{number}")
}

fn up(interface: &str, number: u8, container: &Namespace) {
    let address = format!("{}.0.{number}/16", Maker::Hand.subnet());
    container.sh(&format!("ip address add {address} dev {interface} && ip link set {interface} up")).ok();
}

/// A switch in user space passes on frames as they come, and TCP would not get through.
fn fill_in_checksums(container: &Namespace) {
    if Datapath::of_this_kernel() == Datapath::Netdev {
        container.sh(&format!("ethtool -K {INTERFACE} tx off")).ok();
    }
}
