//! With the reference's plugins on a real kernel: what is attached works, is listed, checked, and goes.

use crate::support::{Lab, assert_refused};
use harness::{Namespace, Snapshot, ip, sh};
use serde_json::{Value, json};

/// Two networks, each a bridge of the reference with addresses.
fn lab() -> Lab {
    let lab = Lab::with_reference_plugins();
    for (network, subnet) in [("walt-net", "10.8.0.0/24"), ("home-net", "10.9.0.0/24")] {
        lab.network_with(
            network,
            &json!({"cniVersion": "1.0.0", "plugins": [{"type": "bridge", "bridge": network,
            "isGateway": true, "ipam": {"type": "host-local", "subnet": subnet, "dataDir": "/run/ipam"}}]}),
        );
    }
    lab
}

fn if_names(namespace: &Namespace) -> Vec<String> {
    let links = namespace.ip("link show");
    links.as_array().into_iter().flatten().filter_map(|link| link["ifname"].as_str().map(str::to_owned)).collect()
}

#[test]
fn two_containers_on_two_networks_reach_each_other() {
    let lab = lab();
    let (c1, c2) = (lab.host.namespace("c1"), lab.host.namespace("c2"));
    for name in ["c1", "c2"] {
        lab.plugboard(&format!("attach {name} walt-net,home-net")).ok();
    }
    assert_eq!(if_names(&c1), ["lo", "eth0", "eth1"]);
    for address in ["10.8.0.3", "10.9.0.3"] {
        assert_eq!(c1.ping(address, 3).received, 3, "{address}");
    }
    let listed: Value = serde_json::from_str(&lab.plugboard("ls --json").ok()).expect("JSON");
    let truth = c2.ip("link show eth1");
    let entry = &listed[3];
    assert_eq!(
        (&entry["containerId"], &entry["ifName"], &entry["network"]),
        (&json!("c2"), &json!("eth1"), &json!("home-net"))
    );
    assert_eq!(entry["mac"], truth[0]["address"]);
    assert_eq!(entry["addresses"], json!(["10.9.0.3/24"]));
    let host_interface = entry["hostInterface"].as_str().unwrap_or_default();
    assert_eq!(ip(&format!("link show {host_interface}"))[0]["master"], "home-net");
    let table = lab.plugboard("ls").ok();
    assert!(table.starts_with("CONTAINER  INTERFACE  NETWORK   STATE     MAC"), "{table}");
    assert_eq!(table.lines().count(), 5, "{table}");
    assert_eq!(c2.ping("10.8.0.2", 3).received, 3);
}

#[test]
fn check_tells_the_interface_that_differs() {
    let lab = lab();
    let c1 = lab.host.namespace("c1");
    lab.plugboard("attach c1 walt-net,home-net").ok();
    let lines = lab.plugboard("check c1").ok();
    assert_eq!(
        lines.lines().map(|line| line.trim_end()).collect::<Vec<_>>(),
        ["eth0  walt-net  ok", "eth1  home-net  ok"]
    );
    c1.sh("ip link del eth1").ok();
    let output = lab.plugboard("check c1");
    assert_eq!(output.status, 1, "{output:?}");
    let lines: Vec<_> = output.stdout.lines().collect();
    assert_eq!(lines[0].trim_end(), "eth0  walt-net  ok");
    assert!(
        lines[1].starts_with("eth1  home-net  differs: network 'home-net', plugin 'bridge', CHECK: "),
        "{output:?}"
    );
}

#[test]
fn detach_leaves_nothing_and_twice_is_fine() {
    let lab = lab();
    // The reference never removes its bridges.
    let warm_up = lab.host.namespace("c0");
    lab.plugboard("attach c0 walt-net,home-net").ok();
    lab.plugboard("detach c0").ok();
    let (c1, files) = (lab.host.namespace("c1"), ["/var/lib/cni/results"]);
    let before = Snapshot::take(&[&warm_up, &c1], &files);
    lab.plugboard("attach c1 walt-net,home-net").ok();
    lab.plugboard("detach c1").ok();
    lab.plugboard("detach c1").ok();
    assert_eq!(before, Snapshot::take(&[&warm_up, &c1], &files));

    lab.plugboard("attach c1 walt-net,home-net").ok();
    c1.delete();
    lab.plugboard("detach c1").ok();
    lab.assert_nothing_remembered();
    assert_eq!(sh("ls /run/ipam/walt-net /run/ipam/home-net | grep ^10 || true").ok(), "");
}

#[test]
fn a_network_that_fails_takes_the_others_down_with_it() {
    let lab = lab();
    lab.network_with("broken", &json!({"cniVersion": "1.0.0", "plugins": [{"type": "bridge", "bridge": "nobridge"}]}));
    sh("ip link add nobridge type veth peer name nobridgepeer").ok();
    let c0 = lab.host.namespace("c0");
    lab.plugboard("attach c0 walt-net,home-net").ok();
    let c1 = lab.host.namespace("c1");
    let before = Snapshot::take(&[&c0, &c1], &["/var/lib/cni/results"]);
    assert_refused(&lab.plugboard("attach c1 walt-net,home-net,broken"), "network 'broken', plugin 'bridge', ADD: ");
    assert_eq!(before, Snapshot::take(&[&c0, &c1], &["/var/lib/cni/results"]));
}

#[test]
fn what_libcni_remembers_is_listed_and_taken_down() {
    let lab = lab();
    let c1 = lab.host.namespace("c1");
    lab.plugboard("attach c1 walt-net").ok();
    // As libcni writes it: nothing of ours in it.
    let file = "/var/lib/cni/results/walt-net-c1-eth0";
    let mut entry: Value = serde_json::from_str(&sh(&format!("cat {file}")).ok()).expect("JSON");
    entry.as_object_mut().expect("an object").remove("plugboard");
    std::fs::write(file, entry.to_string()).expect("written");
    assert!(lab.plugboard("ls").ok().contains("10.8.0.2/24"));
    lab.plugboard("detach c1").ok();
    assert_eq!(if_names(&c1), ["lo"]);
    lab.assert_nothing_remembered();
}
