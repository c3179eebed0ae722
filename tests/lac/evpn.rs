//! A cloud whose hosts tell each other by BGP what they have: its devices, and what is entered for a daemon to tell. What FRR makes of it is
//! in the scenarios.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use harness::{Invocation, Namespace, ip, not_observed, sh, soak, spawn, wait_until};
use serde_json::{Value, json};
use tests::{State, UNDERLAY, cites, codes, with};

use crate::site::{Site, network, vxlan};

const BRIDGE: &str = "lac4789-100";
const DEVICE: &str = "vx4789-100";

/// A cloud of this host's address 192.0.2.1, whose members have no address.
fn told(keys: Value) -> Value {
    with(&network(json!({"group": null, "mode": "evpn", "vni": 100})), keys)
}

/// The same with addresses.
fn at(addresses: &[&str]) -> Value {
    let addresses: Vec<Value> = addresses.iter().map(|address| json!({"address": address})).collect();
    told(json!({"ipam": {"type": "static", "addresses": addresses}}))
}

/// Entries of the bridge's neighbour table, as in `10.0.0.1 02:… PERMANENT 112`, without those for groups.
fn neighbours() -> Vec<String> {
    let shown = sh(&format!("ip -j neigh show dev {BRIDGE} nud all"));
    let entries: Value = serde_json::from_str(&shown.stdout).unwrap_or_default();
    let mut all: Vec<String> = entries
        .as_array()
        .into_iter()
        .flatten()
        .filter(|entry| !entry["lladdr"].as_str().is_some_and(|mac| mac.starts_with("33:33") || mac.starts_with("01:")))
        .map(|entry| {
            let text = |key: &str| entry[key].as_str().unwrap_or("-").to_owned();
            format!(
                "{} {} {} {}",
                text("dst"),
                text("lladdr"),
                entry["state"][0].as_str().unwrap_or("-"),
                text("protocol")
            )
        })
        .collect();
    all.sort();
    all
}

/// Entries that were set on ports of the bridge, as in `02:… pb…`.
fn forwarding() -> Vec<String> {
    let shown = sh(&format!("bridge fdb show br {BRIDGE}")).stdout;
    let set = shown.lines().filter(|line| line.contains("master") && line.ends_with("static"));
    let mut all: Vec<String> =
        set.map(|line| line.split(' ').collect::<Vec<_>>()).map(|words| format!("{} {}", words[0], words[2])).collect();
    all.sort();
    all
}

fn text<'a>(result: &'a Value, place: usize, key: &str) -> &'a str {
    result["interfaces"][place][key].as_str().expect("a text")
}

#[test]
fn devices_are_as_frr_wants_them_and_addresses_are_entered() {
    let site = Site::new();
    let before = site.state();
    let config = at(&["10.0.0.1/24", "fd00:10::1/64"]);
    let (result, attached) = site.added(site.c1(), "eth1", &config);
    let device = vxlan(DEVICE);
    let data = &device["linkinfo"]["info_data"];
    for (key, value) in [
        ("id", json!(100)),
        ("port", json!(4789)),
        ("local", json!("192.0.2.1")),
        ("learning", json!(false)),
        ("group", Value::Null),
        ("remote", Value::Null),
        ("link", Value::Null),
    ] {
        assert_eq!(data[key], value, "{key}: {device:#}");
    }
    let port = &device["linkinfo"]["info_slave_data"];
    for (key, value) in [("learning", false), ("neigh_suppress", true), ("flood", true), ("isolated", false)] {
        assert_eq!(port[key], value, "{key}: {device:#}");
    }
    let bridge = ip(&format!("-d link show dev {BRIDGE}"))[0].clone();
    for link in [&device, &bridge] {
        assert_eq!((&link["mtu"], &link["inet6_addr_gen_mode"]), (&json!(1450), &json!("none")), "{link:#}");
    }
    assert_eq!(text(&result, 0, "mac"), bridge["address"].as_str().unwrap());
    assert_ne!(bridge["address"], device["address"]);
    assert_eq!(ip(&format!("address show dev {BRIDGE}"))[0]["addr_info"], json!([]));
    for family in ["ipv4", "ipv6"] {
        let path = format!("/proc/sys/net/{family}/conf/{BRIDGE}/forwarding");
        assert_eq!(fs::read_to_string(&path).expect("a setting").trim_end(), "0", "{path}");
    }
    let (host, mac) = (text(&result, 1, "name"), text(&result, 2, "mac"));
    assert_eq!(neighbours(), [format!("10.0.0.1 {mac} PERMANENT 112"), format!("fd00:10::1 {mac} PERMANENT 112")]);
    assert_eq!(forwarding(), [format!("{mac} {host}")]);
    site.checked(site.c1(), "eth1", &attached);
    site.deleted(site.c1(), "eth1", &attached);
    assert_eq!(before, site.state());
}

