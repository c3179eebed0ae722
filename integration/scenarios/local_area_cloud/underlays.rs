//! The device of the host by which a cloud's packets leave: which it is, and what fits into its packets.

use harness::{Host, Lan, Namespace, Route, VdeClient, row};
use integration::{call, links, with};
use lab::{Feature, with_features};
use serde_json::{Value, json};
use tests::Capture;

use super::site::{Member, Site, all_reach_each_other, at, network};

#[test]
fn packets_leave_by_the_device_that_is_named() {
    let _row = row("M30");
    let owner = Host::enter();
    let (_first, [a, b]) = Lan::with_hosts(&owner, ["host-a", "host-b"]);
    let second = Lan::new(&owner, "lan1", 8);
    let own = second.join(&a, "eth1", Route::Nowhere).ipv4;
    second.join(&b, "eth1", Route::Nowhere);
    let config = network(&json!({"if": "eth1"}));
    let [c1, c2] = ["c1", "c2"].map(|name| owner.namespace(name));
    let wires = ["eth0", "eth1"].map(|nic| Capture::start(&a, nic));
    let members =
        [Member::new(&a, &c1, "lac0", &config, "10.0.0.1/24"), Member::new(&b, &c2, "lac0", &config, "10.0.0.2/24")];
    assert_eq!(members[0].answered_by(&members[1]), 3);
    let [by_first, by_second] = wires.map(|wire| wire.take());
    let tunnelled = |packets: &[tests::Packet]| packets.iter().filter(|packet| packet.vxlan().is_some()).count();
    assert_eq!(tunnelled(&by_first), 0, "{by_first:?}");
    assert!(tunnelled(&by_second) >= 6, "{by_second:?}");
    assert!(by_second.iter().any(|packet| packet.from == own && packet.vxlan().is_some()), "{by_second:?}");
    members.iter().for_each(Member::delete);
}

#[test]
fn a_host_that_does_not_know_where_to_is_told() {
    let _row = row("M30");
    let owner = Host::enter();
    let lan = Lan::new(&owner, "lan", 7);
    let host = owner.namespace("host-a");
    lan.join(&host, "eth0", Route::Nowhere);
    let c1 = owner.namespace("c1");
    let before = harness::Snapshot::take::<&str>(&[&host, &c1], &[]);
    for (keys, said) in [
        (json!({"if": "eth7"}), "the host has no device eth7"),
        (json!({"group": null, "url": "vxvde://234.0.0.1/if=eth7"}), "the host has no device eth7"),
        (json!({}), "there is no route to the group 234.0.0.1"),
    ] {
        let reply = call("ADD", &c1, "lac0", &network(&keys)).on(&host).run();
        let (_, msg, details) = reply.error();
        assert!(format!("{msg} {details}").contains(said), "{said}: {reply}");
        assert_eq!(before, harness::Snapshot::take::<&str>(&[&host, &c1], &[]), "{keys}");
    }
    let member = Member::new(&host, &c1, "lac0", &network(&json!({"if": "eth0"})), "10.0.0.1/24");
    member.delete();
}

/// `ping` with so many bytes in packets that must not be divided.
fn undivided(from: &Namespace, address: &str, bytes: u32, options: &str) -> String {
    let said = from.sh(&format!("LC_ALL=C ping -n -M do -s {bytes} {options} {address}"));
    format!("{}{}", said.stdout, said.stderr)
}

#[track_caller]
fn assert_passes(from: &Namespace, address: &str, bytes: u32) {
    let said = undivided(from, address, bytes, "-c3 -i.05 -W2");
    assert!(said.contains(" 3 received"), "{bytes} bytes: {said}");
}

#[track_caller]
fn assert_too_long(from: &Namespace, address: &str, bytes: u32) {
    let said = undivided(from, address, bytes, "-c1 -W.2");
    assert!(said.contains(" 0 received") && said.to_lowercase().contains("message too long"), "{bytes} bytes: {said}");
}

