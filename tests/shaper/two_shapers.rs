//! Two shapers on one interface: two of ours, or ours beside the reference's `bandwidth`. Where they limit different
//! directions, both hold. Where they limit the same one, the second is refused, and the first stays as it was.

use harness::Invocation;
use serde_json::{Value, json};
use tests::{LATEST, Plugin, Scene, cites, codes, with};

/// `containernetworking-plugins` of Debian.
const REFERENCE: &str = "/usr/lib/cni";

/// What both of them know.
const VERSION: &str = "1.0.0";

/// A direction of a NIC, with the keys of both plugins for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Download,
    Upload,
}

use Direction::{Download, Upload};

impl Direction {
    fn ours(self) -> Value {
        let keys = match self {
            Download => json!({"bw": null, "download": {"rate": "10Mbit"}}),
            Upload => json!({"bw": null, "upload": {"rate": "10Mbit"}}),
        };
        with(&Plugin::Shaper.config(VERSION), keys)
    }

    fn reference(self) -> Value {
        let base = json!({"cniVersion": VERSION, "name": "net", "type": "bandwidth"});
        with(
            &base,
            match self {
                Download => json!({"ingressRate": 8_000_000, "ingressBurst": 800_000}),
                Upload => json!({"egressRate": 8_000_000, "egressBurst": 800_000}),
            },
        )
    }
}

/// A call of the plugin that a configuration names.
fn call(scene: &Scene, command: &str, config: &Value) -> Invocation {
    if config["type"] != "bandwidth" {
        return scene.call(Plugin::Shaper, command, config.clone());
    }
    let call = Invocation::new(&format!("{REFERENCE}/bandwidth"), command).path(REFERENCE).config(config);
    call.container("c1").netns(&scene.c1.path).ifname("eth0")
}

/// The chain's DEL, which a runtime runs after a failure too.
fn del_all(scene: &Scene, chain: &[Value]) {
    for config in chain.iter().rev() {
        call(scene, "DEL", config).run().ok();
    }
}

/// The chain of two after the bridge's NIC. `is_refused` is what the second says to it.
fn second_after_first(first: &Value, second: &Value, is_refused: Option<&str>) {
    let scene = Scene::new();
    let empty = scene.state();
    let made = scene.call(Plugin::Bridge, "ADD", Plugin::Bridge.config(VERSION)).run().ok();
    let plain = scene.state();
    let chain = [first, second].map(|config| with(config, json!({"prevResult": made})));
    call(&scene, "ADD", &chain[0]).run().ok();
    let shaped = scene.state();
    let reply = call(&scene, "ADD", &chain[1]).run();
    match is_refused {
        Some(text) => {
            let (code, msg, details) = reply.error();
            assert!(format!("{msg} {details}").contains(text), "{first} {second}: {reply}");
            if second["type"] != "bandwidth" {
                assert_eq!(code, codes::CONFLICT, "{first} {second}: {reply}");
                assert_eq!(shaped, scene.state(), "{first} {second}: the first is as it was");
            }
        }
        None => {
            reply.ok();
            assert_ne!(shaped, scene.state(), "{first} {second}: the second does something");
            chain.iter().for_each(|config| _ = call(&scene, "CHECK", config).run().ok());
        }
    }
    if second["type"] != "bandwidth" {
        // The first one's queues are whole, whatever the second did.
        call(&scene, "CHECK", &chain[0]).run().ok();
    }
    del_all(&scene, &chain);
    // The reference leaves its queues to go with their device.
    if chain.iter().all(|config| config["type"] != "bandwidth") {
        assert_eq!(plain, scene.state(), "{first} {second}: after DEL");
    }
    scene.call(Plugin::Bridge, "DEL", Plugin::Bridge.config(VERSION)).run().ok();
    assert_eq!(empty, scene.state());
}

const ONE: &str = "an interface has one shaper in each direction";

#[test]
fn two_of_ours_in_one_direction_are_refused() {
    cites!("ADD-7");
    for direction in [Download, Upload] {
        second_after_first(&direction.ours(), &direction.ours(), Some(ONE));
    }
    let both = with(&Download.ours(), json!({"upload": {"rate": "5Mbit"}}));
    for direction in [Download, Upload] {
        second_after_first(&both, &direction.ours(), Some(ONE));
        second_after_first(&direction.ours(), &both, Some(ONE));
    }
}

