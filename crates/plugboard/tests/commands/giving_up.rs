//! What cannot be taken down, because something that made it is not there any more.

use std::fs;

use crate::support::{Lab, assert_refused};
use harness::{Snapshot, sh};
use serde_json::json;

const RECORD: &str = "/var/lib/cni/results/walt-net-c1-eth0";

/// A network whose plugins are in a directory of the test's own.
fn lab(from: &str) -> Lab {
    let mut lab = Lab::with_own_plugins();
    let from = if from.is_empty() { lab.plugin_dir.display().to_string() } else { from.to_owned() };
    sh(&format!("mkdir -p /run/bin && cp {from}/bridge {from}/host-local /run/bin/")).ok();
    lab.plugin_dir = "/run/bin".into();
    let ipam = json!({"type": "host-local", "subnet": "10.8.0.0/24", "dataDir": "/run/ipam"});
    lab.network_with(
        "walt-net",
        &json!({"cniVersion": "1.0.0", "plugins": [{"type": "bridge", "bridge": "walt-net", "isGateway": true, "ipam": ipam}]}),
    );
    lab
}

#[test]
fn a_plugin_or_ipam_plugin_that_is_missing_is_named_and_given_up_when_forced() {
    let lab = lab("");
    let c1 = lab.host.namespace("c1");
    lab.plugboard("attach c1 walt-net").ok();
    lab.plugboard("detach c1").ok();
    let before = Snapshot::take(&[&c1], &["/var/lib/cni/results"]);
    for missing in ["host-local", "bridge"] {
        lab.plugboard("attach c1 walt-net").ok();
        sh(&format!("mv /run/bin/{missing} /run/")).ok();
        let refused = lab.plugboard("detach c1");
        assert_refused(&refused, missing);
        assert_refused(&refused, "the record stays: correct this and detach again, or give it up with --force");
        assert!(fs::exists(RECORD).expect("a directory"), "{missing}");
        let forced = lab.plugboard("detach --force c1");
        forced.ok();
        assert!(forced.stderr.contains("given up: ") && forced.stderr.contains(missing), "{forced:?}");
        sh("ip link delete walt-net 2> /dev/null || true").ok();
        assert_eq!(before, Snapshot::take(&[&c1], &["/var/lib/cni/results"]), "{missing}");
        sh(&format!("mv /run/{missing} /run/bin/; rm -f /run/ipam/walt-net/10.*")).ok();
    }
}

#[test]
fn an_interface_that_nobody_can_remove_is_not_given_up() {
    let lab = lab("/usr/lib/cni");
    let c1 = lab.host.namespace("c1");
    lab.plugboard("attach c1 walt-net").ok();
    sh("mv /run/bin/bridge /run/").ok();
    let refused = lab.plugboard("detach --force c1");
    assert_refused(&refused, "eth0 is still there, by veth");
    assert!(fs::exists(RECORD).expect("a directory"));
    c1.sh("ip link delete eth0").ok();
    lab.plugboard("detach --force c1").ok();
    lab.assert_nothing_remembered();
}

#[test]
fn a_damaged_record_of_a_network_that_is_not_configured_is_given_up_when_forced() {
    let lab = lab("");
    let c1 = lab.host.namespace("c1");
    for damage in [": >", "rm"] {
        lab.plugboard("attach c1 walt-net").ok();
        sh(&format!("{damage} {RECORD}; mv /etc/cni/net.d/walt-net.conflist /run/")).ok();
        assert_refused(&lab.plugboard("detach c1"), "or use --force");
        assert_eq!(c1.ip("link show").as_array().map(Vec::len), Some(2), "{damage}");
        let forced = lab.plugboard("detach --force c1");
        forced.ok();
        assert!(forced.stderr.contains("given up: "), "{forced:?}");
        assert_eq!(c1.ip("link show").as_array().map(Vec::len), Some(1), "{damage}");
        lab.assert_nothing_remembered();
        // They are for gc, once the network is configured again.
        sh("mv /run/walt-net.conflist /etc/cni/net.d/; rm -f /run/ipam/walt-net/10.*").ok();
    }
}

#[test]
fn attach_misses_an_ipam_plugin_before_it_makes_anything() {
    let lab = Lab::new();
    lab.recorders(&["wire"]);
    lab.network("walt-net", &json!([{"type": "wire"}]));
    lab.network("b", &json!([{"type": "wire"}, {"type": "wire", "ipam": {"type": "absent"}}]));
    lab.host.namespace("c1");
    assert_refused(
        &lab.plugboard("attach c1 walt-net,b"),
        "network 'b', plugin 'wire', ipam: plugin 'absent' was not found in /run/plugins",
    );
    assert_eq!(lab.calls_in_short(), Vec::<String>::new());
    lab.assert_nothing_remembered();
    lab.network("b", &json!([{"type": "wire", "ipam": {}}]));
    lab.plugboard("attach c1 walt-net,b").ok();
}
