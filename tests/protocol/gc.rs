//! Section 8 of the checklist: GC.

use harness::Namespace;
use serde_json::{Value, json};
use tests::{ALL, Delegate, LATEST, Plugin, Scene, State, cites, with};

/// The least configuration of `bridge`, for a network and bridge of a name.
fn network(name: &str) -> Value {
    with(&Plugin::Bridge.config(LATEST), json!({"name": name, "bridge": format!("br-{name}")}))
}

fn valid(attachments: &[(&str, &str)]) -> Value {
    attachments.iter().map(|(id, ifname)| json!({"containerID": id, "ifname": ifname})).collect()
}

/// Two containers on `net`, one of which is also on `other`, and one container twice on `net`.
fn populate(scene: &Scene) -> Namespace {
    let c2 = scene.host.namespace("c2");
    for (ns, ifname, name) in
        [(&scene.c1, "eth0", "net"), (&c2, "eth0", "net"), (&c2, "eth1", "net"), (&c2, "eth2", "other")]
    {
        scene.call_for(ns, ifname, Plugin::Bridge, "ADD", network(name)).run().ok();
    }
    c2
}

/// The names of a container's interfaces but `lo`.
fn interfaces(ns: &Namespace) -> Vec<String> {
    let links = ns.ip("link show");
    let names = links.as_array().into_iter().flatten().filter_map(|link| link["ifname"].as_str());
    names.filter(|name| *name != "lo").map(str::to_owned).collect()
}

#[test]
fn what_is_not_listed_goes_and_what_is_listed_stays() {
    cites!("GC-1", "GC-4", "GC-6", "GC-7");
    let scene = Scene::new();
    let c2 = populate(&scene);
    let listed = valid(&[("c2", "eth0"), ("gone", "eth0")]);
    let config = with(&network("net"), json!({"cni.dev/valid-attachments": listed}));
    let reply = scene.call(Plugin::Bridge, "GC", config).run();
    reply.ok();
    assert_eq!(reply.stdout, "", "{reply}");
    assert!(interfaces(&scene.c1).is_empty(), "{:?}", interfaces(&scene.c1));
    assert_eq!(interfaces(&c2), ["eth0", "eth2"], "the listed one and that of the other network");
    let allocations: Vec<String> = State::allocations().into_keys().collect();
    assert_eq!(allocations, ["net/10.1.0.3", "other/10.1.0.2"]);
    let ports = harness::sh("ls /sys/class/net/br-net/brif | wc -l").ok();
    assert_eq!(ports, "1", "the host's ends are gone too");
}

#[test]
fn the_older_key_of_the_list_serves_as_well_and_the_newer_one_wins() {
    cites!("GC-2");
    for (keys, left) in [
        (json!({"cni.dev/attachments": valid(&[("c2", "eth0")])}), 1),
        (json!({"cni.dev/valid-attachments": valid(&[("c2", "eth0"), ("c1", "eth0")]), "cni.dev/attachments": []}), 2),
        (json!({"cni.dev/valid-attachments": [], "cni.dev/attachments": valid(&[("c1", "eth0")])}), 0),
    ] {
        let scene = Scene::new();
        populate(&scene);
        let config = with(&network("net"), keys.clone());
        for plugin in [Plugin::HostLocal, Plugin::Bridge] {
            scene.call(plugin, "GC", config.clone()).run().ok();
            let ours = State::allocations().into_keys().filter(|key| key.starts_with("net/")).count();
            assert_eq!(ours, left, "{plugin:?} with {keys}");
        }
    }
}

#[test]
fn a_delegates_error_does_not_stop_the_collection() {
    cites!("GC-3", "GC-4", "DLG-5");
    let scene = Scene::new();
    populate(&scene);
    let error = json!({"cniVersion": LATEST, "code": 119, "msg": "no lease file"});
    let delegate = Delegate::failing(&scene, &json!({}), "GC", &error);
    let keys = json!({"ipam": {"type": "made-up"}, "cni.dev/valid-attachments": []});
    let call = scene.call(Plugin::Bridge, "GC", with(&network("net"), keys));
    let (code, msg, _) = call.path(delegate.path()).run().error();
    assert_eq!(code, 119);
    assert!(msg.contains("made-up") && msg.contains("no lease file"), "{msg}");
    assert!(interfaces(&scene.c1).is_empty(), "our own part was done: {:?}", interfaces(&scene.c1));
    assert_eq!(delegate.config("GC")["cni.dev/valid-attachments"], json!([]), "the delegate got the list");
}

