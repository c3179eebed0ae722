//! Hosts that have a group in common, and nothing else.

use std::net::IpAddr;

use harness::{bin, bin_dir, row, sh};
use integration::{call, with};
use serde_json::{Value, json};
use tests::{Capture, Packet};

use super::site::{
    GROUP, Member, Site, all_reach_each_other, at, carries_echo, network, of_kind, tunnelled_from, vxlan,
};

/// RFC 3376: reports are to all routers that understand it.
const IGMP: u8 = 2;
const IGMP_V3_REPORT: u8 = 0x22;

#[test]
fn a_group_is_all_that_hosts_need() {
    let _row = row("M20");
    let site = Site::<3>::new();
    let before = site.state(&[]);
    let wire = Capture::start(&site.hosts[0], "eth0");
    let config = network(&json!({}));
    let members: Vec<Member> = (1..)
        .zip(&site.hosts)
        .map(|(number, host)| {
            let container = site.container(&format!("c{number}"));
            Member::new(host, &container, "lac0", &config, &format!("10.0.0.{number}/24"))
        })
        .collect();
    let group: IpAddr = GROUP.parse().expect("an address");
    let joins = |packet: &Packet| {
        packet.protocol == IGMP
            && packet.payload.first() == Some(&IGMP_V3_REPORT)
            && packet.payload.windows(4).any(|bytes| IpAddr::from(<[u8; 4]>::try_from(bytes).expect("four")) == group)
    };
    let own = site.uplink(0).address_for(group);
    let report = wire.find(|packet| packet.from == own && joins(packet));
    assert!(report.is_some(), "the host tells its LAN that it joins {group}");
    all_reach_each_other(&members.iter().collect::<Vec<_>>());
    for host in &site.hosts {
        assert!(host.sh("ip maddress show dev eth0").ok().contains(GROUP), "{} has joined", host.name);
        for device in ["lac14789-1", "vx14789-1"] {
            let shown = host.ip(&format!("address show dev {device}"));
            assert_eq!(
                shown[0]["addr_info"].as_array().map(Vec::len),
                Some(0),
                "the host has no address there: {shown:#}"
            );
        }
        let entries = host.sh("bridge -j fdb show dev vx14789-1").ok();
        let entries: Vec<Value> = serde_json::from_str(&entries).expect("JSON");
        let of_people: Vec<_> =
            entries.iter().filter(|entry| entry["state"] == "permanent" && !entry["dst"].is_null()).collect();
        assert!(of_people.iter().all(|entry| entry["dst"] == GROUP), "no peer is configured: {of_people:?}");
        let learned = |mac: &str| entries.iter().any(|entry| entry["mac"] == mac && !entry["dst"].is_null());
        let others = members.iter().filter(|member| member.host != *host);
        assert!(others.into_iter().all(|other| learned(other.mac())), "the others are learned: {entries:?}");
    }
    members.iter().for_each(Member::delete);
    assert_eq!(before, site.state(&[]));
}

#[test]
fn port_vni_and_ttl_are_those_of_vde_or_what_is_asked() {
    let _row = row("M21");
    let site = Site::<2>::new();
    let [c1, c2] = ["c1", "c2"].map(|name| site.container(name));
    for (keys, device, [port, vni, ttl]) in [
        (json!({}), "vx14789-1", [14789, 1, 1]),
        (json!({"ttl": 4}), "vx14789-1", [14789, 1, 4]),
        (json!({"ttl": 4, "port": 15000, "vni": 16_777_215}), "", [15000, 16_777_215, 4]),
    ] {
        let config = network(&keys);
        let members = [
            Member::new(&site.hosts[0], &c1, "lac0", &config, "10.0.0.1/24"),
            Member::new(&site.hosts[1], &c2, "lac0", &config, "10.0.0.2/24"),
        ];
        let made = of_kind(&site.hosts[0], "vxlan");
        let [name] = made.as_slice() else { panic!("one device: {made:?}") };
        assert!(device.is_empty() || name == device, "{name}");
        let shown = vxlan(&site.hosts[0], name);
        let data = &shown["linkinfo"]["info_data"];
        assert_eq!([&data["port"], &data["id"], &data["ttl"]], [&json!(port), &json!(vni), &json!(ttl)], "{shown:#}");

        let wire = Capture::start(&site.hosts[0], "eth0");
        assert_eq!(members[0].answered_by(&members[1]), 3, "{keys}");
        let packets = wire.take();
        let sent = tunnelled_from(&packets, site.uplink(0).ipv4.into());
        assert!(sent.iter().any(|packet| carries_echo(packet)), "{packets:?}");
        for packet in sent {
            let carried = packet.vxlan().expect("it was asked");
            let seen = (u32::from(carried.to_port), carried.vni, u32::from(packet.ttl));
            assert_eq!(seen, (port, vni, ttl), "{packet:?}");
        }
        members.iter().for_each(Member::delete);
    }
}

