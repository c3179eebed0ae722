//! What is left when containers go: nothing.

use serde_json::json;
use tests::{LATEST, Plugin, Scene, State, cites, with};

#[test]
fn the_forwarding_database_forgets_a_container() {
    cites!("DEL-1", "DEL-4");
    let scene = Scene::new();
    let c2 = scene.host.namespace("c2");
    let config = with(&Plugin::Bridge.config(LATEST), json!({"isGateway": true}));
    let gone = scene.call(Plugin::Bridge, "ADD", config.clone()).run().ok();
    let stays = scene.call_for(&c2, "eth0", Plugin::Bridge, "ADD", config.clone()).run().ok();
    assert_eq!(scene.c1.ping("10.1.0.3", 3).received, 3);
    let learned = |result: &serde_json::Value| {
        let mac = result["interfaces"][2]["mac"].as_str().expect("a MAC").to_owned();
        harness::sh("bridge fdb show br br0").ok().contains(&mac)
    };
    assert!(learned(&gone) && learned(&stays), "both have spoken");
    scene.c1.delete();
    scene.call(Plugin::Bridge, "DEL", config.clone()).run().ok();
    scene.call(Plugin::Bridge, "DEL", config).run().ok();
    assert!(!learned(&gone) && learned(&stays), "only the one that is left is known");
    assert_eq!(State::allocations().into_keys().collect::<Vec<_>>(), ["net/10.1.0.3"]);
}

#[test]
fn a_container_that_was_killed_is_collected() {
    cites!("GC-1", "GC-5");
    let scene = Scene::new();
    let before = State::take(&[]);
    let names = ["k1", "k2", "k3"];
    for name in names {
        let ns = scene.host.namespace(name);
        scene.call_for(&ns, "eth0", Plugin::Bridge, "ADD", Plugin::Bridge.config(LATEST)).run().ok();
        ns.delete();
    }
    assert_eq!(State::allocations().len(), names.len(), "nobody has called DEL");
    let config = with(&Plugin::Bridge.config(LATEST), json!({"cni.dev/valid-attachments": []}));
    scene.call(Plugin::Bridge, "GC", config).run().ok();
    assert_eq!(before, State::take(&[]));
}
