//! Failures of further NICs on Open vSwitch: each says what it is, and changes nothing in the kernel, the switch or IPAM.

use harness::{Datapath, Invocation, row, sh};
use integration::{call, with};
use serde_json::{Value, json};

use super::site::{Attached, Site, network};

#[test]
fn each_failure_says_what_and_changes_nothing() {
    let _row = row("M65");
    let site = Site::new(Datapath::Netdev);
    let [ctn, other] = site.containers(["ctn-1", "ctn-2"]);
    sh("nft 'add table inet filter; add chain inet filter input { type filter hook input priority 0; }'").ok();
    sh("ip link add br-linux up type bridge && ip tuntap add t0 mode tap").ok();
    site.ovs.add_bridge_of(Datapath::Netdev, "br-controlled");
    site.ovs.vsctl("set-controller br-controlled tcp:127.0.0.1:6653").ok();
    let nics = [
        Attached::new(&ctn, "eth0", &network(json!({"vlan": 7}))),
        Attached::new(&ctn, "vnic-1", &network(json!({"nic": "internal"}))),
    ];
    let add = |interface: &str, keys: Value| call("ADD", &ctn, interface, &network(keys));
    let internal = json!({"nic": "internal"});
    let taken = json!({"runtimeConfig": {"ips": ["192.168.1.3"]}});
    let fails: Vec<(&str, Invocation, u64, &str)> = vec![
        // usage
        ("no interface", add("eth1", json!({})).unset("CNI_IFNAME"), 4, "CNI_IFNAME"),
        ("no container", add("eth1", json!({})).unset("CNI_CONTAINERID"), 4, "CNI_CONTAINERID"),
        ("unknown command", add("eth1", json!({})).env("CNI_COMMAND", "APPEND"), 4, "APPEND"),
        ("no configuration", add("eth1", json!({})).stdin("{"), 6, ""),
        ("a wrong type", add("eth1", json!({"vlan": "two"})), 7, "vlan"),
        ("no bridge named", add("eth1", json!({"bridge": null})), 7, "bridge"),
        ("no VLAN number", add("eth1", json!({"vlan": 4095})), 7, "4095"),
        ("contradicting keys", add("eth1", json!({"vlan": 2, "vlan_mode": "trunk"})), 7, "vlan_mode"),
        ("a native VLAN that is none", add("eth1", json!({"vlan_mode": "native-tagged"})), 7, "needs vlan"),
        ("no kind of NIC", add("eth1", json!({"nic": "macvlan"})), 7, "macvlan"),
        ("an unusable address", add("eth1", json!({"mac": "01:00:00:00:00:01"})), 7, "01:00:00:00:00:01"),
        ("no number of a port", add("eth1", json!({"ofport_request": 65280})), 7, "65280"),
        ("a device for offload", add("eth1", json!({"deviceID": "0000:03:00.1"})), 7, "deviceID"),
        ("limits that do nothing", add("vnic-2", with(&internal, &json!({"max_rate": 1000}))), 7, "netem-shaper"),
        // an unknown container
        ("no namespace", add("eth1", json!({})).netns("/run/netns/nobody"), 8, "/run/netns/nobody"),
        ("no namespace but a file", add("eth1", json!({})).netns("/etc/passwd"), 8, "/etc/passwd"),
        // a duplicate NIC
        ("a duplicate NIC", add("eth0", json!({})), 101, "eth0"),
        ("a duplicate NIC of another kind", add("eth0", internal.clone()), 101, "eth0"),
        ("a duplicate internal NIC", add("vnic-1", internal.clone()), 101, "vnic-1"),
        ("a name that the switch has", call("ADD", &other, "vnic-1", &network(internal.clone())), 102, "another name"),
        ("a name that the host has", call("ADD", &other, "t0", &network(internal.clone())), 102, "t0"),
        // a missing bridge
        ("no bridge", add("eth1", json!({"bridge": "br-none"})), 7, "br-none"),
        ("no bridge for an internal port", add("vnic-2", with(&internal, &json!({"bridge": "br-none"}))), 7, "br-none"),
        ("a bridge of the kernel", add("eth1", json!({"bridge": "br-linux"})), 7, "br-linux"),
        ("no bridge at the other end", add("eth1", json!({"patchTo": "br-none"})), 7, "br-none"),
        ("another datapath than asked for", add("eth1", json!({"datapath_type": "system"})), 102, "netdev"),
        (
            "flows of a controller",
            add("eth1", json!({"bridge": "br-controlled", "macspoofchk": true})),
            102,
            "controller",
        ),
        // the database, the kernel, and IPAM
        ("no database", add("eth1", json!({"socket_file": "unix:/run/no.sock"})), 11, "/run/no.sock"),
        ("an MTU beyond the kernel's", add("eth1", json!({"mtu": 10_000_000})), 7, "at most 65535"),
        ("no such IPAM", add("eth1", json!({"ipam": {"type": "nobody"}})), 4, "nobody"),
        ("addresses of a guard without IPAM", add("eth1", json!({"ipam": null, "ipspoofchk": true})), 7, "ipspoofchk"),
        ("an address that is taken", call("ADD", &other, "eth0", &network(taken.clone())), 11, "192.168.1.3"),
        (
            "the same of an internal port",
            call("ADD", &other, "vnic-2", &network(with(&internal, &taken))),
            11,
            "192.168.1.3",
        ),
    ];
    let before = site.state(&[&ctn, &other]);
    for (what, call, expected, culprit) in fails {
        let reply = call.run();
        assert_ne!(reply.status, 0, "{what}");
        let (code, msg, details) = reply.error();
        println!("{what}: {code} {msg} {details}");
        assert_eq!(code, expected, "{what}\n{reply}");
        assert!(!msg.is_empty() && format!("{msg} {details}").contains(culprit), "{what}: {culprit}\n{reply}");
        assert!(["cniVersion", "details"].iter().all(|key| reply.json()[key].is_string()), "{what}\n{reply}");
        assert_eq!(before, site.state(&[&ctn, &other]), "{what} changes nothing");
    }
    nics.iter().for_each(Attached::delete);
}
