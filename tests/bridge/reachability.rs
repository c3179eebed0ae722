//! Who has just been attached can be reached: nobody waits for a time-out, or for duplicate detection.

use harness::Namespace;
use serde_json::{Value, json};
use tests::{LATEST, Plugin, Scene, cites, with};

/// One request, whose answer has a second to come.
const FIRST_PING: &str = "-c1 -W1";

/// Chances for a race to show.
const ROUNDS: usize = 5;

/// The least configuration of `bridge` with the addresses in its text.
fn with_static(addresses: &[&str]) -> Value {
    let addresses: Value = addresses.iter().map(|address| json!({"address": address})).collect();
    with(&Plugin::Bridge.config(LATEST), json!({"ipam": {"type": "static", "addresses": addresses}}))
}

/// Both families, with the bridge as the gateway.
fn dual() -> Value {
    let ipam = json!({"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00:1::/64"}]]});
    with(&Plugin::Bridge.config(LATEST), json!({"ipam": ipam, "isGateway": true}))
}

fn mac(ns: &Namespace) -> Value {
    ns.ip("link show dev eth0")[0]["address"].clone()
}

#[test]
fn an_address_that_moves_is_reached_at_its_new_place() {
    cites!("ADD-1");
    moves("10.1.0.9/24", "10.1.0.5", "24");
}

#[test]
fn an_address_of_ipv6_that_moves_is_reached_at_its_new_place() {
    cites!("ADD-1");
    moves("fd00:1::9/64", "fd00:1::5", "64");
}

/// An address goes from one container to another, and back, under the eyes of a third that talks to it.
fn moves(peers: &str, address: &str, prefix: &str) {
    let scene = Scene::new();
    let (c2, peer) = (scene.host.namespace("c2"), scene.host.namespace("peer"));
    let moving = with_static(&[&format!("{address}/{prefix}")]);
    scene.call_for(&peer, "eth0", Plugin::Bridge, "ADD", with_static(&[peers])).run().ok();
    for _ in 0..ROUNDS {
        let mut macs = Vec::new();
        for holder in [&scene.c1, &c2] {
            scene.call_for(holder, "eth0", Plugin::Bridge, "ADD", moving.clone()).run().ok();
            macs.push(mac(holder));
            let first = peer.ping_with(address, FIRST_PING);
            assert!(first.all_answered(), "{} has the address now: {first:?}", holder.name);
            scene.call_for(holder, "eth0", Plugin::Bridge, "DEL", moving.clone()).run().ok();
        }
        assert_ne!(macs[0], macs[1], "it is the neighbour's knowledge that has to change");
    }
}

#[test]
fn the_host_learns_at_once_that_an_address_has_moved() {
    cites!("ADD-1");
    let scene = Scene::new();
    let c2 = scene.host.namespace("c2");
    let pool = json!({"type": "host-local",
        "ranges": [[{"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.5", "rangeEnd": "10.1.0.5"}]]});
    let config = with(&Plugin::Bridge.config(LATEST), json!({"isGateway": true, "ipam": pool}));
    let keeper = scene.host.namespace("keeper");
    let other = with(&config, json!({"ipam": null}));
    // With a port the bridge stays, and what the host knows of its neighbours too.
    scene.call_for(&keeper, "eth0", Plugin::Bridge, "ADD", other).run().ok();
    for holder in [&scene.c1, &c2, &scene.c1] {
        scene.call_for(holder, "eth0", Plugin::Bridge, "ADD", config.clone()).run().ok();
        let first = harness::ping_with("10.1.0.5", FIRST_PING);
        assert!(first.all_answered(), "{} has the address now: {first:?}", holder.name);
        scene.call_for(holder, "eth0", Plugin::Bridge, "DEL", config.clone()).run().ok();
    }
}

#[test]
fn the_first_packet_arrives_from_the_container() {
    cites!("ADD-1");
    for gateway in ["10.1.0.1", "fd00:1::1"] {
        let scene = Scene::new();
        for _ in 0..ROUNDS {
            scene.call(Plugin::Bridge, "ADD", dual()).run().ok();
            let first = scene.c1.ping_with(gateway, FIRST_PING);
            assert!(first.all_answered(), "{gateway}: {first:?}");
            scene.call(Plugin::Bridge, "DEL", dual()).run().ok();
        }
    }
}

#[test]
fn the_first_packet_arrives_from_the_host() {
    cites!("ADD-1");
    for family in [0, 1] {
        let scene = Scene::new();
        for _ in 0..ROUNDS {
            let result = scene.call(Plugin::Bridge, "ADD", dual()).run().ok();
            let address = result["ips"][family]["address"].as_str().and_then(|ip| ip.split('/').next());
            let address = address.expect("an address of each family");
            let first = harness::ping_with(address, FIRST_PING);
            assert!(first.all_answered(), "{address}: {first:?}");
            scene.call(Plugin::Bridge, "DEL", dual()).run().ok();
        }
    }
}

#[test]
fn the_first_packet_arrives_from_another_container() {
    cites!("ADD-1");
    for (own, other) in [("10.1.0.5/24", "10.1.0.9"), ("fd00:1::5/64", "fd00:1::9")] {
        let scene = Scene::new();
        let peer = scene.host.namespace("peer");
        let prefix = own.split_once('/').expect("an address with its prefix").1;
        let others = with_static(&[&format!("{other}/{prefix}")]);
        scene.call_for(&peer, "eth0", Plugin::Bridge, "ADD", others).run().ok();
        for _ in 0..ROUNDS {
            scene.call(Plugin::Bridge, "ADD", with_static(&[own])).run().ok();
            let first = scene.c1.ping_with(other, FIRST_PING);
            assert!(first.all_answered(), "{own} to {other}: {first:?}");
            scene.call(Plugin::Bridge, "DEL", with_static(&[own])).run().ok();
        }
    }
}

#[test]
fn no_address_is_in_duplicate_detection() {
    cites!("ADD-1");
    let scene = Scene::new();
    scene.call(Plugin::Bridge, "ADD", dual()).run().ok();
    let addresses = scene.c1.sh("ip -6 address show dev eth0").ok();
    assert!(addresses.contains("fd00:1::2/64") && addresses.contains("fe80:"), "{addresses}");
    assert!(!addresses.contains("tentative"), "{addresses}");
    let link_local = addresses.lines().filter(|line| line.contains("fe80:")).count();
    assert_eq!(link_local, 1, "the kernel has added none of its own: {addresses}");
    let bridge = harness::sh("ip -6 address show dev br0 to fd00:1::/64").ok();
    assert!(bridge.contains("fd00:1::1/64") && !bridge.contains("tentative"), "{bridge}");
}
