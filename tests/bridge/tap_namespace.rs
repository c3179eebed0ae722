//! `bridge` with `"nic": "tap", "tapNamespace": "container"`: the NIC of a virtual machine whose process runs in the
//! container's namespace.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::{Guest, LATEST, Plugin, Scene, State, Station, cites, codes, with};

/// Users and groups that no machine has.
const OWNER: u32 = 54_321;
const GROUP: u32 = 54_322;

/// The least configuration, with the bridge as the gateway.
fn tap() -> Value {
    with(&Plugin::Bridge.config(LATEST), json!({"nic": "tap", "tapNamespace": "container", "isGateway": true}))
}

/// The guest's NIC, as a result of ADD describes it.
fn station(result: &Value) -> Station {
    let mac = result["interfaces"][2]["mac"].as_str().expect("the guest's NIC has an address");
    let mac: Vec<u8> = mac.split(':').map(|byte| u8::from_str_radix(byte, 16).expect("hexadecimal")).collect();
    let ip = result["ips"][0]["address"].as_str().and_then(|ip| ip.split('/').next()).expect("an address");
    Station { mac: mac.try_into().expect("six bytes"), ip: ip.parse().expect("of IPv4") }
}

/// The name of the device between the host interface and the TAP device.
fn joint(scene: &Scene) -> String {
    let links = scene.c1.ip("link show type veth");
    links[0]["ifname"].as_str().expect("there is one").to_owned()
}

#[test]
fn a_process_in_the_container_opens_it_by_name_and_reaches_the_gateway() {
    cites!("ADD-1", "RES-20", "RES-21", "RES-22");
    let scene = Scene::new();
    let before = scene.state();
    let (result, attached) = scene.added(Plugin::Bridge, &tap());
    let interfaces = result["interfaces"].as_array().expect("a list");
    assert_eq!(interfaces.len(), 3, "{result:#}");
    assert_eq!((&interfaces[2]["name"], &interfaces[2]["sandbox"]), (&json!("eth0"), &json!(scene.c1.path)));

    let device = scene.c1.ip("link show dev eth0")[0].clone();
    assert_eq!(device["linkinfo"]["info_data"]["type"], "tap", "{device:#}");
    assert_eq!(device["linkinfo"]["info_data"]["vnet_hdr"], true, "{device:#}");
    assert_eq!(device["address"], interfaces[2]["mac"]);
    assert_eq!(device["ifalias"], "plugboard: eth0 on net of c1");
    let port = harness::ip(&format!("link show dev {}", interfaces[1]["name"].as_str().expect("a name")));
    assert_eq!(port[0]["master"], "br0");
    for link in scene.c1.ip("address show").as_array().into_iter().flatten().filter(|link| link["ifname"] != "lo") {
        assert_eq!(link["addr_info"], json!([]), "the addresses are for the guest: {link:#}");
    }

    // Before anybody reads from the device it has no carrier.
    scene.call(Plugin::Bridge, "CHECK", attached.clone()).run().ok();
    let mut guest = Guest::open_in(&scene.c1, "eth0").expect("the device can be opened");
    let answer = guest.who_has(station(&result), Ipv4Addr::new(10, 1, 0, 1), Duration::from_secs(30));
    let mac = answer.expect("the gateway answers").map(|byte| format!("{byte:02x}")).join(":");
    assert_eq!(interfaces[0]["mac"], mac, "it is the bridge");
    scene.call(Plugin::Bridge, "CHECK", attached.clone()).run().ok();
    scene.call(Plugin::Bridge, "DEL", attached.clone()).run().ok();
    assert_eq!(before, scene.state(), "it goes although a process holds it");
    scene.call(Plugin::Bridge, "DEL", attached).run().ok();
}

#[test]
fn the_device_is_its_owners() {
    cites!("ADD-1");
    let scene = Scene::new();
    scene.added(Plugin::Bridge, &with(&tap(), json!({"owner": OWNER, "group": GROUP})));
    let error = Guest::open_in_as(&scene.c1, OWNER + 2, GROUP, "eth0").expect_err("it is somebody else's");
    assert_eq!(error.raw_os_error(), Some(libc::EPERM), "{error}");
    Guest::open_in_as(&scene.c1, OWNER, GROUP, "eth0").expect("the owner needs no privilege");
}

