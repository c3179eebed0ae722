//! A failed ADD on a bridge that an operator made: whatever this call changed there is as it was.

use std::fs;
use std::path::Path;

use harness::sh;
use lab::{Feature, with_features};
use serde_json::{Value, json};
use tests::{LATEST, Plugin, Scene, cites, with};

/// Settings that the kernel changes along with forwarding are among them.
const SETTINGS: &str =
    "sysctl -a 2> /dev/null | grep -E '^net.ipv[46].conf.*(forwarding|accept_redirects|accept_ra)[ =]|ip_forward '";

/// Both families, the bridge with the gateways 10.1.0.1 and fd00:1::1.
fn gateway(keys: Value) -> Value {
    let ipam = json!({"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00:1::/64"}]]});
    with(&with(&Plugin::Bridge.config(LATEST), json!({"ipam": ipam, "isGateway": true})), keys)
}

fn fails_without_a_trace(scene: &Scene, config: Value, culprit: &str) {
    let (before, settings) = (scene.state(), sh(SETTINGS).stdout);
    let (_, msg, details) = scene.call(Plugin::Bridge, "ADD", config).run().error();
    assert!(msg.contains(culprit) && !details.contains("cannot"), "{msg} {details}");
    assert_eq!(before, scene.state());
    assert_eq!(settings, sh(SETTINGS).stdout);
}

/// Nothing can be set there.
fn make_read_only(file: &Path) {
    let file = file.display();
    sh(&format!("mount --bind {file} {file} && mount -o remount,bind,ro {file}")).ok();
}

#[test]
fn a_gateway_address_and_forwarding_go_again() {
    cites!("ADD-6");
    let scene = Scene::new();
    sh("ip link add br0 up type bridge && ip link add other0 up type bridge && ip address add fd00:1::250/64 dev br0 nodad && \
        sysctl -q net.ipv4.conf.all.accept_redirects=0 net.ipv4.conf.other0.forwarding=1")
    .ok();
    // The IPv4 address stands by then, and the host forwards IPv4.
    fails_without_a_trace(&scene, gateway(json!({})), "fd00:1::250");
}

#[test]
fn replaced_addresses_and_their_routes_come_back() {
    cites!("ADD-6");
    let scene = Scene::new();
    sh("ip link add br0 up type bridge && ip address add 192.0.2.7/24 brd 192.0.2.255 scope global label br0:1 dev br0 && \
        ip address add fd00:1::250/64 dev br0 nodad && ip route add 198.51.100.0/24 via 192.0.2.9 && \
        ip -6 route add fd00:9::/64 via fd00:1::9")
    .ok();
    make_read_only(Path::new("/proc/sys/net/ipv6/conf/all/forwarding"));
    fails_without_a_trace(&scene, gateway(json!({"forceAddress": true})), "net.ipv6.conf.all.forwarding");
}

#[test]
fn a_bridge_that_is_down_is_down_again() {
    cites!("ADD-6");
    let scene = Scene::new();
    // Once it has been up, it keeps a queue.
    sh("ip link add br0 up type bridge && ip link set br0 down").ok();
    let exhausted = json!([[{"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.1", "rangeEnd": "10.1.0.1"}]]);
    let ipam = json!({"type": "host-local", "ranges": exhausted});
    fails_without_a_trace(&scene, gateway(json!({"ipam": ipam, "promiscMode": true})), "10.1.0.1");
}

#[test]
fn a_vlan_device_of_the_operators_is_as_it_was() {
    cites!("ADD-6");
    with_features(&[Feature::Vlan, Feature::BridgeVlanFiltering], || {
        let scene = Scene::new();
        sh("ip link add br0 up type bridge vlan_filtering 1 && ip link add link br0 name br0.5 up type vlan id 5 && ip link set br0.5 down && \
            sysctl -q net.ipv6.conf.br0/5.accept_ra=1")
        .ok();
        let before = sh("bridge vlan show dev br0").stdout;
        let exhausted = json!([[{"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.1", "rangeEnd": "10.1.0.1"}]]);
        let ipam = json!({"type": "host-local", "ranges": exhausted});
        fails_without_a_trace(&scene, gateway(json!({"ipam": ipam, "vlan": 5})), "10.1.0.1");
        assert_eq!(before, sh("bridge vlan show dev br0").stdout);
    });
}

/// Whoever is on the bridge may use what this call has made: that stays.
#[test]
fn what_others_may_use_stays() {
    cites!("ADD-6", "ADD-8");
    let scene = Scene::new();
    sh("ip link add br0 up type bridge && ip address add fd00:1::250/64 dev br0 nodad").ok();
    let c2 = scene.host.namespace("c2");
    let other = with(&Plugin::Bridge.config(LATEST), json!({"name": "others"}));
    scene.call_for(&c2, "eth0", Plugin::Bridge, "ADD", other.clone()).run().ok();
    let (_, msg, _) = scene.call(Plugin::Bridge, "ADD", gateway(json!({}))).run().error();
    assert!(msg.contains("fd00:1::250"), "{msg}");
    assert!(c2.ping("10.1.0.1", 1).all_answered());
    assert_eq!(fs::read_to_string("/proc/sys/net/ipv4/ip_forward").expect("a setting"), "1\n");
    scene.call_for(&c2, "eth0", Plugin::Bridge, "DEL", other).run().ok();
}
