//! `mode: "routed"`: a veth pair without a bridge.

use serde_json::{Value, json};
use tests::{LATEST, Plugin, Scene, cites, with};

fn routed(keys: Value) -> Value {
    let config = json!({"cniVersion": LATEST, "name": "net", "type": "veth-secondary", "mode": "routed",
        "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00:1::/64"}]]}});
    with(&config, keys)
}

#[test]
fn containers_reach_the_host_and_each_other_by_way_of_it() {
    cites!("ADD-1");
    let scene = Scene::new();
    let before = scene.state();
    let (result, attached) = scene.added(Plugin::Secondary, &routed(json!({})));
    let c2 = scene.host.namespace("c2");
    let second = scene.call_for(&c2, "eth1", Plugin::Secondary, "ADD", routed(json!({}))).run().ok();
    assert_eq!(result["interfaces"].as_array().map(Vec::len), Some(2), "{result:#}");
    for target in ["10.1.0.1", "10.1.0.3", "fd00:1::1", "fd00:1::3"] {
        scene.c1.sh(&format!("ping -c 2 -i 0.2 -W 2 {target}")).ok();
    }
    scene.call(Plugin::Secondary, "CHECK", attached.clone()).run().ok();
    scene.call(Plugin::Secondary, "DEL", attached).run().ok();
    let attached = with(&routed(json!({})), json!({"prevResult": second}));
    scene.call_for(&c2, "eth1", Plugin::Secondary, "DEL", attached).run().ok();
    drop(c2);
    assert_eq!(before, scene.state());
}
