//! Virtual machines, which have no namespace: their NICs are TAP devices of the host.

use std::os::unix::fs::symlink;

use crate::support::{Lab, assert_refused};
use harness::{Snapshot, sh, tc};
use serde_json::{Value, json};

fn lab() -> Lab {
    let lab = Lab::with_own_plugins();
    let ipam = json!({"type": "host-local", "subnet": "10.8.0.0/24", "dataDir": "/run/ipam"});
    for (network, nic) in [("taps", "tap"), ("veths", "veth")] {
        lab.network(network, &json!([{"type": "bridge", "bridge": network, "nic": nic, "ipam": ipam}]));
    }
    lab
}

fn listed(lab: &Lab) -> Vec<Value> {
    serde_json::from_str(&lab.plugboard("ls --json").ok()).expect("a list")
}

fn state() -> (Snapshot, String) {
    (Snapshot::take::<&str>(&[], &["/var/lib/cni/results", "/run/netns"]), sh("ls /run/plugboard").ok())
}

#[test]
fn a_machine_needs_no_namespace() {
    let lab = lab();
    sh("mkdir -p /run/netns /var/lib/cni/results").ok();
    lab.plugboard("attach vm:web taps").ok();
    lab.plugboard("detach vm:web").ok();
    let before = state();
    let attached: Vec<Value> =
        serde_json::from_str(&lab.plugboard("attach vm:web 'taps[bw=9Mbps]' --json").ok()).expect("JSON");
    let device = attached[0]["hostInterface"].as_str().expect("a device");
    assert_eq!(harness::ip(&format!("link show {device}"))[0]["linkinfo"]["info_kind"], "tun");
    assert_eq!(sh("ls /run/netns").ok(), "", "no namespace was made for it");
    for target in ["vm:web", "vm-web"] {
        assert!(lab.plugboard(&format!("check {target}")).ok().contains("ok"), "{target}");
    }
    lab.plugboard("shape vm:web eth0 bw=20Mbps").ok();
    assert_eq!(tc(&format!("qdisc show dev {device}"))[0]["options"]["rate"], 20_000_000 / 8);
    assert!(lab.plugboard("check vm:web").ok().contains("ok"));
    lab.plugboard("gc").ok();
    assert_eq!(
        (listed(&lab)[0]["containerId"].clone(), listed(&lab)[0]["state"].clone()),
        (json!("vm-web"), json!("attached"))
    );
    // A second NIC, and another machine.
    lab.plugboard("attach vm:web taps --ifname again").ok();
    lab.plugboard("attach vm:mail taps").ok();
    lab.plugboard("detach vm:mail").ok();
    lab.plugboard("detach vm-web --ifname again").ok();
    lab.plugboard("detach vm:web").ok();
    assert_eq!(before, state());
    assert_eq!(sh("find /run/ipam -name '10.*'").ok(), "");
}

#[test]
fn a_nic_in_a_namespace_is_none_for_a_machine() {
    let lab = lab();
    sh("mkdir -p /run/netns /var/lib/cni/results").ok();
    lab.plugboard("attach vm:web taps").ok();
    lab.plugboard("detach vm:web").ok();
    let before = state();
    let refused = lab.plugboard("attach vm:web veths");
    assert_refused(
        &refused,
        "network 'veths' puts eth0 into the namespace of a container, and a virtual machine has none",
    );
    assert_refused(&refused, "\"nic\": \"tap\"");
    assert_refused(&lab.plugboard("attach vm:web taps,veths"), "and a virtual machine has none");
    assert_eq!(before, state());
    assert_eq!(sh("find /run/ipam -name '10.*'").ok(), "");
}

#[test]
fn a_machine_after_a_reboot() {
    let lab = lab();
    lab.plugboard("attach vm:web taps").ok();
    let device = listed(&lab)[0]["hostInterface"].as_str().expect("a device").to_owned();
    sh(&format!("ip link delete {device}; ip link delete taps")).ok();
    assert_eq!(listed(&lab)[0]["state"], "gone");
    assert!(lab.plugboard("check vm:web").stdout.contains("differs: its TAP device is gone: detach it"));
    lab.plugboard("attach vm:web taps").ok();
    assert_eq!(listed(&lab)[0]["state"], "attached");
    sh(&format!("ip link delete {device}")).ok();
    assert!(lab.plugboard("gc").ok().contains("removed  eth0  taps  vm-web"));
    lab.assert_nothing_remembered();
}

/// Its ID may be that of a container.
#[test]
fn a_container_is_no_machine() {
    let lab = lab();
    lab.host.namespace("vm-x");
    lab.plugboard("attach vm-x veths").ok();
    for command in ["check vm:x", "detach vm:x", "shape vm:x eth0 bw=1Mbps"] {
        let refused = lab.plugboard(command);
        assert_refused(&refused, "vm-x is no virtual machine, but a container in the namespace /run/netns/vm-x");
    }
    let refused = lab.plugboard("attach vm:x taps");
    assert_refused(&refused, "container vm-x is attached already, with the namespace /run/netns/vm-x");
    lab.plugboard("check vm-x").ok();
    // And the other way round; two IDs are two machines.
    lab.plugboard("attach vm:y taps").ok();
    let refused = lab.plugboard("attach /run/netns/vm-x taps --container-id vm-y --ifname net1");
    assert_refused(&refused, "container vm-y is attached already");
    let [one, two] = ["one", "two"].map(|id| lab.command(&format!("attach vm:z taps --container-id {id}")));
    let output = sh(&format!("({one}) & ({two}); first=$?; wait $!; echo $first $?"));
    assert_eq!(output.stdout.lines().last(), Some("0 0"), "{output:?}");
}

/// What stands in for a namespace is a link, which a kill leaves; by then it may lead to anybody's.
#[test]
fn a_link_that_was_left_leads_nowhere() {
    let lab = lab();
    let c1 = lab.host.namespace("c1");
    lab.plugboard("attach c1 veths").ok();
    lab.plugboard("attach vm:web taps").ok();
    let before = c1.ip("link show eth0");
    sh("mkdir -p /run/plugboard/machines").ok();
    symlink("/run/netns/c1", "/run/plugboard/machines/vm-web").expect("a link");
    lab.plugboard("detach vm:web").ok();
    assert_eq!(c1.ip("link show eth0"), before);
    lab.plugboard("attach vm:web taps").ok();
    lab.plugboard("check vm:web").ok();
    lab.plugboard("detach vm:web").ok();
    assert_eq!(c1.ip("link show eth0"), before);
    assert!(!sh("ls /run/plugboard").ok().contains("machines"));
}

#[test]
fn what_would_be_done_for_a_machine_is_printed_and_not_done() {
    let lab = lab();
    let before = Snapshot::take::<&str>(&[], &["/run/plugboard", "/var/lib/cni"]);
    let script = lab.plugboard("attach --dry-run vm:web taps").ok();
    assert!(script.contains("ip tuntap add") || script.contains("mode tap"), "{script}");
    assert_refused(
        &lab.plugboard("attach --dry-run vm:web veths"),
        "network 'veths' puts eth0 into the namespace of a container",
    );
    assert_eq!(before, Snapshot::take::<&str>(&[], &["/run/plugboard", "/var/lib/cni"]));
}
