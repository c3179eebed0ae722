//! The plugins under a runtime's own library: libcni as Debian has it, which knows the versions up to 1.0.0.

use protocol_tests::libcni::Runtime;
use protocol_tests::{ALL, Plugin, Scene, VERSIONS, cites, with};
use serde_json::{Value, json};

/// A list with one `bridge`.
fn bridge_only(version: &str) -> Value {
    list(version, &[Plugin::Bridge.config(version)])
}

fn list(version: &str, plugins: &[Value]) -> Value {
    json!({"cniVersion": version, "name": "net", "plugins": plugins})
}

#[test]
fn libcni_adds_checks_and_deletes_in_every_version() {
    cites!("ADD-2", "CHK-1", "DEL-1");
    let scene = Scene::new();
    let runtime = Runtime::new(&scene);
    let before = scene.state();
    for version in ["0.3.1", "0.4.0", "1.0.0"] {
        runtime.network(&bridge_only(version));
        let result: Value = serde_json::from_str(&runtime.run("add", "net", &scene.c1).ok()).expect("a result");
        assert_eq!(result["cniVersion"], version);
        assert_eq!(result["interfaces"].as_array().map(Vec::len), Some(3));
        if version != "0.3.1" {
            runtime.run("check", "net", &scene.c1).ok();
        }
        runtime.run("del", "net", &scene.c1).ok();
        runtime.run("del", "net", &scene.c1).ok();
        assert_eq!(before, scene.state(), "after {version}");
    }
}

#[test]
fn check_fails_when_the_interface_is_gone() {
    cites!("CHK-4");
    let scene = Scene::new();
    let runtime = Runtime::new(&scene);
    runtime.network(&bridge_only("1.0.0"));
    runtime.run("add", "net", &scene.c1).ok();
    runtime.run("check", "net", &scene.c1).ok();
    scene.c1.sh("ip link del eth0").ok();
    let check = runtime.run("check", "net", &scene.c1);
    assert!(check.status != 0 && check.stderr.contains("eth0"), "{check:?}");
    runtime.run("del", "net", &scene.c1).ok();
}

#[test]
fn libcni_reads_the_versions() {
    cites!("VER-1", "VER-3", "VER-10");
    let scene = Scene::new();
    let runtime = Runtime::new(&scene);
    for plugin in ALL {
        let versions = runtime.versions(plugin.name()).ok();
        assert_eq!(versions.lines().collect::<Vec<_>>(), VERSIONS, "{plugin:?}");
    }
}

#[test]
fn unknown_commands_and_bad_json_have_their_codes() {
    cites!("ENV-14", "CFG-2");
    let scene = Scene::new();
    for plugin in ALL {
        let (code, _, _) = scene.call(plugin, "DANCE", plugin.config("1.1.0")).run().error();
        assert_eq!(code, 4);
        let (code, _, _) = scene.call(plugin, "ADD", Value::Null).stdin("{\"cniVersion\": ").run().error();
        assert_eq!(code, 6);
    }
}

#[test]
fn a_chain_of_three_plugins() {
    cites!("ADD-4", "ADD-5", "CHK-3", "DEL-1", "RES-24");
    let scene = Scene::new();
    let runtime = Runtime::new(&scene);
    let before = scene.state();
    for version in ["0.4.0", "1.0.0"] {
        let tuning = json!({"type": "tuning", "mac": "02:00:00:00:00:07", "mtu": 1400});
        runtime.network(&list(version, &[Plugin::Bridge.config(version), Plugin::Shaper.config(version), tuning]));
        let result: Value = serde_json::from_str(&runtime.run("add", "net", &scene.c1).ok()).expect("a result");
        assert_eq!(result["interfaces"][2]["mac"], "02:00:00:00:00:07", "the last plugin's word: {result}");
        assert_eq!(result["ips"][0]["address"].as_str().map(|ip| ip.starts_with("10.1.0.")), Some(true));
        let host = harness::sh("ls /sys/class/net/br0/brif").ok();
        assert_eq!(harness::tc(&format!("qdisc show dev {host}"))[0]["kind"], "tbf");
        runtime.run("check", "net", &scene.c1).ok();
        // libcni deletes in reverse order.
        runtime.run("del", "net", &scene.c1).ok();
        assert_eq!(before, scene.state(), "after {version}");
    }
}

#[test]
fn the_order_of_a_chain_is_free_where_it_makes_sense() {
    cites!("CAP-6");
    let scene = Scene::new();
    let runtime = Runtime::new(&scene);
    let tuning = json!({"type": "tuning", "mtu": 1400});
    let reference = with(&Plugin::Bridge.config("1.0.0"), json!({"type": "ptp"}));
    for first in [Plugin::Bridge.config("1.0.0"), reference] {
        for rest in [[tuning.clone(), Plugin::Shaper.config("1.0.0")], [Plugin::Shaper.config("1.0.0"), tuning.clone()]]
        {
            let before = scene.state();
            let [second, third] = rest;
            runtime.network(&list("1.0.0", &[first.clone(), second, third]));
            runtime.run("add", "net", &scene.c1).ok();
            assert_eq!(harness::tc("qdisc show").to_string().matches("\"tbf\"").count(), 1);
            runtime.run("check", "net", &scene.c1).ok();
            runtime.run("del", "net", &scene.c1).ok();
            assert_eq!(before, scene.state());
        }
    }
}

#[test]
fn capabilities_reach_the_plugins_by_way_of_libcni() {
    cites!("CFG-8", "CAP-1");
    let scene = Scene::new();
    let runtime = Runtime::new(&scene);
    let bridge = with(&Plugin::Bridge.config("1.0.0"), json!({"capabilities": {"mac": true, "ips": true}}));
    let shaper = with(&Plugin::Shaper.config("1.0.0"), json!({"capabilities": {"shaping": true}, "bw": null}));
    runtime.network(&list("1.0.0", &[bridge, shaper]));
    let capabilities = json!({"mac": "02:00:00:00:00:09", "ips": ["10.1.0.77/24"], "shaping": {"bw": "50Mbps"}});
    let result = runtime.run_with("add", "net", &scene.c1, "net1", &capabilities).ok();
    let result: Value = serde_json::from_str(&result).expect("a result");
    assert_eq!(result["interfaces"][2]["mac"], "02:00:00:00:00:09");
    assert_eq!(result["interfaces"][2]["name"], "net1");
    assert_eq!(result["ips"][0]["address"], "10.1.0.77/24");
    let queues = harness::tc("qdisc show");
    let rates = queues.as_array().into_iter().flatten().filter_map(|queue| queue["options"]["rate"].as_u64());
    assert_eq!(rates.collect::<Vec<_>>(), [6_250_000], "50 Mbit/s, in bytes");
    runtime.run_with("del", "net", &scene.c1, "net1", &capabilities).ok();
}
