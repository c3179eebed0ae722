//! CHECK: what it finds different.

use harness::{ip, sh};
use serde_json::{Value, json};
use tests::{UNDERLAY, cites, codes, with};

use crate::site::{Site, listed, network};

/// Makes a NIC, changes something, and looks what CHECK says of it. Afterwards DEL leaves nothing.
fn changed(site: &Site, config: &Value, change: &str, said: &[&str]) {
    let before = site.state();
    let (_, attached) = site.added(site.c1(), "eth1", config);
    site.checked(site.c1(), "eth1", &attached);
    sh(change).ok();
    println!("{change}");
    let (code, words) = site.different(site.c1(), "eth1", &attached);
    assert_eq!(code, codes::DIFFERENT, "{words}");
    for part in said {
        assert!(words.contains(part), "{change}: {part:?} is said: {words}");
    }
    site.deleted(site.c1(), "eth1", &attached);
    assert_eq!(before, site.state(), "{change}");
}

/// What makes the device of the cloud anew with other settings, as the bridge's port.
fn anew(settings: &str) -> String {
    format!(
        "ip link delete vx14789-1 && ip link add vx14789-1 mtu 1450 type vxlan {settings} && \
         ip link set vx14789-1 master lac14789-1 up && ip link set vx14789-1 alias 'plugboard: shared by lac 14789/1'"
    )
}

#[test]
fn every_setting_of_the_device() {
    cites!("CHK-1", "CHK-2", "CHK-4");
    let site = Site::new();
    let config = network(json!({}));
    let group = format!("group 234.0.0.1 dev {UNDERLAY}");
    for (change, said) in [
        (anew(&format!("id 2 dstport 14789 ttl 1 {group}")), ["vni", "want 1, have 2"]),
        (anew(&format!("id 1 dstport 4789 ttl 1 {group}")), ["port", "want 14789, have 4789"]),
        (anew(&format!("id 1 dstport 14789 ttl 4 {group}")), ["ttl", "want 1, have 4"]),
        (
            anew(&format!("id 1 dstport 14789 ttl 1 group 234.0.0.9 dev {UNDERLAY}")),
            ["group", "want 234.0.0.1, have 234.0.0.9"],
        ),
        (anew("id 1 dstport 14789 ttl 1 group 234.0.0.1 dev far0"), ["underlay", "want lan0, have far0"]),
        (anew(&format!("id 1 dstport 14789 ttl 1 nolearning {group}")), ["learning", "want on, have off"]),
        (
            anew(&format!("id 1 dstport 14789 ttl 1 nolearning srcport 14789 14790 {group}")),
            ["mode", "want multicast, have vxvde"],
        ),
        (
            anew(&format!("id 1 dstport 14789 ttl 1 srcport 14789 14790 {group}")),
            ["source ports", "want any, have 14789 to 14789"],
        ),
        ("ip link set vx14789-1 mtu 1300".to_owned(), ["mtu", "want 1450, have 1300"]),
        ("ip link set vx14789-1 down".to_owned(), ["VXLAN device vx14789-1", "want up, have down"]),
        ("ip link set vx14789-1 nomaster".to_owned(), ["VXLAN device vx14789-1", "have a port of no bridge"]),
        ("ip link delete vx14789-1".to_owned(), ["VXLAN device vx14789-1", "missing"]),
        (
            "bridge fdb delete 00:00:00:00:00:00 dev vx14789-1 dst 234.0.0.1 via lan0 self".to_owned(),
            ["remotes", "want 234.0.0.1, have none"],
        ),
        (
            "bridge fdb append 00:00:00:00:00:00 dev vx14789-1 dst 192.0.2.66 self permanent".to_owned(),
            ["remotes", "have 192.0.2.66, 234.0.0.1"],
        ),
        ("ip link set vx14789-1 type vxlan local 192.0.2.77".to_owned(), ["local address", "have 192.0.2.77"]),
        ("ip link set vx14789-1 type bridge_slave isolated on".to_owned(), ["bridge port vx14789-1", "have isolated"]),
        ("ip link set vx14789-1 type bridge_slave flood off".to_owned(), ["bridge port vx14789-1", "unknown"]),
        ("ip link set lac14789-1 down".to_owned(), ["bridge lac14789-1", "want up, have down"]),
        ("ip link delete lac14789-1".to_owned(), ["bridge lac14789-1", "missing"]),
    ] {
        changed(&site, &config, &change, &said);
    }
    let vde = network(json!({"mode": "vxvde"}));
    changed(&site, &vde, "ethtool -K vx14789-1 tx on", &["tx checksumming", "want off, have on"]);
}

/// A device that came from another namespace sends by a link there, whose index may be that of the underlay here.
#[test]
fn a_device_of_another_namespace() {
    cites!("CHK-1");
    let site = Site::new();
    let (_, attached) = site.added(site.c1(), "eth1", &network(json!({})));
    let other = site.scene.host.namespace("other");
    sh("ip link delete vx14789-1").ok();
    let index = ip("link show dev lan0")[0]["ifindex"].to_string();
    other
        .sh(&format!(
            "ip link add lan0 index {index} type veth peer name far0 && ip link set lan0 up && ip link set far0 up"
        ))
        .ok();
    other
        .sh(&format!(
            "ip link add vx14789-1 mtu 1450 type vxlan id 1 dstport 14789 ttl 1 group 234.0.0.1 dev lan0 && \
             ip link set vx14789-1 netns /proc/{}/ns/net",
            nix::unistd::gettid()
        ))
        .ok();
    sh("ip link set vx14789-1 master lac14789-1 up && ip link set vx14789-1 alias 'plugboard: shared by lac 14789/1'")
        .ok();
    let (code, words) = site.different(site.c1(), "eth1", &attached);
    assert!(
        code == codes::DIFFERENT && words.contains("underlay: want lan0, have one of another namespace"),
        "{words}"
    );
    site.deleted(site.c1(), "eth1", &attached);
}