#[test]
fn members_of_one_host_share_what_leads_to_the_others() {
    let _row = row("M22");
    let site = Site::<2>::new();
    let before = site.state(&[]);
    let config = network(&json!({}));
    let [here, there] = &site.hosts;
    let members: Vec<Member> = (1..)
        .zip([here, here, here, there])
        .map(|(number, host)| {
            let container = site.container(&format!("c{number}"));
            Member::new(host, &container, "lac0", &config, &format!("10.0.0.{number}/24"))
        })
        .collect();
    all_reach_each_other(&members.iter().collect::<Vec<_>>());
    let shared = || (of_kind(here, "vxlan"), of_kind(here, "bridge"));
    let both = (vec!["vx14789-1".to_owned()], vec!["lac14789-1".to_owned()]);
    assert_eq!(shared(), both);
    let [one, two, three, remote] = members.as_slice() else { panic!("four members") };
    one.delete();
    two.delete();
    assert_eq!(shared(), both, "one uses them yet");
    assert_eq!(three.answered_by(remote), 3);
    three.delete();
    assert_eq!(shared(), Default::default());
    remote.delete();
    assert_eq!(before, site.state(&[]));
}

#[test]
fn a_device_of_the_kernel_made_by_hand_is_a_member() {
    let _row = row("M27");
    let site = Site::<2>::new();
    let c1 = site.container("c1");
    let keys = json!({"group": "239.0.0.1", "port": 4789, "vni": 42, "dev": "eth0"});
    let member = Member::new(&site.hosts[0], &c1, "lac0", &network(&keys), "10.0.0.1/24");
    let peer = &site.hosts[1];
    peer.sh("ip link add vxlan42 up type vxlan id 42 group 239.0.0.1 dev eth0 dstport 4789").ok();
    peer.sh("ip address add 10.0.0.2/24 dev vxlan42").ok();
    assert_eq!(member.ns.ping("10.0.0.2", 3).received, 3);
    assert_eq!(peer.ping("10.0.0.1", 3).received, 3);
    assert_eq!(c1.streams_to(peer, "10.0.0.2", 1_000_000), 1_000_000);
    member.delete();
}

/// Pairs of which each differs from the first in one of group, port and VNI, all with addresses of one subnet.
#[test]
fn clouds_that_differ_in_group_port_or_vni_do_not_hear_each_other() {
    let _row = row("M29");
    let site = Site::<4>::new();
    let [a, b, c, d] = &site.hosts;
    let clouds = [
        ([a, b], json!({})),
        // A host is in one cloud of each port and VNI.
        ([c, d], json!({"group": "234.0.0.2"})),
        ([a, b], json!({"port": 14790})),
        ([a, b], json!({"vni": 2})),
    ];
    let pairs: Vec<[Member; 2]> = (1..)
        .zip(&clouds)
        .map(|(number, (hosts, keys))| {
            [1, 2].map(|end| {
                let container = site.container(&format!("c{number}{end}"));
                let address = format!("10.0.0.{number}{end}/24");
                Member::new(hosts[end - 1], &container, "lac0", &network(keys), &address)
            })
        })
        .collect();
    std::thread::scope(|scope| {
        for [one, other] in &pairs {
            scope.spawn(|| {
                assert_eq!(one.answered_by(other), 3, "within: {}", one.config);
                assert_eq!(other.answered_by(one), 3, "within: {}", one.config);
            });
        }
        let [first, others @ ..] = pairs.as_slice() else { panic!("four pairs") };
        for other in others {
            for (one, stranger) in [(&first[0], &other[1]), (&first[1], &other[0]), (&other[0], &first[1])] {
                scope.spawn(move || {
                    assert_eq!(one.soon_answered_by(stranger), 0, "{} and {}", one.config, stranger.config);
                });
            }
        }
    });
    pairs.iter().flatten().for_each(Member::delete);
}

