//! Section 5 of the checklist: DEL.

use serde_json::{Value, json};
use tests::{ALL, Delegate, LATEST, Plugin, Scene, State, cites, with};

#[test]
fn everything_that_add_made_goes() {
    cites!("DEL-1", "DEL-2", "DEL-7");
    let scene = Scene::with_a_switch();
    for plugin in ALL {
        let config = scene.config(plugin, LATEST);
        let before = scene.state();
        let (_, config) = scene.added(plugin, &config);
        let reply = scene.call(plugin, "DEL", config).run();
        reply.ok();
        assert_eq!(reply.stdout, "", "DEL has no result: {reply}");
        assert_eq!(before, scene.state(), "{plugin:?}");
        scene.ready(Plugin::Bridge, "DEL").run().ok();
    }
}

#[test]
fn del_again_succeeds() {
    cites!("DEL-3");
    for plugin in ALL {
        let scene = Scene::of(plugin);
        let (_, config) = scene.added(plugin, &scene.config(plugin, LATEST));
        for _ in 0..3 {
            scene.call(plugin, "DEL", config.clone()).run().ok();
        }
    }
}

#[test]
fn del_without_add_succeeds() {
    cites!("DEL-3", "DEL-8");
    for plugin in ALL {
        let scene = Scene::of(plugin);
        let config = scene.config(plugin, LATEST);
        let before = scene.state();
        scene.call(plugin, "DEL", with(&config, json!({"name": "never-added"}))).run().ok();
        assert_eq!(before, scene.state());
    }
}

#[test]
fn an_interface_that_has_vanished_is_no_obstacle() {
    cites!("DEL-3", "DEL-6");
    let scene = Scene::new();
    let before = scene.state();
    let (_, config) = scene.added(Plugin::Bridge, &Plugin::Bridge.config(LATEST));
    scene.c1.sh("ip link del eth0").ok();
    scene.call(Plugin::Bridge, "DEL", config).run().ok();
    assert_eq!(before, scene.state());
}

#[test]
fn the_host_is_cleaned_when_the_namespace_is_gone() {
    cites!("DEL-4", "DEL-6", "DEL-2");
    for path in ["/run/netns/c1", "", "/proc/999999999/ns/net"] {
        let scene = Scene::new();
        let before = State::take(&[]);
        let (_, config) = scene.added(Plugin::Bridge, &Plugin::Bridge.config(LATEST));
        // A process keeps the namespace and its veth alive after its name has gone.
        let _holder = scene.c1.spawn("exec sleep 100");
        scene.c1.delete();
        for _ in 0..2 {
            scene.call(Plugin::Bridge, "DEL", config.clone()).env("CNI_NETNS", path).run().ok();
            assert_eq!(before, State::take(&[]), "with CNI_NETNS={path:?}");
        }
    }
}

#[test]
fn shaping_is_undone_without_the_namespace() {
    cites!("DEL-4");
    let scene = Scene::new();
    let (_, config) = scene.added(Plugin::Shaper, &scene.config(Plugin::Shaper, LATEST));
    scene.c1.delete();
    for _ in 0..2 {
        scene.call(Plugin::Shaper, "DEL", config.clone()).run().ok();
    }
    scene.ready(Plugin::Bridge, "DEL").run().ok();
    assert_eq!(State::allocations().len(), 0);
}

#[test]
fn ports_are_withdrawn_without_the_namespace() {
    cites!("DEL-4");
    for path in ["/run/netns/c1", ""] {
        let scene = Scene::new();
        let config = scene.config(Plugin::Portmap, LATEST);
        let before = State::take(&[]);
        let (_, config) = scene.added(Plugin::Portmap, &config);
        let _holder = scene.c1.spawn("exec sleep 100");
        scene.c1.delete();
        for _ in 0..2 {
            scene.call(Plugin::Portmap, "DEL", config.clone()).env("CNI_NETNS", path).run().ok();
            assert_eq!(before, State::take(&[]), "with CNI_NETNS={path:?}");
        }
    }
}