#[test]
fn the_hosts_of_a_list() {
    cites!("CHK-1", "CHK-2");
    let site = Site::new();
    let config = listed(&["192.0.2.1", "192.0.2.2", "192.0.2.3"]);
    let entry = "00:00:00:00:00:00 dev vx14789-1 dst";
    changed(
        &site,
        &config,
        &format!("bridge fdb delete {entry} 192.0.2.3 self"),
        &["remotes", "want 192.0.2.2, 192.0.2.3, have 192.0.2.2"],
    );
    changed(
        &site,
        &config,
        &format!("bridge fdb append {entry} 192.0.2.9 self permanent"),
        &["remotes", "have 192.0.2.2, 192.0.2.3, 192.0.2.9"],
    );
    let of_ipv6 = listed(&["2001:db8::2"]);
    changed(&site, &of_ipv6, &format!("bridge fdb delete {entry} 2001:db8::2 self"), &["remotes", "have none"]);
}

/// What CHECK reports, the next member repairs: the device goes with its underlay.
#[test]
fn a_device_that_went_with_its_underlay_is_made_again() {
    let site = Site::new();
    let config = network(json!({}));
    let (_, attached) = site.added(site.c1(), "eth1", &config);
    let again = "ip link add lan0 type veth peer name far0 && ip link set far0 up && ip link set lan0 up && \
                 ip address add 192.0.2.1/24 dev lan0";
    sh("ip link delete lan0").ok();
    let (code, words) = site.different(site.c1(), "eth1", &attached);
    assert!(code == 7 && words.contains("the host has no device lan0"), "{code}: {words}");
    sh(again).ok();
    let (code, words) = site.different(site.c1(), "eth1", &attached);
    assert!(
        code == codes::DIFFERENT && words.contains("VXLAN device vx14789-1: want present, have missing"),
        "{words}"
    );
    let (_, second) = site.added(&site.c2, "eth1", &config);
    site.checked(site.c1(), "eth1", &attached);
    site.deleted(&site.c2, "eth1", &second);
    site.deleted(site.c1(), "eth1", &attached);
}

/// An underlay whose MTU changes takes the cloud's with it at the next ADD.
#[test]
fn the_mtu_follows_the_underlay() {
    let site = Site::new();
    let config = network(json!({}));
    let (_, first) = site.added(site.c1(), "eth1", &config);
    for (underlay, cloud) in [(1400, 1350), (9000, 8950)] {
        sh(&format!("ip link set far0 mtu {underlay} && ip link set lan0 mtu {underlay}")).ok();
        let (_, words) = site.different(site.c1(), "eth1", &first);
        assert!(words.contains(&format!("mtu: want {cloud}")), "{words}");
        let (result, second) = site.added(&site.c2, "eth1", &config);
        assert_eq!(result["interfaces"][2]["mtu"], cloud, "{result:#}");
        site.checked(site.c1(), "eth1", &first);
        site.deleted(&site.c2, "eth1", &second);
    }
    site.deleted(site.c1(), "eth1", &first);
}

#[test]
fn the_underlay_may_leave_too_little_for_ipv6() {
    let site = Site::new();
    for (underlay, cloud) in [(118, 68), (1329, 1279)] {
        sh(&format!("ip link set far0 mtu {underlay} && ip link set lan0 mtu {underlay}")).ok();
        let before = site.state();
        let tap = json!({"nic": "tap", "ipam": null});
        for keys in [json!({}), tap.clone(), with(&tap, json!({"tapNamespace": "container"}))] {
            let (result, attached) = site.added(site.c1(), "eth1", &network(keys.clone()));
            assert_eq!(result["interfaces"][2]["mtu"], cloud, "{keys}");
            site.checked(site.c1(), "eth1", &attached);
            site.deleted(site.c1(), "eth1", &attached);
            assert_eq!(before, site.state(), "{keys}");
        }
    }
}

/// What became of the device is put right by whoever comes next, and by UPDATE.
#[test]
fn whom_the_device_sends_to_is_put_right() {
    let site = Site::new();
    let config = network(json!({}));
    let (_, attached) = site.added(site.c1(), "eth1", &config);
    let broken = "bridge fdb delete 00:00:00:00:00:00 dev vx14789-1 dst 234.0.0.1 via lan0 self && \
                  bridge fdb append 00:00:00:00:00:00 dev vx14789-1 dst 192.0.2.66 self permanent";
    let whole = site.state();
    sh(broken).ok();
    site.call(site.c1(), "eth1", "UPDATE", &attached).run().ok();
    assert_eq!(whole, site.state());
    site.checked(site.c1(), "eth1", &attached);
    sh(broken).ok();
    let (_, second) = site.added(&site.c2, "eth1", &config);
    site.checked(site.c1(), "eth1", &attached);
    site.deleted(&site.c2, "eth1", &second);
    assert_eq!(whole, site.state());
    site.deleted(site.c1(), "eth1", &attached);
}