/// The host's own setting must not be what makes the bridge forward.
#[test]
fn the_bridge_of_a_host_that_forwards_does_not() {
    let site = Site::new();
    sh("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv6.conf.default.forwarding=1").ok();
    site.added(site.c1(), "eth1", &told(json!({})));
    for family in ["ipv4", "ipv6"] {
        let path = format!("/proc/sys/net/{family}/conf/{BRIDGE}/forwarding");
        assert_eq!(fs::read_to_string(&path).expect("a setting").trim_end(), "0", "{path}");
    }
    // Another bridge, for the device that is there.
    sh(&format!("ip link del {BRIDGE}")).ok();
    let printed = site.call(&site.c2, "eth1", "PRINT", &told(json!({}))).env("CNI_PRINT", "ADD").run().ok();
    for command in [
        format!("sysctl -w net.ipv6.conf.{BRIDGE}.forwarding=0"),
        format!("ip link set {DEVICE} master {BRIDGE}"),
        format!("bridge link set dev {DEVICE} learning off neigh_suppress on"),
    ] {
        let commands = printed["commands"].as_array().into_iter().flatten();
        assert_eq!(commands.filter(|line| **line == json!(command)).count(), 1, "{command}: {printed:#}");
    }
    let (_, attached) = site.added(&site.c2, "eth1", &told(json!({})));
    for family in ["ipv4", "ipv6"] {
        let path = format!("/proc/sys/net/{family}/conf/{BRIDGE}/forwarding");
        assert_eq!(fs::read_to_string(&path).expect("a setting").trim_end(), "0", "{path}");
    }
    site.checked(&site.c2, "eth1", &attached);
    site.deleted(&site.c2, "eth1", &attached);
    site.deleted(site.c1(), "eth1", &told(json!({})));
}

#[test]
fn members_without_addresses_have_their_hardware_address_entered() {
    let site = Site::new();
    let before = site.state();
    for keys in [
        json!({}),
        json!({"mac": "02:00:00:00:00:77"}),
        json!({"nic": "tap"}),
        json!({"nic": "tap", "tapNamespace": "container"}),
    ] {
        let (result, attached) = site.added(site.c1(), "eth1", &told(keys.clone()));
        let (host, entries) = (text(&result, 1, "name"), forwarding());
        assert!(entries.len() == 1 && entries[0].ends_with(host), "{keys}: {entries:?}");
        if keys["nic"].is_null() {
            assert!(entries[0].starts_with(text(&result, 2, "mac")), "{keys}: {entries:?}");
        }
        assert_eq!(neighbours(), [""; 0], "{keys}");
        site.checked(site.c1(), "eth1", &attached);
        site.deleted(site.c1(), "eth1", &attached);
        assert_eq!(before, site.state(), "{keys}");
    }
}

