//! The keys of `bridge`, each by what it does to the traffic or to the kernel's state, and nothing of it without the key.
//!
//! Elsewhere: `mac` and `ips` in `conventions.rs` and `libcni_runtime.rs`, `dns` in `configuration.rs`, the TAP device's in `tap.rs`
//! and `tap_namespace.rs`, `vlan`, `vlanTrunk` and `preserveDefaultVlan` in `vlan.rs`, `uplink` and `autoVlan` in `uplink.rs` and the scenarios,
//! `ipMasq` and `ipMasqBackend` in `nat.rs`, `macspoofchk` and `ipspoofchk` in `filter.rs`, `delegateTimeoutSeconds` in `faults.rs`.

use std::time::{Duration, Instant};

use harness::{Namespace, sh, wait_until};
use serde_json::{Value, json};
use tests::{Frames, LATEST, Plugin, Scene, cites, codes, ethernet, with};

fn config(keys: Value) -> Value {
    with(&Plugin::Bridge.config(LATEST), keys)
}

fn add(scene: &Scene, ns: &Namespace, keys: Value) -> Value {
    scene.call_for(ns, "eth0", Plugin::Bridge, "ADD", config(keys)).run().ok()
}

fn port(result: &Value) -> String {
    result["interfaces"][1]["name"].as_str().expect("a host interface").to_owned()
}

fn link(name: &str) -> Value {
    harness::ip(&format!("link show dev {name}"))[0].clone()
}

fn mtu(name: &str) -> u64 {
    link(name)["mtu"].as_u64().expect("an MTU")
}

/// CHECK finds a difference that names `culprit`.
fn check_tells(scene: &Scene, attached: &Value, culprit: &str) {
    let (code, msg, _) = scene.call(Plugin::Bridge, "CHECK", attached.clone()).run().error();
    assert!(code == codes::DIFFERENT && msg.contains(culprit), "{culprit}: {code} {msg}");
}

#[test]
fn is_gateway() {
    for (asked, answered) in [(true, 3), (false, 0)] {
        let scene = Scene::new();
        sh("sysctl -wq net.ipv4.ip_forward=0").ok();
        add(&scene, &scene.c1, json!({"isGateway": asked}));
        assert_eq!(scene.c1.ping_with("10.1.0.1", "-c3 -i.05 -W1").received, answered);
        assert_eq!(sh("cat /proc/sys/net/ipv4/ip_forward").ok(), if asked { "1" } else { "0" });
    }
}

#[test]
fn is_default_gateway() {
    for (keys, expected) in [(json!({"isDefaultGateway": true}), "10.1.0.1"), (json!({"isGateway": true}), "")] {
        let scene = Scene::new();
        add(&scene, &scene.c1, keys);
        let route = scene.c1.ip("route show default");
        assert_eq!(route[0]["gateway"].as_str().unwrap_or_default(), expected, "{route}");
    }
}

#[test]
fn force_address() {
    let scene = Scene::new();
    sh("ip link add br0 up type bridge && ip address add 10.7.0.1/24 dev br0").ok();
    let addresses = || sh("ip -o -4 address show dev br0").ok();
    let before = scene.state();
    let (code, msg, _) = scene.call(Plugin::Bridge, "ADD", config(json!({"isGateway": true}))).run().error();
    assert!(code == codes::CONFLICT && msg.contains("10.7.0.1/24") && msg.contains("forceAddress"), "{code} {msg}");
    assert!(addresses().contains("10.7.0.1/24"), "{}", addresses());
    assert_eq!(before, scene.state());
    add(&scene, &scene.c1, json!({"isGateway": true, "forceAddress": true}));
    assert!(!addresses().contains("10.7.0.1/24") && addresses().contains("10.1.0.1/24"), "{}", addresses());
    assert!(scene.c1.ping("10.1.0.1", 1).all_answered());
}

