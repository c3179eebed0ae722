//! `bridge` with `"nic": "tap"`: the NIC of a virtual machine.

use std::net::Ipv4Addr;
use std::time::Duration;

use serde_json::{Value, json};
use tests::{Guest, LATEST, Plugin, Scene, State, Station, cites, codes, with};

/// Users and groups that no machine has.
const OWNER: u32 = 54_321;
const GROUP: u32 = 54_322;
const OTHER: u32 = 54_323;

/// The least configuration of a TAP device, with the bridge as the gateway.
fn tap() -> Value {
    with(&Plugin::Bridge.config(LATEST), json!({"nic": "tap", "isGateway": true}))
}

/// The name of the TAP device in a result of ADD.
fn device(result: &Value) -> &str {
    result["interfaces"][1]["name"].as_str().expect("the host interface has a name")
}

fn link(name: &str) -> Value {
    harness::ip(&format!("link show dev {name}"))[0].clone()
}

/// The guest's NIC, as a result of ADD describes it.
fn station(result: &Value) -> Station {
    let mac = result["interfaces"][2]["mac"].as_str().expect("the guest's NIC has an address");
    let mac: Vec<u8> = mac.split(':').map(|byte| u8::from_str_radix(byte, 16).expect("hexadecimal")).collect();
    let ip = result["ips"][0]["address"].as_str().and_then(|ip| ip.split('/').next()).expect("an address");
    Station { mac: mac.try_into().expect("six bytes"), ip: ip.parse().expect("of IPv4") }
}

#[test]
fn the_result_lists_bridge_device_and_guests_nic() {
    cites!("RES-20", "RES-21", "RES-22");
    let scene = Scene::new();
    let before = scene.state();
    let (result, attached) = scene.added(Plugin::Bridge, &tap());
    let interfaces = result["interfaces"].as_array().expect("a list");
    assert_eq!(interfaces.len(), 3, "{result:#}");
    assert_eq!(interfaces[0]["name"], "br0");
    assert_eq!(interfaces[2]["name"], "eth0");
    assert_eq!(interfaces[2]["sandbox"], json!(scene.c1.path));
    assert!(interfaces[..2].iter().all(|one| one["sandbox"].as_str().unwrap_or_default().is_empty()), "{result:#}");
    assert_ne!(interfaces[1]["mac"], interfaces[2]["mac"], "the guest's NIC has an address of its own");
    assert_eq!(result["ips"][0]["interface"], 2);

    let found = link(device(&result));
    assert_eq!(found["linkinfo"]["info_data"]["type"], "tap", "{found:#}");
    assert_eq!(found["linkinfo"]["info_data"]["persist"], true, "{found:#}");
    assert_eq!(found["linkinfo"]["info_data"]["vnet_hdr"], true, "offloads reach the guest: {found:#}");
    assert_eq!(found["master"], "br0");
    assert_eq!(found["address"], interfaces[1]["mac"]);
    assert_eq!(found["ifalias"], "plugboard: eth0 on net of c1");
    assert!(scene.c1.sh("ip link show dev eth0").status != 0, "the namespace gets no interface");

    scene.call(Plugin::Bridge, "CHECK", attached.clone()).run().ok();
    scene.call(Plugin::Bridge, "DEL", attached).run().ok();
    assert_eq!(before, scene.state());
}

#[test]
fn a_process_that_opens_the_device_reaches_the_gateway() {
    cites!("ADD-1");
    let scene = Scene::new();
    let before = scene.state();
    let (result, attached) = scene.added(Plugin::Bridge, &tap());
    let mut guest = Guest::open(device(&result)).expect("the device can be opened");
    let gateway = Ipv4Addr::new(10, 1, 0, 1);
    let mac = guest.who_has(station(&result), gateway, Duration::from_secs(30)).expect("the gateway answers");
    let mac = mac.map(|byte| format!("{byte:02x}")).join(":");
    assert_eq!(result["interfaces"][0]["mac"], mac, "it is the bridge");
    scene.call(Plugin::Bridge, "CHECK", attached.clone()).run().ok();
    scene.call(Plugin::Bridge, "DEL", attached).run().ok();
    assert_eq!(before, scene.state(), "it goes although a process holds it");
}