/// Each message about the bridge or the VXLAN device makes FRR look at all that is behind it anew.
#[test]
fn members_that_come_and_go_say_nothing_of_the_devices() {
    let site = Site::new();
    let (_, first) = site.added(site.c1(), "eth1", &at(&["10.0.0.1/24"]));
    let log = site.scene.directory("monitor").join("links");
    let _monitor = spawn(&format!("exec ip -o monitor link > {}", log.display()));
    let said = || fs::read_to_string(&log).unwrap_or_default();
    let told_of = |name: &str| said().lines().filter(|line| line.contains(&format!(": {name}"))).count();
    wait_until("the monitor listens", || {
        sh("ip link set far0 mtu 1600").ok();
        !said().is_empty()
    });
    // What the first member's carrier makes the kernel say comes within a second (`net/core/link_watch.c`).
    sleep(Duration::from_millis(1200));
    let before = (told_of(BRIDGE), told_of(DEVICE));
    let config = at(&["10.0.0.2/24", "fd00:10::2/64"]);
    let (result, second) = site.added(&site.c2, "eth1", &config);
    site.checked(&site.c2, "eth1", &second);
    site.call(site.c1(), "eth1", "UPDATE", &first).run().ok();
    site.call(&site.c2, "eth1", "UPDATE", &second).run().ok();
    site.deleted(&site.c2, "eth1", &second);
    sleep(Duration::from_millis(1200));
    // What comes last has been seen, so all of it has.
    sh("ip link set far0 mtu 1601").ok();
    wait_until("the last message is there", || said().contains("mtu 1601"));
    assert!(told_of(text(&result, 1, "name")) > 3, "{}", said());
    assert_eq!((told_of(BRIDGE), told_of(DEVICE)), before, "{}", said());
    assert_eq!(neighbours().len(), 1, "{:?}", neighbours());
    site.checked(site.c1(), "eth1", &first);
}

/// As a daemon enters it.
fn enter_another_host() {
    for command in [
        format!("bridge fdb append 00:00:00:00:00:00 dev {DEVICE} dst 192.0.2.9 self permanent"),
        format!("bridge fdb add 02:00:00:00:00:99 dev {DEVICE} dst 192.0.2.9 self extern_learn"),
        format!("bridge fdb add 02:00:00:00:00:99 dev {DEVICE} master extern_learn"),
        format!(
            "ip neigh replace 10.0.0.99 lladdr 02:00:00:00:00:99 dev {BRIDGE} nud noarp extern_learn protocol zebra"
        ),
    ] {
        sh(&command).ok();
    }
}

#[test]
fn what_others_have_entered_stays() {
    let site = Site::new();
    let (_, first) = site.added(site.c1(), "eth1", &at(&["10.0.0.1/24"]));
    enter_another_host();
    // An operator's, also with our words.
    sh(&format!("ip neigh replace 10.0.0.98 lladdr 02:00:00:00:00:98 dev {BRIDGE} nud permanent")).ok();
    sh(&format!("ip neigh replace 10.0.0.2 lladdr 02:00:00:00:00:97 dev {BRIDGE} nud noarp protocol zebra")).ok();
    let entries = || {
        let device = sh(&format!("bridge fdb show dev {DEVICE} | sort")).ok();
        (neighbours(), device)
    };
    // The address 10.0.0.2 moves here, so what says that another host has it does not stay.
    let (_, second) = site.added(&site.c2, "eth1", &at(&["10.0.0.2/24"]));
    assert!(neighbours().iter().any(|entry| entry.starts_with("10.0.0.2 ") && entry.ends_with("PERMANENT 112")));
    let before = entries();
    for (ns, attached) in [(site.c1(), &first), (&site.c2, &second)] {
        site.checked(ns, "eth1", attached);
        site.call(ns, "eth1", "UPDATE", attached).run().ok();
    }
    site.collect(&at(&["10.0.0.1/24"]), &[(site.c1(), "eth1"), (&site.c2, "eth1")]).ok();
    assert_eq!(before, entries());
    site.deleted(&site.c2, "eth1", &second);
    let (mut kept, device) = before;
    kept.retain(|entry| !entry.starts_with("10.0.0.2 "));
    assert_eq!((kept, device), entries());
}

