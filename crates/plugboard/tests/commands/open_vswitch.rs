//! NICs on bridges of Open vSwitch: what the commands make, print, keep and remove, in the database as well.

use std::fs;

use crate::dry_run::run;
use crate::support::Lab;
use harness::{Datapath, Namespace, OpenVswitch, Snapshot};
use serde_json::{Value, json};

/// A host with a switch, its bridges `br0` and `br-ex` of the datapath that works everywhere, and a container.
struct Site {
    switch: OpenVswitch,
    c1: Namespace,
    lab: Lab,
}

/// The kernel's objects and the rows of the database.
#[derive(Debug, PartialEq, Eq)]
struct Look(Snapshot, Value);

impl Site {
    fn new() -> Self {
        let lab = Lab::with_own_plugins();
        let switch = OpenVswitch::start();
        for bridge in ["br0", "br-ex"] {
            switch.add_bridge_of(Datapath::Netdev, bridge);
        }
        Self { switch, c1: lab.host.namespace("c1"), lab }
    }

    /// The network `walt-net` with one more or other keys.
    fn network(&self, keys: &Value) {
        let mut plugin = json!({"type": "ovs-port", "bridge": "br0", "ipam": {"type": "static",
            "addresses": [{"address": "10.8.0.2/24"}], "routes": [{"dst": "10.77.0.0/16", "gw": "10.8.0.1"}]}});
        let Value::Object(keys) = keys else { panic!("keys are an object") };
        plugin.as_object_mut().unwrap().extend(keys.clone());
        self.lab.network("walt-net", &json!([plugin]));
    }

    /// When the switch has done what the database says, such as the MTU of its bridges.
    fn look(&self) -> Look {
        self.switch.settle();
        Look(Snapshot::take::<&str>(&[&self.c1], &[]), self.switch.rows())
    }
}

/// One network for each kind of thing that the plugin makes.
fn kinds() -> Vec<Value> {
    vec![
        json!({}),
        json!({"vlan": 10, "trunk": [{"id": 20}, {"minID": 30, "maxID": 32}], "vlan_mode": "native-tagged", "mtu": 1400}),
        json!({"vlan": 200, "vlan_mode": "dot1q-tunnel", "cvlans": [{"id": 5}], "qinq_ethtype": "802.1q"}),
        json!({"nic": "internal", "mac": "02:00:00:00:00:07", "ofport_request": 9, "mtu": 1400}),
        json!({"nic": "tap", "ipam": null}),
        json!({"max_rate": 10_000_000, "ovnPort": "lsp-1"}),
        json!({"bridge": "br-made", "datapath_type": "netdev", "patchTo": "br-ex"}),
        json!({"mirrors": [{"name": "m1", "ingress": true, "egress": true}]}),
        json!({"nic": "internal", "mirrors": [{"name": "m1", "output": true}]}),
    ]
}

#[test]
fn what_attach_makes_is_checked_listed_and_gone_after_detach() {
    let site = Site::new();
    let before = site.look();
    for keys in kinds() {
        site.network(&keys);
        site.lab.plugboard("attach c1 walt-net").ok();
        assert_ne!(before, site.look(), "{keys}");
        site.lab.plugboard("check c1").ok();
        let listed: Value = serde_json::from_str(&site.lab.plugboard("ls --json").ok()).unwrap();
        assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed}");
        site.lab.plugboard("status").ok();
        site.lab.plugboard("gc").ok();
        site.lab.plugboard("check c1").ok();
        site.lab.plugboard("detach c1").ok();
        assert_eq!(before, site.look(), "{keys}");
    }
}

#[test]
fn the_printed_scripts_make_and_remove_what_the_commands_do() {
    // A bridge that is made has another hardware address each time.
    for keys in kinds().into_iter().filter(|keys| keys["datapath_type"].is_null()) {
        let site = Site::new();
        let before = site.look();
        site.network(&keys);
        let script = site.lab.plugboard("attach --dry-run c1 walt-net").ok();
        assert_eq!(before, site.look(), "{keys}");
        site.lab.plugboard("attach c1 walt-net").ok();
        let made = site.look();
        let removal = site.lab.plugboard("detach --dry-run c1").ok();
        assert_eq!(made, site.look(), "{keys}");
        run(&removal);
        fs::remove_file("/var/lib/cni/results/walt-net-c1-eth0").expect("the record that a script knows nothing of");
        assert_eq!(before, site.look(), "{keys}: {removal}");
        run(&script);
        assert_eq!(made, site.look(), "{keys}: {script}");
    }
}

/// The device of an internal port is in the container alone.
#[test]
fn an_internal_port_without_a_record_is_in_use() {
    let site = Site::new();
    let before = site.look();
    site.network(&json!({"nic": "internal"}));
    for command in ["gc --force", "detach c1"] {
        site.lab.plugboard("attach c1 walt-net").ok();
        fs::remove_file("/var/lib/cni/results/walt-net-c1-eth0").expect("the record");
        let as_made = site.look();
        let kept = site.lab.plugboard("gc").ok();
        assert!(
            kept.contains("it has no record, but eth0: the device is in a namespace that /run/netns/c1 keeps alive"),
            "{kept}"
        );
        assert_eq!(as_made, site.look());
        site.lab.plugboard(command).ok();
        assert_eq!(before, site.look(), "{command}");
    }
}

/// A container can write any alias; which ports there are the database says.
#[test]
fn a_device_that_only_says_that_it_is_an_internal_port_is_none() {
    let site = Site::new();
    let stranger = site.lab.host.namespace("stranger");
    let alias = "plugboard: eth0 on walt-net of c9";
    stranger.sh(&format!("ip tuntap add dev eth0 mode tap && ip link set eth0 alias '{alias}'")).ok();
    site.network(&json!({"nic": "internal"}));
    let kept = site.lab.plugboard("gc").ok();
    assert!(!kept.contains("c9"), "{kept}");
}

#[test]
fn what_is_left_of_a_container_is_collected() {
    let site = Site::new();
    let before = site.switch.rows();
    for keys in kinds() {
        site.network(&keys);
        let gone = site.lab.host.namespace("gone");
        site.lab.plugboard("attach gone walt-net").ok();
        gone.delete();
        site.lab.plugboard("gc").ok();
        assert_eq!(before, site.switch.rows(), "{keys}");
    }
}

/// A port that has a number by chance gives way to one that asks for it.
#[test]
fn a_number_that_another_port_has_asked_for_is_refused() {
    let site = Site::new();
    site.network(&json!({"ofport_request": 7}));
    site.switch.vsctl("add-port br0 own -- set interface own type=internal ofport_request=7").ok();
    let before = site.look();
    let refused = site.lab.plugboard("attach c1 walt-net");
    assert!(refused.status == 1 && refused.stderr.contains("number 7 in OpenFlow"), "{refused:?}");
    assert_eq!(before, site.look());
    site.switch.vsctl("remove interface own ofport_request 7").ok();
    site.lab.plugboard("attach c1 walt-net").ok();
    site.lab.plugboard("check c1").ok();
}
