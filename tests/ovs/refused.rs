//! What ADD refuses: everything is as before then.

use harness::sh;
use serde_json::{Value, json};
use tests::{cites, codes, with};

use crate::site::{Site, network};

/// The code of a configuration that is wrong.
const INVALID: u64 = 7;

fn refused(site: &Site, ifname: &str, config: &Value, code: u64, said: &str) {
    let before = site.brief();
    let reply = site.call(site.c1(), ifname, "ADD", config).run();
    let (found, message, _) = reply.error();
    assert_eq!(found, code, "{reply}");
    assert!(message.contains(said), "{said:?} is said: {reply}");
    site.ovs.settle();
    assert_eq!(before, site.brief(), "{reply}");
}

#[test]
fn a_configuration_that_is_wrong() {
    cites!("CFG-1", "ADD-6");
    let site = Site::new();
    let before = site.state();
    for (keys, said) in [
        (json!({"bridge": null}), "bridge is missing"),
        (json!({"bridge": "br9"}), "there is no bridge br9 in Open vSwitch"),
        (json!({"vlan": 4095}), "4094"),
        (json!({"vlan": "x"}), "vlan"),
        (json!({"vlan": -1}), "vlan"),
        (json!({"vlan_mode": "access"}), "vlan_mode \"access\" needs vlan"),
        (json!({"vlan_mode": "dot1q-tunnel"}), "needs vlan"),
        (json!({"vlan_mode": "native-tagged", "trunk": [{"id": 5}]}), "needs vlan"),
        (json!({"vlan_mode": "trunk", "vlan": 5}), "vlan means nothing"),
        (json!({"vlan_mode": "access", "vlan": 5, "trunk": [{"id": 6}]}), "trunk means nothing"),
        (json!({"vlan_mode": "qinq", "vlan": 5}), "vlan_mode"),
        (json!({"trunk": [{"id": 4095}]}), "trunk"),
        (json!({"trunk": [{"minID": 20, "maxID": 10}]}), "trunk"),
        (json!({"trunk": [{}]}), "trunk[0] has neither"),
        (json!({"cvlans": [{"id": 5}]}), "dot1q-tunnel"),
        (json!({"qinq_ethtype": "802.1q"}), "dot1q-tunnel"),
        (json!({"vlan": 5, "vlan_mode": "dot1q-tunnel", "qinq_ethtype": "802.3"}), "qinq_ethtype"),
        (json!({"mirrors": [{"name": "", "ingress": true}]}), "mirrors[0]"),
        (json!({"mirrors": [{"name": "m1"}]}), "mirrors[0]"),
        (
            json!({"mirrors": [{"name": "m1", "ingress": true}, {"name": "m2", "egress": true, "output": true}]}),
            "mirrors[1]",
        ),
        (json!({"deviceID": "0000:03:00.1"}), "0000:03:00.1"),
        (json!({"capabilities": {"deviceID": true}, "runtimeConfig": {"deviceID": "0000:03:00.1"}}), "0000:03:00.1"),
        (json!({"patchTo": "br9"}), "there is no bridge br9"),
        (json!({"patchTo": "br0"}), "the bridge itself"),
        (json!({"ofport_request": 65280}), "65279"),
        (json!({"interface_type": "dpdk"}), "dpdk"),
        (json!({"interface_type": "internal", "nic": "tap"}), "contradicts"),
        (json!({"nic": "internal", "max_rate": 1_000_000}), "netem-shaper"),
        (json!({"ingress_policing_burst": 10}), "ingress_policing_rate"),
        (json!({"socket_file": "udp:127.0.0.1"}), "socket_file"),
        (json!({"mac": "01:00:5e:00:00:01"}), "mac"),
    ] {
        let config = with(&network(json!({})), keys);
        refused(&site, "eth1", &config, INVALID, said);
    }
    refused(&site, "eth1", &network(json!({"datapath_type": "system"})), codes::CONFLICT, "datapath_type netdev");
    assert_eq!(before, site.state());
}