#[test]
fn a_missing_previous_result_is_no_obstacle() {
    cites!("DEL-5");
    for plugin in ALL {
        for previous in [Value::Null, json!({}), json!({"cniVersion": LATEST})] {
            let scene = Scene::of(plugin);
            let config = scene.config(plugin, LATEST);
            let before = scene.state();
            scene.call(plugin, "ADD", config.clone()).run().ok();
            let mut config = with(&config, json!({"prevResult": null}));
            if !previous.is_null() {
                config = with(&config, json!({"prevResult": previous}));
            }
            scene.call(plugin, "DEL", config).run().ok();
            if plugin == Plugin::Shaper {
                // Without the result it may not know which interface it was; the interface takes the queue with it.
                scene.ready(Plugin::Bridge, "DEL").run().ok();
                assert_eq!(harness::tc("qdisc show").to_string().matches("tbf").count(), 0);
            } else {
                assert_eq!(before, scene.state(), "{plugin:?}");
            }
        }
    }
}

#[test]
fn ipam_is_told_although_namespace_and_interface_are_gone() {
    cites!("DEL-6", "DLG-5");
    let scene = Scene::new();
    let delegate = Delegate::answering(&scene, &json!({"cniVersion": LATEST, "ips": [{"address": "10.9.0.1/24"}]}));
    let config = with(&Plugin::Bridge.config(LATEST), json!({"ipam": {"type": "made-up"}}));
    scene.call(Plugin::Bridge, "ADD", config.clone()).path(delegate.path()).run().ok();
    scene.c1.delete();
    scene.call(Plugin::Bridge, "DEL", config.clone()).path(delegate.path()).run().ok();
    scene.call(Plugin::Bridge, "DEL", config).path(delegate.path()).unset("CNI_NETNS").run().ok();
    assert_eq!(delegate.calls(), ["ADD", "DEL", "DEL"]);
}

#[test]
fn del_after_a_failed_add_succeeds() {
    cites!("DEL-8");
    let scene = Scene::new();
    scene.c1.sh("ip link add eth0 type bridge").ok();
    let before = scene.state();
    scene.ready(Plugin::Bridge, "ADD").run().error();
    let reply = scene.ready(Plugin::Bridge, "DEL").run();
    reply.ok();
    assert_eq!(before, scene.state(), "the other party's eth0 stays: {reply}");
}

#[test]
fn a_delegates_error_is_reported_after_the_rest_is_done() {
    cites!("DEL-9", "DLG-5");
    let scene = Scene::new();
    let answer = json!({"cniVersion": LATEST, "ips": [{"address": "10.9.0.1/24"}]});
    let error = json!({"cniVersion": LATEST, "code": 123, "msg": "the pool is on fire", "details": "put it out"});
    let delegate = Delegate::failing(&scene, &answer, "DEL", &error);
    let config = with(&Plugin::Bridge.config(LATEST), json!({"ipam": {"type": "made-up"}}));
    let before = scene.state();
    scene.call(Plugin::Bridge, "ADD", config.clone()).path(delegate.path()).run().ok();
    let (code, msg, details) = scene.call(Plugin::Bridge, "DEL", config).path(delegate.path()).run().error();
    assert_eq!(code, 123, "{msg}");
    assert!(msg.contains("made-up") && msg.contains("the pool is on fire"), "{msg}");
    assert!(details.contains("put it out"), "{details}");
    assert_eq!(before, scene.state(), "links go all the same");
}

