//! Corners of `netem-shaper`: what few configurations ask, and what has to hold all the same.

use harness::{Invocation, not_observed, sh, tc};
use lab::Feature;
use serde_json::{Value, json};
use tests::{LATEST, Plugin, Scene, codes, with};

/// The shaper behind the NIC of the scene's container, asked for nothing yet.
fn with_a_nic() -> (Scene, Value) {
    let scene = Scene::new();
    let config = with(&scene.config(Plugin::Shaper, LATEST), json!({"bw": null}));
    (scene, config)
}

fn shaper(scene: &Scene, command: &str, config: &Value) -> Invocation {
    scene.call(Plugin::Shaper, command, config.clone())
}

/// The host's end of the container's veth.
fn port(config: &Value) -> String {
    config["prevResult"]["interfaces"][1]["name"].as_str().expect("a host interface").to_owned()
}

/// kubelet and containerd give the first where nobody asked for a burst, CRI-O the second.
#[test]
fn the_bursts_that_runtimes_fill_in_are_none() {
    let (scene, config) = with_a_nic();
    let plain = with(&config, json!({"runtimeConfig": {"bandwidth": {"ingressRate": 10_000_000}}}));
    shaper(&scene, "ADD", &plain).run().ok();
    for burst in [i64::from(i32::MAX), i64::from(u32::MAX) * 8] {
        for rate in [10_000_000, 0] {
            let keys = json!({"ingressRate": 10_000_000, "ingressBurst": burst, "egressRate": 0, "egressBurst": burst});
            let filled =
                with(&config, json!({"runtimeConfig": {"bandwidth": with(&keys, json!({"ingressRate": rate}))}}));
            let checked = shaper(&scene, "CHECK", &filled).run();
            checked.ok();
        }
    }
    shaper(&scene, "DEL", &plain).run().ok();
}

#[test]
fn an_interface_that_is_named_twice_is_told() {
    let (scene, config) = with_a_nic();
    let before = scene.state();
    let twice = with(&config, json!({"bw": "10Mbps", "interfaces": ["eth0", "eth0"]}));
    let (code, message, _) = shaper(&scene, "ADD", &twice).run().error();
    assert_eq!(code, 7, "{message}");
    assert!(message.starts_with("interfaces: ") && message.contains("eth0") && message.contains("once"), "{message}");
    assert_eq!(before, scene.state());
}

/// Devices have different MTUs, so a burst that is too small for some is none of STATUS's business.
#[test]
fn status_tries_the_queues_whatever_the_burst() {
    let scene = Scene::new();
    let line = |burst: &str| {
        let line = json!({"rate": "10Mbit", "burst": burst, "delay": "10ms"});
        with(&Plugin::Shaper.config(LATEST), json!({"bw": null, "download": line}))
    };
    let (code, message, _) = shaper(&scene, "STATUS", &line("100B")).run().error();
    assert!(code == 7 && message.starts_with("download.burst: 100 bytes"), "{code}: {message}");
    if Feature::Netem.is_present() {
        shaper(&scene, "STATUS", &line("15000B")).run().ok();
        not_observed("that STATUS misses netem: this kernel has it");
        return;
    }
    let (code, message, _) = shaper(&scene, "STATUS", &line("15000B")).run().error();
    assert!(code == 50 && message.contains("sch_netem"), "{code}: {message}");
}

/// The upload's queues are gone already when the download's are refused.
#[test]
fn an_update_that_fails_late_brings_the_upload_back() {
    let (scene, config) = with_a_nic();
    let plain = scene.state();
    let first = with(&config, json!({"bw": "20Mbps", "upload": {"rate": "10Mbit"}}));
    let second = with(&config, json!({"bw": "20Mbps", "lat": "10ms"}));
    shaper(&scene, "ADD", &first).run().ok();
    let queues = || tc("qdisc show").to_string();
    let before = queues();
    let reply = shaper(&scene, "UPDATE", &second).run();
    if Feature::Netem.is_present() {
        not_observed("an UPDATE that fails for want of netem: this kernel has it");
        return;
    }
    assert_eq!(reply.error().0, codes::UNSUPPORTED_BY_KERNEL, "{reply}");
    shaper(&scene, "CHECK", &first).run().ok();
    assert_eq!(before, queues());
    shaper(&scene, "DEL", &first).run().ok();
    assert_eq!(plain, scene.state());
}

/// What somebody else has at the root is in nobody's way while only the other direction is shaped.
#[test]
fn an_upload_changes_beside_a_root_of_somebody_else() {
    let (scene, config) = with_a_nic();
    let port = port(&config);
    sh(&format!("tc qdisc add dev {port} root handle 1: pfifo limit 77")).ok();
    let root = || tc(&format!("qdisc show dev {port} root"))[0]["options"].clone();
    let before = scene.state();
    let upload = |rate: &str| with(&config, json!({"upload": {"rate": rate}}));
    shaper(&scene, "ADD", &upload("10Mbit")).run().ok();
    for next in [upload("20Mbit"), config.clone(), upload("30Mbit")] {
        shaper(&scene, "UPDATE", &next).run().ok();
        shaper(&scene, "CHECK", &next).run().ok();
        assert_eq!(root()["limit"], 77);
    }
    let shaped = scene.state();
    let (code, message, _) = shaper(&scene, "UPDATE", &with(&upload("30Mbit"), json!({"bw": "1Mbps"}))).run().error();
    assert!(code == codes::CONFLICT && message.contains("pfifo"), "{code}: {message}");
    assert_eq!(shaped, scene.state());
    shaper(&scene, "DEL", &upload("30Mbit")).run().ok();
    assert_eq!(before, scene.state());
}

/// It would be a limit that is not kept.
#[test]
fn a_key_that_a_caller_misspells_is_refused() {
    let (scene, config) = with_a_nic();
    let before = scene.state();
    for (keys, place) in [
        (json!({"args": {"cni": {"shaping": {"bandwith": "10Mbps"}}}}), "args.cni.shaping.bandwith: "),
        (json!({"runtimeConfig": {"shaping": {"bw": "1Mbps", "rate": "10Mbps"}}}), "runtimeConfig.shaping.rate: "),
    ] {
        let (code, message, _) = shaper(&scene, "ADD", &with(&config, keys)).run().error();
        assert_eq!(code, 7, "{message}");
        assert!(message.starts_with(place) && message.contains("bw, download, lat, preset, upload"), "{message}");
    }
    assert_eq!(before, scene.state());
}
