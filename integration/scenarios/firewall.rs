//! The example networks that use the host's packet filter, as people attach to them.

use harness::{Namespace, sh};
use integration::World;

fn ruleset() -> String {
    sh("nft list ruleset").ok()
}

fn address(node: &Namespace) -> String {
    let found = node.ip("-4 address show dev eth0");
    found[0]["addr_info"][0]["local"].as_str().expect("an address").to_owned()
}

#[test]
fn nodes_of_nat_net_reach_the_world_by_the_hosts_address() {
    let world = World::new();
    let (vn1, internet) = (world.node("vn1"), world.node("internet"));
    sh("ip link add wan type veth peer name eth0 netns internet && ip link set wan up && \
        ip address add 192.0.2.1/24 dev wan && ip route add 203.0.113.0/24 via 192.0.2.254")
    .ok();
    internet
        .sh("ip link set eth0 up && ip address add 192.0.2.254/24 dev eth0 && ip address add 203.0.113.9/32 dev lo")
        .ok();
    world.plugboard("attach --primary nat-net vn1 nat-net").ok();
    // Nobody out there has a route to the node's own address.
    assert!(vn1.ping("203.0.113.9", 3).all_answered());
    world.plugboard("check vn1").ok();
    world.plugboard("detach vn1").ok();
    assert_eq!(ruleset(), "");
}

#[test]
fn nodes_of_guarded_net_cannot_take_the_address_of_another() {
    let world = World::new();
    let (vn1, vn2) = (world.node("vn1"), world.node("vn2"));
    for node in ["vn1", "vn2"] {
        world.plugboard(&format!("attach --primary guarded-net {node} guarded-net")).ok();
    }
    let peer = address(&vn2);
    assert!(vn1.ping(&peer, 3).all_answered());
    vn1.sh("ip address add 192.168.154.77/24 dev eth0").ok();
    assert_eq!(vn1.ping_with(&peer, "-c2 -i.05 -W1 -I 192.168.154.77").received, 0, "a foreign IP address");
    assert!(vn1.ping(&peer, 3).all_answered(), "its own still serves");
    vn1.sh("ip link set eth0 down && ip link set eth0 address 02:00:00:00:00:99 && ip link set eth0 up").ok();
    assert_eq!(vn1.ping_with(&peer, "-c2 -i.05 -W1").received, 0, "a foreign hardware address");
    for node in ["vn1", "vn2"] {
        world.plugboard(&format!("detach {node}")).ok();
    }
    assert_eq!(ruleset(), "");
}