#[test]
fn a_group_of_ipv6() {
    let _row = row("M31");
    let site = Site::<2>::new();
    let before = site.state(&[]);
    let group: IpAddr = "ff05:56de::1".parse().expect("an address");
    let config = network(&json!({"group": group.to_string()}));
    let members: Vec<Member> = (1..)
        .zip(&site.hosts)
        .map(|(number, host)| {
            let container = site.container(&format!("c{number}"));
            let address = format!("10.0.0.{number}/24");
            Member::new(host, &container, "lac0", &with(&config, &at(&address)), &address)
        })
        .collect();
    let wire = Capture::start(&site.hosts[0], "eth0");
    all_reach_each_other(&members.iter().collect::<Vec<_>>());
    for member in &members {
        assert_eq!(member.ns.ip("link show dev lac0")[0]["mtu"], 1430);
    }
    let packets = wire.take();
    let tunnelled: Vec<_> = packets.iter().filter(|packet| packet.vxlan().is_some()).collect();
    assert!(tunnelled.iter().all(|packet| packet.from.is_ipv6() && packet.to.is_ipv6()), "{tunnelled:?}");
    assert!(tunnelled.iter().any(|packet| packet.to == group), "who has an address is asked of all");
    assert!(tunnelled.iter().any(|packet| carries_echo(packet)), "{tunnelled:?}");
    members.iter().for_each(Member::delete);
    assert_eq!(before, site.state(&[]));
}

/// The commands are for people who have no plugin on a host, or want to know what it would do.
#[test]
fn the_commands_that_are_printed_make_a_member() {
    let site = Site::<2>::new();
    let [host, other] = &site.hosts;
    let [c1, c2] = ["c1", "c2"].map(|name| site.container(name));
    sh("mkdir -p /etc/cni/net.d").ok();
    let plugboard = format!("CNI_PATH={} {}", bin_dir().display(), bin("plugboard").display());
    let remotes = [0, 1].map(|place| site.uplink(place).ipv4);
    for keys in [json!({}), json!({"compat": "vxvde"}), json!({"group": null, "remotes": remotes})] {
        let config = network(&keys);
        let list = json!({"cniVersion": "1.1.0", "name": "lac", "plugins": [config]});
        std::fs::write("/etc/cni/net.d/lac.conflist", list.to_string()).expect("a file");
        let member = Member::new(host, &c1, "eth0", &config, "10.0.0.1/24");
        let commands = other.sh(&format!("{plugboard} attach --dry-run --primary lac c2 lac")).ok();
        println!("{commands}");
        assert_eq!(of_kind(other, "bridge"), [""; 0], "nothing is made yet");
        other.sh(&format!("set -e\n{commands}")).ok();
        c2.sh("ip address add 10.0.0.2/24 dev eth0").ok();
        assert_eq!((member.ns.ping("10.0.0.2", 3).received, c2.ping("10.0.0.1", 3).received), (3, 3), "{keys}");
        let [ours, printed] = [host, other].map(|host| {
            let (bridge, device) = (host.ip("address show dev lac14789-1"), vxlan(host, "vx14789-1"));
            let data = &device["linkinfo"]["info_data"];
            (bridge[0]["addr_info"].clone(), device["mtu"].clone(), data["learning"].clone(), data["ttl"].clone())
        });
        assert_eq!((&ours.0, &ours), (&json!([]), &printed), "{keys}");
        call("DEL", &c2, "eth0", &config).on(other).run().ok();
        assert_eq!(of_kind(other, "bridge"), [""; 0], "what was made by hand is removed as its own");
        member.delete();
    }
}