#[test]
fn the_device_is_its_owners() {
    cites!("ADD-1");
    let scene = Scene::new();
    let (result, attached) = scene.added(Plugin::Bridge, &with(&tap(), json!({"owner": OWNER, "group": GROUP})));
    let name = device(&result);
    let found = link(name);
    assert_eq!(found["linkinfo"]["info_data"]["user"], OWNER, "{found:#}");
    assert_eq!(found["linkinfo"]["info_data"]["group"], GROUP, "{found:#}");
    for (user, group) in [(OTHER, GROUP), (OWNER, OTHER), (OTHER, OTHER)] {
        let error = Guest::open_as(user, group, name).expect_err("it is somebody else's");
        assert_eq!(error.raw_os_error(), Some(libc::EPERM), "{user}:{group}: {error}");
    }
    Guest::open_as(OWNER, GROUP, name).expect("the owner needs no privilege");
    scene.call(Plugin::Bridge, "DEL", attached).run().ok();

    let (result, _) = scene.added(Plugin::Bridge, &with(&tap(), json!({"group": GROUP})));
    Guest::open_as(OTHER, GROUP, device(&result)).expect("a member of the group needs no privilege");
}

#[test]
fn with_several_queues_it_can_be_opened_several_times() {
    cites!("ADD-1");
    let scene = Scene::new();
    let (result, attached) = scene.added(Plugin::Bridge, &with(&tap(), json!({"multiQueue": true})));
    let queues: Vec<Guest> =
        (0..3).map(|_| Guest::open_queue(device(&result)).expect("one queue more can be opened")).collect();
    assert_eq!(link(device(&result))["linkinfo"]["info_data"]["numqueues"], queues.len());
    scene.call(Plugin::Bridge, "CHECK", attached.clone()).run().ok();
    let (_, msg, _) = scene.call(Plugin::Bridge, "CHECK", with(&attached, json!({"multiQueue": false}))).run().error();
    assert!(msg.contains("multi_queue: want off, have on"), "{msg}");
    scene.call(Plugin::Bridge, "DEL", attached).run().ok();

    let (result, _) = scene.added(Plugin::Bridge, &tap());
    let _only = Guest::open(device(&result)).expect("it can be opened");
    let error = Guest::open(device(&result)).expect_err("it has one queue");
    assert_eq!(error.raw_os_error(), Some(libc::EBUSY), "{error}");
}

/// `/dev/net/tun` is open to all on most hosts; the kernel lets anybody have a device that has neither owner nor group.
#[test]
fn without_an_owner_the_device_is_roots() {
    cites!("ADD-1");
    let scene = Scene::new();
    let (result, _) = scene.added(Plugin::Bridge, &tap());
    let error = Guest::open_as(OWNER, GROUP, device(&result)).expect_err("no user of the host may join the network");
    assert_eq!(error.raw_os_error(), Some(libc::EPERM), "{error}");
    Guest::open(device(&result)).expect("root may");
}

#[test]
fn the_mtu_and_the_address_are_those_asked_for() {
    cites!("CAP-7", "RES-11");
    let scene = Scene::new();
    let config = with(&tap(), json!({"mtu": 1400, "mac": "02:00:00:00:00:07"}));
    let (result, attached) = scene.added(Plugin::Bridge, &config);
    assert_eq!(result["interfaces"][2]["mac"], "02:00:00:00:00:07", "the device model is to have it");
    assert_eq!(result["interfaces"][2]["mtu"], 1400);
    assert_eq!(link(device(&result))["mtu"], 1400);
    scene.call(Plugin::Bridge, "CHECK", attached).run().ok();
}

#[test]
fn what_is_missing_or_spoiled_is_reported() {
    cites!("CHK-4");
    for (spoil, culprit) in [
        ("ip link del TAP", "TAP device"),
        ("ip link set TAP down", "down"),
        ("ip link set TAP nomaster", "br0"),
        ("ip link del TAP && ip link add TAP type veth && ip link set TAP up master br0", "a TAP device"),
        ("ip link del TAP && ip tuntap add TAP mode tap user 0", "vnet_hdr: want on, have off"),
        ("ip link del TAP && ip tuntap add TAP mode tap vnet_hdr user 54321", "owner: want 0, have 54321"),
        (
            "ip link del TAP && ip tuntap add TAP mode tap vnet_hdr user 0 group 54322",
            "group: want anybody, have 54322",
        ),
        ("ip link del TAP && ip tuntap add TAP mode tap vnet_hdr user 0 multi_queue", "multi_queue: want off, have on"),
        ("ip link del TAP && ip tuntap add TAP mode tun vnet_hdr user 0", "type: want TAP, have TUN"),
        ("ip link set TAP address 02:00:00:00:00:01", "have 02:00:00:00:00:01"),
    ] {
        let scene = Scene::new();
        let (result, attached) = scene.added(Plugin::Bridge, &tap());
        harness::sh(&spoil.replace("TAP", device(&result))).ok();
        let (code, msg, details) = scene.call(Plugin::Bridge, "CHECK", attached).run().error();
        assert_eq!(code, codes::DIFFERENT, "{spoil}: {msg}");
        assert!(format!("{msg} {details}").contains(culprit), "{spoil}: {msg} {details}");
    }
}

