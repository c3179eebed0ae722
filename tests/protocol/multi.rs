//! Many interfaces in one container, and many containers at once.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tests::{LATEST, Plugin, Scene, State, cites, with};

/// Network number `number` with a bridge and a subnet of its own.
fn network(number: usize) -> Value {
    let ipam = json!({"type": "host-local", "ranges": [[{"subnet": format!("10.{number}.0.0/24")}]]});
    let keys =
        json!({"name": format!("net{number}"), "bridge": format!("br{number}"), "ipam": ipam, "isGateway": true});
    with(&Plugin::Bridge.config(LATEST), keys)
}

#[test]
fn four_networks_in_one_container() {
    cites!("CAP-1", "CAP-5", "CAP-7", "ENV-12");
    let scene = Scene::new();
    let before = scene.state();
    let macs = ["02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03", "02:00:00:00:00:04"];
    let mut attachments = Vec::new();
    for (index, mac) in macs.iter().enumerate() {
        let number = index + 1;
        let address = format!("10.{number}.0.4{number}");
        let (keys, args) = match number {
            1 => (json!({"runtimeConfig": {"mac": mac, "ips": [address]}}), String::new()),
            2 => (json!({"args": {"cni": {"mac": mac, "ips": [address]}}}), String::new()),
            3 => (json!({"mac": mac}), format!("IgnoreUnknown=1;IP={address}")),
            _ => (json!({}), format!("IgnoreUnknown=1;MAC={mac};IP={address}")),
        };
        let (config, ifname) = (with(&network(number), keys), format!("net{number}"));
        let call = scene.call_for(&scene.c1, &ifname, Plugin::Bridge, "ADD", config.clone()).args(&args);
        let result = call.run().ok();
        assert_eq!(result["interfaces"][2]["mac"], *mac, "{ifname}");
        assert_eq!(result["ips"][0]["address"], format!("{address}/24"), "{ifname}");
        assert_eq!(scene.c1.ip(&format!("link show dev {ifname}"))[0]["address"], *mac);
        attachments.push((ifname, args, with(&config, json!({"prevResult": result}))));
    }
    for number in 1..=macs.len() {
        assert_eq!(scene.c1.ping(&format!("10.{number}.0.1"), 1).received, 1, "net{number} reaches its gateway");
    }
    for command in ["CHECK", "DEL"] {
        for (ifname, args, config) in &attachments {
            scene.call_for(&scene.c1, ifname, Plugin::Bridge, command, config.clone()).args(args).run().ok();
        }
    }
    assert_eq!(before, scene.state());
}

#[test]
fn the_same_network_twice_in_one_container() {
    cites!("DEL-2", "GC-7");
    let scene = Scene::new();
    let before = scene.state();
    let config = network(1);
    let add = |ifname: &str| scene.call_for(&scene.c1, ifname, Plugin::Bridge, "ADD", config.clone()).run().ok();
    let (first, second) = (add("net1"), add("net2"));
    assert_ne!(first["ips"][0]["address"], second["ips"][0]["address"]);
    scene.call_for(&scene.c1, "net1", Plugin::Bridge, "DEL", config.clone()).run().ok();
    let check = with(&config, json!({"prevResult": second}));
    scene.call_for(&scene.c1, "net2", Plugin::Bridge, "CHECK", check).run().ok();
    scene.call_for(&scene.c1, "net2", Plugin::Bridge, "DEL", config.clone()).run().ok();
    assert_eq!(before, scene.state());
}

/// Runs a command for all containers at once.
fn all_at_once(scene: &Scene, containers: &[harness::Namespace], command: &str) -> Vec<harness::Reply> {
    let calls: Vec<_> =
        containers.iter().map(|ns| scene.call_for(ns, "eth0", Plugin::Bridge, command, network(1))).collect();
    std::thread::scope(|scope| {
        let running: Vec<_> = calls.into_iter().map(|call| scope.spawn(move || call.run())).collect();
        running.into_iter().map(|call| call.join().expect("the call ends")).collect()
    })
}

#[test]
fn fifty_containers_at_once_on_one_new_bridge() {
    cites!("ADD-8");
    let scene = Scene::new();
    let before = State::take(&[]);
    let containers: Vec<_> = (0..50).map(|number| scene.host.namespace(&format!("p{number}"))).collect();
    let results: Vec<Value> = all_at_once(&scene, &containers, "ADD").iter().map(harness::Reply::ok).collect();
    let addresses: BTreeSet<_> = results.iter().map(|result| result["ips"][0]["address"].to_string()).collect();
    assert_eq!(addresses.len(), 50, "every container has an address of its own");
    assert_eq!(harness::ip("link show type bridge").as_array().map(Vec::len), Some(1), "one bridge");
    assert_eq!(harness::sh("ls /sys/class/net/br1/brif | wc -l").ok(), "50");
    let last = results[49]["ips"][0]["address"].as_str().and_then(|ip| ip.split('/').next()).expect("an address");
    assert_eq!(containers[0].ping(last, 1).received, 1);
    for reply in all_at_once(&scene, &containers, "DEL") {
        reply.ok();
    }
    assert_eq!(before, State::take(&[]));
}
