//! NICs on a bridge.

use harness::{Namespace, OpenVswitch, ip, sh};
use serde_json::{Value, json};
use tests::{LATEST, Plugin, Scene, State, cites, codes, with};

fn plain(network: &str) -> Value {
    json!({"cniVersion": LATEST, "name": network, "type": "veth-secondary"})
}

fn call(scene: &Scene, ns: &Namespace, command: &str, config: &Value) -> harness::Invocation {
    scene.call_for(ns, "eth1", Plugin::Secondary, command, config.clone())
}

/// A container with its first NIC, by `bridge`, through which its default routes go.
fn with_a_first_nic() -> (Scene, String) {
    let scene = Scene::new();
    let first = json!({"name": "first-net", "isDefaultGateway": true, "ipam": {"type": "host-local",
        "ranges": [[{"subnet": "10.0.0.0/24"}], [{"subnet": "fd00::/64"}]]}});
    scene.added(Plugin::Bridge, &with(&Plugin::Bridge.config(LATEST), first));
    let routes = scene.c1.sh("ip route; ip -6 route show default").ok();
    assert!(
        routes.contains("default via 10.0.0.1 dev eth0") && routes.contains("default via fd00::1 dev eth0"),
        "{routes}"
    );
    (scene, routes)
}

#[test]
fn the_bridge_is_the_networks_own() {
    cites!("ADD-1");
    let scene = Scene::new();
    let before = scene.state();
    for (network, bridge) in [("home-net", "br-home-net"), ("a-network-of-a-long-name", "br-j3p7x6zkjivb")] {
        let (result, attached) = scene.added(Plugin::Secondary, &plain(network));
        assert_eq!(result["interfaces"][0]["name"], bridge);
        assert_eq!(ip(&format!("link show dev {bridge}"))[0]["ifalias"], format!("plugboard: shared by {network}"));
        scene.call(Plugin::Secondary, "CHECK", attached.clone()).run().ok();
        // Without a result the name follows from the configuration alone.
        scene.call(Plugin::Secondary, "DEL", plain(network)).run().ok();
        assert_eq!(before, scene.state());
    }
}

#[test]
fn the_first_nic_and_its_routes_stay_as_they_are() {
    let (scene, routes) = with_a_first_nic();
    let before = scene.state();
    let ipam = json!({"type": "host-local", "ranges": [[{"subnet": "10.9.0.0/24"}], [{"subnet": "fd09::/64"}]]});
    for keys in [
        json!({}),
        json!({"ipam": ipam}),
        json!({"ipam": ipam, "isGateway": true}),
        json!({"ipam": ipam, "mode": "routed"}),
    ] {
        let config = with(&plain("home-net"), keys.clone());
        let result = call(&scene, &scene.c1, "ADD", &config).run().ok();
        let now = scene.c1.sh("ip route; ip -6 route show default").ok();
        let others: Vec<&str> = now.lines().filter(|line| !line.contains("dev eth1")).collect();
        assert_eq!(others, routes.lines().collect::<Vec<_>>(), "{keys}");
        assert!(!now.lines().any(|line| line.starts_with("default") && line.contains("eth1")), "{keys}: {now}");
        assert!(scene.c1.ping("10.0.0.1", 1).all_answered(), "{keys}");
        call(&scene, &scene.c1, "CHECK", &with(&config, json!({"prevResult": result}))).run().ok();
        call(&scene, &scene.c1, "DEL", &config).run().ok();
        sh("echo 1 > /proc/sys/net/ipv6/conf/all/forwarding").ok();
        assert_eq!(before, scene.state(), "{keys}");
    }
}

#[test]
fn without_ipam_the_addresses_are_the_containers_own_affair() {
    cites!("CHK-1");
    let scene = Scene::new();
    let config = plain("home-net");
    let result = call(&scene, &scene.c1, "ADD", &config).run().ok();
    assert_eq!(result["ips"], Value::Null, "{result:#}");
    let own = |link: &Value| link[0]["addr_info"].as_array().cloned().unwrap_or_default();
    assert!(own(&ip("-4 address show dev br-home-net")).is_empty());
    let addresses = own(&scene.c1.ip("address show dev eth1"));
    assert!(addresses.len() == 1 && addresses[0]["local"].as_str().is_some_and(|one| one.starts_with("fe80::")));
    scene.c1.sh("ip address add 10.9.0.1/24 dev eth1 && ip address del $(ip -6 -br address show dev eth1 | awk '{print $3}') dev eth1").ok();
    call(&scene, &scene.c1, "CHECK", &with(&config, json!({"prevResult": result}))).run().ok();
    assert_eq!(own(&scene.c1.ip("-4 address show dev eth1"))[0]["local"], "10.9.0.1");
}

