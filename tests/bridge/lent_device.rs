//! `bridge` behind a plugin that made a device of the host: the device becomes the port, and no NIC is made.

use std::net::Ipv4Addr;
use std::time::Duration;

use harness::Invocation;
use serde_json::{Value, json};
use tests::{Delegate, Guest, LATEST, Plugin, Scene, Station, cites, codes, with};

/// A plugin of another party: it makes a TAP device of the host and lists it in its result.
const MAKER: &str = "case $CNI_COMMAND in
    ADD) ip tuntap add t0 mode tap vnet_hdr && ip link set t0 address 02:00:00:00:00:01 alias somebodys &&
        echo '{\"cniVersion\":\"1.1.0\",\"interfaces\":[{\"name\":\"t0\",\"mac\":\"02:00:00:00:00:01\"}]}';;
    DEL) ip link del t0;;
    esac";

/// A host on which that plugin has run, with its result.
fn behind_a_maker() -> (Scene, Invocation, Value) {
    let scene = Scene::new();
    Delegate::new(&scene, "maker", "maker", MAKER);
    let maker = |command: &str| {
        Invocation::new("/run/scene/maker/maker", command)
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .config(json!({"cniVersion": LATEST, "name": "net", "type": "maker"}))
    };
    let result = maker("ADD").run().ok();
    (scene, maker("DEL"), result)
}

fn config(previous: &Value) -> Value {
    with(&Plugin::Bridge.config(LATEST), json!({"isGateway": true, "hairpinMode": true, "prevResult": previous}))
}

fn link(name: &str) -> Value {
    harness::ip(&format!("link show dev {name}"))[0].clone()
}

#[test]
fn the_device_of_the_previous_plugin_becomes_the_port() {
    cites!("ADD-5", "DEL-1", "CHK-4");
    let (scene, unmake, made) = behind_a_maker();
    harness::sh("ip link set t0 up").ok();
    let before = scene.state();
    let (result, attached) = scene.added(Plugin::Bridge, &config(&made));

    let names: Vec<&str> =
        result["interfaces"].as_array().into_iter().flatten().filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(names, ["t0", "br0"], "{result:#}");
    assert_eq!(result["interfaces"][0]["mac"], made["interfaces"][0]["mac"], "it is passed on as it was");
    assert_eq!(result["ips"].as_array().map(Vec::len), Some(1), "{result:#}");
    assert!(result["ips"][0]["interface"].is_null(), "no interface of the result has it: {result:#}");
    let port = link("t0");
    assert_eq!((&port["master"], &port["ifalias"]), (&json!("br0"), &json!("somebodys")), "{port:#}");
    assert_eq!(port["linkinfo"]["info_slave_data"]["hairpin"], true, "{port:#}");
    let links = harness::ip("link show");
    assert_eq!(links.as_array().map(Vec::len), Some(3), "lo, the device, the bridge: {links:#}");
    assert_eq!(scene.c1.ip("link show").as_array().map(Vec::len), Some(1), "the container got no NIC");

    let ip = result["ips"][0]["address"].as_str().and_then(|ip| ip.split('/').next()).expect("an address");
    let own = Station { mac: [2, 0, 0, 0, 0, 7], ip: ip.parse().expect("of IPv4") };
    let mut guest = Guest::open("t0").expect("the device can be opened");
    let gateway = guest.who_has(own, Ipv4Addr::new(10, 1, 0, 1), Duration::from_secs(30)).expect("the bridge answers");
    assert_eq!(result["interfaces"][1]["mac"], gateway.map(|byte| format!("{byte:02x}")).join(":"));
    drop(guest);

    scene.call(Plugin::Bridge, "CHECK", attached.clone()).run().ok();
    scene.call(Plugin::Bridge, "DEL", attached.clone()).run().ok();
    assert_eq!(before, scene.state(), "the bridge has gone, the device is as it was");
    scene.call(Plugin::Bridge, "DEL", attached).run().ok();
    assert_eq!(unmake.run().status, 0, "it is there for its own plugin to remove");
}

#[test]
fn a_difference_of_the_port_is_reported() {
    cites!("CHK-4");
    for (spoil, culprit) in [
        ("ip link set t0 nomaster", "interface t0: want a port of bridge br0, have no port"),
        ("ip link del t0", "interface t0: want present, have missing"),
        ("ip link set t0 down", "interface t0: want up, have down"),
        ("bridge link set dev t0 hairpin off", "hairpin of t0: want on, have off"),
    ] {
        let (scene, _, made) = behind_a_maker();
        let (mut result, _) = scene.added(Plugin::Bridge, &config(&made));
        // A shaper has come behind it.
        harness::sh("ip link add ifb9 type ifb").ok();
        result["interfaces"].as_array_mut().expect("a list").push(json!({"name": "ifb9"}));
        let attached = config(&result);
        scene.call(Plugin::Bridge, "CHECK", attached.clone()).run().ok();
        assert!(link("t0")["flags"].as_array().is_some_and(|flags| flags.contains(&json!("UP"))), "ADD sets it up");
        harness::sh(spoil).ok();
        let (code, msg, _) = scene.call(Plugin::Bridge, "CHECK", attached).run().error();
        assert_eq!(code, codes::DIFFERENT, "{spoil}: {msg}");
        assert!(msg.contains(culprit), "{spoil}: {msg}");
    }
}