/// What one ADD gives to a bridge is not in its own way.
#[test]
fn a_bridge_may_be_the_gateway_of_several_subnets() {
    let ipam = json!({"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "10.2.0.0/24"}],
        [{"subnet": "fd01::/64"}], [{"subnet": "fd02::/64"}]]});
    for (forces, had) in [(true, "10.7.0.1/24"), (true, "10.2.0.1/24"), (false, "10.2.0.1/24")] {
        let scene = Scene::new();
        sh(&format!("ip link add br0 up type bridge && ip address add {had} dev br0")).ok();
        let config = config(json!({"isGateway": true, "forceAddress": forces, "ipam": ipam}));
        let printed = with(
            &config,
            json!({"plugboard/ipam-result": {"cniVersion": LATEST, "ips": [
            {"address": "10.1.0.2/24", "gateway": "10.1.0.1"}, {"address": "10.2.0.2/24", "gateway": "10.2.0.1"}]}}),
        );
        let printed = scene.call(Plugin::Bridge, "PRINT", printed).env("CNI_PRINT", "ADD").run().ok().to_string();
        let removals = usize::from(had == "10.7.0.1/24");
        assert_eq!(printed.matches("ip address del").count(), removals, "{printed}");
        for address in ["10.1.0.1/24", "10.2.0.1/24"].into_iter().filter(|address| *address != had) {
            assert!(printed.contains(&format!("ip address add {address} dev br0")), "{printed}");
        }
        assert!(!printed.contains("refused"), "{printed}");
        let (_, attached) = scene.added(Plugin::Bridge, &config);
        let addresses = sh("ip -o address show dev br0").ok();
        for address in ["10.1.0.1/24", "10.2.0.1/24", "fd01::1/64", "fd02::1/64"] {
            assert!(addresses.contains(address), "{address}: {addresses}");
        }
        assert!(!addresses.contains("10.7.0.1/24"), "{addresses}");
        assert!(scene.c1.ping("10.1.0.1", 1).all_answered() && scene.c1.ping("10.2.0.1", 1).all_answered());
        scene.call(Plugin::Bridge, "CHECK", attached).run().ok();
    }
}

#[test]
fn mtu_of_the_nic_and_of_the_bridge() {
    for bytes in [1400, 1500, 9000] {
        let scene = Scene::new();
        let (result, attached) = scene.added(Plugin::Bridge, &config(json!({"mtu": bytes})));
        assert_eq!(result["interfaces"][0]["mtu"], bytes);
        assert_eq!([mtu("br0"), mtu(&port(&result))], [bytes, bytes]);
        assert_eq!(scene.c1.ip("link show dev eth0")[0]["mtu"], bytes);
        // Without an MTU of its own a bridge takes the smallest of its ports.
        sh("ip link add small mtu 1300 type veth peer name far && ip link set small up master br0").ok();
        assert_eq!(mtu("br0"), bytes, "it keeps what was asked for");
        scene.call(Plugin::Bridge, "CHECK", attached.clone()).run().ok();
        sh("ip link set br0 mtu 1290").ok();
        check_tells(&scene, &attached, "bridge br0 mtu: want");
        sh("ip link del small").ok();
        scene.call(Plugin::Bridge, "DEL", attached).run().ok();
        assert!(sh("ip link show br0").status != 0);
    }
    let scene = Scene::new();
    add(&scene, &scene.c1, json!({}));
    sh("ip link add small mtu 1300 type veth peer name far && ip link set small up master br0").ok();
    assert_eq!(mtu("br0"), 1300, "without the key it follows its ports");
}

#[test]
fn another_mtu_of_a_bridge_that_exists_is_a_conflict() {
    cites!("ADD-6");
    let scene = Scene::new();
    let c2 = scene.host.namespace("c2");
    for make in ["ip link add br0 up mtu 1400 type bridge", ""] {
        if make.is_empty() {
            add(&scene, &c2, json!({"mtu": 1400, "name": "other"}));
        } else {
            sh(make).ok();
        }
        let before = scene.state();
        for verb in ["ADD", "STATUS"] {
            let (code, msg, _) = scene.call(Plugin::Bridge, verb, config(json!({"mtu": 9000}))).run().error();
            assert_eq!(code, if verb == "ADD" { codes::CONFLICT } else { 50 }, "{msg}");
            assert!(msg.contains("1400") && msg.contains("ip link set br0 mtu 9000"), "{msg}");
            assert_eq!(before, scene.state());
        }
        scene.call(Plugin::Bridge, "ADD", config(json!({"mtu": 1400}))).run().ok();
        scene.call(Plugin::Bridge, "DEL", config(json!({"mtu": 1400}))).run().ok();
        sh("ip link del br0").ok();
    }
}

