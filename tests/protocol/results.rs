//! Section 10 of the checklist: results of ADD by version.

use harness::Reply;
use serde_json::{Value, json};
use tests::{IPAM, LATEST, Plugin, Scene, VERSIONS, cites, with};

/// The gateways, addresses and routes of both families, from `host-local`.
fn dual_stack(version: &str) -> Value {
    let ranges = json!([[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd01::/64"}]]);
    let routes = json!([{"dst": "0.0.0.0/0"}, {"dst": "fd07::/64", "gw": "fd01::1"}]);
    let ipam = json!({"type": "host-local", "ranges": ranges, "routes": routes});
    with(&Plugin::Bridge.config(version), json!({"ipam": ipam}))
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().map(|object| object.keys().map(String::as_str).collect()).unwrap_or_default()
}

#[test]
fn the_oldest_format_has_one_address_per_family() {
    cites!("RES-01", "VER-4");
    for version in ["0.1.0", "0.2.0"] {
        let scene = Scene::new();
        let result = scene.call(Plugin::Bridge, "ADD", dual_stack(version)).run().ok();
        assert_eq!(result["cniVersion"], version);
        assert_eq!(
            result["ip4"],
            json!({"ip": "10.1.0.2/24", "gateway": "10.1.0.1", "routes": [{"dst": "0.0.0.0/0"}]})
        );
        let routes = json!([{"dst": "fd07::/64", "gw": "fd01::1"}]);
        assert_eq!(result["ip6"], json!({"ip": "fd01::2/64", "gateway": "fd01::1", "routes": routes}));
        for key in ["interfaces", "ips", "routes"] {
            assert!(result.get(key).is_none(), "{key} is younger than {version}: {result}");
        }
    }
}

#[test]
fn what_the_oldest_format_cannot_say_is_an_error() {
    cites!("RES-01");
    for (keys, culprit) in [
        (json!({"ipam": null}), "address"),
        (
            json!({"ipam": {"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "10.2.0.0/24"}]]}}),
            "family",
        ),
    ] {
        let scene = Scene::new();
        let before = scene.state();
        let config = with(&Plugin::Bridge.config("0.2.0"), keys);
        let (code, msg, _) = scene.call(Plugin::Bridge, "ADD", config).run().error();
        assert!(code == 7 && msg.contains(culprit) && msg.contains("0.2.0"), "{code}: {msg}");
        assert_eq!(before, scene.state());
    }
}

#[test]
fn the_middle_format_tells_the_family_of_an_address() {
    cites!("RES-03");
    for version in ["0.3.0", "0.3.1", "0.4.0"] {
        let scene = Scene::new();
        let result = scene.call(Plugin::Bridge, "ADD", dual_stack(version)).run().ok();
        let expected = json!([
            {"version": "4", "address": "10.1.0.2/24", "gateway": "10.1.0.1", "interface": 2},
            {"version": "6", "address": "fd01::2/64", "gateway": "fd01::1", "interface": 2},
        ]);
        assert_eq!(result["ips"], expected, "in {version}");
        assert_eq!(
            result["routes"],
            json!([{"dst": "0.0.0.0/0"}, {"dst": "fd07::/64", "gw": "fd01::1"}]),
            "in {version}"
        );
        for interface in result["interfaces"].as_array().expect("a list of interfaces") {
            assert!(interface.get("mtu").is_none(), "mtu is younger than {version}: {interface}");
        }
    }
}

#[test]
fn the_format_1_0_has_no_family() {
    cites!("RES-10");
    let scene = Scene::new();
    let result = scene.call(Plugin::Bridge, "ADD", dual_stack("1.0.0")).run().ok();
    assert_eq!(keys(&result["ips"][0]), ["address", "gateway", "interface"]);
    for interface in result["interfaces"].as_array().expect("a list of interfaces") {
        assert!(interface.get("mtu").is_none(), "mtu is younger than 1.0.0: {interface}");
    }
}

#[test]
fn the_format_1_1_has_the_mtu() {
    cites!("RES-11");
    let scene = Scene::new();
    let config = with(&Plugin::Bridge.config(LATEST), json!({"mtu": 1400}));
    let result = scene.call(Plugin::Bridge, "ADD", config).run().ok();
    assert_eq!(result["interfaces"][2]["mtu"], 1400);
    assert_eq!(result["interfaces"][1]["mtu"], 1400);
}

/// As with the reference, whose library has them in every format with a list of routes.
#[test]
fn the_attributes_of_routes_work_since_0_3_0() {
    cites!("RES-11", "CHK-4", "ADD-5");
    let route =
        json!({"dst": "10.7.0.0/16", "gw": "10.1.0.1", "mtu": 1300, "advmss": 1200, "priority": 42, "table": 77});
    let place = "10.7.0.0/16 via 10.1.0.1 dev eth0 proto static metric 42 mtu 1300 advmss 1200";
    for version in VERSIONS.into_iter().filter(|version| *version >= "0.3.0") {
        for ipam in [
            json!({"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}]], "routes": [route]}),
            json!({"type": "static", "addresses": [{"address": "10.1.0.5/24"}], "routes": [route]}),
        ] {
            let scene = Scene::new();
            let before = scene.state();
            let config = with(&Plugin::Bridge.config(version), json!({"ipam": ipam}));
            let (result, attached) = scene.added(Plugin::Bridge, &config);
            assert_eq!(result["routes"], json!([route]), "{version}");
            let routes = || scene.c1.sh("ip route show table 77").ok();
            assert_eq!(routes().trim(), place, "{version}");
            assert!(!scene.c1.sh("ip route show").ok().contains("10.7.0.0"), "{version}: the main table is left alone");
            let shaped =
                scene.call(Plugin::Shaper, "ADD", with(&attached, json!({"type": "netem-shaper", "bw": "1Gbps"})));
            assert_eq!(shaped.run().ok()["routes"], json!([route]), "{version}: the next plugin passes them on");
            if version >= "0.4.0" {
                scene.call(Plugin::Bridge, "CHECK", attached.clone()).run().ok();
                scene.c1.sh("ip route del 10.7.0.0/16 table 77 && ip route add 10.7.0.0/16 via 10.1.0.1").ok();
                let (code, msg, _) = scene.call(Plugin::Bridge, "CHECK", attached.clone()).run().error();
                assert!(code == tests::codes::DIFFERENT && msg.contains("10.7.0.0/16"), "{version}: {code}: {msg}");
            }
            scene.call(Plugin::Bridge, "DEL", attached).run().ok();
            assert_eq!(before, scene.state(), "{version}");
        }
    }
}

#[test]
fn interfaces_are_bridge_host_end_and_container_end() {
    cites!("RES-20", "RES-21", "RES-22");
    for version in &VERSIONS[2..] {
        let scene = Scene::new();
        let result = scene.call(Plugin::Bridge, "ADD", Plugin::Bridge.config(version)).run().ok();
        let interfaces = result["interfaces"].as_array().expect("a list of interfaces");
        assert_eq!(interfaces.len(), 3, "{result}");
        let host = harness::sh("ls /sys/class/net/br0/brif").ok();
        let names: Vec<_> = interfaces.iter().filter_map(|interface| interface["name"].as_str()).collect();
        assert_eq!(names, ["br0", host.as_str(), "eth0"]);
        let address = |links: Value| links[0]["address"].clone();
        assert_eq!(interfaces[0]["mac"], address(harness::ip("link show dev br0")));
        assert_eq!(interfaces[1]["mac"], address(harness::ip(&format!("link show dev {host}"))));
        assert_eq!(interfaces[2]["mac"], address(scene.c1.ip("link show dev eth0")));
        assert_eq!(interfaces[2]["sandbox"].as_str(), scene.c1.path.to_str());
        for interface in &interfaces[..2] {
            assert!(["", "null"].contains(&interface["sandbox"].as_str().unwrap_or("null")), "{interface}");
        }
        assert_eq!(result["ips"][0]["interface"], 2);
    }
}

#[test]
fn every_route_is_of_one_family_and_of_the_containers_interface() {
    cites!("RES-23");
    let scene = Scene::new();
    let result = scene.call(Plugin::Bridge, "ADD", dual_stack(LATEST)).run().ok();
    for route in result["routes"].as_array().expect("a list of routes") {
        let dst = route["dst"].as_str().expect("a destination");
        if let Some(gw) = route["gw"].as_str() {
            assert_eq!(dst.contains(':'), gw.contains(':'), "{route}");
        }
        let dst = if dst == "0.0.0.0/0" { "default" } else { dst };
        let family = if dst.contains(':') { "-6" } else { "-4" };
        assert_eq!(scene.c1.ip(&format!("{family} route show {dst}"))[0]["dev"], "eth0");
    }
    for plugin in IPAM {
        let mixed = json!([{"dst": "10.7.0.0/16", "gw": "fd01::1"}]);
        let mut config = plugin.config(LATEST);
        config["ipam"]["routes"] = mixed;
        let scene = Scene::new();
        let (code, msg, _) = scene.call(plugin, "ADD", config).run().error();
        assert!(code == 7 && msg.contains("fd01::1"), "{plugin:?} {code}: {msg}");
    }
}

#[test]
fn resolvers_are_an_object_where_there_are_any() {
    cites!("RES-25");
    let scene = Scene::new();
    let file = scene.directory("dns").join("resolv.conf");
    std::fs::write(&file, "nameserver 10.1.0.53\ndomain d.example\nsearch s.example t.example\noptions ndots:2\n")
        .expect("the file is written");
    let expected = json!({"nameservers": ["10.1.0.53"], "domain": "d.example", "search": ["s.example", "t.example"],
        "options": ["ndots:2"]});
    for version in VERSIONS {
        for plugin in IPAM {
            let without = scene.call(plugin, "ADD", plugin.config(version)).run().ok();
            assert!(without.get("dns").is_none_or(Value::is_object), "{plugin:?} {version}: {without}");
            scene.ready(plugin, "DEL").run().ok();
            let mut config = plugin.config(version);
            match plugin {
                Plugin::HostLocal => config["ipam"]["resolvConf"] = json!(file),
                _ => config["ipam"]["dns"] = expected.clone(),
            }
            let result = scene.call(plugin, "ADD", config.clone()).run().ok();
            assert_eq!(result["dns"], expected, "{plugin:?} {version}");
            scene.call(plugin, "DEL", config.clone()).run().ok();
            // And in the result of the plugin that delegates to it.
            let whole = with(&Plugin::Bridge.config(version), json!({"ipam": config["ipam"]}));
            let result = scene.call(Plugin::Bridge, "ADD", whole.clone()).run().ok();
            assert_eq!(result["dns"], expected, "bridge with {plugin:?} {version}");
            scene.call(Plugin::Bridge, "DEL", whole).run().ok();
        }
    }
    // A consumer does not care how the previous result was laid out.
    let config = scene.config(Plugin::Shaper, LATEST);
    let config = with(&config, json!({"prevResult": with(&config["prevResult"], json!({"dns": {}}))}));
    let pretty = serde_json::to_string_pretty(&config).expect("a configuration is JSON").replace("  ", "    ");
    let reply: Reply = scene.call(Plugin::Shaper, "ADD", Value::Null).stdin(pretty).run();
    reply.ok();
}
