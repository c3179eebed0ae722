//! GC: what its network has in a cloud; the cloud's own goes with the last member, whosever that is.

use serde_json::json;
use tests::{cites, with};

use crate::site::{Site, listed, network, of_kind};

#[test]
fn what_is_not_listed_goes_and_all_else_stays() {
    cites!("GC-1", "GC-2");
    let site = Site::new();
    let before = site.state();
    for base in
        [network(json!({})), network(json!({"nic": "tap"})), listed(&["192.0.2.2"]), network(json!({"mode": "vxvde"}))]
    {
        let other = with(&base, json!({"name": "net2"}));
        let elsewhere = with(&base, json!({"vni": 9}));
        let (_, stays) = site.added(site.c1(), "eth1", &base);
        let (_, others) = site.added(site.c1(), "eth2", &other);
        let kept = site.state();
        let gone = site.scene.host.namespace("gone");
        site.added(&site.c2, "eth3", &base);
        site.added(&site.c2, "eth4", &elsewhere);
        site.added(&gone, "eth5", &base);
        gone.delete();
        let reply = site.collect(&base, &[(site.c1(), "eth1")]);
        reply.ok();
        assert_eq!(kept, site.state(), "{base}: {reply}");
        site.checked(site.c1(), "eth1", &stays);
        site.collect(&base, &[]).ok();
        site.checked(site.c1(), "eth2", &others);
        assert_eq!(of_kind("vxlan").len(), 1, "net2 is in it");
        site.collect(&other, &[]).ok();
        assert_eq!(before, site.state(), "{base}");
    }
}

/// DEL has the name of the cloud from the configuration where the member's link is gone already.
#[test]
fn a_member_whose_namespace_is_gone() {
    cites!("DEL-3", "DEL-4");
    let site = Site::new();
    let before = site.state();
    for config in
        [network(json!({})), listed(&["192.0.2.2"]), network(json!({"group": null, "url": "vxvde://234.0.0.1/vni=7"}))]
    {
        let gone = site.scene.host.namespace("gone");
        site.added(&gone, "eth1", &config);
        gone.delete();
        site.call(&gone, "eth1", "DEL", &config).netns("").run().ok();
        assert_eq!(before, site.state(), "{config}");
        site.deleted(&site.c2, "eth1", &config);
    }
}

/// The alias tells whose it is, whatever its name.
#[test]
fn a_device_that_was_renamed() {
    cites!("DEL-8", "GC-1");
    let site = Site::new();
    let before = site.state();
    let config = network(json!({}));
    for collects in [false, true] {
        let (_, attached) = site.added(site.c1(), "eth1", &config);
        harness::sh("ip link set vx14789-1 name mine").ok();
        match collects {
            false => site.deleted(site.c1(), "eth1", &attached),
            true => _ = site.collect(&config, &[]).ok(),
        }
        assert_eq!(before, site.state());
    }
}
