//! What the reference's `bandwidth` has made, and our DEL removes once our executable has taken its place.

use std::path::Path;

use harness::{Invocation, Namespace};
use serde_json::{Value, json};
use tests::{Plugin, Scene, codes, with};

/// `containernetworking-plugins` of Debian.
const REFERENCE: &str = "/usr/lib/cni";

const VERSION: &str = "1.0.0";

fn bridge() -> Value {
    with(&Plugin::Bridge.config(VERSION), json!({"isGateway": true}))
}

fn call(program: &str, command: &str, ns: &Namespace, ifname: &str, config: &Value) -> Invocation {
    let call = Invocation::new(program, command).config(config.clone());
    let call = if program.contains('/') { call.path(REFERENCE) } else { call };
    call.container(&ns.name).netns(&ns.path).ifname(ifname)
}

/// A NIC by this `bridge`, limited by the reference, and the configuration of the shaper with the result of both.
fn made(by: &str, ns: &Namespace, ifname: &str) -> Value {
    assert!(Path::new(REFERENCE).join("bandwidth").is_file(), "Debian's containernetworking-plugins are not installed");
    let nic = call(by, "ADD", ns, ifname, &bridge()).run().ok();
    let rates = json!({"ingressRate": 30_000_000, "ingressBurst": 3_000_000, "egressRate": 20_000_000,
        "egressBurst": 3_000_000});
    let least = json!({"cniVersion": VERSION, "name": "net", "type": "bandwidth", "prevResult": nic});
    let config = with(&least, rates);
    let made = call(&format!("{REFERENCE}/bandwidth"), "ADD", ns, ifname, &config).run().ok();
    with(&config, json!({"prevResult": made}))
}

fn ifbs() -> Vec<String> {
    let links = harness::ip("link show type ifb");
    let names = links.as_array().into_iter().flatten().filter_map(|link| link["ifname"].as_str());
    names.map(str::to_owned).collect()
}

/// The ifb that a result lists.
fn ifb(config: &Value) -> String {
    let interfaces = config["prevResult"]["interfaces"].as_array().expect("a list");
    let mut names = interfaces.iter().filter_map(|one| one["name"].as_str());
    names.find(|name| name.starts_with("bwp")).expect("the reference lists its ifb").to_owned()
}

#[test]
fn del_removes_its_ifb() {
    for by in ["bridge", "/usr/lib/cni/bridge"] {
        for has_result in [true, false] {
            for has_netns in [true, false] {
                let scene = Scene::new();
                let c2 = scene.host.namespace("c2");
                let (of_c1, of_c2) = (made(by, &scene.c1, "eth0"), made(by, &c2, "eth0"));
                let port = of_c1["prevResult"]["interfaces"][1]["name"].as_str().expect("a name").to_owned();
                let result = if has_result { of_c1["prevResult"].clone() } else { Value::Null };
                if !has_netns {
                    scene.c1.delete();
                    harness::wait_until("the veth goes", || !harness::sh("ip -o link").ok().contains(&port));
                }
                let config = with(&of_c1, json!({"prevResult": result}));
                let del = call("netem-shaper", "DEL", &scene.c1, "eth0", &config);
                let printed = del.clone().env("CNI_COMMAND", "PRINT").env("CNI_PRINT", "DEL").run().ok();
                assert!(
                    printed["commands"].to_string().contains(&format!("ip link delete {}", ifb(&of_c1))),
                    "{printed}"
                );
                assert_eq!(ifbs().len(), 2);
                let del = if has_netns { del } else { del.unset("CNI_NETNS") };
                del.run().ok();
                assert_eq!(ifbs(), [ifb(&of_c2)], "{by} {has_result} {has_netns}");
                if has_netns {
                    // What the container sends is not lost meanwhile.
                    assert!(!harness::sh(&format!("tc qdisc show dev {port}")).ok().contains("ingress"));
                    let config = with(&bridge(), json!({"prevResult": result}));
                    call("bridge", "DEL", &scene.c1, "eth0", &config).run().ok();
                    assert!(!harness::sh("ip -o link").ok().contains(&port));
                }
                del_again_is_no_error(&scene, &of_c1);
                assert_eq!(ifbs(), [ifb(&of_c2)]);
            }
        }
    }
}

fn del_again_is_no_error(scene: &Scene, config: &Value) {
    call("netem-shaper", "DEL", &scene.c1, "eth0", config).unset("CNI_NETNS").run().ok();
}

/// Its queues are not taken over.
#[test]
fn its_limits_cannot_be_changed_in_use() {
    let scene = Scene::new();
    let of_c1 = made("/usr/lib/cni/bridge", &scene.c1, "eth0");
    let before = scene.state();
    let other = with(&of_c1, json!({"ingressRate": 10_000_000}));
    let (code, msg, _) = call("netem-shaper", "UPDATE", &scene.c1, "eth0", &other).run().error();
    assert_eq!(code, codes::CONFLICT, "{msg}");
    assert_eq!(before, scene.state());
}

/// Its name does not tell which of a container's interfaces it is for.
#[test]
fn that_of_another_interface_of_the_container_stays() {
    let scene = Scene::new();
    let of_eth0 = made("/usr/lib/cni/bridge", &scene.c1, "eth0");
    let nic = call("/usr/lib/cni/bridge", "ADD", &scene.c1, "eth1", &bridge()).run().ok();
    for result in [nic, Value::Null] {
        let config = with(&of_eth0, json!({"prevResult": result}));
        call("netem-shaper", "DEL", &scene.c1, "eth1", &config).run().ok();
        assert_eq!(ifbs(), [ifb(&of_eth0)]);
    }
    // The namespace may be another container's by now; the NIC is still there.
    let c2 = scene.host.namespace("c2");
    let config = with(&of_eth0, json!({"prevResult": null}));
    call("netem-shaper", "DEL", &c2, "eth0", &config).container("c1").run().ok();
    assert_eq!(ifbs(), [ifb(&of_eth0)]);
}
