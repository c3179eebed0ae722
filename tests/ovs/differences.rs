//! CHECK: what it finds different, in the database and in the container.

use harness::{ip, sh, soak};
use serde_json::{Value, json};
use tests::cites;

use crate::site::{Site, address, host_interface, network};

/// Makes a NIC, changes something, and looks what CHECK says of it. Afterwards DEL leaves nothing.
fn changed(site: &Site, keys: &Value, change: impl Fn(&str), said: &[&str]) {
    let before = site.brief();
    let config = network(keys.clone());
    let (result, attached) = site.added(site.c1(), "eth1", &config);
    site.checked(site.c1(), "eth1", &attached);
    let port = if keys["nic"] == "internal" { "eth1".to_owned() } else { host_interface(&result) };
    change(&port);
    site.ovs.settle();
    let words = site.different(site.c1(), "eth1", &attached);
    for part in said {
        assert!(words.contains(part), "{part:?} is said: {words}");
    }
    site.deleted(site.c1(), "eth1", &attached);
    site.ovs.settle();
    assert_eq!(before, site.brief(), "{words}");
}

#[test]
fn rows_that_say_something_else() {
    cites!("CHK-1", "CHK-2", "CHK-4");
    let site = Site::new();
    site.ovs.add_bridge_of(harness::Datapath::Netdev, "br1");
    let keys = json!({"vlan": 10, "trunk": [{"id": 20}], "mirrors": [{"name": "m1", "ingress": true, "egress": true}]});
    for kind in ["veth", "internal"] {
        let keys = tests::with(&keys, json!({"nic": kind}));
        for (command, said) in [
            ("set port PORT tag=11", ["tag", "11"]),
            ("clear port PORT tag", ["tag", "none"]),
            ("set port PORT trunks=20,21", ["trunks", "20,21"]),
            ("set port PORT vlan_mode=native-tagged", ["vlan_mode", "native-tagged"]),
            ("set port PORT cvlans=5", ["cvlans", "5"]),
            ("set interface PORT external_ids:container_iface=eth9", ["external_ids:container_iface", "eth9"]),
            ("remove interface PORT external_ids owner", ["external_ids:owner", "none"]),
            ("clear mirror m1 select_src_port", ["mirror m1", "select_src_port"]),
            ("clear mirror m1 select_dst_port", ["mirror m1", "select_dst_port"]),
        ] {
            changed(&site, &keys, |port| drop(site.ovs.vsctl(&command.replace("PORT", port)).ok()), &said);
        }
    }
    // The mirror goes with whoever removes it.
    let without_mirror = |_: &str| drop(site.ovs.vsctl("clear bridge br0 mirrors").ok());
    changed(&site, &keys, without_mirror, &["mirror m1"]);
}

#[test]
fn a_port_that_is_gone_or_elsewhere() {
    cites!("CHK-1", "CHK-2");
    let site = Site::new();
    site.ovs.add_bridge_of(harness::Datapath::Netdev, "br1");
    for kind in ["veth", "internal"] {
        let keys = json!({"nic": kind});
        let moved = |port: &str| {
            let uuid = site.ovs.vsctl(&format!("get port {port} _uuid")).ok();
            site.ovs.vsctl(&format!("remove bridge br0 ports {uuid} -- add bridge br1 ports {uuid}")).ok();
        };
        changed(&site, &keys, |port| drop(site.ovs.vsctl(&format!("del-port {port}")).ok()), &["port", "bridge br0"]);
        changed(&site, &keys, moved, &["another bridge"]);
    }
}

#[test]
fn a_queue_and_a_limit_that_are_gone() {
    cites!("CHK-1");
    let site = Site::new();
    let keys = json!({"max_rate": 50_000_000});
    for (command, said) in [
        ("clear port PORT qos", ["queue", "port"]),
        ("set qos PORT other_config:max-rate=7", ["max-rate", "7"]),
        ("remove qos PORT other_config max-rate", ["max-rate", "none"]),
    ] {
        let change = |port: &str| {
            let qos = site.ovs.vsctl(&format!("get port {port} qos")).ok();
            let command = command.replace("qos PORT", &format!("qos {qos}")).replace("PORT", port);
            site.ovs.vsctl(&command).ok();
        };
        changed(&site, &keys, change, &said);
    }
}