/// Broadcasts of the container's own that come back to it.
fn echoes(ns: &Namespace) -> usize {
    const MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x99];
    let frame = |text: &[u8]| ethernet(MAC, [0xff; 6], 0x88b5, &[&[0; 60][..], text].concat());
    // A socket does not get what it sends itself, unless somebody sends it back.
    let own = Frames::open(ns, "eth0").expect("the interface is there");
    assert!(own.send(&frame(b"own")));
    assert!(Frames::open_here("br0").expect("the bridge is there").send(&frame(b"the bridge's")));
    let (mut echoes, mut is_over) = (0, false);
    wait_until("the bridge's own frame arrives behind it", || {
        for heard in std::iter::from_fn(|| own.next()) {
            echoes += usize::from(heard.ends_with(b"own"));
            is_over |= heard.ends_with(b"the bridge's");
        }
        is_over
    });
    echoes
}

#[test]
fn hairpin_mode() {
    for asked in [true, false] {
        let scene = Scene::new();
        let (result, attached) = scene.added(Plugin::Bridge, &config(json!({"hairpinMode": asked})));
        assert_eq!(echoes(&scene.c1) > 0, asked, "a frame may leave by the port that it came in by");
        sh(&format!("bridge link set dev {} hairpin {}", port(&result), if asked { "off" } else { "on" })).ok();
        check_tells(&scene, &attached, "hairpin");
    }
}

#[test]
fn promisc_mode() {
    for asked in [true, false] {
        let scene = Scene::new();
        let (_, attached) = scene.added(Plugin::Bridge, &config(json!({"promiscMode": asked})));
        let flags = link("br0")["flags"].to_string();
        assert_eq!(flags.contains("PROMISC"), asked, "{flags}");
        if asked {
            sh("ip link set br0 promisc off").ok();
            check_tells(&scene, &attached, "promiscuous");
        }
    }
}

#[test]
fn port_isolation() {
    let scene = Scene::new();
    let before = scene.state();
    let [a, b, open] = ["a", "b", "open"].map(|name| scene.host.namespace(name));
    let isolated = json!({"isGateway": true, "portIsolation": true});
    let result = add(&scene, &a, isolated.clone());
    add(&scene, &b, isolated.clone());
    add(&scene, &open, json!({"isGateway": true}));
    let received = |from: &Namespace, to: &str| from.ping_with(to, "-c3 -i.05 -W1").received;
    assert_eq!(received(&a, "10.1.0.3"), 0, "isolated ports do not reach each other");
    assert_eq!(received(&b, "10.1.0.2"), 0);
    assert_eq!(received(&a, "10.1.0.1"), 3, "the gateway is reached");
    assert_eq!(received(&a, "10.1.0.4"), 3, "and so is a port that is not isolated");
    assert_eq!(received(&open, "10.1.0.3"), 3);
    let attached = with(&config(isolated.clone()), json!({"prevResult": result}));
    let check = || scene.call_for(&a, "eth0", Plugin::Bridge, "CHECK", attached.clone()).run();
    check().ok();
    sh(&format!("bridge link set dev {} isolated off", port(&result))).ok();
    let (code, msg, _) = check().error();
    assert!(code == codes::DIFFERENT && msg.contains("isolation of") && msg.contains("want on, have off"), "{msg}");
    for ns in [&a, &b, &open] {
        scene.call_for(ns, "eth0", Plugin::Bridge, "DEL", config(isolated.clone())).run().ok();
    }
    assert_eq!(before, {
        sh("ip netns del a && ip netns del b && ip netns del open").ok();
        scene.state()
    });
}

