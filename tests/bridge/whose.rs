//! Whose device it is: DEL removes nothing of another attachment, whatever the names and the namespace lead to.

use harness::Namespace;
use serde_json::{Value, json};
use tests::{LATEST, Plugin, Scene, State, with};

/// The kinds of NICs.
fn kinds() -> [Value; 3] {
    [json!({}), json!({"nic": "tap"}), json!({"nic": "tap", "tapNamespace": "container"})]
}

fn config(kind: &Value) -> Value {
    with(&with(&Plugin::Bridge.config(LATEST), json!({"isGateway": true, "ipMasq": true})), kind.clone())
}

fn port(result: &Value) -> String {
    result["interfaces"][1]["name"].as_str().expect("a host interface").to_owned()
}

fn del(scene: &Scene, ns: &Namespace, config: &Value) {
    // The container c1, whatever the namespace is.
    scene.call_for(ns, "eth0", Plugin::Bridge, "DEL", config.clone()).container("c1").run().ok();
}

#[test]
fn a_later_del_leaves_the_container_at_its_path_alone() {
    for of_a in kinds() {
        for of_b in kinds() {
            let scene = Scene::new();
            let b = scene.host.namespace("c2");
            let (_, gone) = scene.added(Plugin::Bridge, &config(&of_a));
            scene.call(Plugin::Bridge, "DEL", gone.clone()).run().ok();
            let (_, other) = scene.added_for(&b, &config(&of_b));
            let before = State::take(&[&b]);
            for config in [gone.clone(), with(&gone, json!({"prevResult": null}))] {
                del(&scene, &b, &config);
                assert_eq!(before, State::take(&[&b]), "{of_a} {of_b}");
            }
            scene.call_for(&b, "eth0", Plugin::Bridge, "CHECK", other).run().ok();
        }
    }
}

/// Names are hashes of an attachment. Should two be the same, the alias tells whose a device is.
#[test]
fn a_device_of_the_same_name_with_anothers_alias_stays() {
    for kind in kinds() {
        let scene = Scene::new();
        let (result, config) = scene.added(Plugin::Bridge, &config(&kind));
        let port = port(&result);
        for (alias, stays) in
            [("plugboard: eth0 on net of another", true), ("plugboard: shared by net", true), ("the web server", false)]
        {
            harness::sh(&format!("ip link set dev {port} alias '{alias}'")).ok();
            scene.call(Plugin::Bridge, "DEL", with(&config, json!({"prevResult": null}))).run().ok();
            assert_eq!(harness::sh("ip link").ok().contains(&port), stays, "{kind} {alias}");
        }
    }
}

/// A user may change the alias of a TAP device in the container, and so may the container.
#[test]
fn a_tap_device_in_the_container_is_known_by_its_address_too() {
    let scene = Scene::new();
    let before = scene.state();
    let (_, config) = scene.added(Plugin::Bridge, &config(&kinds()[2]));
    scene.c1.sh("ip link set dev eth0 alias 'of the machine'").ok();
    scene.call(Plugin::Bridge, "DEL", config).run().ok();
    assert_eq!(before, scene.state());
}

/// Another plugin has made a new device of the name that was lent.
#[test]
fn a_device_that_has_the_name_of_a_lent_one_stays_on_its_bridge() {
    let scene = Scene::new();
    let b = scene.host.namespace("c2");
    let make = |mac: &str| harness::sh(&format!("ip tuntap add t0 mode tap && ip link set t0 address {mac}")).ok();
    let lent = |mac: &str| {
        let made = json!({"cniVersion": LATEST, "interfaces": [{"name": "t0", "mac": mac}]});
        with(&Plugin::Bridge.config(LATEST), json!({"isGateway": true, "prevResult": made}))
    };
    let (first, second) = ("02:00:00:00:00:01", "02:00:00:00:00:02");
    make(first);
    let (_, gone) = scene.added(Plugin::Bridge, &lent(first));
    scene.call(Plugin::Bridge, "DEL", gone.clone()).run().ok();
    harness::sh("ip link del t0").ok();
    make(second);
    let (_, other) = scene.added_for(&b, &lent(second));
    let before = scene.state();
    scene.call(Plugin::Bridge, "DEL", gone).run().ok();
    assert_eq!(before, scene.state());
    scene.call_for(&b, "eth0", Plugin::Bridge, "DEL", other).run().ok();
    assert_eq!(harness::ip("link show dev t0")[0]["master"], Value::Null);
}

/// It keeps its alias, by which GC knows whose it is.
#[test]
fn gc_keeps_a_valid_nic_that_a_user_has_renamed() {
    for kind in [json!({}), json!({"nic": "tap"})] {
        let scene = Scene::new();
        let (result, config) = scene.added(Plugin::Bridge, &config(&kind));
        let port = port(&result);
        harness::sh(&format!("ip link set {port} down && ip link set {port} name web1 up")).ok();
        for (valid, stays) in [(json!([{"containerID": "c1", "ifname": "eth0"}]), true), (json!([]), false)] {
            let gc = with(&config, json!({"cni.dev/valid-attachments": valid}));
            scene.call(Plugin::Bridge, "GC", gc).run().ok();
            assert_eq!(harness::sh("ip link").ok().contains("web1"), stays, "{kind} {valid}");
        }
    }
}