#[test]
fn a_container_that_says_something_else() {
    cites!("CHK-1", "CHK-2", "CHK-4");
    let site = Site::new();
    for kind in ["veth", "internal"] {
        let keys = json!({"nic": kind, "mtu": 1400});
        for (command, said) in [
            ("ip link set eth1 down", ["eth1", "down"]),
            ("ip link set eth1 address 02:00:00:00:00:99", ["eth1", "02:00:00:00:00:99"]),
            ("ip link set eth1 mtu 1300", ["mtu", "1300"]),
            ("ip address flush dev eth1", ["eth1", "10.1.0."]),
            ("ip link set eth1 down && ip link set eth1 name eth9 && ip link set eth9 up", ["eth1", "missing"]),
        ] {
            changed(&site, &keys, |_| drop(site.c1().sh(command).ok()), &said);
        }
    }
    changed(&site, &json!({}), |_| drop(site.c1().sh("ethtool -K eth1 tx on").ok()), &["tx checksumming", "on"]);
    changed(&site, &json!({}), |_| drop(site.c1().sh("ip link delete eth1").ok()), &["eth1"]);
    changed(&site, &json!({}), |port| drop(sh(&format!("ip link delete {port}")).ok()), &["eth1"]);
    changed(&site, &json!({}), |port| drop(sh(&format!("ip link set {port} down")).ok()), &["pb"]);
    let replaced = |port: &str| {
        sh(&format!("ip link delete {port} && ip link add {port} up type veth peer name eth1 netns c1")).ok();
        site.c1().sh("ip link set eth1 up").ok();
    };
    changed(
        &site,
        &json!({"ipam": null}),
        |port| {
            replaced(port);
            sh(&format!("ip link set {port} alias 'plugboard: eth1 on net of c1'")).ok();
        },
        &["eth1"],
    );
}

#[test]
fn right_after_add_nothing_is_different() {
    cites!("CHK-7");
    let site = Site::new();
    let before = site.state();
    for kind in ["veth", "internal"] {
        let config = network(json!({"nic": kind}));
        for _ in 0..soak::size(50, 1000) {
            let (_, attached) = site.added(site.c1(), "eth1", &config);
            site.checked(site.c1(), "eth1", &attached);
            site.deleted(site.c1(), "eth1", &attached);
        }
        assert_eq!(before, site.state(), "{kind}");
    }
}

#[test]
fn a_restart_of_the_switch_is_survived_by_a_veth_alone() {
    cites!("CHK-1");
    let site = Site::new();
    let before = site.state();
    let veth = network(json!({}));
    let internal = network(json!({"nic": "internal"}));
    let (_, first) = site.added(site.c1(), "eth1", &veth);
    let (second_result, second) = site.added(&site.c2, "eth1", &veth);
    let (_, third) = site.added(&site.c3, "eth3", &internal);
    site.ovs.restart_switch();
    site.checked(site.c1(), "eth1", &first);
    assert!(site.c1().ping(&address(&second_result), 2).all_answered());
    let words = site.different(&site.c3, "eth3", &third);
    assert!(words.contains("restarted") && words.contains("attach the container again"), "{words}");
    site.ovs.restart_database();
    site.checked(site.c1(), "eth1", &first);
    site.checked(&site.c2, "eth1", &second);
    // What is left in the container goes with DEL, and then it can be attached again.
    site.deleted(&site.c3, "eth3", &third);
    assert_ne!(site.c3.sh("ip link show dev eth3").status, 0);
    let (_, third) = site.added(&site.c3, "eth3", &internal);
    site.checked(&site.c3, "eth3", &third);
    assert_eq!(ip("link show dev lo")[0]["ifname"], "lo");
    for (ns, ifname, attached) in [(site.c1(), "eth1", &first), (&site.c2, "eth1", &second), (&site.c3, "eth3", &third)]
    {
        site.deleted(ns, ifname, attached);
    }
    assert_eq!(before, site.state());
}