#[test]
fn what_fits_into_the_packets_of_the_underlay_passes_and_no_more() {
    let _row = row("M32");
    let site = Site::<2>::new();
    let [c1, c2] = ["c1", "c2"].map(|name| site.container(name));
    for (group, underlay) in [("234.0.0.1", 1500), ("ff05:56de::1", 1500), ("234.0.0.1", 1600)] {
        site.lan.set_mtu(&site.hosts.each_ref(), "eth0", underlay);
        let keys = json!({"group": group});
        let members = [
            Member::new(&site.hosts[0], &c1, "lac0", &network(&keys), "10.0.0.1/24"),
            Member::new(&site.hosts[1], &c2, "lac0", &network(&keys), "10.0.0.2/24"),
        ];
        let mtu = underlay - if group.contains(':') { 70 } else { 50 };
        assert_eq!(c1.ip("link show dev lac0")[0]["mtu"], mtu);
        // Headers of IPv4 and ICMP have 28 bytes.
        for (from, to) in [(&c1, "10.0.0.2"), (&c2, "10.0.0.1")] {
            assert_passes(from, to, mtu - 28);
            assert_too_long(from, to, mtu - 27);
        }
        let other = site.container("c3");
        let larger = with(&network(&keys), &json!({"mtu": mtu + 1}));
        let reply = call("ADD", &other, "lac0", &larger).on(&site.hosts[0]).run();
        let (code, msg, details) = reply.error();
        assert!(code == 7 && format!("{msg} {details}").contains(&format!("at most {mtu}")), "{reply}");
        assert_eq!(links(&other), ["lo"], "{reply}");
        other.delete();
        members.iter().for_each(Member::delete);
    }
}

#[test]
fn whole_frames_of_vde_pass_an_underlay_with_room_for_them() {
    let _row = row("M32");
    let owner = Host::enter();
    let lan = Lan::with_mtu(&owner, "lan", 7, 1550);
    let [plug_host, own_host] = ["host-a", "host-b"].map(|name| {
        let host = owner.namespace(name);
        lan.join(&host, "eth0", Route::Default);
        host
    });
    let plugged = VdeClient::tap(&plug_host, "tap0", "vxvde://234.0.0.1", "10.0.0.254/24");
    let c1 = owner.namespace("c1");
    let config = network(&with(&json!({"compat": "vxvde"}), &at("10.0.0.1/24")));
    let member = Member::new(&own_host, &c1, "vde0", &config, "10.0.0.1/24");
    assert_passes(&c1, "10.0.0.254", 1472);
    assert_passes(&plugged.namespace, "10.0.0.1", 1472);
    member.delete();
}

/// With three hosts whose routes to the group are their only ones.
#[test]
fn a_route_to_groups_is_enough() {
    let _row = row("M30");
    let owner = Host::enter();
    let lan = Lan::new(&owner, "lan", 7);
    let members: Vec<Member> = (1..=2)
        .map(|number| {
            let host = owner.namespace(&format!("host-{number}"));
            lan.join(&host, "eth0", Route::Groups);
            let address = format!("10.0.0.{number}/24");
            Member::new(&host, &owner.namespace(&format!("c{number}")), "lac0", &network(&Value::Null), &address)
        })
        .collect();
    all_reach_each_other(&members.iter().collect::<Vec<_>>());
    members.iter().for_each(Member::delete);
}

#[test]
fn a_vlan_of_the_host_is_an_underlay() {
    with_features(&[Feature::Vlan, Feature::Vxlan], || {
        let _row = row("M32");
        let site = Site::<2>::new();
        let config = network(&json!({"if": "eth0.5"}));
        let members: Vec<Member> = (1..)
            .zip(&site.hosts)
            .map(|(number, host)| {
                host.sh(&format!(
                    "ip link add link eth0 name eth0.5 up type vlan id 5 && ip address add 10.5.0.{number}/24 dev eth0.5"
                ))
                .ok();
                let container = site.container(&format!("c{number}"));
                Member::new(host, &container, "lac0", &config, &format!("10.0.0.{number}/24"))
            })
            .collect();
        let wire = Capture::start(&site.hosts[0], "eth0.5");
        assert_passes(&members[0].ns, "10.0.0.2", 1422);
        assert_too_long(&members[0].ns, "10.0.0.2", 1423);
        let tunnelled = wire.take().iter().filter(|packet| packet.vxlan().is_some()).count();
        assert!(tunnelled >= 6, "{tunnelled} packets in the VLAN");
        members.iter().for_each(Member::delete);
    });
}
