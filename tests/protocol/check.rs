//! Section 6 of the checklist: CHECK.

use serde_json::{Value, json};
use tests::{ALL, Delegate, LATEST, Plugin, Scene, cites, codes, with};

#[test]
fn check_right_after_add_succeeds_and_says_nothing() {
    cites!("CHK-1", "CHK-7");
    for version in ["0.4.0", "1.0.0", "1.1.0"] {
        for plugin in ALL {
            let scene = Scene::of(plugin);
            let (_, config) = scene.added(plugin, &scene.config(plugin, version));
            let reply = scene.call(plugin, "CHECK", config).run();
            reply.ok();
            assert_eq!(reply.stdout, "", "{plugin:?} {version}: {reply}");
        }
    }
}

#[test]
fn check_needs_the_previous_result() {
    cites!("CHK-2");
    for plugin in [Plugin::Bridge, Plugin::Shaper, Plugin::Portmap, Plugin::Static] {
        let scene = Scene::new();
        let (_, config) = scene.added(plugin, &scene.config(plugin, LATEST));
        let config = with(&config, json!({"prevResult": null}));
        let (code, msg, _) = scene.call(plugin, "CHECK", config).run().error();
        assert!(msg.contains("prevResult"), "{plugin:?}: {msg}");
        assert_eq!(code, 7, "{plugin:?}: {msg}");
    }
}

#[test]
fn expectations_come_from_the_previous_result() {
    cites!("CHK-2");
    let scene = Scene::new();
    let (result, config) = scene.added(Plugin::Bridge, &Plugin::Bridge.config(LATEST));
    let mut other = result.clone();
    other["ips"][0]["address"] = json!("10.1.0.200/24");
    let (_, msg, details) =
        scene.call(Plugin::Bridge, "CHECK", with(&config, json!({"prevResult": other}))).run().error();
    assert!(format!("{msg} {details}").contains("10.1.0.200"), "{msg} {details}");
}

#[test]
fn changes_by_later_plugins_are_allowed() {
    cites!("CHK-3");
    let scene = Scene::new();
    let (result, config) = scene.added(Plugin::Bridge, &Plugin::Bridge.config(LATEST));
    scene.c1.sh("ip link set eth0 address 02:00:00:00:00:07 && ip route add 10.7.0.0/16 via 10.1.0.1").ok();
    scene.c1.sh("ip address add 10.8.0.5/24 dev eth0 && ip link add other0 type bridge").ok();
    let mut last = result;
    last["interfaces"][2]["mac"] = json!("02:00:00:00:00:07");
    let other = json!({"name": "other0", "sandbox": scene.c1.path});
    last["interfaces"].as_array_mut().expect("a list of interfaces").push(other);
    last["routes"] = json!([{"dst": "10.7.0.0/16", "gw": "10.1.0.1"}]);
    scene.call(Plugin::Bridge, "CHECK", with(&config, json!({"prevResult": last}))).run().ok();
}

