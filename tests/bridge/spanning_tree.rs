//! A bridge of an operator that runs the spanning tree protocol: its ports forward after twice its forward delay.

use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant};

use harness::{Namespace, sh};
use serde_json::{Value, json};
use tests::{Delegate, LATEST, Plugin, Process, Scene, cites, codes, error_object, with};

/// The least forward delay that the kernel takes: 2 s, which a port listens for, and then learns for. When ports change, the kernel
/// sets the ageing time to twice that.
const BRIDGE: &str = "ip link add br0 up type bridge stp_state 1 forward_delay 200 hello_time 100 ageing_time 400";
const WAIT: Duration = Duration::from_secs(4);

fn config(address: &str) -> Value {
    let ipam = json!({"type": "static", "addresses": [{"address": format!("{address}/24")}]});
    with(&Plugin::Bridge.config(LATEST), json!({"ipam": ipam}))
}

fn attach(ns: &Namespace, address: &str) -> std::process::Child {
    Process::new(Plugin::Bridge, "ADD").attachment(ns, "eth0").start(&config(address))
}

/// One that succeeds, one whose address somebody has, and one that is killed meanwhile.
#[test]
fn add_waits_until_its_port_forwards_and_says_so() {
    cites!("ADD-1", "ADD-7", "DEL-8");
    let scene = Scene::new();
    let [taken, killed] = ["taken", "killed"].map(|name| scene.host.namespace(name));
    sh(&format!("{BRIDGE} && ip address add 10.1.0.1/24 dev br0")).ok();
    let before = scene.state();
    let started = Instant::now();
    let mut dying = attach(&killed, "10.1.0.7");
    let mut lines = BufReader::new(dying.stderr.take().expect("it is piped"));
    let mut line = String::new();
    lines.read_line(&mut line).expect("a line");
    assert!(started.elapsed() < WAIT / 2, "it is told while it waits");
    assert!(line.contains("waiting up to 5 s") && line.contains("br0 type bridge stp_state 0"), "{line}");
    assert!(!line.contains("  "), "{line}");
    dying.kill().expect("it runs");
    dying.wait().expect("it ends");
    scene.call_for(&killed, "eth0", Plugin::Bridge, "DEL", config("10.1.0.7")).run().ok();
    assert_eq!(before, scene.state(), "after the kill");

    let started = Instant::now();
    let [good, bad] = [attach(&scene.c1, "10.1.0.5"), attach(&taken, "10.1.0.1")];
    let bad = bad.wait_with_output().expect("it ends");
    let good = good.wait_with_output().expect("it ends");
    assert!(started.elapsed() >= WAIT, "{:?}", started.elapsed());
    let ping = scene.c1.ping("10.1.0.1", 1);
    assert!(good.status.success() && ping.all_answered(), "{good:?} {ping:?}");
    let (code, msg, _) = error_object(&bad);
    assert!(code == codes::CONFLICT && msg.contains("in use by"), "its question has come through: {msg}");
    let result: Value = serde_json::from_slice(&good.stdout).expect("JSON");
    let attached = with(&config("10.1.0.5"), json!({"prevResult": result}));
    scene.call(Plugin::Bridge, "CHECK", attached.clone()).run().ok();
    scene.call(Plugin::Bridge, "DEL", attached).run().ok();
    assert_eq!(before, scene.state());
}

/// An IPAM plugin that speaks through the NIC is called when it can. The state of a port that forwards is 3.
#[test]
fn dhcp_is_asked_for_when_the_port_forwards() {
    let scene = Scene::new();
    sh(BRIDGE).ok();
    let answer = json!({"cniVersion": LATEST, "ips": [{"address": "10.1.0.5/24"}]});
    let body = format!(
        "[ $CNI_COMMAND != ADD ] || {{ cat /sys/class/net/br0/brif/*/state > /run/scene/state; echo '{answer}'; }}"
    );
    let dhcp = Delegate::new(&scene, "made-up", "dhcp", &body);
    let config = with(&config("10.1.0.5"), json!({"ipam": {"type": "dhcp"}}));
    scene.call(Plugin::Bridge, "ADD", config).path(dhcp.path()).run().ok();
    assert_eq!(std::fs::read_to_string("/run/scene/state").expect("it was called"), "3\n");
}

/// The container leads what its NIC receives back to the bridge.
#[test]
fn a_port_that_stays_blocked_is_an_error() {
    cites!("ADD-6");
    let scene = Scene::new();
    sh(&format!(
        "{BRIDGE} && ip link add back0 up master br0 type veth peer name x0 netns c1 && \
         ip -n c1 link add loop0 up type bridge && ip -n c1 link set x0 up master loop0"
    ))
    .ok();
    let before = scene.state();
    let closing = harness::spawn("until ip -n c1 link set eth0 master loop0 2> /dev/null; do sleep 0.01; done");
    let started = Instant::now();
    let (code, msg, _) =
        scene.call(Plugin::Bridge, "ADD", with(&config("10.1.0.5"), json!({"ipam": null}))).run().error();
    drop(closing);
    assert!(started.elapsed() < WAIT + Duration::from_secs(3), "{:?}", started.elapsed());
    assert!(code == codes::CONFLICT && msg.contains("loop") && msg.contains("stp_state 0"), "{code}: {msg}");
    assert_eq!(before, scene.state(), "it is undone");
}

#[test]
fn a_bridge_without_it_is_not_waited_for() {
    let scene = Scene::new();
    sh("ip link add br0 up type bridge forward_delay 1500").ok();
    let reply = scene.call(Plugin::Bridge, "ADD", config("10.1.0.5")).run();
    reply.ok();
    assert!(!reply.stderr.contains("waiting"), "{reply}");
}
