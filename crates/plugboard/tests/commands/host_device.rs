//! A device of the host that a container has: it is given back, and never deleted.

use std::fs;

use crate::support::{Lab, assert_refused};
use harness::{Namespace, Snapshot, sh};
use serde_json::json;

const RECORDS: &str = "/var/lib/cni/results";

/// A host with a device, and a network that it serves.
fn lab() -> (Lab, Namespace) {
    let mut lab = Lab::with_own_plugins();
    sh(&format!("mkdir -p /run/bin && cp {}/veth-secondary /run/bin/", lab.plugin_dir.display())).ok();
    lab.plugin_dir = "/run/bin".into();
    lab.network("walt-net", &json!([{"type": "veth-secondary", "nic": "host-device", "device": "ens3"}]));
    sh("ip link add ens3 mtu 1400 type veth peer name wire && ip link set wire up && ip link set ens3 up").ok();
    let c1 = lab.host.namespace("c1");
    (lab, c1)
}

fn look(c1: &Namespace) -> Snapshot {
    Snapshot::take(&[c1], &[RECORDS])
}

#[test]
fn the_printed_script_moves_it_and_brings_it_back() {
    let (lab, c1) = lab();
    lab.plugboard("attach c1 walt-net").ok();
    lab.plugboard("detach c1").ok();
    let before = look(&c1);
    sh(&lab.plugboard("attach --dry-run c1 walt-net").ok()).ok();
    let by_hand = Snapshot::take::<&str>(&[&c1], &[]);
    sh("ip -n c1 link set eth0 netns $$ name ens3 && ip link set ens3 up && ip link set ens3 alias ''").ok();
    assert_eq!(before, look(&c1));
    lab.plugboard("attach c1 walt-net").ok();
    assert_eq!(by_hand, Snapshot::take::<&str>(&[&c1], &[]));
    sh(&lab.plugboard("detach --dry-run c1").ok()).ok();
    fs::remove_file("/var/lib/cni/results/walt-net-c1-eth0").expect("the record that a script knows nothing of");
    assert_eq!(before, look(&c1));
}

#[test]
fn without_a_record_it_stays_until_it_is_asked_for() {
    let (lab, c1) = lab();
    lab.plugboard("attach c1 walt-net").ok();
    lab.plugboard("detach c1").ok();
    let before = look(&c1);
    for command in ["gc --force", "detach c1"] {
        lab.plugboard("attach c1 walt-net").ok();
        fs::remove_file("/var/lib/cni/results/walt-net-c1-eth0").expect("the record");
        let as_made = look(&c1);
        let kept = lab.plugboard("gc").ok();
        assert!(
            kept.contains("it has no record, but eth0: the device is in a namespace that /run/netns/c1 keeps alive"),
            "{kept}"
        );
        assert_eq!(as_made, look(&c1));
        lab.plugboard(command).ok();
        assert_eq!(before, look(&c1), "{command}");
    }
}

#[test]
fn what_the_kernel_gave_back_is_named_when_it_is_collected() {
    let (lab, c1) = lab();
    lab.plugboard("attach c1 walt-net").ok();
    lab.plugboard("detach c1").ok();
    let before = look(&c1);
    lab.plugboard("attach c1 walt-net").ok();
    fs::remove_file("/var/lib/cni/results/walt-net-c1-eth0").expect("the record");
    sh("ip -n c1 link set eth0 netns $$ name dev7").ok();
    let removed = lab.plugboard("gc").ok();
    assert!(removed.contains("removed") && removed.contains("walt-net") && removed.contains("c1"), "{removed}");
    assert_eq!(before, look(&c1));
}

#[test]
fn one_whose_plugin_is_missing_is_given_back_by_force() {
    let (lab, c1) = lab();
    lab.plugboard("attach c1 walt-net").ok();
    lab.plugboard("detach c1").ok();
    let before = look(&c1);
    for given_back_by_the_kernel in [false, true] {
        lab.plugboard("attach c1 walt-net").ok();
        if given_back_by_the_kernel {
            sh("ip -n c1 link set eth0 netns $$ name dev7").ok();
        }
        sh("mv /run/bin/veth-secondary /run/").ok();
        assert_refused(&lab.plugboard("detach c1"), "veth-secondary");
        lab.plugboard("detach --force c1").ok();
        assert_eq!(before, look(&c1));
        sh("mv /run/veth-secondary /run/bin/").ok();
    }
}