#[test]
fn two_of_ours_in_different_directions_both_hold() {
    second_after_first(&Download.ours(), &Upload.ours(), None);
    second_after_first(&Upload.ours(), &Download.ours(), None);
}

#[test]
fn ours_after_the_reference_is_refused_in_its_direction_and_holds_in_the_other() {
    cites!("ADD-7");
    second_after_first(&Download.reference(), &Download.ours(), Some(ONE));
    second_after_first(&Upload.reference(), &Upload.ours(), Some(ONE));
    let both = with(&Download.ours(), json!({"upload": {"rate": "5Mbit"}}));
    second_after_first(&Upload.reference(), &both, Some(ONE));
    second_after_first(&Download.reference(), &both, Some(ONE));
    second_after_first(&Download.reference(), &Upload.ours(), None);
    second_after_first(&Upload.reference(), &Download.ours(), None);
}

/// What the reference says is its own: that something is there already.
#[test]
fn ours_stays_when_the_reference_comes_after_it() {
    second_after_first(&Download.ours(), &Download.reference(), Some("file exists"));
    second_after_first(&Upload.ours(), &Upload.reference(), Some("file exists"));
    second_after_first(&Download.ours(), &Upload.reference(), None);
    second_after_first(&Upload.ours(), &Download.reference(), None);
}

/// An operator's own queues and filters are not ours to replace, nor to remove.
#[test]
fn what_an_operator_made_stays() {
    cites!("ADD-7", "DEL-1");
    for (made, direction) in [
        ("tc qdisc add dev PORT root handle 1: tbf rate 1mbit burst 5kb latency 50ms", Download),
        ("tc qdisc add dev PORT root fq_codel", Download),
        ("tc qdisc add dev PORT root handle 5: pfifo", Download),
        ("tc qdisc add dev PORT ingress", Upload),
        ("tc qdisc add dev PORT clsact", Upload),
        (
            "tc qdisc add dev PORT ingress && tc filter add dev PORT ingress protocol all u32 match u32 0 0 flowid 1:1",
            Upload,
        ),
    ] {
        let scene = Scene::new();
        let made_nic = scene.call(Plugin::Bridge, "ADD", Plugin::Bridge.config(LATEST)).run().ok();
        let port = made_nic["interfaces"][1]["name"].as_str().expect("a host interface");
        if harness::sh(&made.replace("PORT", port)).status != 0 {
            harness::not_observed(&format!("`{made}`: this kernel has no such qdisc"));
            continue;
        }
        let before = scene.state();
        let config = with(&direction.ours(), json!({"prevResult": made_nic}));
        let (code, msg, _) = call(&scene, "ADD", &config).run().error();
        assert_eq!(code, codes::CONFLICT, "{made}: {msg}");
        assert!(msg.contains(ONE) && msg.contains(port), "{msg}");
        assert_eq!(before, scene.state(), "{made}: after the refusal");
        call(&scene, "DEL", &config).run().ok();
        assert_eq!(before, scene.state(), "{made}: after DEL");
    }
}

/// Filters that an operator added beside ours keep their qdisc.
#[test]
fn an_operators_filters_beside_ours_survive_del() {
    cites!("DEL-1");
    let scene = Scene::new();
    let made = scene.call(Plugin::Bridge, "ADD", Plugin::Bridge.config(LATEST)).run().ok();
    let port = made["interfaces"][1]["name"].as_str().expect("a host interface");
    let (_, config) = scene.added(Plugin::Shaper, &with(&Upload.ours(), json!({"prevResult": made})));
    for preference in [1, 7] {
        let add =
            format!("tc filter add dev {port} ingress prio {preference} protocol all u32 match u32 1 1 flowid 1:1");
        harness::sh(&add).ok();
    }
    scene.call(Plugin::Shaper, "DEL", config).run().ok();
    let filters = harness::sh(&format!("tc filter show dev {port} ingress")).ok();
    assert!(!filters.contains("Redirect"), "{filters}");
    assert_eq!(filters.matches("match 00000001/00000001").count(), 2, "{filters}");
}
