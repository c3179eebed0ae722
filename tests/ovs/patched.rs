//! Patches between bridges.

use harness::Datapath;
use serde_json::json;
use tests::{cites, with};

use crate::site::{Site, address, network};

#[test]
fn bridges_are_joined_as_long_as_there_are_ports() {
    cites!("ADD-8", "DEL-8");
    let site = Site::new();
    site.ovs.add_bridge_of(Datapath::Netdev, "br-up");
    let before = site.state();
    let above = network(json!({"bridge": "br-up"}));
    // A bridge of an operator, and one that is made here.
    for below in
        [json!({"patchTo": "br-up"}), json!({"patchTo": "br-up", "bridge": "br-made", "datapath_type": "netdev"})]
    {
        let below = network(below);
        let (far, above_attached) = site.added(&site.c3, "eth1", &above);
        let alone = site.state();
        let (_, first) = site.added(site.c1(), "eth1", &below);
        let (_, second) = site.added(&site.c2, "eth1", &below);
        assert!(site.c1().ping(&address(&far), 2).all_answered());
        site.checked(site.c1(), "eth1", &first);
        site.deleted(site.c1(), "eth1", &first);
        assert!(site.c2.ping(&address(&far), 2).all_answered(), "the patch stays as long as anybody uses it");
        site.checked(&site.c2, "eth1", &second);
        // CHECK sees it go.
        let name = format!("patch-{}-to-br-up", below["bridge"].as_str().expect("a name"));
        let other = format!("patch-br-up-to-{}", below["bridge"].as_str().expect("a name"));
        site.ovs.vsctl(&format!("del-port {name} -- del-port {other}")).ok();
        assert!(site.different(&site.c2, "eth1", &second).contains("patch port patch-"));
        site.deleted(&site.c2, "eth1", &second);
        assert_eq!(alone, site.state());
        site.deleted(&site.c3, "eth1", &above_attached);
        assert_eq!(before, site.state());
    }
}

#[test]
fn an_operators_patch_stays() {
    let site = Site::new();
    site.ovs.add_bridge_of(Datapath::Netdev, "br-up");
    site.ovs
        .vsctl(
            "add-port br0 patch-br0-to-br-up -- set interface patch-br0-to-br-up type=patch options:peer=patch-br-up-to-br0 -- \
             add-port br-up patch-br-up-to-br0 -- set interface patch-br-up-to-br0 type=patch options:peer=patch-br0-to-br-up",
        )
        .ok();
    let before = site.state();
    let config = network(json!({"patchTo": "br-up"}));
    let (_, attached) = site.added(site.c1(), "eth1", &config);
    site.checked(site.c1(), "eth1", &attached);
    site.deleted(site.c1(), "eth1", &attached);
    site.collect(&config, &[]).ok();
    assert_eq!(before, site.state());
    // Half of one is none.
    site.ovs.vsctl("del-port patch-br-up-to-br0").ok();
    let before = site.state();
    let reply = site.call(site.c1(), "eth1", "ADD", &with(&config, json!({}))).run();
    assert!(reply.error().1.contains("one end only"), "{reply}");
    assert_eq!(before, site.state());
}

/// Who is the last on the bridge need not have asked for the patch.
#[test]
fn a_patch_goes_with_the_last_port_whatever_that_asked_for() {
    cites!("DEL-8");
    let site = Site::new();
    let before = site.state();
    for bridge in [json!({}), json!({"bridge": "br-made", "datapath_type": "netdev"})] {
        let with_patch = with(&network(bridge.clone()), json!({"patchTo": "br-up"}));
        let without = with(&network(bridge), json!({"name": "net2"}));
        site.ovs.add_bridge_of(Datapath::Netdev, "br-up");
        let (_, first) = site.added(site.c1(), "eth1", &with_patch);
        let (_, second) = site.added(&site.c2, "eth1", &without);
        site.deleted(site.c1(), "eth1", &first);
        site.checked(&site.c2, "eth1", &second);
        site.deleted(&site.c2, "eth1", &second);
        site.ovs.vsctl("del-br br-up").ok();
        assert_eq!(before, site.state());
    }
}

#[test]
fn a_bridge_that_a_patch_leads_to_is_in_use() {
    let site = Site::new();
    let before = site.state();
    let lower = network(json!({"bridge": "br-low", "datapath_type": "netdev"}));
    let upper = network(json!({"name": "net2", "bridge": "br-high", "datapath_type": "netdev", "patchTo": "br-low"}));
    let (_, first) = site.added(site.c1(), "eth1", &lower);
    let (_, second) = site.added(&site.c2, "eth1", &upper);
    site.deleted(site.c1(), "eth1", &first);
    site.checked(&site.c2, "eth1", &second);
    // The operator's own port keeps a bridge, too.
    site.ovs.vsctl("add-port br-low own -- set interface own type=internal").ok();
    site.deleted(&site.c2, "eth1", &second);
    assert!(site.ovs.vsctl("list-ports br-low").ok().contains("own"));
    site.ovs.vsctl("del-port own").ok();
    site.collect(&lower, &[]).ok();
    assert_eq!(before, site.state());
}

#[test]
fn check_looks_at_both_ends() {
    let site = Site::new();
    site.ovs.add_bridge_of(Datapath::Netdev, "br-up");
    let (_, attached) = site.added(site.c1(), "eth1", &network(json!({"patchTo": "br-up"})));
    site.ovs.vsctl("set interface patch-br-up-to-br0 options:peer=nobody").ok();
    assert!(site.different(site.c1(), "eth1", &attached).contains("options:peer"));
    site.deleted(site.c1(), "eth1", &attached);
}
