//! Bridges: those that the plugin makes, which several networks may share, and those of the operator.

use std::time::{Duration, Instant};

use harness::{Namespace, sh};
use serde_json::{Value, json};
use tests::{LATEST, Plugin, Scene, advertise, cites, with};

/// The least configuration of a network on a bridge.
fn network(name: &str, bridge: &str) -> Value {
    with(&Plugin::Bridge.config(LATEST), json!({"name": name, "bridge": bridge}))
}

/// GC of a network without valid attachments.
fn collect(scene: &Scene, config: &Value) {
    let config = with(config, json!({"cni.dev/valid-attachments": []}));
    scene.call(Plugin::Bridge, "GC", config).run().ok();
}

fn exists(link: &str) -> bool {
    std::path::Path::new("/sys/class/net").join(link).exists()
}

/// What an operator may have set on a bridge.
fn settings(bridge: &str) -> Value {
    let link = &harness::ip(&format!("link show dev {bridge}"))[0];
    let details = &link["linkinfo"]["info_data"];
    let kept =
        ["forward_delay", "hello_time", "max_age", "ageing_time", "stp_state", "vlan_filtering", "vlan_default_pvid"];
    let details: Vec<&Value> = kept.iter().map(|key| &details[key]).collect();
    let accepts_ra = sh(&format!("cat /proc/sys/net/ipv6/conf/{bridge}/accept_ra")).ok();
    let addresses = sh(&format!("ip -o -4 address show dev {bridge}")).ok();
    json!([link["ifalias"], link["mtu"], link["flags"].to_string().contains("PROMISC"), details, accepts_ra, addresses])
}

#[test]
fn a_container_gives_the_host_no_default_route() {
    cites!("ADD-1");
    let scene = Scene::new();
    sh("ip link add opbr type bridge && ip link set opbr up").ok();
    sh("echo 1 > /proc/sys/net/ipv6/conf/opbr/accept_ra").ok();
    scene.call_for(&scene.c1, "eth0", Plugin::Bridge, "ADD", network("net", "br0")).run().ok();
    scene.call_for(&scene.c1, "eth1", Plugin::Bridge, "ADD", network("net2", "opbr")).run().ok();
    assert_eq!(sh("cat /proc/sys/net/ipv6/conf/br0/accept_ra").ok(), "0");
    assert_eq!(sh("cat /proc/sys/net/ipv6/conf/opbr/accept_ra").ok(), "1", "the operator's stays as it was");
    let default_route = || sh("ip -6 route show default").ok();
    // The same claim on a bridge that listens to it: the one on ours, sent before, has arrived as well.
    let end = Instant::now() + Duration::from_secs(30);
    while !default_route().contains("dev opbr") {
        assert!(Instant::now() < end, "the advertisement is one: '{}'", default_route());
        advertise(&scene.c1, "eth0");
        advertise(&scene.c1, "eth1");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(!default_route().contains("dev br0"), "{}", default_route());
}

/// Two containers on one bridge, each in a network of its own, of which the first made the bridge and has left.
fn left_by_its_maker(scene: &Scene, c2: &Namespace) -> (Value, Value) {
    let (maker, user) = (network("maker", "br0"), network("user", "br0"));
    scene.call(Plugin::Bridge, "ADD", maker.clone()).run().ok();
    scene.call_for(c2, "eth0", Plugin::Bridge, "ADD", user.clone()).run().ok();
    scene.call(Plugin::Bridge, "DEL", maker.clone()).run().ok();
    assert!(exists("br0"), "it has a port");
    (maker, user)
}

#[test]
fn a_bridge_that_another_network_made_goes_with_its_last_user() {
    cites!("GC-1", "GC-7", "DEL-2");
    let scene = Scene::new();
    let c2 = scene.host.namespace("c2");
    let before = scene.state();
    let (maker, user) = left_by_its_maker(&scene, &c2);
    collect(&scene, &maker);
    assert!(exists("br0"), "the other network's container is on it");
    collect(&scene, &user);
    assert!(!exists("br0"), "nothing uses it");
    assert_eq!(before, scene.state());
    let (_, user) = left_by_its_maker(&scene, &c2);
    scene.call_for(&c2, "eth0", Plugin::Bridge, "DEL", user).run().ok();
    assert_eq!(before, scene.state());
}

#[test]
fn a_bridge_with_a_foreign_port_stays() {
    cites!("GC-7", "DEL-1");
    let scene = Scene::new();
    let config = network("net", "br0");
    scene.call(Plugin::Bridge, "ADD", config.clone()).run().ok();
    sh("ip link add uplink type veth peer name far && ip link set uplink up master br0").ok();
    scene.call(Plugin::Bridge, "DEL", config.clone()).run().ok();
    collect(&scene, &config);
    assert_eq!(sh("ls /sys/class/net/br0/brif").ok(), "uplink");
    sh("ip link del uplink").ok();
    collect(&scene, &config);
    assert!(!exists("br0"), "nothing uses it any more");
}

#[test]
fn an_operators_bridge_is_never_removed_nor_changed() {
    cites!("GC-7", "DEL-1");
    for alias in ["", "of the lab", "plugboard, so to say"] {
        let scene = Scene::new();
        sh("ip link add opbr type bridge forward_delay 700 vlan_default_pvid 7 && ip link set opbr up").ok();
        sh("ip address add 192.0.2.1/24 dev opbr").ok();
        sh(&format!("ip link set opbr alias '{alias}'")).ok();
        let (before, own) = (scene.state(), settings("opbr"));
        let config = network("net", "opbr");
        let (_, attached) = scene.added(Plugin::Bridge, &config);
        assert_eq!(settings("opbr"), own, "while a container is on it");
        scene.call(Plugin::Bridge, "CHECK", attached.clone()).run().ok();
        scene.call(Plugin::Bridge, "DEL", attached).run().ok();
        assert_eq!(before, scene.state(), "after DEL");
        scene.call(Plugin::Bridge, "ADD", config.clone()).run().ok();
        collect(&scene, &config);
        assert_eq!(before, scene.state(), "after GC");
    }
}

#[test]
fn the_result_has_the_address_that_the_operators_bridge_has_by_then() {
    cites!("RES-20");
    let scene = Scene::new();
    sh("ip link add opbr type bridge && ip link set opbr up").ok();
    let address = || harness::ip("link show dev opbr")[0]["address"].clone();
    let before = address();
    let mut has_changed = false;
    for number in 0..10 {
        let ns = scene.host.namespace(&format!("p{number}"));
        let result = scene.call_for(&ns, "eth0", Plugin::Bridge, "ADD", network("net", "opbr")).run().ok();
        assert_eq!(result["interfaces"][0]["name"], "opbr");
        assert_eq!(result["interfaces"][0]["mac"], address(), "after container {number}");
        has_changed |= address() != before;
    }
    assert!(has_changed, "a bridge without an address of its own takes that of a port");
}

#[test]
fn our_bridge_keeps_its_address() {
    cites!("RES-20");
    let scene = Scene::new();
    let mut macs = Vec::new();
    for number in 0..5 {
        let ns = scene.host.namespace(&format!("p{number}"));
        let result = scene.call_for(&ns, "eth0", Plugin::Bridge, "ADD", network("net", "br0")).run().ok();
        macs.extend([result["interfaces"][0]["mac"].clone(), harness::ip("link show dev br0")[0]["address"].clone()]);
    }
    macs.dedup();
    assert_eq!(macs.len(), 1, "{macs:?}");
}