/// What another host is said to have now, as after a move, is no more this one's.
#[test]
fn what_has_moved_to_another_host_is_left_to_the_daemon() {
    let site = Site::new();
    let (_, stays) = site.added(site.c1(), "eth1", &at(&["10.0.0.1/24"]));
    let (result, moved) = site.added(&site.c2, "eth1", &at(&["10.0.0.2/24"]));
    let mac = text(&result, 2, "mac");
    sh(&format!("bridge fdb replace {mac} dev {DEVICE} master extern_learn")).ok();
    sh(&format!("ip neigh replace 10.0.0.2 lladdr {mac} dev {BRIDGE} nud noarp extern_learn protocol zebra")).ok();
    let (code, words) = site.different(&site.c2, "eth1", &moved);
    assert_eq!(code, codes::DIFFERENT, "{words}");
    assert!(words.contains(mac) && words.contains("another host"), "{words}");
    site.deleted(&site.c2, "eth1", &moved);
    assert!(neighbours().contains(&format!("10.0.0.2 {mac} NOARP zebra")), "{:?}", neighbours());
    site.checked(site.c1(), "eth1", &stays);
}

/// Another host has taken the hardware address, as one that the container has moved from and that sends again, but not the IP address.
#[test]
fn a_member_whose_hardware_address_was_taken_leaves_nothing() {
    cites!("DEL-4");
    let site = Site::new();
    let (_, stays) = site.added(site.c1(), "eth1", &at(&["10.0.0.1/24"]));
    let before = entered(&site);
    let mac = "02:00:00:00:00:77";
    let config = with(&at(&["10.0.0.2/24", "fd00:10::2/64"]), json!({"mac": mac}));
    site.added(&site.c2, "eth1", &config);
    sh(&format!("bridge fdb replace {mac} dev {DEVICE} master extern_learn")).ok();
    site.deleted(&site.c2, "eth1", &config);
    assert_eq!(before.1, neighbours());
    // A last frame of the container may have taken it back to its port, with which it has gone.
    let _ = sh(&format!("bridge fdb del {mac} dev {DEVICE} master"));
    assert_eq!(before, entered(&site));
    site.checked(site.c1(), "eth1", &stays);
}

#[test]
fn an_address_of_another_member_is_refused() {
    let site = Site::new();
    site.added(site.c1(), "eth1", &at(&["10.0.0.1/24"]));
    let entries = || (neighbours(), forwarding());
    let before = entries();
    // Of another network, whose allocator knows nothing of it; that this is one is why nobody is asked.
    let same = with(
        &told(json!({"name": "net2"})),
        json!({"ipam": {"type": "host-local", "subnet": "10.0.0.0/24", "rangeStart": "10.0.0.1", "rangeEnd": "10.0.0.1",
                        "gateway": "10.0.0.254"}}),
    );
    let words = site.refused(&site.c2, "ADD", &same, codes::CONFLICT);
    assert!(words.contains("10.0.0.1") && words.contains("is in use by"), "{words}");
    let mac = forwarding()[0].split(' ').next().expect("an address").to_owned();
    let words = site.refused(&site.c2, "ADD", &told(json!({"mac": mac})), codes::CONFLICT);
    assert!(words.contains(&mac) && words.contains("a hardware address of its own"), "{words}");
    assert_eq!(before, entries());
    sh(&format!("ip neigh replace 10.0.0.3 lladdr 02:00:00:00:00:98 dev {BRIDGE} nud permanent")).ok();
    let before = entries();
    let words = site.refused(&site.c2, "ADD", &at(&["10.0.0.3/24"]), codes::CONFLICT);
    assert!(words.contains("as an operator has set it") && words.contains("ip neigh del 10.0.0.3"), "{words}");
    assert_eq!(before, entries());
}