#[test]
fn the_last_attachment_out_removes_the_bridge_whoever_made_its_device() {
    cites!("DEL-1");
    let (scene, _, made) = behind_a_maker();
    let c2 = scene.host.namespace("c2");
    let plain = Plugin::Bridge.config(LATEST);
    let (_, lent) = scene.added(Plugin::Bridge, &config(&made));
    scene.call_for(&c2, "eth0", Plugin::Bridge, "ADD", plain.clone()).run().ok();
    scene.call_for(&c2, "eth0", Plugin::Bridge, "DEL", plain.clone()).run().ok();
    assert_eq!(link("t0")["master"], "br0", "one is left");
    scene.call(Plugin::Bridge, "CHECK", lent.clone()).run().ok();
    scene.call_for(&c2, "eth0", Plugin::Bridge, "ADD", plain.clone()).run().ok();
    scene.call(Plugin::Bridge, "DEL", lent).run().ok();
    assert!(link("t0")["master"].is_null());
    assert_eq!(link("br0")["linkinfo"]["info_kind"], "bridge", "the other one is left");
    scene.call_for(&c2, "eth0", Plugin::Bridge, "DEL", plain).run().ok();
    assert!(harness::sh("ip link show br0").status != 0);
}

#[test]
fn a_failed_add_gives_the_device_back() {
    cites!("ADD-7");
    let (scene, _, made) = behind_a_maker();
    harness::sh("ip link set t0 up && ip link set t0 down").ok(); // the first time gives it a queue that stays
    let before = scene.state();
    let failing = Delegate::failing(&scene, &json!({}), "ADD", &json!({"cniVersion": LATEST, "code": 11, "msg": "no"}));
    let config = with(&config(&made), json!({"ipam": {"type": "made-up"}}));
    let (code, msg, _) = scene.call(Plugin::Bridge, "ADD", config).path(failing.path()).run().error();
    assert_eq!(code, 11, "{msg}");
    assert_eq!(before, scene.state(), "it is no port, and down as it was");
}

#[test]
fn several_devices_are_refused_and_ports_and_bridges_are_none() {
    cites!("ADD-7");
    let (scene, _, mut made) = behind_a_maker();
    harness::sh("ip tuntap add t1 mode tap && ip link add other type bridge").ok();
    for name in ["t1", "other", "vanished"] {
        made["interfaces"].as_array_mut().expect("a list").push(json!({"name": name}));
    }
    let before = scene.state();
    let (code, msg, _) = scene.call(Plugin::Bridge, "ADD", config(&made)).run().error();
    assert_eq!(code, 7, "{msg}");
    assert!(msg.contains("t0, t1") && !msg.contains("other") && !msg.contains("vanished"), "{msg}");
    assert_eq!(before, scene.state());

    harness::sh("ip link set t0 master other && ip link set t1 master other").ok();
    let (result, attached) = scene.added(Plugin::Bridge, &config(&made));
    assert_eq!(scene.c1.ip("link show dev eth0")[0]["linkinfo"]["info_kind"], "veth", "a NIC as always");
    assert_eq!(result["ips"][0]["interface"], 6, "{result:#}");
    scene.call(Plugin::Bridge, "CHECK", attached.clone()).run().ok();
    scene.call(Plugin::Bridge, "DEL", attached).run().ok();
    assert_eq!(link("t0")["master"], "other", "what is another bridge's stays there");
}

/// The reference's `ptp` leaves the host's end of its veth free. On the bridge it connects the container with the others.
#[test]
fn the_host_interface_of_ptp_becomes_the_port() {
    cites!("ADD-5", "DEL-1");
    let scene = Scene::new();
    let c2 = scene.host.namespace("c2");
    let ptp = json!({"cniVersion": "1.0.0", "name": "net", "type": "ptp", "ipMasq": false,
        "ipam": {"type": "static", "addresses": [{"address": "10.1.0.50/24", "gateway": "10.1.0.1"}]}});
    let ptp = |command: &str, config: Value| {
        let call = Invocation::new("/usr/lib/cni/ptp", command).container("c1").netns(&scene.c1.path).ifname("eth0");
        call.path("/usr/lib/cni").config(with(&ptp, config)).run().ok()
    };
    let made = ptp("ADD", json!({}));
    let peer = scene.call_for(&c2, "eth0", Plugin::Bridge, "ADD", Plugin::Bridge.config(LATEST)).run().ok();
    let lend = json!({"cniVersion": "1.0.0", "name": "net", "type": "bridge", "bridge": "br0", "prevResult": made});
    let (result, attached) = scene.added(Plugin::Bridge, &lend);
    assert_eq!(result["ips"], made["ips"]);
    let host_interface = made["interfaces"][0]["name"].as_str().expect("a name");
    assert_eq!(link(host_interface)["master"], "br0");
    let peer = peer["ips"][0]["address"].as_str().and_then(|ip| ip.split('/').next()).expect("an address");
    // ptp gives the container a route to its gateway only.
    scene.c1.sh(&format!("ip route replace {peer} dev eth0")).ok();
    assert_eq!(scene.c1.ping(peer, 3).received, 3);
    scene.call(Plugin::Bridge, "CHECK", attached.clone()).run().ok();
    scene.call(Plugin::Bridge, "DEL", attached).run().ok();
    assert!(link(host_interface)["master"].is_null());
    ptp("DEL", json!({"prevResult": result}));
}
