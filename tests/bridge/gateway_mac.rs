//! The hardware address of a gateway on a bridge that an operator made: neighbours that know it keep reaching it when ports come and go.

use harness::{Namespace, sh};
use lab::{Feature, with_features};
use serde_json::{Value, json};
use tests::{LATEST, Plugin, Scene, with};

const GATEWAY: &str = "10.1.0.1";

/// Who has set the address of a link (`NET_ADDR_SET` in `include/linux/netdevice.h`).
const IS_SET: &str = "3";

fn is_set(link: &str) -> bool {
    sh(&format!("cat /sys/class/net/{link}/addr_assign_type")).ok() == IS_SET
}

fn mac(link: &str) -> String {
    harness::ip(&format!("link show dev {link}"))[0]["address"].as_str().expect("an address").to_owned()
}

fn config(keys: &Value) -> Value {
    with(&Plugin::Bridge.config(LATEST), with(&json!({"isGateway": true}), keys.clone()))
}

/// Three containers, the one with the lowest port first, each with its result.
fn attached<'a>(scene: &Scene, containers: &'a [Namespace], keys: &Value) -> Vec<(&'a Namespace, Value)> {
    let mut all: Vec<_> = containers
        .iter()
        .map(|ns| {
            let result = scene.call_for(ns, "eth0", Plugin::Bridge, "ADD", config(keys)).run().ok();
            (ns, with(&config(keys), json!({"prevResult": result})))
        })
        .collect();
    all.sort_by_key(|(_, attached)| attached["prevResult"]["interfaces"][1]["mac"].to_string());
    all
}

/// The last one has asked for its gateway, and reaches it without asking again while the others go.
fn keeps_its_gateway(scene: &Scene, all: &[(&Namespace, Value)]) {
    let Some(((last, _), others)) = all.split_last() else { panic!("there are containers") };
    assert!(last.ping(GATEWAY, 1).all_answered());
    let known = || last.ip(&format!("neigh show {GATEWAY}"))[0]["lladdr"].clone();
    let before = known();
    for (ns, attached) in others {
        scene.call_for(ns, "eth0", Plugin::Bridge, "DEL", attached.clone()).run().ok();
        let ping = last.ping_with(GATEWAY, "-c2 -i.05 -W1");
        assert!(ping.all_answered() && before == known(), "without {}: {ping:?}", ns.name);
    }
}

fn containers(scene: &Scene) -> Vec<Namespace> {
    (0..3).map(|number| scene.host.namespace(&format!("p{number}"))).collect()
}

#[test]
fn an_operators_bridge_keeps_it() {
    let scene = Scene::new();
    let containers = containers(&scene);
    sh("ip link add br0 up type bridge").ok();
    let (before, was_set) = (mac("br0"), is_set("br0"));
    assert!(!was_set);
    let all = attached(&scene, &containers, &json!({}));
    assert!(is_set("br0"));
    assert_eq!(mac("br0"), before, "what it had before it had a port");
    assert_eq!(all[0].1["prevResult"]["interfaces"][0]["mac"], before);
    keeps_its_gateway(&scene, &all);
}

/// Neighbours of one family do not lose it when it becomes the gateway of another one.
#[test]
fn a_further_address_keeps_it_too() {
    let scene = Scene::new();
    let containers = containers(&scene);
    sh("ip link add br0 up type bridge && ip address add fd00:1::1/64 dev br0 nodad").ok();
    let all = attached(&scene, &containers, &json!({}));
    assert!(is_set("br0"));
    keeps_its_gateway(&scene, &all);
}

/// It has zeros then, which are nobody's address.
#[test]
fn a_bridge_whose_last_port_has_gone_gets_one_that_it_keeps() {
    for address in ["true", "ip address add 10.7.0.1/24 dev br0"] {
        let scene = Scene::new();
        let containers = containers(&scene);
        sh("ip link add br0 up type bridge && ip link add va type veth peer name vb && ip link set va master br0 && ip link del va")
            .ok();
        sh(address).ok();
        assert_eq!(mac("br0"), "00:00:00:00:00:00");
        let all = attached(&scene, &containers, &json!({"forceAddress": true}));
        assert!(is_set("br0") && mac("br0") != "00:00:00:00:00:00");
        keeps_its_gateway(&scene, &all);
    }
}

/// It has an address of the operator's, which the gateway's replaces.
#[test]
fn a_forced_address_keeps_it_too() {
    let scene = Scene::new();
    let containers = containers(&scene);
    sh("ip link add br0 up type bridge && ip address add 10.7.0.1/24 dev br0").ok();
    let before = mac("br0");
    let all = attached(&scene, &containers, &json!({"forceAddress": true}));
    assert!(is_set("br0") && mac("br0") == before);
    keeps_its_gateway(&scene, &all);
}

/// As with the reference, nothing of it is changed then.
#[test]
fn a_bridge_that_is_the_gateway_already_is_left_alone() {
    let scene = Scene::new();
    sh(&format!("ip link add br0 up type bridge && ip address add {GATEWAY}/24 dev br0")).ok();
    for keys in [json!({"isGateway": true}), json!({})] {
        let (_, attached) = scene.added(Plugin::Bridge, &with(&Plugin::Bridge.config(LATEST), keys));
        assert!(!is_set("br0"));
        scene.call(Plugin::Bridge, "DEL", attached).run().ok();
    }
}

#[test]
fn a_bridge_that_is_no_gateway_is_left_alone() {
    let scene = Scene::new();
    sh("ip link add br0 up type bridge").ok();
    scene.added(Plugin::Bridge, &Plugin::Bridge.config(LATEST));
    assert!(!is_set("br0"));
}

#[test]
fn a_gateway_in_a_vlan_keeps_it() {
    with_features(&[Feature::Vlan, Feature::BridgeVlanFiltering], || {
        for devices in
            ["true", "ip link add link br0 name br0.10 up type vlan id 10 && bridge vlan add dev br0 vid 10 self"]
        {
            let scene = Scene::new();
            let containers = containers(&scene);
            sh("ip link add br0 up type bridge vlan_filtering 1").ok();
            sh(devices).ok();
            let all = attached(&scene, &containers, &json!({"vlan": 10}));
            assert!(is_set("br0") && mac("br0") == mac("br0.10"));
            keeps_its_gateway(&scene, &all);
        }
    });
}

#[test]
fn it_is_printed() {
    let scene = Scene::new();
    sh("ip link add br0 up type bridge").ok();
    let printed = scene.call(Plugin::Bridge, "PRINT", config(&json!({}))).env("CNI_PRINT", "ADD").run();
    assert!(printed.stdout.contains("ip link set br0 address $(cat /sys/class/net/br0/address)"), "{printed}");
}
