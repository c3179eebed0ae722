//! GC: rows of its network that belong to no attachment, with or without a container.

use harness::sh;
use serde_json::json;
use tests::{State, cites, with};

use crate::site::{Site, host_interface, network, network_of_its_own};

#[test]
fn what_is_not_listed_goes_and_all_else_stays() {
    cites!("GC-1", "GC-2");
    let site = Site::new();
    let made = json!({"bridge": "br-made", "datapath_type": "netdev", "patchTo": "br0", "mirrors": [{"name": "m1", "ingress": true}]});
    let before = site.state();
    for kind in ["veth", "internal", "tap"] {
        let config = with(&network(made.clone()), json!({"nic": kind}));
        let other_network = with(&config, json!({"name": "net2", "mirrors": [{"name": "m2", "egress": true}]}));
        let (_, stays) = site.added(site.c1(), "eth1", &config);
        let (_, others) = site.added(site.c1(), "eth2", &other_network);
        let kept = site.state();
        let gone = site.scene.host.namespace("gone");
        site.added(&site.c2, "eth3", &config);
        site.added(&gone, "eth4", &config);
        gone.delete();
        let reply = site.collect(&config, &[(site.c1(), "eth1")]);
        reply.ok();
        assert_eq!(kept, site.state(), "{kind}: {reply}");
        site.checked(site.c1(), "eth1", &stays);
        site.checked(site.c1(), "eth2", &others);
        // The bridge, the patch and the mirror go with the last port, whosever network that is.
        site.collect(&config, &[]).ok();
        site.checked(site.c1(), "eth2", &others);
        assert!(!site.ovs.rows()["Mirror"].to_string().contains("m1"), "{:#}", site.ovs.rows());
        site.collect(&other_network, &[]).ok();
        site.collect(&config, &[]).ok();
        assert_eq!(before, site.state(), "{kind}");
    }
}

#[test]
fn ports_of_other_networks_that_have_lost_their_device_are_told() {
    let site = Site::new();
    let config = network(json!({}));
    let other = with(&config, json!({"name": "net2"}));
    let gone = site.scene.host.namespace("c9");
    let (result, _) = site.added(&gone, "eth1", &other);
    site.added(site.c1(), "eth1", &other);
    let (_, restarted) = site.added(&site.c2, "eth2", &with(&other, json!({"nic": "internal"})));
    let reply = site.collect(&config, &[]);
    reply.ok();
    assert_eq!(reply.stderr, "", "nothing is lost yet: {reply}");
    gone.delete();
    site.ovs.settle();
    let port = host_interface(&result);
    harness::wait_until("the switch misses the device", || site.ovs.column("Interface", &port, "ifindex") == json!(0));
    let before = site.state();
    let reply = site.collect(&config, &[]);
    reply.ok();
    assert!(reply.stderr.contains(&format!("port {port} of eth1 on net2 of c9 has lost its device")), "{reply}");
    assert_eq!(reply.stderr.lines().count(), 1, "{reply}");
    assert_eq!(before, site.state());
    site.ovs.restart_switch();
    let reply = site.collect(&config, &[]);
    reply.ok();
    assert!(reply.stderr.contains("could not open network device"), "{reply}");
    assert!(reply.stderr.contains("port eth2 of eth2 on net2 of c2 has lost its device"), "{reply}");
    assert_eq!(reply.stderr.lines().count(), 2, "{reply}");
    site.deleted(&site.c2, "eth2", &restarted);
}

#[test]
fn without_a_database_it_fails_and_frees_the_addresses() {
    cites!("GC-3");
    let site = Site::new();
    let before = site.state();
    let config = network(json!({}));
    site.added(site.c1(), "eth1", &config);
    site.ovs.database().kill();
    let reply = site.collect(&config, &[]);
    assert_eq!(reply.error().0, 11, "{reply}");
    assert_eq!(State::allocations().len(), 0, "{reply}");
    assert!(!sh("ip -br link").ok().contains("pb"), "{reply}");
    site.ovs.restart_database();
    site.collect(&config, &[]).ok();
    assert_eq!(before, site.state());
}

/// The device of an internal port does not tell its host; the database does.
#[test]
fn rules_behind_an_internal_port_go_with_it_and_not_with_another_hosts() {
    cites!("GC-1", "GC-2");
    let site = Site::new();
    let before = site.state();
    let other = site.scene.host.namespace("other");
    let config = network_of_its_own(json!({"nic": "internal", "sourceRouting": true}));
    let (_, attached) = site.added(site.c1(), "eth1", &config);
    let rules = || site.c1().sh("ip rule").ok();
    let made = rules();
    assert!(made.contains("from 10.1.0."), "{made}");
    let elsewhere = json!({"cniVersion": tests::LATEST, "name": config["name"], "type": "veth-secondary",
        "cni.dev/valid-attachments": []});
    harness::Invocation::new("veth-secondary", "GC").config(elsewhere).on(&other).run().ok();
    assert_eq!(made, rules());
    site.checked(site.c1(), "eth1", &attached);
    site.collect(&config, &[]).ok();
    assert_eq!(before, site.state());
}
