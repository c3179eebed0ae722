//! NICs on a bridge.

use serde_json::{Value, json};
use tests::{LATEST, Plugin, Scene, cites};

fn plain(network: &str) -> Value {
    json!({"cniVersion": LATEST, "name": network, "type": "veth-secondary"})
}

#[test]
fn the_bridge_is_the_networks_own() {
    cites!("ADD-1");
    let scene = Scene::new();
    let before = scene.state();
    for (network, bridge) in [("home-net", "br-home-net"), ("a-network-of-a-long-name", "br-j3p7x6zkjivb")] {
        let (result, attached) = scene.added(Plugin::Secondary, &plain(network));
        assert_eq!(result["interfaces"][0]["name"], bridge);
        scene.call(Plugin::Secondary, "CHECK", attached.clone()).run().ok();
        scene.call(Plugin::Secondary, "DEL", attached).run().ok();
        assert_eq!(before, scene.state());
    }
}
