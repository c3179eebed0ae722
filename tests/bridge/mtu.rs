//! MTUs that are unusual: too small for IPv6, and beyond what a device can have. Elsewhere: `keys.rs`, and those of other NICs in the
//! tests of their plugins.

use harness::sh;
use lab::{Feature, with_features};
use serde_json::{Value, json};
use tests::{LATEST, Plugin, Scene, cites, with};

/// The largest of a TAP device, and of others.
const OF_TAP: u64 = 65_521;
const OF_OTHERS: u64 = 65_535;

/// A NIC with an address of IPv4 where it can have one.
fn nic(keys: &Value) -> Value {
    let ipam = json!({"type": "static", "addresses": [{"address": "10.1.0.5/24"}]});
    let config = with(&Plugin::Bridge.config(LATEST), keys.clone());
    with(&config, json!({"ipam": if keys["nic"] == "tap" { Value::Null } else { ipam }}))
}

fn kinds() -> [Value; 4] {
    [json!({}), json!({"enabledad": true}), json!({"nic": "tap"}), json!({"nic": "tap", "tapNamespace": "container"})]
}

/// ADD, CHECK, STATUS and DEL, after which all is as before; the MTU of the NIC.
fn cycle(scene: &Scene, config: &Value) -> u64 {
    let before = scene.state();
    let (result, attached) = scene.added(Plugin::Bridge, config);
    for verb in ["CHECK", "STATUS", "DEL"] {
        scene.call(Plugin::Bridge, verb, attached.clone()).run().ok();
    }
    assert_eq!(before, scene.state(), "{config}");
    let last = result["interfaces"].as_array().and_then(|all| all.last()).expect("an interface");
    last["mtu"].as_u64().expect("an MTU")
}

#[test]
fn it_may_be_too_small_for_ipv6() {
    cites!("ADD-1", "DEL-1");
    let scene = Scene::new();
    for kind in kinds() {
        for bytes in [68, 1279] {
            assert_eq!(cycle(&scene, &nic(&with(&kind, json!({"mtu": bytes})))), bytes, "by the key, {kind}");
        }
        sh("ip link add br0 up type bridge && ip link set br0 mtu 1000").ok();
        assert_eq!(cycle(&scene, &nic(&kind)), 1000, "by the bridge, {kind}");
        sh("ip link del br0 && ip link add d0 up mtu 900 type veth peer name d1 mtu 900 && ip link set d1 up").ok();
        sh("ip address add 192.0.2.1/24 dev d0 && ip route add default via 192.0.2.9").ok();
        assert_eq!(cycle(&scene, &nic(&with(&kind, json!({"isGateway": true})))), 900, "by the default route, {kind}");
        assert_eq!(cycle(&scene, &nic(&with(&kind, json!({"uplink": "d1"})))), 900, "by the uplink, {kind}");
        sh("ip link del d0").ok();
    }
    let both = json!({"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00:1::/64"}]]});
    let before = scene.state();
    let config = with(&nic(&json!({"mtu": 1279})), json!({"ipam": both}));
    let (code, msg, _) = scene.call(Plugin::Bridge, "ADD", config).run().error();
    assert!(code == 7 && msg.contains("IPv6 needs 1280"), "{code} {msg}");
    assert_eq!(before, scene.state());
}

#[test]
fn a_vlan_device_may_have_no_ipv6() {
    with_features(&[Feature::Vlan], || {
        let scene = Scene::new();
        sh("ip link add d0 mtu 1200 type veth peer name d1 mtu 1200 && ip link set d0 up && ip link set d1 up").ok();
        for kind in kinds() {
            let config = nic(&with(&kind, json!({"bridge": null, "uplink": "d1", "vlan": 10, "autoVlan": true})));
            assert_eq!(cycle(&scene, &config), 1200, "{kind}");
        }
    });
}

#[test]
fn an_inherited_one_is_cut_to_what_the_device_can_have() {
    let scene = Scene::new();
    for kind in kinds() {
        let largest = if kind["nic"] == "tap" { OF_TAP } else { OF_OTHERS };
        sh(&format!("ip link add br0 up type bridge && ip link set br0 mtu {OF_OTHERS}")).ok();
        assert_eq!(cycle(&scene, &nic(&kind)), largest, "by the bridge, {kind}");
        sh("ip link del br0").ok();
        sh(&format!("ip link add d0 up mtu {OF_OTHERS} type veth peer name d1 mtu {OF_OTHERS} && ip link set d1 up"))
            .ok();
        sh("ip address add 192.0.2.1/24 dev d0 && ip route add default via 192.0.2.9").ok();
        assert_eq!(cycle(&scene, &nic(&with(&kind, json!({"isGateway": true})))), largest, "by the route, {kind}");
        assert_eq!(cycle(&scene, &nic(&with(&kind, json!({"uplink": "d1"})))), largest, "by the uplink, {kind}");
        sh("ip link del d0").ok();
    }
    // lo is no way to anybody.
    sh("ip route add default dev lo").ok();
    assert_eq!(cycle(&scene, &nic(&json!({"isGateway": true}))), 1500);
}

/// A device without a largest MTU.
#[test]
fn the_path_may_have_more_than_a_bridge_can() {
    with_features(&[Feature::Dummy], || {
        let scene = Scene::new();
        sh("ip link add d1 up mtu 100000 type dummy && ip address add 192.0.2.1/24 dev d1").ok();
        sh("ip route add default via 192.0.2.9").ok();
        for kind in kinds() {
            let largest = if kind["nic"] == "tap" { OF_TAP } else { OF_OTHERS };
            assert_eq!(cycle(&scene, &nic(&with(&kind, json!({"isGateway": true})))), largest, "by the route, {kind}");
            assert_eq!(cycle(&scene, &nic(&with(&kind, json!({"uplink": "d1"})))), largest, "by the uplink, {kind}");
        }
    });
}

#[test]
fn one_that_is_asked_for_is_refused_with_the_bound() {
    cites!("ADD-6");
    let scene = Scene::new();
    let before = scene.state();
    for kind in kinds() {
        let largest = if kind["nic"] == "tap" { OF_TAP } else { OF_OTHERS };
        assert_eq!(cycle(&scene, &nic(&with(&kind, json!({"mtu": largest})))), largest, "{kind}");
        for (asked, bound) in [(67, 68), (largest + 1, largest), (4_000_000_000, largest)] {
            let config = nic(&with(&kind, json!({"mtu": asked})));
            for verb in ["ADD", "STATUS"] {
                let (code, msg, _) = scene.call(Plugin::Bridge, verb, config.clone()).run().error();
                assert!(code == 7 && msg.contains("mtu") && msg.contains(&bound.to_string()), "{code} {msg}");
            }
            scene.call(Plugin::Bridge, "DEL", config).run().ok();
            assert_eq!(before, scene.state());
        }
    }
}