#[test]
fn the_mtu_and_the_address_are_those_asked_for() {
    cites!("CAP-7", "RES-11");
    let scene = Scene::new();
    let config = with(&tap(), json!({"mtu": 1400, "mac": "02:00:00:00:00:07"}));
    let (result, attached) = scene.added(Plugin::Bridge, &config);
    assert_eq!(result["interfaces"][2]["mac"], "02:00:00:00:00:07");
    for link in scene.c1.ip("link show").as_array().into_iter().flatten().filter(|link| link["ifname"] != "lo") {
        assert_eq!(link["mtu"], 1400, "{link:#}");
    }
    scene.call(Plugin::Bridge, "CHECK", attached).run().ok();
}

#[test]
fn what_is_missing_or_spoiled_is_reported() {
    cites!("CHK-4");
    for (spoil, culprit) in [
        ("ip link del eth0", "TAP device eth0 in the container: want present, have missing"),
        ("ip link set eth0 down", "TAP device eth0 in the container: want up, have down"),
        ("ip link set eth0 address 02:00:00:00:00:01", "have 02:00:00:00:00:01"),
        ("ip link set JOINT down", "JOINT in the container: want up, have down"),
        ("tc qdisc del dev eth0 ingress", "redirection from eth0 in the container to JOINT"),
        ("tc qdisc del dev JOINT ingress", "redirection from JOINT in the container to eth0"),
        (
            "tc qdisc del dev JOINT ingress && tc qdisc add dev JOINT ingress && \
             tc filter add dev JOINT parent ffff: protocol ip u32 match u32 1 1 action mirred egress redirect dev eth0",
            "redirection from JOINT in the container to eth0",
        ),
    ] {
        let scene = Scene::new();
        let (_, attached) = scene.added(Plugin::Bridge, &tap());
        let joint = joint(&scene);
        scene.c1.sh(&spoil.replace("JOINT", &joint)).ok();
        let (code, msg, details) = scene.call(Plugin::Bridge, "CHECK", attached).run().error();
        assert_eq!(code, codes::DIFFERENT, "{spoil}: {msg}");
        assert!(format!("{msg} {details}").contains(&culprit.replace("JOINT", &joint)), "{spoil}: {msg} {details}");
    }
}

#[test]
fn an_interface_of_that_name_is_left_alone() {
    cites!("ADD-3", "ADD-7", "DEL-1");
    let scene = Scene::new();
    scene.c1.sh("ip tuntap add eth0 mode tap").ok();
    let before = scene.state();
    let (code, msg, _) = scene.call(Plugin::Bridge, "ADD", tap()).run().error();
    assert_eq!(code, codes::EXISTS, "{msg}");
    assert_eq!(before, scene.state());
    scene.call(Plugin::Bridge, "DEL", tap()).run().ok();
    assert_eq!(before, scene.state(), "it is somebody else's");
}

#[test]
fn a_namespace_that_is_gone_takes_it_along() {
    cites!("DEL-4");
    let scene = Scene::new();
    scene.added(Plugin::Bridge, &tap());
    scene.c1.delete();
    scene.call(Plugin::Bridge, "DEL", tap()).run().ok();
    assert!(harness::sh("ip link show br0").status != 0, "the bridge has gone with its last port");
    assert_eq!(State::allocations().len(), 0);
}

/// GC of a network without a valid attachment.
fn collect(scene: &Scene) {
    scene.call(Plugin::Bridge, "GC", with(&tap(), json!({"cni.dev/valid-attachments": []}))).run().ok();
}

#[test]
fn whoever_knows_no_namespace_takes_it_along_all_the_same() {
    cites!("GC-1", "DEL-4");
    let scene = Scene::new();
    harness::sh("sysctl -q net.ipv4.ip_forward=1").ok();
    let before = scene.state();
    // Of another attachment, which stays.
    let other = with(&tap(), json!({"name": "other", "bridge": "br1"}));
    scene.call_for(&scene.c1, "eth1", Plugin::Bridge, "ADD", other.clone()).run().ok();
    let beside = scene.state();
    for without_namespace in [collect, |scene: &Scene| {
        scene.call(Plugin::Bridge, "DEL", tap()).unset("CNI_NETNS").run().ok();
    }] {
        scene.added(Plugin::Bridge, &tap());
        without_namespace(&scene);
        assert_eq!(beside, scene.state());
    }
    scene.call_for(&scene.c1, "eth1", Plugin::Bridge, "DEL", other).run().ok();
    assert_eq!(before, scene.state());
}

