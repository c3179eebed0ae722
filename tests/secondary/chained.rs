//! `nic: "ipvlan"` behind another plugin. Where there are no ipvlans, what would be made is printed.

use harness::sh;
use serde_json::{Value, json};
use tests::{LATEST, Plugin, Scene, cites, with};

fn config(interfaces: Value, keys: Value) -> Value {
    let previous = json!({"cniVersion": LATEST, "interfaces": interfaces, "ips": [{"address": "10.9.0.7/24", "interface": 0}],
        "routes": [{"dst": "10.7.0.0/16", "gw": "10.9.0.1"}], "dns": {"nameservers": ["10.9.0.53"]}});
    with(
        &json!({"cniVersion": LATEST, "name": "net", "type": "veth-secondary", "nic": "ipvlan", "prevResult": previous}),
        keys,
    )
}

/// A host with the link that another plugin has made, and a default route over another one.
fn scene() -> Scene {
    let scene = Scene::new();
    sh("ip link add up0 up type veth peer name far0 && ip link set far0 up && ip address add 192.0.2.2/24 dev up0")
        .ok();
    sh("ip route add default via 192.0.2.1 && ip link add made0 up type veth peer name far1 && ip link set far1 up")
        .ok();
    scene
}

#[test]
fn an_ipvlan_stands_on_the_link_before_it_with_its_addresses() {
    cites!("ADD-5", "RES-22");
    let scene = scene();
    let print = |config: Value| scene.call(Plugin::Secondary, "PRINT", config).env("CNI_PRINT", "ADD").run().ok();
    let made = json!([{"name": "made0"}]);
    let printed = print(config(made.clone(), json!({})));
    let result = &printed["result"];
    let commands = printed["commands"].to_string();
    for part in ["link made0", "10.9.0.7/24", "10.7.0.0/16 via 10.9.0.1"] {
        assert!(commands.contains(part), "{part}: {printed:#}");
    }
    assert_eq!(result["interfaces"][1]["name"], "eth0", "{printed:#}");
    assert_eq!(result["ips"], json!([{"address": "10.9.0.7/24", "interface": 1}]));
    assert_eq!(result["routes"].as_array().map(Vec::len), Some(1));
    assert_eq!(result["dns"], json!({"nameservers": ["10.9.0.53"]}));
}

#[test]
fn several_links_before_it_are_refused_unless_one_is_named() {
    cites!("ADD-6");
    let scene = scene();
    let before = scene.state();
    for (interfaces, expected) in [
        (json!([]), "link is missing, and prevResult, whose only interface would be meant, has no interface"),
        (json!([{"name": "made0"}, {"name": "up0"}]), "has made0, up0; name the link"),
        (json!([{"name": "../made0"}]), "link: '../made0' cannot be the name of a link"),
    ] {
        let (code, msg, _) = scene.call(Plugin::Secondary, "ADD", config(interfaces, json!({}))).run().error();
        assert!(code == 7 && msg.contains(expected), "{code}: {msg}");
    }
    assert_eq!(before, scene.state());
}