/// A network with addresses of both families, which `host-local` gives again to another network.
fn dual(name: &str, keys: Value) -> Value {
    let ranges = json!([[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00:1::/64"}]]);
    with(&config(json!({"name": name, "ipam": {"type": "host-local", "ranges": ranges}})), keys)
}

#[test]
fn enabledad() {
    let scene = Scene::new();
    let c2 = scene.host.namespace("c2");
    let only6 = |name: &str| {
        let ranges = json!([[{"subnet": "fd00:1::/64"}]]);
        with(&dual(name, json!({"enabledad": true})), json!({"ipam": {"type": "host-local", "ranges": ranges}}))
    };
    let start = Instant::now();
    let (_, attached) = scene.added(Plugin::Bridge, &only6("one"));
    let took = start.elapsed();
    println!("ADD with duplicate detection took {took:.2?}");
    assert!(took > Duration::from_millis(900), "the kernel listens for a second: {took:?}");
    assert!(took < Duration::from_secs(9), "it returns when the kernel is done, not after its limit of 10 s: {took:?}");
    let addresses = scene.c1.sh("ip -6 address show dev eth0").ok();
    assert!(addresses.contains("fd00:1::2/64") && addresses.contains("fe80:"), "{addresses}");
    assert!(!addresses.contains("tentative") && !addresses.contains("nodad"), "{addresses}");
    scene.call(Plugin::Bridge, "CHECK", attached.clone()).run().ok();

    // The same address from the pool of another network.
    let before = tests::State::take(&[&scene.c1, &c2]);
    let call = scene.call_for(&c2, "eth0", Plugin::Bridge, "ADD", only6("two"));
    let (code, msg, _) = call.run().error();
    assert!(code == codes::CONFLICT && msg.contains("fd00:1::2") && msg.contains("duplicate"), "{code} {msg}");
    assert_eq!(before, tests::State::take(&[&scene.c1, &c2]), "all of it is taken back");
    let without = with(&only6("two"), json!({"enabledad": false}));
    scene.call_for(&c2, "eth0", Plugin::Bridge, "ADD", without.clone()).run().ok();
    scene.call_for(&c2, "eth0", Plugin::Bridge, "DEL", without).run().ok();

    // A frame that comes back is no duplicate, and IPv4 works beside it.
    let both = dual("three", json!({"enabledad": true, "hairpinMode": true, "isGateway": true, "bridge": "br3"}));
    scene.call_for(&c2, "eth0", Plugin::Bridge, "ADD", both).run().ok();
    assert!(c2.ping("fd00:1::1", 1).all_answered() && c2.ping("10.1.0.1", 1).all_answered());
}

#[test]
fn disable_container_interface() {
    let scene = Scene::new();
    let before = scene.state();
    let keys = json!({"disableContainerInterface": true, "ipam": null, "mac": "02:00:00:00:00:07"});
    let (result, attached) = scene.added(Plugin::Bridge, &config(keys));
    assert_eq!(result["interfaces"][2]["name"], "eth0");
    assert_eq!(result["interfaces"][2]["mac"], "02:00:00:00:00:07");
    assert!(result["ips"].as_array().is_none_or(Vec::is_empty), "{result}");
    let flags = || scene.c1.ip("link show dev eth0")[0]["flags"].to_string();
    assert!(!flags().contains("\"UP\""), "{}", flags());
    assert_eq!(scene.c1.sh("ip -o address show dev eth0").ok(), "", "no address, not even a link-local one");
    assert_eq!(link(&port(&result))["master"], "br0");
    scene.call(Plugin::Bridge, "CHECK", attached.clone()).run().ok();
    scene.c1.sh("ip link set eth0 up").ok();
    scene.call(Plugin::Bridge, "CHECK", attached.clone()).run().ok(); // whoever got it has set it up
    scene.call(Plugin::Bridge, "DEL", attached).run().ok();
    assert_eq!(before, scene.state());

    for (keys, culprit) in [
        (json!({"disableContainerInterface": true}), "ipam"),
        (json!({"disableContainerInterface": true, "nic": "tap", "ipam": null}), "disableContainerInterface"),
        (json!({"enabledad": true, "nic": "tap"}), "enabledad"),
        (json!({"hairpinMode": true, "promiscMode": true}), "hairpinMode"),
    ] {
        let (code, msg, _) = scene.call(Plugin::Bridge, "ADD", config(keys)).run().error();
        assert!(code == 7 && msg.contains(culprit), "{code} {msg}");
        assert_eq!(before, scene.state());
    }
}