#[test]
fn a_host_without_tap_devices_says_how_to_get_them() {
    cites!("ADD-7", "ERR-4");
    let scene = Scene::new();
    harness::sh("mount -t tmpfs none /dev/net").ok();
    for place in ["host", "container"] {
        let before = scene.state();
        let config = with(&tap(), json!({"tapNamespace": place}));
        let (code, msg, _) = scene.call(Plugin::Bridge, "ADD", config.clone()).run().error();
        assert_eq!(code, codes::UNSUPPORTED_BY_KERNEL, "{msg}");
        assert!(msg.contains("modprobe tun") && msg.contains("mknod /dev/net/tun c 10 200"), "{msg}");
        assert_eq!(before, scene.state());
        let (code, msg, _) = scene.call(Plugin::Bridge, "STATUS", config).run().error();
        assert_eq!(code, 50, "{msg}");
        assert!(msg.contains("modprobe tun"), "{msg}");
    }
}

#[test]
fn a_second_add_changes_nothing() {
    cites!("ADD-3", "ADD-7");
    let scene = Scene::new();
    let (_, attached) = scene.added(Plugin::Bridge, &tap());
    let before = scene.state();
    let (code, msg, _) = scene.call(Plugin::Bridge, "ADD", tap()).run().error();
    assert_eq!(code, codes::EXISTS, "{msg}");
    assert_eq!(before, scene.state());
    scene.call(Plugin::Bridge, "CHECK", attached).run().ok();
}

#[test]
fn the_shaper_limits_the_device() {
    cites!("ADD-5", "DEL-1");
    let scene = Scene::new();
    let result = scene.call(Plugin::Bridge, "ADD", tap()).run().ok();
    let chained = with(&Plugin::Shaper.config(LATEST), json!({"prevResult": result}));
    let before = scene.state();
    let shaped = scene.call(Plugin::Shaper, "ADD", chained.clone()).run().ok();
    assert_eq!(shaped, result);
    let queues = harness::tc(&format!("qdisc show dev {}", device(&result)));
    assert_eq!(queues[0]["kind"], "tbf", "{queues:#}");
    assert_eq!(queues[0]["options"]["rate"], 12_500_000, "100 Mbit/s in bytes per second: {queues:#}");
    scene.call(Plugin::Shaper, "CHECK", chained.clone()).run().ok();
    scene.call(Plugin::Shaper, "DEL", chained).run().ok();
    assert_eq!(before, scene.state());
}

/// Links and allocations of the host, cheaply.
fn leftovers() -> Vec<String> {
    let links = std::fs::read_dir("/sys/class/net").into_iter().flatten().flatten();
    let links = links.map(|link| link.file_name().to_string_lossy().into_owned()).filter(|name| name != "lo");
    links.chain(State::allocations().into_keys()).collect()
}

#[test]
fn gc_after_a_kill_leaves_no_device() {
    cites!("GC-1", "DEL-8");
    let scene = Scene::new();
    let before = scene.state();
    let config = with(&tap(), json!({"owner": OWNER, "cni.dev/valid-attachments": []}));
    let mut half_done = 0;
    let mut calls = 0;
    while scene.call(Plugin::Bridge, "ADD", config.clone()).kill_after_system_calls(calls) {
        half_done += u32::from(leftovers().iter().any(|name| name.starts_with("pb")));
        scene.call(Plugin::Bridge, "GC", config.clone()).run().ok();
        // The delegate of a killed ADD may still be at work.
        harness::wait_until(&format!("nothing is left of what was killed after {calls} system calls"), || {
            let is_clean = leftovers().is_empty();
            if !is_clean {
                scene.call(Plugin::Bridge, "GC", config.clone()).run().ok();
            }
            is_clean
        });
        calls += harness::soak::size(3, 1);
    }
    scene.call(Plugin::Bridge, "DEL", config).run().ok();
    assert_eq!(before, scene.state());
    assert!(calls > 40 && half_done > 5, "{calls} kills, {half_done} of them with a device to clean up");
}
