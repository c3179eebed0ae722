//! Names at their limits: a network's of 128 bytes, a container's of any length, an interface's of 15 bytes.

use harness::Invocation;
use serde_json::{Value, json};
use tests::{LATEST, Plugin, Scene, State, cites, with};

const NETWORK_BYTES: usize = 128;
const INTERFACE: &str = "a234567890-2345";

fn network(bytes: usize) -> Value {
    with(&Plugin::Bridge.config(LATEST), json!({"name": "n".repeat(bytes), "isGateway": true}))
}

/// Two containers' IDs that differ in their last byte only: beyond what fits into an alias.
fn containers() -> [String; 2] {
    ["1", "2"].map(|last| "c".repeat(199) + last)
}

fn call(scene: &Scene, ns: &harness::Namespace, id: &str, command: &str, config: &Value) -> Invocation {
    scene.call_for(ns, INTERFACE, Plugin::Bridge, command, config.clone()).container(id)
}

fn valid(ids: &[&str]) -> Value {
    let listed: Value = ids.iter().map(|id| json!({"containerID": id, "ifname": INTERFACE})).collect();
    json!({"cni.dev/valid-attachments": listed})
}

#[test]
fn the_longest_names_serve_all_commands() {
    cites!("GC-1", "GC-7", "DEL-1", "CHK-1");
    assert_eq!(INTERFACE.len(), 15, "the longest name of a link");
    let scene = Scene::new();
    let before = scene.state();
    let c2 = scene.host.namespace("c2");
    let config = network(NETWORK_BYTES);
    let [first, second] = containers();
    let result = call(&scene, &scene.c1, &first, "ADD", &config).run().ok();
    let attached = with(&config, json!({"prevResult": result}));
    call(&scene, &c2, &second, "ADD", &config).run().ok();
    call(&scene, &scene.c1, &first, "CHECK", &attached).run().ok();
    assert!(scene.c1.ping("10.1.0.3", 1).all_answered(), "two attachments, two pairs of interfaces");

    scene.call(Plugin::Bridge, "GC", with(&config, valid(&[&first, &second]))).run().ok();
    assert_eq!(State::allocations().len(), 2, "both are valid");
    scene.call(Plugin::Bridge, "GC", with(&config, valid(&[&first]))).run().ok();
    assert_eq!(State::allocations().len(), 1, "one is stale");
    assert_eq!(harness::sh("ls /sys/class/net/br0/brif | wc -l").ok(), "1");
    call(&scene, &scene.c1, &first, "CHECK", &attached).run().ok();

    call(&scene, &scene.c1, &first, "DEL", &attached).run().ok();
    c2.delete();
    assert_eq!(before, scene.state());
}

#[test]
fn a_longer_name_of_a_network_is_refused_and_leaves_nothing() {
    cites!("CFG-3", "ADD-6");
    let scene = Scene::new();
    let before = scene.state();
    let config = network(NETWORK_BYTES + 1);
    for command in ["ADD", "STATUS"] {
        let reply = scene.call(Plugin::Bridge, command, config.clone()).run();
        let (code, msg, _) = reply.error();
        assert_eq!(code, 7, "{reply}");
        assert!(msg.contains("129 bytes") && msg.contains("at most 128"), "{reply}");
        assert_eq!(before, scene.state(), "{command}");
    }
}

/// A runtime calls DEL after an ADD that failed, and again until it succeeds.
#[test]
fn del_and_gc_of_a_network_with_a_longer_name_have_nothing_to_do() {
    cites!("DEL-8", "DEL-3", "GC-3");
    let scene = Scene::new();
    let before = scene.state();
    let config = network(NETWORK_BYTES + 1);
    scene.call(Plugin::Bridge, "ADD", config.clone()).run().error();
    scene.call(Plugin::Bridge, "DEL", config.clone()).run().ok();
    for listed in [valid(&[]), valid(&["c1"])] {
        scene.call(Plugin::Bridge, "GC", with(&config, listed)).run().ok();
    }
    assert_eq!(before, scene.state());
}