/// The bridge answers for what it was told. Nobody is asked about an address whose allocator gives each once.
#[test]
fn an_ipv6_address_that_another_host_is_said_to_have_is_taken_over() {
    let site = Site::new();
    site.added(site.c1(), "eth1", &at(&["10.0.0.1/24"]));
    enter_another_host();
    sh(&format!(
        "ip neigh replace fd00:10::99 lladdr 02:00:00:00:00:99 dev {BRIDGE} nud noarp extern_learn protocol zebra"
    ))
    .ok();
    site.added(&site.c2, "eth1", &at(&["fd00:10::99/64"]));
    assert!(neighbours().iter().any(|entry| entry.starts_with("fd00:10::99 ") && entry.ends_with("PERMANENT 112")));
}

#[test]
fn check_misses_what_is_entered_and_how_the_device_is() {
    cites!("CHK-1", "CHK-4");
    let site = Site::new();
    let config = at(&["10.0.0.1/24"]);
    let set = |settings: &str| format!("ip link set {DEVICE} type bridge_slave {settings}");
    let (result, attached) = site.added(site.c1(), "eth1", &config);
    let (host, mac) = (text(&result, 1, "name"), text(&result, 2, "mac"));
    let enter = format!("ip neigh replace 10.0.0.1 lladdr {mac} dev {BRIDGE} nud permanent protocol 112");
    for (change, back, said) in [
        (set("learning on"), set("learning off"), ["learning of bridge port vx4789-100", "want off, have on"]),
        (set("neigh_suppress off"), set("neigh_suppress on"), ["neigh_suppress of bridge port", "want on, have off"]),
        (set("flood off"), set("flood on"), ["bridge port vx4789-100", "unknown"]),
        (
            format!("ip link set {DEVICE} type vxlan local 192.0.2.77"),
            format!("ip link set {DEVICE} type vxlan local 192.0.2.1"),
            ["local address", "want 192.0.2.1, have 192.0.2.77"],
        ),
        (
            format!("ip neigh del 10.0.0.1 dev {BRIDGE}"),
            enter.clone(),
            ["neighbour entry 10.0.0.1 on lac4789-100", "missing"],
        ),
        (
            format!("ip neigh replace 10.0.0.1 lladdr 02:00:00:00:00:01 dev {BRIDGE} nud permanent"),
            enter.clone(),
            ["neighbour entry 10.0.0.1", "have lladdr 02:00:00:00:00:01"],
        ),
        (
            format!("bridge fdb del {mac} dev {host} master"),
            format!("bridge fdb replace {mac} dev {host} master static"),
            ["hardware address", "not set for it"],
        ),
    ] {
        sh(&change).ok();
        let (code, words) = site.different(site.c1(), "eth1", &attached);
        assert_eq!(code, codes::DIFFERENT, "{change}: {words}");
        assert!(said.iter().all(|part| words.contains(part)), "{change}: {said:?}: {words}");
        sh(&back).ok();
        site.checked(site.c1(), "eth1", &attached);
    }
    // What members share is mended by the next ADD, and by UPDATE.
    sh(&set("learning on neigh_suppress off")).ok();
    site.call(site.c1(), "eth1", "UPDATE", &attached).run().ok();
    site.checked(site.c1(), "eth1", &attached);
    sh(&set("learning on neigh_suppress off")).ok();
    site.added(&site.c2, "eth1", &at(&["10.0.0.2/24"]));
    site.checked(site.c1(), "eth1", &attached);
}