#[test]
fn a_second_add_of_one_attachment() {
    cites!("ADD-7", "ADD-3");
    let site = Site::new();
    let before = site.state();
    for kind in ["veth", "internal", "tap"] {
        let config = network(json!({"nic": kind}));
        let (_, attached) = site.added(site.c1(), "eth1", &config);
        refused(&site, "eth1", &config, codes::EXISTS, "already exists");
        site.checked(site.c1(), "eth1", &attached);
        site.deleted(site.c1(), "eth1", &attached);
    }
    assert_eq!(before, site.state());
}

#[test]
fn names_that_are_taken() {
    let site = Site::new();
    let internal = network(json!({"nic": "internal"}));
    let veth = network(json!({}));
    sh("ip link add eth1 type veth peer name far").ok();
    refused(&site, "eth1", &internal, codes::CONFLICT, "link eth1 on the host");
    // What the host has does not matter to a veth, whose end inside has a namespace of its own.
    let (_, attached) = site.added(site.c1(), "eth1", &veth);
    site.deleted(site.c1(), "eth1", &attached);

    site.ovs.vsctl("add-port br0 eth2 -- set interface eth2 type=internal").ok();
    refused(&site, "eth2", &internal, codes::CONFLICT, "port eth2 in Open vSwitch");
    refused(&site, "br0", &internal, codes::CONFLICT, "br0");
    let (_, attached) = site.added(&site.c2, "eth3", &internal);
    refused(&site, "eth3", &internal, codes::CONFLICT, "port eth3 of eth3");
    site.deleted(&site.c2, "eth3", &attached);

    site.c1().sh("ip link add eth4 type veth peer name eth5").ok();
    refused(&site, "eth4", &internal, codes::EXISTS, "eth4");
    refused(&site, "eth4", &veth, codes::EXISTS, "eth4");
}

#[test]
fn a_port_number_that_is_taken() {
    let site = Site::new();
    let before = site.state();
    for kind in ["veth", "internal"] {
        let config = network(json!({"nic": kind, "ofport_request": 7}));
        let (result, attached) = site.added(&site.c2, "eth2", &config);
        let names = result["interfaces"].as_array().expect("a list");
        let port = names[1]["name"].as_str().expect("a name");
        assert_eq!(site.ovs.column("Interface", port, "ofport"), 7);
        site.checked(&site.c2, "eth2", &attached);
        refused(&site, "eth1", &config, codes::CONFLICT, "number 7 in OpenFlow");
        site.deleted(&site.c2, "eth2", &attached);
    }
    assert_eq!(before, site.state());
}

#[test]
fn an_output_that_a_mirror_has_already() {
    let site = Site::new();
    let before = site.state();
    let config = network(json!({"mirrors": [{"name": "m1", "output": true}]}));
    let (_, attached) = site.added(&site.c2, "eth1", &config);
    refused(&site, "eth1", &config, codes::CONFLICT, "mirror m1 of bridge br0");
    site.deleted(&site.c2, "eth1", &attached);
    assert_eq!(before, site.state());
}

/// What cannot be done after the port has been made takes the port with it, and the address.
#[test]
fn addresses_that_cannot_be_set() {
    cites!("ADD-6");
    let site = Site::new();
    let before = site.state();
    for kind in ["veth", "internal", "tap"] {
        let ipam = json!({"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}]], "routes": [{"dst": "192.0.2.0/24", "gw": "10.7.0.1"}]});
        let keys = json!({"nic": kind, "ipam": ipam, "mirrors": [{"name": "m1", "ingress": true}]});
        let ipam_fails = with(
            &network(keys.clone()),
            json!({"ipam": {"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/33"}]]}}),
        );
        refused(&site, "eth1", &ipam_fails, INVALID, "10.1.0.0/33");
        if kind != "tap" {
            refused(&site, "eth1", &network(keys), codes::REFUSED, "192.0.2.0/24");
        }
    }
    assert_eq!(before, site.state());
}
