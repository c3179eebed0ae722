//! UPDATE, an extension of ours: what is there becomes what the configuration now says.

use harness::Invocation;
use lab::{Feature, with_features};
use serde_json::{Value, json};
use tests::{ALL, LATEST, Plugin, Scene, codes, with};

/// The shaper with these keys on the interface of the scene's container.
fn config(scene: &Scene, keys: Value) -> Value {
    with(&with(&scene.config(Plugin::Shaper, LATEST), json!({"bw": null})), keys)
}

/// The same configuration with other limits.
fn other(config: &Value, keys: Value) -> Value {
    with(&with(config, json!({"bw": null, "lat": null, "upload": null})), keys)
}

fn queues() -> Vec<Value> {
    let all = harness::tc("qdisc show");
    let configured = |queue: &&Value| queue["kind"] != "noqueue";
    all.as_array().into_iter().flatten().filter(configured).cloned().collect()
}

fn shaper(scene: &Scene, command: &str, config: &Value) -> Invocation {
    scene.call(Plugin::Shaper, command, config.clone())
}

#[test]
fn only_the_shaper_and_lacs_know_it() {
    let scene = Scene::with_a_switch();
    for plugin in ALL.into_iter().filter(|plugin| !plugin.knows_update()) {
        let (code, msg, _) = scene.ready(plugin, "UPDATE").container("c1").netns(&scene.c1.path).run().error();
        assert_eq!(code, 4, "{plugin:?}: {msg}");
        assert!(msg.contains("\"UPDATE\", an unknown command"), "{msg}");
    }
}

#[test]
fn it_is_called_as_check_is() {
    let scene = Scene::new();
    let config = config(&scene, json!({"bw": "100Mbps"}));
    let call = || shaper(&scene, "UPDATE", &config);
    for variable in ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"] {
        assert_eq!(call().unset(variable).run().error().0, 4, "{variable}");
    }
    assert_eq!(call().netns("/run/netns/none").run().error().0, 8);
    let (code, msg, _) = shaper(&scene, "UPDATE", &with(&config, json!({"prevResult": null}))).run().error();
    assert_eq!((code, msg.contains("prevResult")), (7, true), "{msg}");
    let reply = call().run();
    assert_eq!((reply.status, reply.stdout.as_str()), (0, ""), "{reply}");
}

#[test]
fn what_is_there_becomes_what_the_configuration_says() {
    let scene = Scene::new();
    let first = config(&scene, json!({"bw": "100Mbps"}));
    let before = scene.state();
    shaper(&scene, "ADD", &first).run().ok();
    for keys in [
        json!({"bw": "200Mbps"}),
        json!({"bw": "200Mbps", "upload": {"rate": "10Mbit"}}),
        json!({"upload": {"rate": "20Mbit"}}),
        json!({}),
        json!({"bw": "1Gbps"}),
    ] {
        let next = other(&first, keys);
        shaper(&scene, "UPDATE", &next).run().ok();
        shaper(&scene, "CHECK", &next).run().ok();
        let queues = queues();
        shaper(&scene, "UPDATE", &next).run().ok();
        assert_eq!(queues, self::queues(), "twice is once");
        if next.get("bw").is_none() {
            continue;
        }
        assert_eq!(shaper(&scene, "CHECK", &first).run().error().0, codes::DIFFERENT);
    }
    shaper(&scene, "DEL", &first).run().ok();
    assert_eq!(before, scene.state());
}

/// Kills the call at its system calls in turn, `step` apart; `then` sees what it has left, and puts it back to what it was.
fn kill_everywhere(scene: &Scene, from: &Value, to: &Value, step: usize, then: impl Fn()) {
    let mut calls = 0;
    let mut seen = Vec::new();
    while shaper(scene, "UPDATE", to).kill_after_system_calls(calls) {
        seen.push(queues());
        then();
        calls += step;
    }
    seen.dedup();
    println!("killed at one in {step} of {calls} system calls, which left {} different states", seen.len());
    assert!(calls > 20 && seen.len() > 1, "there was something half done");
    shaper(scene, "UPDATE", from).run().ok();
    shaper(scene, "CHECK", from).run().ok();
}

/// After a kill, the same call does the rest, and another one takes it back.
fn repeats_after_a_kill(first: Value, second: Value, step: usize) {
    let scene = Scene::new();
    let first = config(&scene, first);
    let second = other(&first, second);
    let before = scene.state();
    shaper(&scene, "ADD", &first).run().ok();
    let shaped = scene.state();
    for (from, to) in [(&first, &second), (&second, &first)] {
        shaper(&scene, "UPDATE", from).run().ok();
        kill_everywhere(&scene, from, to, step, || {
            for config in [to, from] {
                shaper(&scene, "UPDATE", config).run().ok();
                shaper(&scene, "CHECK", config).run().ok();
            }
        });
    }
    shaper(&scene, "UPDATE", &first).run().ok();
    assert_eq!(shaped, scene.state(), "nothing is left of the other limits");
    shaper(&scene, "DEL", &first).run().ok();
    assert_eq!(before, scene.state());
}

/// After a kill, DEL finds everything.
fn del_after_a_kill(first: Value, second: Value) {
    let scene = Scene::new();
    let first = config(&scene, first);
    let second = other(&first, second);
    let before = scene.state();
    for (from, to) in [(&first, &second), (&second, &first)] {
        let unshaped = (queues(), harness::ip("link show type ifb"));
        shaper(&scene, "ADD", from).run().ok();
        kill_everywhere(&scene, from, to, 1, || {
            shaper(&scene, "DEL", from).run().ok();
            assert_eq!(unshaped, (queues(), harness::ip("link show type ifb")));
            shaper(&scene, "ADD", from).run().ok();
        });
        shaper(&scene, "DEL", from).run().ok();
        assert_eq!(before, scene.state());
    }
}

#[test]
fn after_a_kill_the_same_call_does_the_rest() {
    repeats_after_a_kill(json!({"bw": "100Mbps"}), json!({"bw": "1Gbps", "upload": {"rate": "10Mbit"}}), 1);
    repeats_after_a_kill(json!({"upload": {"rate": "10Mbit"}}), json!({"upload": {"rate": "20Mbit"}}), 1);
}

#[test]
fn after_a_kill_del_finds_everything() {
    del_after_a_kill(json!({"bw": "100Mbps"}), json!({"bw": "1Gbps", "upload": {"rate": "10Mbit"}}));
}

#[test]
fn after_a_kill_with_netem_too() {
    with_features(&[Feature::Netem], || {
        let both = json!({"bw": "1Gbps", "lat": "1ms", "upload": {"rate": "10Mbit", "delay": "1ms"}});
        repeats_after_a_kill(json!({"bw": "100Mbps"}), both, 5);
    });
}