#[test]
fn the_address_of_this_host_and_the_mtu() {
    let site = Site::new();
    sh("ip address add 198.51.100.7/32 dev lo && ip address add 2001:db8:1::7/128 dev lo").ok();
    sh("ip link add other0 up type veth peer name other1 && ip address add 198.51.100.8/24 dev other0").ok();
    sh("ip link set other0 mtu 9000 && ip link set other1 up mtu 9000").ok();
    let has_dummies = sh("ip link add dummy0 up type dummy && ip address add 198.51.100.9/32 dev dummy0").status == 0;
    sh(&format!("ip link set {UNDERLAY} mtu 1600")).ok();
    let before = site.state();
    let made = |keys: Value| {
        let (_, attached) = site.added(site.c1(), "eth1", &told(keys.clone()));
        let device = vxlan(DEVICE);
        let data = &device["linkinfo"]["info_data"];
        let local = data["local"].as_str().or(data["local6"].as_str()).map(str::to_owned);
        site.checked(site.c1(), "eth1", &attached);
        site.deleted(site.c1(), "eth1", &attached);
        assert_eq!(before, site.state(), "{keys}");
        (local.expect("an address"), device["mtu"].as_u64().expect("bytes"))
    };
    let of = |local: &str, mtu: u64| (local.to_owned(), mtu);
    // The least MTU is that of the underlay.
    assert_eq!(made(json!({"if": UNDERLAY})), of("192.0.2.1", 1550));
    assert_eq!(made(json!({"if": "lo"})), of("198.51.100.7", 1550));
    assert_eq!(made(json!({"if": "other0"})), of("198.51.100.8", 8950));
    match has_dummies {
        true => assert_eq!(made(json!({"if": "dummy0"})), of("198.51.100.9", 1550)),
        false => not_observed("an address on a device of kind dummy, which this kernel does not have"),
    }
    assert_eq!(made(json!({"if": null, "local": "198.51.100.8"})), of("198.51.100.8", 1550));
    assert_eq!(made(json!({"if": "lo", "local": "2001:db8:1::7"})), of("2001:db8:1::7", 1530));
    assert_eq!(made(json!({"if": UNDERLAY, "local": "2001:db8:1::7", "ttl": 9})), of("2001:db8:1::7", 1530));
    sh(&format!("ip route add default dev {UNDERLAY}")).ok();
    let before = site.state();
    let (_, attached) = site.added(site.c1(), "eth1", &told(json!({"if": null})));
    assert_eq!(vxlan(DEVICE)["linkinfo"]["info_data"]["local"], "192.0.2.1");
    // Whatever becomes of the routes, it stays so.
    sh("ip route del default && ip route add default dev other0").ok();
    site.added(&site.c2, "eth1", &told(json!({"if": null})));
    site.checked(site.c1(), "eth1", &attached);
    for (ns, said) in [(&site.c3, json!({"local": "198.51.100.7"})), (&site.c3, json!({"if": "lo"}))] {
        let words = site.refused(ns, "ADD", &told(said), codes::CONFLICT);
        assert!(words.contains("local address 192.0.2.1") && words.contains("198.51.100.7"), "{words}");
    }
    site.deleted(&site.c2, "eth1", &told(json!({})));
    site.deleted(site.c1(), "eth1", &attached);
    sh(&format!("ip route del default && ip route add default dev {UNDERLAY}")).ok();
    assert_eq!(before, site.state());
}