#[test]
fn what_is_missing_or_spoiled_is_reported() {
    cites!("CHK-4", "CHK-6");
    let gateway = with(&Plugin::Bridge.config(LATEST), json!({"isGateway": true}));
    for (spoil, culprit) in [
        ("ip -n c1 link del eth0", "eth0"),
        ("ip -n c1 link set eth0 down", "eth0"),
        ("ip -n c1 address del 10.1.0.2/24 dev eth0", "10.1.0.2"),
        ("ip -n c1 link set eth0 name eth7", "eth0"),
        ("ip link set $(ls /sys/class/net/br0/brif) nomaster", "br0"),
        ("ip link set $(ls /sys/class/net/br0/brif) down", "down"),
        ("ip link set br0 down", "br0"),
        ("ip address del 10.1.0.1/24 dev br0", "10.1.0.1"),
        ("ip link del br0", "br0"),
        ("ip -n c1 route del 10.6.0.0/16", "10.6.0.0/16"),
        ("ip -n c1 link set eth0 mtu 1300", "1300"),
    ] {
        let scene = Scene::new();
        let ipam =
            json!({"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}]], "routes": [{"dst": "10.6.0.0/16"}]});
        let (_, config) = scene.added(Plugin::Bridge, &with(&gateway, json!({"ipam": ipam, "mtu": 1400})));
        scene.call(Plugin::Bridge, "CHECK", config.clone()).run().ok();
        harness::sh(spoil).ok();
        let (_, msg, details) = scene.call(Plugin::Bridge, "CHECK", config).run().error();
        assert!(format!("{msg} {details}").contains(culprit), "after `{spoil}`: {msg} {details}");
    }
}

#[test]
fn shaping_that_is_missing_or_different_is_reported() {
    cites!("CHK-5");
    for spoil in ["tc qdisc del dev $DEV root", "tc qdisc replace dev $DEV root tbf rate 5mbit burst 10k limit 100k"] {
        let scene = Scene::new();
        let (_, config) = scene.added(Plugin::Shaper, &scene.config(Plugin::Shaper, LATEST));
        scene.call(Plugin::Shaper, "CHECK", config.clone()).run().ok();
        harness::sh(&format!("DEV=$(ls /sys/class/net/br0/brif); {spoil}")).ok();
        let (_, msg, details) = scene.call(Plugin::Shaper, "CHECK", config).run().error();
        assert!(format!("{msg} {details}").contains("tbf"), "after `{spoil}`: {msg} {details}");
    }
}

#[test]
fn published_ports_that_are_missing_or_different_are_reported() {
    cites!("CHK-5");
    let map = "map inet plugboard-ports ports4";
    for (spoil, culprit) in [
        ("nft delete table inet plugboard-ports".to_owned(), "10.1.0.2"),
        (format!("nft flush {map}"), "8080"),
        (
            format!("nft 'flush {map}; add element inet plugboard-ports ports4 {{ tcp . 8080 : 10.1.0.9 . 80 }}'"),
            "published by somebody else",
        ),
        ("sysctl -q net.ipv4.conf.br0.route_localnet=0".to_owned(), "route_localnet"),
    ] {
        let scene = Scene::new();
        let gateway = with(&Plugin::Bridge.config(LATEST), json!({"isGateway": true}));
        let first = scene.call(Plugin::Bridge, "ADD", gateway).run().ok();
        let (_, config) =
            scene.added(Plugin::Portmap, &with(&Plugin::Portmap.config(LATEST), json!({"prevResult": first})));
        scene.call(Plugin::Portmap, "CHECK", config.clone()).run().ok();
        harness::sh(&spoil).ok();
        let (code, msg, details) = scene.call(Plugin::Portmap, "CHECK", config).run().error();
        let told = format!("{msg} {details}");
        assert!(code == codes::DIFFERENT && told.contains(culprit), "after `{spoil}`: {code} {told}");
    }
}

#[test]
fn a_reservation_that_is_missing_is_reported() {
    cites!("CHK-5", "CHK-8");
    for plugin in [Plugin::HostLocal, Plugin::Bridge] {
        let scene = Scene::new();
        let (_, config) = scene.added(plugin, &plugin.config(LATEST));
        std::fs::remove_file("/var/lib/cni/networks/net/10.1.0.2").expect("host-local keeps its reservation here");
        let (_, msg, details) = scene.call(plugin, "CHECK", config).run().error();
        let text = format!("{msg} {details}");
        assert!(text.contains("10.1.0.2") || text.contains("c1"), "{plugin:?}: {text}");
    }
}

#[test]
fn an_address_that_is_not_configured_any_more_is_reported() {
    cites!("CHK-5");
    let scene = Scene::new();
    let (_, config) = scene.added(Plugin::Static, &Plugin::Static.config(LATEST));
    let ipam = json!({"type": "static", "addresses": [{"address": "10.1.0.6/24"}]});
    let (_, msg, _) = scene.call(Plugin::Static, "CHECK", with(&config, json!({"ipam": ipam}))).run().error();
    assert!(msg.contains("10.1.0.6"), "{msg}");
}

#[test]
fn the_delegate_is_checked_and_its_error_passed_on() {
    cites!("CHK-8", "DLG-5");
    let scene = Scene::new();
    let answer = json!({"cniVersion": LATEST, "ips": [{"address": "10.9.0.1/24"}]});
    let error = json!({"cniVersion": LATEST, "code": 117, "msg": "lost the lease"});
    let delegate = Delegate::failing(&scene, &answer, "CHECK", &error);
    let config = with(&Plugin::Bridge.config(LATEST), json!({"ipam": {"type": "made-up"}}));
    let result: Value = scene.call(Plugin::Bridge, "ADD", config.clone()).path(delegate.path()).run().ok();
    let config = with(&config, json!({"prevResult": result}));
    let (code, msg, _) = scene.call(Plugin::Bridge, "CHECK", config).path(delegate.path()).run().error();
    assert_eq!(code, 117);
    assert!(msg.contains("made-up") && msg.contains("lost the lease"), "{msg}");
    assert_eq!(delegate.config("CHECK")["prevResult"], result);
}

/// A result after a later plugin has changed the container interface. Before 1.1.0 a result does not tell the MTU.
fn changed(result: &Value, keys: Value) -> Value {
    let mut changed = result.clone();
    changed["interfaces"][2] = with(&result["interfaces"][2], keys);
    changed
}

#[test]
fn an_mtu_that_a_later_plugin_changed_is_the_one_to_expect() {
    cites!("CHK-3");
    for (version, told, spoiled) in [("1.1.0", json!(1300), true), ("1.0.0", Value::Null, false)] {
        let scene = Scene::new();
        let config = with(&Plugin::Bridge.config(version), json!({"mtu": 1400}));
        let (result, config) = scene.added(Plugin::Bridge, &config);
        scene.c1.sh("ip link set eth0 mtu 1300").ok();
        let last = changed(&result, json!({"mtu": told}));
        let check = with(&config, json!({"prevResult": last}));
        scene.call(Plugin::Bridge, "CHECK", check.clone()).run().ok();
        // What nobody has told of is an error where it could have been told.
        scene.c1.sh("ip link set eth0 mtu 1290").ok();
        let reply = scene.call(Plugin::Bridge, "CHECK", check).run();
        assert_eq!(reply.status != 0, spoiled, "{version}: {reply}");
        if spoiled {
            let (_, msg, details) = reply.error();
            assert!(format!("{msg} {details}").contains("want 1300, have 1290"), "{msg} {details}");
        }
    }
}

#[test]
fn an_address_and_an_mtu_that_later_plugins_changed_are_those_to_expect() {
    cites!("CHK-3");
    for version in ["0.4.0", "1.0.0", "1.1.0"] {
        let scene = Scene::new();
        let config = with(&Plugin::Bridge.config(version), json!({"mtu": 1400, "mac": "02:00:00:00:00:06"}));
        let (result, config) = scene.added(Plugin::Bridge, &config);
        scene.c1.sh("ip link set eth0 address 02:00:00:00:00:07 mtu 1300").ok();
        let mtu = if version == LATEST { json!(1300) } else { Value::Null };
        let last = changed(&result, json!({"mac": "02:00:00:00:00:07", "mtu": mtu}));
        scene.call(Plugin::Bridge, "CHECK", with(&config, json!({"prevResult": last}))).run().ok();
        let (_, msg, details) = scene.call(Plugin::Bridge, "CHECK", config).run().error();
        let text = format!("{msg} {details}");
        assert!(text.contains("02:00:00:00:00:06") && text.contains("02:00:00:00:00:07"), "{version}: {text}");
    }
}

#[test]
fn a_route_without_a_next_hop_may_say_so_with_the_unspecified_address() {
    cites!("CHK-4", "DLG-9");
    for (tool, address, gateway, destination, unspecified) in [
        ("ip -4", "10.1.0.5/24", "10.1.0.1", "10.6.0.0/16", "0.0.0.0"),
        ("ip -6", "fd00:1::5/64", "fd00:1::1", "fd00:6::/64", "::"),
    ] {
        let scene = Scene::new();
        let ipam = json!({"type": "static", "addresses": [{"address": address, "gateway": gateway}],
            "routes": [{"dst": destination, "gw": unspecified}]});
        let (result, config) =
            scene.added(Plugin::Bridge, &with(&Plugin::Bridge.config(LATEST), json!({"ipam": ipam})));
        assert_eq!(result["routes"][0]["gw"], unspecified, "the result tells what was asked");
        let routes = scene.c1.sh(&format!("{tool} route show {destination}")).ok();
        assert!(routes.contains("dev eth0") && !routes.contains("via"), "it is on the link: {routes}");
        scene.call(Plugin::Bridge, "CHECK", config.clone()).run().ok();
        scene.c1.sh(&format!("{tool} route del {destination}")).ok();
        let (_, msg, details) = scene.call(Plugin::Bridge, "CHECK", config).run().error();
        assert!(format!("{msg} {details}").contains(destination), "{msg} {details}");
    }
}