#[test]
fn a_stale_attachment_without_its_namespace_is_collected() {
    cites!("GC-5", "GC-1");
    let scene = Scene::new();
    let before = State::take(&[]);
    scene.call(Plugin::Bridge, "ADD", network("net")).run().ok();
    // A process keeps the namespace and its veth alive after its name has gone.
    let _holder = scene.c1.spawn("exec sleep 100");
    scene.c1.delete();
    let config = with(&network("net"), json!({"cni.dev/valid-attachments": []}));
    scene.call(Plugin::Bridge, "GC", config).run().ok();
    assert_eq!(before, State::take(&[]));
}

#[test]
fn an_empty_list_makes_everything_of_the_network_stale() {
    cites!("GC-8", "GC-7");
    let scene = Scene::new();
    let c2 = populate(&scene);
    let config = with(&network("net"), json!({"cni.dev/valid-attachments": []}));
    scene.call(Plugin::Bridge, "GC", config.clone()).run().ok();
    assert_eq!(interfaces(&c2), ["eth2"]);
    assert_eq!(State::allocations().len(), 1);
    scene.call(Plugin::Bridge, "GC", config).run().ok();
}

#[test]
fn a_missing_list_is_an_error_and_removes_nothing() {
    cites!("GC-8");
    let scene = Scene::new();
    populate(&scene);
    // `static` keeps nothing that could be stale, and asks for no list.
    for plugin in [Plugin::Bridge, Plugin::Shaper, Plugin::Portmap, Plugin::HostLocal] {
        let before = scene.state();
        let config = with(&plugin.config(LATEST), json!({"cni.dev/valid-attachments": null}));
        let (code, msg, _) = scene.call(plugin, "GC", config).run().error();
        assert!(code == 7 && msg.contains("cni.dev/valid-attachments"), "{plugin:?} {code}: {msg}");
        assert_eq!(before, scene.state(), "{plugin:?}");
    }
}

#[test]
fn a_malformed_list_is_an_error_and_removes_nothing() {
    cites!("GC-3");
    let scene = Scene::with_a_switch();
    populate(&scene);
    let before = scene.state();
    for list in [json!(7), json!({}), json!(["c1"]), json!([{"containerID": 7, "ifname": "eth0"}])] {
        for plugin in ALL {
            let config = with(&plugin.config(LATEST), json!({"cni.dev/valid-attachments": list}));
            let (code, msg, _) = scene.call(plugin, "GC", config).run().error();
            assert!(code == 7 && msg.contains("cni.dev/valid-attachments"), "{plugin:?} {list} {code}: {msg}");
        }
    }
    assert_eq!(before, scene.state());
}

#[test]
fn shaping_of_valid_attachments_stays() {
    cites!("GC-7", "GC-1");
    let scene = Scene::new();
    scene.call(Plugin::Shaper, "ADD", scene.config(Plugin::Shaper, LATEST)).run().ok();
    let queues = || harness::tc("qdisc show").to_string().matches("\"tbf\"").count();
    assert_eq!(queues(), 1);
    let listed = json!({"cni.dev/valid-attachments": valid(&[("c1", "eth0")])});
    scene.call(Plugin::Shaper, "GC", with(&Plugin::Shaper.config(LATEST), listed)).run().ok();
    assert_eq!(queues(), 1);
}

#[test]
fn ports_of_valid_attachments_stay_published() {
    cites!("GC-7", "GC-1");
    let scene = Scene::new();
    let config = scene.config(Plugin::Portmap, LATEST);
    let before = scene.state();
    let (_, attached) = scene.added(Plugin::Portmap, &config);
    let published = scene.state();
    for (listed, other, expected) in [
        (valid(&[("c1", "eth0")]), "net", &published),
        (valid(&[]), "other", &published),
        (valid(&[("c1", "eth1")]), "net", &before),
    ] {
        let keys = json!({"cni.dev/valid-attachments": listed, "name": other});
        scene.call(Plugin::Portmap, "GC", with(&Plugin::Portmap.config(LATEST), keys)).run().ok();
        assert!(*expected == scene.state(), "{listed} of {other}");
    }
    scene.call(Plugin::Portmap, "DEL", attached).run().ok();
    assert_eq!(before, scene.state());
}