#[test]
fn what_is_refused() {
    cites!("ERR-2");
    let site = Site::new();
    for (keys, said) in [
        (json!({"vni": null}), "vni is missing: with mode \"evpn\""),
        (json!({"vni": 0}), "vni is 0"),
        (json!({"group": "239.0.0.1"}), "group names a multicast group"),
        (json!({"url": "vxvde://239.0.0.1"}), "url names a multicast group"),
        (json!({"remotes": ["192.0.2.2"]}), "remotes lists the other hosts"),
        (json!({"remotesFile": "/etc/hosts"}), "remotesFile lists the other hosts"),
        (json!({"compat": "vxvde"}), "remove one of the two"),
        (json!({"local": "239.0.0.1"}), "local is \"239.0.0.1\": it is a multicast group"),
        (json!({"local": "192.0.2.1/24"}), "without the length of a prefix"),
        (json!({"local": "127.0.0.1"}), "no other host can send to it"),
        (json!({"local": "192.0.2.77"}), "192.0.2.77 is no address of this host; add it"),
        (json!({"if": "lo"}), "the device lo has no address"),
        (json!({"if": "eth9"}), "the host has no device eth9"),
        (json!({"if": null}), "no default route that would tell"),
        (json!({"mtu": 1451}), "at most 1450 do"),
        (json!({"mode": null, "group": "239.0.0.1", "local": "192.0.2.1"}), "local is for mode \"evpn\""),
    ] {
        let words = site.refused(site.c1(), "ADD", &told(keys.clone()), 7);
        assert!(words.contains(said), "{keys}: {words}");
        // It may have become invalid since ADD.
        site.deleted(site.c1(), "eth1", &told(keys));
    }
    site.added(site.c1(), "eth1", &told(json!({})));
    let words = site.refused(
        &site.c2,
        "ADD",
        &network(json!({"group": null, "remotes": ["192.0.2.2"], "port": 4789, "vni": 100})),
        codes::CONFLICT,
    );
    assert!(words.contains("has mode evpn, but the configuration asks for mode remotes"), "{words}");
}

#[test]
fn status() {
    cites!("STA-1", "STA-2");
    let site = Site::new();
    let ready = |config: &Value| {
        let before = site.state();
        let reply = site.call(site.c1(), "eth1", "STATUS", config).run();
        reply.ok();
        assert_eq!((reply.stdout.as_str(), reply.stderr.as_str()), ("", ""), "{reply}");
        assert_eq!(before, site.state(), "{reply}");
    };
    ready(&told(json!({})));
    ready(&told(json!({"if": null, "local": "2001:db8::1", "nic": "tap"})));
    ready(&at(&["10.0.0.1/24"]));
    site.added(site.c1(), "eth1", &at(&["10.0.0.1/24"]));
    ready(&at(&["10.0.0.2/24"]));
    sh("ip address del 192.0.2.1/24 dev lan0").ok();
    for (keys, said) in [
        (json!({"if": null}), "there is no default route that would tell this host's address"),
        (json!({"local": "192.0.2.1"}), "192.0.2.1 is no address of this host"),
    ] {
        let words = site.refused(site.c1(), "STATUS", &told(keys), 50);
        assert!(words.contains(said), "{words}");
    }
}

/// All that is entered on the bridge of a cloud with another member.
fn entered(site: &Site) -> (State, Vec<String>, Vec<String>) {
    (site.state(), neighbours(), forwarding())
}

fn add(site: &Site, ns: &Namespace) -> Invocation {
    site.call(ns, "eth1", "ADD", &at(&["10.0.0.2/24", "fd00:10::2/64"]))
}

#[test]
fn a_member_whose_namespace_is_gone_leaves_nothing() {
    cites!("DEL-3", "DEL-4", "GC-1");
    let site = Site::new();
    let (_, stays) = site.added(site.c1(), "eth1", &at(&["10.0.0.1/24"]));
    let before = entered(&site);
    let config = at(&["10.0.0.2/24"]);
    for collects in [false, true] {
        for mac in [Value::Null, json!("02:00:00:00:00:77")] {
            let gone = site.scene.host.namespace("gone");
            let config = with(&config, json!({"mac": mac}));
            site.added(&gone, "eth1", &config);
            gone.delete();
            assert_eq!(neighbours().len(), 2, "its port is gone, and its entry is there");
            match collects {
                false => _ = site.call(&gone, "eth1", "DEL", &config).netns("").run().ok(),
                true => _ = site.collect(&config, &[(site.c1(), "eth1")]).ok(),
            }
            assert_eq!(before, entered(&site), "{collects} {mac}");
        }
        // One whose port is there yet.
        site.added(&site.c2, "eth1", &config);
        match collects {
            false => site
                .call(&site.c2, "eth1", "DEL", &json!({"cniVersion": "1.1.0", "name": "net", "type": "vxlan-overlay"}))
                .run()
                .ok(),
            true => site.collect(&config, &[(site.c1(), "eth1")]).ok(),
        };
        assert_eq!(before, entered(&site), "{collects}");
    }
    site.checked(site.c1(), "eth1", &stays);
}

