//! Lists of remotes: in the configuration or in a file, and changed while members use the cloud.

use std::fs;
use std::net::IpAddr;

use serde_json::json;
use tests::{cites, codes, with};

use crate::site::{Site, hosts_of, listed, network, vxlan};

const DEVICE: &str = "vx14789-1";

fn addresses(hosts: &[&str]) -> Vec<IpAddr> {
    hosts.iter().map(|host| host.parse().expect("an address")).collect()
}

#[test]
fn every_host_of_the_list_but_this_one_gets_what_is_for_all() {
    let site = Site::new();
    let before = site.state();
    let (_, attached) = site.added(site.c1(), "eth1", &listed(&["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.2"]));
    assert_eq!(hosts_of(DEVICE), addresses(&["192.0.2.2", "192.0.2.3"]));
    let data = &vxlan(DEVICE)["linkinfo"]["info_data"];
    assert_eq!((&data["group"], &data["remote"], &data["ttl"]), (&json!(null), &json!(null), &json!(0)), "{data:#}");
    site.deleted(site.c1(), "eth1", &attached);
    let (result, attached) = site.added(site.c1(), "eth1", &listed(&["2001:db8::1", "2001:db8::2"]));
    assert_eq!(hosts_of(DEVICE), addresses(&["2001:db8::2"]));
    assert_eq!(result["interfaces"][2]["mtu"], 1430, "{result:#}");
    site.checked(site.c1(), "eth1", &attached);
    site.deleted(site.c1(), "eth1", &attached);
    assert_eq!(before, site.state());
}

#[test]
fn a_file_is_read_by_every_verb() {
    cites!("CHK-1");
    let site = Site::new();
    let file = site.scene.directory("lists").join("hosts");
    let write = |text: &str| fs::write(&file, text).expect("the file is written");
    let config = network(json!({"group": null, "remotesFile": file}));
    write("192.0.2.1\n192.0.2.2 # the second\n\n");
    let (_, attached) = site.added(site.c1(), "eth1", &config);
    assert_eq!(hosts_of(DEVICE), addresses(&["192.0.2.2"]));

    write("192.0.2.2\n192.0.2.3\n");
    let (code, words) = site.different(site.c1(), "eth1", &attached);
    assert!(
        code == codes::DIFFERENT && words.contains("remotes: want 192.0.2.2, 192.0.2.3, have 192.0.2.2"),
        "{words}"
    );
    site.call(site.c1(), "eth1", "UPDATE", &attached).run().ok();
    assert_eq!(hosts_of(DEVICE), addresses(&["192.0.2.2", "192.0.2.3"]));
    site.checked(site.c1(), "eth1", &attached);

    // The next member has the list as it is then, and DEL needs none.
    write("192.0.2.4\n");
    let (_, second) = site.added(&site.c2, "eth1", &config);
    assert_eq!(hosts_of(DEVICE), addresses(&["192.0.2.4"]));
    write("nobody\n");
    let words = site.refused(site.c1(), "UPDATE", &attached, 7);
    assert!(words.contains("line 1: \"nobody\""), "{words}");
    assert_eq!(hosts_of(DEVICE), addresses(&["192.0.2.4"]));
    fs::remove_file(&file).expect("the file is removed");
    site.deleted(&site.c2, "eth1", &second);
    site.deleted(site.c1(), "eth1", &attached);
    assert!(vxlan(DEVICE).is_null());
}

/// An ADD that fails takes back what it has changed of a list that others use.
#[test]
fn a_failed_add_leaves_the_list_as_it_was() {
    cites!("ADD-6");
    let site = Site::new();
    let (_, attached) = site.added(site.c1(), "eth1", &listed(&["192.0.2.2", "192.0.2.3"]));
    let before = site.state();
    let changed = listed(&["192.0.2.3", "192.0.2.4"]);
    // The address is the first member's own, which is seen when all links are there.
    let ipam = json!({"ipam": {"type": "static", "addresses": [{"address": "10.0.0.1/24"}]}});
    site.c1().sh("ip address add 10.0.0.1/24 dev eth1").ok();
    let held = site.state();
    let reply = site.call(&site.c2, "eth1", "ADD", &with(&changed, ipam)).run();
    assert_ne!(reply.status, 0, "{reply}");
    assert_eq!(held, site.state(), "{reply}");
    assert_eq!(hosts_of(DEVICE), addresses(&["192.0.2.2", "192.0.2.3"]), "{reply}");
    site.c1().sh("ip address flush dev eth1 scope global").ok();
    assert_eq!(before, site.state());
    site.deleted(site.c1(), "eth1", &attached);
}

/// UPDATE is for what members share; what makes another cloud is refused.
#[test]
fn only_the_list_can_be_changed() {
    let site = Site::new();
    let (_, attached) = site.added(site.c1(), "eth1", &listed(&["192.0.2.2"]));
    for keys in [json!({"ttl": 9}), json!({"remotes": null, "group": "234.0.0.1"})] {
        let words = site.refused(site.c1(), "UPDATE", &with(&attached, keys), codes::CONFLICT);
        assert!(words.contains("another port or VNI"), "{words}");
    }
    site.call(site.c1(), "eth1", "UPDATE", &with(&attached, json!({"remotes": ["192.0.2.9"]}))).run().ok();
    assert_eq!(hosts_of(DEVICE), addresses(&["192.0.2.9"]));
    site.deleted(site.c1(), "eth1", &attached);
}

/// Nobody changes a cloud that he is not in.
#[test]
fn only_members_change_a_list() {
    let site = Site::new();
    let elsewhere = |remotes: &[&str]| with(&listed(remotes), json!({"vni": 2}));
    let (_, first) = site.added(site.c1(), "eth1", &listed(&["192.0.2.2"]));
    let (_, second) = site.added(&site.c2, "eth1", &elsewhere(&["192.0.2.3"]));
    let of_another = with(&elsewhere(&["192.0.2.9"]), json!({"prevResult": first["prevResult"]}));
    for ns in [site.c1(), &site.c3] {
        let words = site.refused(ns, "UPDATE", &of_another, codes::REFUSED);
        assert!(words.contains("cannot be changed in use"), "{words}");
    }
    assert_eq!(hosts_of("vx14789-2"), addresses(&["192.0.2.3"]));
    site.deleted(site.c1(), "eth1", &first);
    site.deleted(&site.c2, "eth1", &second);
}
