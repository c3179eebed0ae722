//! Section 11 of the checklist: errors.

use serde_json::{Value, json};
use tests::{ALL, Delegate, LATEST, Plugin, Scene, VERSIONS, cites, with};

/// Calls that fail, of every plugin: what is wrong with each, and its code.
fn failures(scene: &Scene) -> Vec<(String, u64, harness::Reply)> {
    let mut failures = Vec::new();
    for plugin in ALL {
        let config = scene.config(plugin, LATEST);
        let mut fail = |what: &str, code: u64, call: harness::Invocation| {
            failures.push((format!("{plugin:?}: {what}"), code, call.run()));
        };
        fail("unknown version", 1, scene.call(plugin, "ADD", with(&config, json!({"cniVersion": "7.0.0"}))));
        fail("no container", 4, scene.call(plugin, "ADD", config.clone()).unset("CNI_CONTAINERID"));
        fail("bad interface", 4, scene.call(plugin, "DEL", config.clone()).ifname("a/b"));
        fail("no JSON", 6, scene.call(plugin, "ADD", Value::Null).stdin("{"));
        fail("no name", 7, scene.call(plugin, "ADD", with(&config, json!({"name": null}))));
        scene.ready(Plugin::Bridge, "DEL").run().ok();
    }
    failures
}

#[test]
fn failure_is_a_status_and_one_object_on_stdout() {
    cites!("ERR-1", "ERR-2", "ERR-4", "ERR-8");
    let scene = Scene::new();
    for (what, expected, reply) in failures(&scene) {
        let (code, msg, _) = reply.error();
        assert_eq!(code, expected, "{what}: {msg}");
        assert!(!msg.is_empty(), "{what}");
        assert!(reply.status > 0 && reply.status < 128, "{what}: {reply}");
        let object = reply.json();
        let known = ["cniVersion", "code", "msg", "details"];
        let keys = object.as_object().expect("an object").keys();
        assert!(keys.into_iter().all(|key| known.contains(&key.as_str())), "{what}: {object}");
    }
}

#[test]
fn success_is_status_0() {
    cites!("ERR-1");
    let scene = Scene::with_a_switch();
    for plugin in ALL {
        let config = scene.config(plugin, LATEST);
        let result = scene.call(plugin, "ADD", config.clone()).run().ok();
        let config = with(&config, json!({"prevResult": result}));
        for command in ["CHECK", "STATUS", "DEL", "GC", "VERSION"] {
            scene.call(plugin, command, config.clone()).run().ok();
        }
        scene.ready(Plugin::Bridge, "DEL").run().ok();
    }
}

#[test]
fn an_error_has_the_version_in_use() {
    cites!("ERR-3");
    let scene = Scene::with_a_switch();
    for plugin in ALL {
        for version in VERSIONS {
            let config = with(&plugin.config(version), json!({"name": null}));
            let object = {
                scene.call(plugin, "ADD", config.clone()).run().error();
                scene.call(plugin, "ADD", config).run().json()
            };
            assert_eq!(object["cniVersion"], version, "{plugin:?}: {object}");
        }
        let reply = scene.call(plugin, "ADD", Value::Null).stdin("no JSON").run();
        assert_eq!(reply.json()["cniVersion"], LATEST, "{plugin:?}: {reply}");
    }
}

#[test]
fn a_message_names_the_variables() {
    cites!("ERR-6", "ENV-3");
    let scene = Scene::with_a_switch();
    for plugin in ALL {
        let call = scene.ready(plugin, "ADD").container("/").ifname("a:b");
        let (code, msg, _) = call.run().error();
        assert_eq!(code, 4);
        assert!(msg.contains("CNI_CONTAINERID") && msg.contains("CNI_IFNAME"), "{plugin:?}: {msg}");
        scene.ready(Plugin::Bridge, "DEL").run().ok();
    }
}

#[test]
fn an_unsupported_field_comes_with_key_and_value() {
    cites!("ERR-5");
    let scene = Scene::new();
    let before = scene.state();
    // What bridge cannot do it refuses; nothing is silently weaker than asked.
    for (key, value) in [
        ("vlan", json!(4095)),
        ("vlanTrunk", json!([{"id": 4095}])),
        ("mtu", json!(-1)),
        ("ipMasqBackend", json!("pf")),
        ("nic", json!("macvtap")),
        ("mac", json!("blue")),
        ("isGateway", json!("blue")),
    ] {
        let config = with(&Plugin::Bridge.config(LATEST), json!({key: value}));
        let (code, msg, details) = scene.call(Plugin::Bridge, "ADD", config).run().error();
        let told = match &value {
            Value::Array(list) => list[0]["id"].to_string(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let text = format!("{msg} {details}");
        assert!(code == 7 && text.contains(key) && text.contains(&told), "{key}: {value}: {code} {text}");
        assert_eq!(before, scene.state(), "{key}: {value}");
    }
    let error = json!({"cniVersion": LATEST, "code": 2, "msg": "unsupported field: pool = \"blue\""});
    let delegate = Delegate::failing(&scene, &json!({}), "ADD", &error);
    let config = with(&Plugin::Bridge.config(LATEST), json!({"ipam": {"type": "made-up", "pool": "blue"}}));
    let (code, msg, _) = scene.call(Plugin::Bridge, "ADD", config).path(delegate.path()).run().error();
    assert_eq!(code, 2);
    assert!(msg.contains("pool = \"blue\""), "{msg}");
}

#[test]
fn reserved_codes_mean_what_the_specification_says() {
    cites!("ERR-4", "ERR-7");
    let assigned = [1, 2, 3, 4, 5, 6, 7, 8, 11, 50, 51];
    let scene = Scene::new();
    let mut replies: Vec<_> = failures(&scene).into_iter().map(|(what, _, reply)| (what, reply)).collect();
    scene.c1.sh("ip link add eth0 type bridge").ok();
    scene.host.namespace("other");
    harness::sh("ip link add br1 type veth peer name other1").ok();
    let bridge = |keys: Value| with(&Plugin::Bridge.config(LATEST), keys);
    for (what, config) in [
        ("the interface exists", bridge(json!({}))),
        ("another kind of link", bridge(json!({"bridge": "br1"}))),
        ("no such delegate", bridge(json!({"ipam": {"type": "not-installed"}}))),
        ("an MTU beyond all limits", bridge(json!({"mtu": 4_000_000_000_u64}))),
        ("an MTU that is too small", bridge(json!({"mtu": 1}))),
    ] {
        replies.push((what.to_owned(), scene.call(Plugin::Bridge, "ADD", config).run()));
    }
    let missing = scene.ready(Plugin::Bridge, "ADD").netns("/run/netns/missing");
    replies.push(("no such namespace".to_owned(), missing.run()));
    for (what, reply) in replies {
        let (code, msg, _) = reply.error();
        assert!(code >= 100 || assigned.contains(&code), "{what}: code {code} is reserved: {msg}");
    }
}

#[test]
fn one_error_is_printed_for_all_that_failed() {
    cites!("ERR-8", "ERR-2");
    let scene = Scene::new();
    // The delegate prints and fails; what it printed must not leak into ours.
    let delegate = Delegate::new(&scene, "made-up", "made-up", "echo '{\"code\": 120, \"msg\": \"first\"}'; exit 1");
    let config = with(&Plugin::Bridge.config(LATEST), json!({"ipam": {"type": "made-up"}}));
    let reply = scene.call(Plugin::Bridge, "ADD", config).path(delegate.path()).run();
    let (code, _, _) = reply.error();
    assert_eq!(code, 120);
    assert_eq!(reply.stdout.matches("\"code\"").count(), 1, "{reply}");
}