#[test]
fn gc_leaves_a_device_that_is_not_the_attachments() {
    cites!("GC-1");
    let scene = Scene::new();
    scene.added(Plugin::Bridge, &tap());
    scene.c1.sh("ip link set eth0 alias 'plugboard: eth0 on net of c9'").ok();
    collect(&scene);
    let links = harness::ip("link show");
    assert_eq!(links.as_array().map(Vec::len), Some(1), "the host interface has gone: {links:#}");
    assert_eq!(scene.c1.ip("link show dev eth0")[0]["linkinfo"]["info_data"]["type"], "tap");
}

#[test]
fn gc_after_a_kill_leaves_nothing_on_either_side() {
    cites!("GC-1", "DEL-8");
    let scene = Scene::new();
    let config = with(&tap(), json!({"ipam": null}));
    let mut half_done = 0;
    for calls in (0..).step_by(2) {
        let was_killed = scene.call(Plugin::Bridge, "ADD", config.clone()).kill_after_system_calls(calls);
        half_done += u32::from(was_killed && leftovers(&scene).iter().any(|name| name == "eth0"));
        collect(&scene);
        assert_eq!(leftovers(&scene), Vec::<String>::new(), "killed after {calls} system calls");
        if !was_killed {
            break;
        }
    }
    assert!(half_done > 2, "there was a TAP device to clean up {half_done} times");
}

#[test]
fn keys_of_a_tap_device_are_refused_for_a_veth() {
    cites!("ERR-1");
    let scene = Scene::new();
    let before = scene.state();
    for keys in [
        json!({"tapNamespace": "container"}),
        json!({"tapNamespace": "host"}),
        json!({"multiQueue": true}),
        json!({"owner": 0}),
        json!({"group": 0}),
    ] {
        let key = keys.as_object().and_then(|keys| keys.keys().next()).expect("a key").clone();
        let config = with(&Plugin::Bridge.config(LATEST), keys);
        let (code, msg, _) = scene.call(Plugin::Bridge, "ADD", config).run().error();
        assert_eq!(code, 7, "{msg}");
        assert!(msg.contains(&key) && msg.contains("nic"), "{msg}");
    }
    let (code, msg, _) = scene.call(Plugin::Bridge, "ADD", with(&tap(), json!({"tapNamespace": "pod"}))).run().error();
    assert_eq!(code, 7, "{msg}");
    assert_eq!(before, scene.state());
}

/// Links of the host and of the container, and allocations, cheaply.
fn leftovers(scene: &Scene) -> Vec<String> {
    let on_host = std::fs::read_dir("/sys/class/net").into_iter().flatten().flatten();
    let on_host = on_host.map(|link| link.file_name().to_string_lossy().into_owned());
    let inside = scene.c1.sh("cat /proc/net/dev").ok();
    let inside = inside.lines().filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned()));
    on_host.chain(inside).filter(|name| name != "lo").chain(State::allocations().into_keys()).collect()
}

#[test]
fn del_after_a_kill_leaves_nothing_on_either_side() {
    cites!("DEL-8");
    let scene = Scene::new();
    let before = scene.state();
    let config = tap();
    let mut half_done = 0;
    let mut calls = 0;
    while scene.call(Plugin::Bridge, "ADD", config.clone()).kill_after_system_calls(calls) {
        half_done += u32::from(leftovers(&scene).iter().any(|name| name == "eth0"));
        scene.call(Plugin::Bridge, "DEL", config.clone()).run().ok();
        // The delegate of a killed ADD may still be at work.
        let end = Instant::now() + Duration::from_secs(30);
        while !leftovers(&scene).is_empty() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(leftovers(&scene), Vec::<String>::new(), "killed after {calls} system calls");
        calls += harness::soak::size(3, 1);
    }
    scene.call(Plugin::Bridge, "DEL", config).run().ok();
    assert_eq!(before, scene.state());
    assert!(calls > 40 && half_done > 5, "{calls} kills, {half_done} of them with a TAP device to clean up");
}