/// Keys with which ADD is refused, each with the arguments of `CNI_ARGS`.
fn refused_by_add() -> Vec<(Value, &'static str)> {
    vec![
        (json!({"ipMasqBackend": "pf"}), ""),
        (json!({"ipMasq": true, "uplink": "eth9"}), ""),
        (json!({"vlan": 7}), ""),
        (json!({"mtu": "big"}), ""),
        (json!({"isGateway": "yes"}), ""),
        (json!({"nic": "token ring"}), ""),
        (json!({"hairpinMode": true, "promiscMode": true}), ""),
        (json!({"owner": 1000}), ""),
        (json!({"mac": "ff:ff:ff:ff:ff:ff"}), ""),
        (json!({"runtimeConfig": {"mac": "nonsense"}}), ""),
        (json!({"runtimeConfig": {"mac": 7}}), ""),
        (json!({"args": {"cni": {"mac": "nonsense"}}}), ""),
        (json!({}), "MAC=nonsense"),
        (json!({}), "COLOUR=green"),
    ]
}

#[test]
fn a_configuration_that_add_refuses_keeps_nothing_from_going() {
    cites!("DEL-2", "DEL-8");
    let scene = Scene::new();
    let c2 = scene.host.namespace("c2");
    let before = scene.state();
    let valid = Plugin::Bridge.config(LATEST);
    for (keys, args) in refused_by_add() {
        let (_, attached) = scene.added(Plugin::Bridge, &valid);
        let refused = with(&attached, keys.clone());
        let beside = with(&refused, json!({"prevResult": null}));
        scene.call_for(&c2, "eth0", Plugin::Bridge, "ADD", beside).args(args).run().error();
        scene.call(Plugin::Bridge, "DEL", refused).args(args).run().ok();
        assert_eq!(before, scene.state(), "{keys} {args}");
    }
}

#[test]
fn limits_that_add_refuses_do_not_keep_the_shaping() {
    cites!("DEL-1", "DEL-8");
    let scene = Scene::new();
    let config = scene.config(Plugin::Shaper, LATEST);
    let before = scene.state();
    for keys in [json!({"bw": "fast"}), json!({"lat": "1s"}), json!({"bw": 7}), json!({"bw": null})] {
        scene.call(Plugin::Shaper, "ADD", config.clone()).run().ok();
        let refused = with(&config, keys.clone());
        scene.call(Plugin::Shaper, "DEL", refused).run().ok();
        assert_eq!(before, scene.state(), "{keys}");
    }
}

#[test]
fn ports_that_add_refuses_do_not_keep_those_that_are_published() {
    cites!("DEL-1", "DEL-8");
    let scene = Scene::new();
    let config = scene.config(Plugin::Portmap, LATEST);
    let before = scene.state();
    for keys in [
        json!({"runtimeConfig": {"portMappings": [{"hostPort": 0, "containerPort": 80}]}}),
        json!({"runtimeConfig": {"portMappings": "8080:80"}}),
        json!({"runtimeConfig": {"portMappings": [{"hostPort": 8081, "containerPort": 81}]}}),
        json!({"runtimeConfig": {"portMappings": []}}),
        json!({"runtimeConfig": null}),
        json!({"conditionsV4": ["--unheard-of"]}),
        json!({"snat": 7}),
        json!({"markMasqBit": 3, "externalSetMarkChain": "CHAIN"}),
    ] {
        scene.call(Plugin::Portmap, "ADD", config.clone()).run().ok();
        scene.call(Plugin::Portmap, "DEL", with(&config, keys.clone())).run().ok();
        assert_eq!(before, scene.state(), "{keys}");
    }
}

#[test]
fn the_bridge_of_the_adds_configuration_goes_too() {
    cites!("DEL-1");
    let scene = Scene::new();
    let before = scene.state();
    let (_, config) = scene.added(Plugin::Bridge, &Plugin::Bridge.config(LATEST));
    scene.call(Plugin::Bridge, "DEL", with(&config, json!({"bridge": "renamed"}))).run().ok();
    assert_eq!(before, scene.state());
    scene.call(Plugin::Bridge, "DEL", with(&config, json!({"bridge": "a-name-that-no-link-can-have"}))).run().ok();
    assert_eq!(before, scene.state());
}