#[test]
fn an_operators_bridge_stays() {
    let scene = Scene::new();
    sh("ip link add br0 up type bridge && ip address add 10.9.0.254/24 dev br0").ok();
    let before = scene.state();
    let config = with(&plain("home-net"), json!({"bridge": "br0", "hairpinMode": true, "portIsolation": true}));
    let result = call(&scene, &scene.c1, "ADD", &config).run().ok();
    let port = result["interfaces"][1]["name"].as_str().expect("a name");
    let settings = harness::sh(&format!("bridge -d link show dev {port}")).ok();
    assert!(settings.contains("hairpin on") && settings.contains("isolated on"), "{settings}");
    call(&scene, &scene.c1, "DEL", &config).run().ok();
    assert_eq!(before, scene.state());
}

#[test]
fn a_bridge_of_open_vswitch_is_refused_with_what_to_use() {
    let scene = Scene::new();
    let ovs = OpenVswitch::start();
    ovs.add_bridge("ovs0");
    let before = scene.state();
    let reply = call(&scene, &scene.c1, "ADD", &with(&plain("home-net"), json!({"bridge": "ovs0"}))).run();
    let (code, msg, _) = reply.error();
    assert_eq!(code, codes::CONFLICT, "{reply}");
    assert!(msg.contains("ovs0") && msg.contains("Open vSwitch") && msg.contains("ovs-port"), "{msg}");
    assert_eq!(before, scene.state());
}

#[test]
fn keys_of_other_kinds_are_refused() {
    let scene = Scene::new();
    let before = scene.state();
    for (keys, said) in [
        (json!({"link": "eth0"}), "link means nothing for nic \"veth\" on a bridge"),
        (json!({"master": "eth0"}), "master"),
        (json!({"vlanId": 5}), "vlanId"),
        (json!({"bcqueuelen": 5}), "bcqueuelen"),
        (json!({"hwaddr": "02:00:00:00:00:01"}), "hwaddr"),
        (json!({"force": true}), "force"),
        (json!({"mode": "vepa"}), "\"vepa\" is none of nic \"veth\""),
        (json!({"owner": 5}), "owner"),
        (json!({"nic": "tap", "link": "eth0"}), "link means nothing for nic \"tap\""),
        (json!({"bridge": "a-bridge-beyond-15-bytes"}), "15 bytes"),
        (json!({"uplink": "eth0", "bridge": "eth0"}), "the bridge itself"),
    ] {
        let reply = call(&scene, &scene.c1, "ADD", &with(&plain("home-net"), keys.clone())).run();
        assert_eq!(reply.error().0, 7, "{keys}: {reply}");
        assert!(reply.error().1.contains(said), "{keys}: {reply}");
        assert_eq!(before, scene.state(), "{keys}");
    }
}

#[test]
fn what_both_sides_have_already_is_refused() {
    let scene = Scene::new();
    let c2 = scene.host.namespace("c2");
    let config = plain("home-net");
    call(&scene, &scene.c1, "ADD", &config).run().ok();
    sh("ip link add not-a-bridge type veth peer name far").ok();
    let before = State::take(&[&scene.c1, &c2]);
    let other = with(&config, json!({"name": "other-net"}));
    let taken = "interface eth1 in /run/netns/c1, a veth, already exists";
    for (call, code, said) in [
        (call(&scene, &scene.c1, "ADD", &config), codes::EXISTS, "eth1"),
        (call(&scene, &scene.c1, "ADD", &other), codes::EXISTS, taken),
        (call(&scene, &c2, "ADD", &with(&config, json!({"bridge": "not-a-bridge"}))), codes::CONFLICT, "not-a-bridge"),
        (call(&scene, &c2, "ADD", &config).netns("/run/netns/nobody"), 8, "/run/netns/nobody"),
        (call(&scene, &c2, "ADD", &with(&config, json!({"uplink": "nowhere"}))), codes::CONFLICT, "nowhere"),
    ] {
        let reply = call.run();
        assert_eq!(reply.error().0, code, "{reply}");
        assert!(reply.error().1.contains(said), "{reply}");
        assert_eq!(before, State::take(&[&scene.c1, &c2]), "{reply}");
    }
}