/// What a DEL asks grows with the members of the host, and not with their square.
#[test]
fn a_delete_of_what_is_gone_is_soon_done_among_many() {
    const OTHERS: usize = 40;
    let site = Site::new();
    site.added(site.c1(), "eth1", &at(&["10.0.0.1/24"]));
    for number in 0..OTHERS {
        let mac = format!("02:00:00:00:01:{number:02x}");
        sh(&format!(
            "ip link add near{number} up master {BRIDGE} type veth peer name mate{number} && \
             bridge fdb replace {mac} dev near{number} master static && \
             ip neigh replace 10.0.1.{number} lladdr {mac} dev {BRIDGE} nud permanent protocol 112"
        ))
        .ok();
    }
    let before = neighbours();
    assert_eq!(before.len(), OTHERS + 1);
    // A call alone takes some 100.
    let was_killed =
        site.call(&site.c2, "eth1", "DEL", &at(&["10.0.0.2/24"])).kill_after_system_calls(200 + 10 * OTHERS);
    assert!(!was_killed, "more than 10 system calls for each of the others");
    assert_eq!(before, neighbours());
}

/// With another member, by which what is left would stay.
#[test]
fn killed_calls_leave_nothing() {
    cites!("DEL-8", "ADD-6", "GC-1");
    let site = Site::new();
    let (_, stays) = site.added(site.c1(), "eth1", &at(&["10.0.0.1/24"]));
    let before = entered(&site);
    let config = at(&["10.0.0.2/24"]);
    let mut half_done = 0;
    for count in (0..).step_by(soak::size(7, 1)) {
        let was_killed = add(&site, &site.c2).kill_after_system_calls(count);
        half_done += u32::from(was_killed && neighbours() != before.1);
        match count % 2 {
            0 => site.deleted(&site.c2, "eth1", &config),
            _ => _ = site.collect(&config, &[(site.c1(), "eth1")]).ok(),
        }
        assert_eq!(before, entered(&site), "ADD killed after {count} system calls");
        if !was_killed {
            break;
        }
    }
    assert!(half_done > 0, "no kill fell between the entries and the end");
    for count in (0..).step_by(soak::size(5, 1)) {
        add(&site, &site.c2).run().ok();
        let was_killed = site.call(&site.c2, "eth1", "DEL", &config).kill_after_system_calls(count);
        site.deleted(&site.c2, "eth1", &config);
        assert_eq!(before, entered(&site), "DEL killed after {count} system calls");
        if !was_killed {
            break;
        }
    }
    site.checked(site.c1(), "eth1", &stays);
}

/// A kill of the delegate's caller leaves the address to the next DEL; one of an ADD that fails late leaves nothing by itself.
#[test]
fn an_add_that_fails_takes_its_entries_back() {
    let site = Site::new();
    let (_, stays) = site.added(site.c1(), "eth1", &at(&["10.0.0.1/24"]));
    let before = entered(&site);
    // The second address is in use, so the first has been entered by then.
    let config = at(&["10.0.0.2/24", "10.0.0.1/24"]);
    let config = with(&config, json!({"name": "net2"}));
    let words = site.refused(&site.c2, "ADD", &config, codes::CONFLICT);
    assert!(words.contains("10.0.0.1"), "{words}");
    assert_eq!(before, entered(&site));
    site.checked(site.c1(), "eth1", &stays);
}
