//! Flows come back as they were added, and as `ovs-ofctl` understands their text.

use std::collections::BTreeSet;

use netlink::Mac;
use openflow::guard::Guard;
use openflow::{Action, Error, Flow, Ipv4Prefix, Ipv6Prefix, Match, Version, ethertype, protocol};

use crate::open_vswitch::{PATIENCE, Switch};

const MAC: Mac = Mac([2, 0, 0, 0, 0xab, 1]);
const COOKIE: u64 = 0x5ec0_0000_0000_0001;
const ALL: u64 = u64::MAX;

fn net4(text: &str, length: u32) -> Ipv4Prefix {
    Ipv4Prefix::new(text.parse().expect("an address"), length)
}

fn net6(text: &str, length: u32) -> Ipv6Prefix {
    Ipv6Prefix::new(text.parse().expect("an address"), length)
}

/// A flow with each kind of condition, in an order of nobody's.
fn of_each_kind() -> Vec<Flow> {
    let (ip, arp, ipv6) =
        (Match::EthType(ethertype::IPV4), Match::EthType(ethertype::ARP), Match::EthType(ethertype::IPV6));
    let over = |kind, number| [Match::IpProto(number), kind];
    let icmp6 = |kind| [Match::IcmpV6Type(kind), Match::IpProto(protocol::ICMPV6), ipv6];
    let conditions: Vec<Vec<Match>> = vec![
        vec![],
        vec![Match::InPort(7)],
        vec![Match::EthDst(MAC), Match::InPort(65279), Match::EthSrc(Mac([0xfe; 6]))],
        vec![Match::EthType(0x88cc)],
        vec![Match::Untagged],
        vec![ip, Match::Vlan(0)],
        vec![Match::Vlan(4095), arp],
        vec![Match::Ipv4Src(net4("10.1.0.5", 32)), ip],
        vec![Match::Ipv4Src(net4("10.1.77.5", 16)), Match::Ipv4Dst(net4("224.0.0.1", 4)), ip],
        vec![Match::Ipv4Src(net4("0.0.0.0", 32)), ip, Match::Vlan(10)],
        [&over(ip, protocol::TCP)[..], &[Match::TcpDst(80), Match::TcpSrc(1)]].concat(),
        [&over(ip, protocol::UDP)[..], &[Match::UdpDst(68), Match::UdpSrc(67)]].concat(),
        [&over(ipv6, protocol::UDP)[..], &[Match::UdpDst(546)]].concat(),
        [&over(ip, protocol::ICMP)[..], &[Match::IcmpV4Type(5)]].concat(),
        [&over(ip, 253)[..]].concat(),
        vec![Match::ArpOp(2), Match::ArpTpa([10, 1, 0, 1].into()), Match::ArpSpa([0; 4].into()), arp],
        vec![Match::ArpTha(Mac([0; 6])), Match::ArpSha(MAC), arp],
        vec![Match::Ipv6Src(net6("fd00::5", 128)), Match::Ipv6Dst(net6("ff02::1", 8)), ipv6],
        vec![Match::Ipv6Src(net6("::", 128)), ipv6],
        vec![Match::Ipv6Src(net6("fe80::77", 10)), ipv6],
        icmp6(134).to_vec(),
        [&icmp6(135)[..], &[Match::IcmpV6Code(0)]].concat(),
        [&icmp6(135)[..], &[Match::NdSll(MAC), Match::NdTarget("fe80::1".parse().expect("an address"))]].concat(),
        [&icmp6(135)[..], &[Match::NdTarget("::".parse().expect("an address"))]].concat(),
        [&icmp6(136)[..], &[Match::NdTll(Mac([0; 6])), Match::Ipv6Src(net6("fd00::5", 128))]].concat(),
    ];
    let flow = |(number, matches): (u16, Vec<Match>)| Flow {
        table: 3,
        priority: number,
        cookie: COOKIE,
        matches,
        action: if number % 2 == 0 { Action::Normal } else { Action::Drop },
    };
    (10..).zip(conditions).map(flow).collect()
}

/// The flows of each form of port security.
fn of_guards() -> Vec<Flow> {
    let addresses = ["10.1.0.5", "10.1.0.6", "fd00:1::5"].map(|text| text.parse().expect("an address"));
    let of = |(port, (checks_mac, checks_addresses))| {
        Guard { port, cookie: COOKIE, mac: MAC, addresses: &addresses, checks_mac, checks_addresses }.flows()
    };
    (1..).zip([(false, false), (false, true), (true, false), (true, true)]).flat_map(of).collect()
}

#[test]
fn what_was_added_is_listed() {
    let switch = Switch::new();
    for (protocols, version) in [("[]", Version::V1_4), ("[OpenFlow10,OpenFlow13]", Version::V1_3)] {
        switch.configure(&format!("set bridge br0 protocols={protocols}"));
        let mut connection = switch.connect();
        assert_eq!(connection.version(), version);
        for flows in [of_each_kind(), of_guards()] {
            assert!(flows.len() > 20);
            connection.add(&flows).expect("they are added");
            let found = connection.list(COOKIE, ALL).expect("they are listed");
            assert_eq!(found.len(), flows.len());
            for flow in &flows {
                assert_eq!(found.iter().filter(|found| found.is(flow)).count(), 1, "{flow} in {found:#?}");
            }
            // Others stay: that of the bridge itself, and those with another cookie.
            let other = Flow { cookie: COOKIE + 1, priority: 9, ..flows[0].clone() };
            connection.add(std::slice::from_ref(&other)).expect("it is added");
            assert_eq!(connection.list(0, 0).expect("a list").len(), flows.len() + 2);
            connection.delete(COOKIE, ALL).expect("they are deleted");
            connection.delete(COOKIE, ALL).expect("there are none, which is no error");
            assert_eq!(connection.list(COOKIE, ALL).expect("a list"), []);
            assert!(connection.list(COOKIE, ALL << 8).expect("a list").iter().all(|found| found.is(&other)));
            connection.delete(COOKIE, ALL << 8).expect("it is deleted");
            let bridges_own = connection.list(0, 0).expect("a list");
            assert_eq!(bridges_own.len(), 1);
            assert_eq!(bridges_own[0].to_string(), "cookie=0x0,table=0,priority=0,actions=NORMAL");
        }
    }
}

#[test]
fn the_text_is_what_ovs_ofctl_takes() {
    let switch = Switch::new();
    let mut connection = switch.connect();
    let flows: Vec<Flow> = of_each_kind().into_iter().chain(of_guards()).collect();
    connection.add(&flows).expect("they are added");
    let of_ours: BTreeSet<String> = listed(&mut connection);
    connection.delete(COOKIE, ALL).expect("they are deleted");
    let text: Vec<String> = flows.iter().map(Flow::to_string).collect();
    std::fs::write("/run/flows", text.join("\n")).expect("a file");
    switch.ofctl("add-flows", "/run/flows");
    assert_eq!(listed(&mut connection), of_ours);
    assert_eq!(of_ours.len(), flows.len());
    // And each by itself, as in a dry run.
    connection.delete(COOKIE, ALL).expect("they are deleted");
    switch.ofctl("add-flow", &text[22]);
    assert!(connection.list(COOKIE, ALL).expect("a list")[0].is(&flows[22]));
}

fn listed(connection: &mut openflow::Connection) -> BTreeSet<String> {
    let found = connection.list(COOKIE, ALL).expect("a list");
    found.iter().map(ToString::to_string).collect()
}

#[test]
fn what_is_not_known_here_is_told() {
    let switch = Switch::new();
    let mut connection = switch.connect();
    for (text, told) in [
        ("priority=1,metadata=5,ip,actions=NORMAL", "priority=1,ip,...,actions=NORMAL"),
        ("priority=2,reg3=7,actions=resubmit(,4)", "priority=2,...,actions=..."),
        ("priority=3,dl_src=02:00:00:00:00:00/ff:00:00:00:00:00,actions=output:1", "priority=3,...,actions=..."),
        ("priority=4,ip,nw_src=10.0.0.1/255.0.0.255,actions=NORMAL,NORMAL", "priority=4,ip,...,actions=..."),
        ("priority=5,ip,ct_state=+trk,actions=goto_table:4", "priority=5,ip,...,actions=..."),
        ("priority=6,vlan_tci=0x1000/0x1000,actions=drop", "priority=6,...,actions=drop"),
    ] {
        switch.ofctl("add-flow", &format!("cookie=0x7,{text}"));
        let found = connection.list(7, ALL).expect("a list");
        assert_eq!(found[0].to_string(), format!("cookie=0x7,table=0,{told}"), "{text}");
        connection.delete(7, ALL).expect("it is deleted");
    }
}

#[test]
fn all_are_added_or_none() {
    let switch = Switch::new();
    for protocols in ["[]", "[OpenFlow13]"] {
        switch.configure(&format!("set bridge br0 protocols={protocols}"));
        let mut connection = switch.connect();
        let good = of_each_kind();
        let without_type = Flow { matches: vec![Match::ArpSha(MAC)], ..good[0].clone() };
        let twice = Flow { matches: vec![Match::InPort(1), Match::InPort(2)], ..good[0].clone() };
        let nowhere = Flow { table: 255, ..good[0].clone() };
        for (bad, words) in
            [(without_type, "OFPBMC_BAD_PREREQ"), (twice, "OFPBMC_DUP_FIELD"), (nowhere, "OFPFMFC_BAD_TABLE_ID")]
        {
            for place in [0, 10, good.len()] {
                let mut flows = good.clone();
                flows.insert(place, bad.clone());
                let error = connection.add(&flows).expect_err("one is bad");
                assert!(matches!(error, Error::Refused { .. }), "{error}");
                let message = error.to_string();
                let whole = ["/run/ovs/br0.mgmt", words, &bad.to_string()].map(|part| message.contains(part));
                assert_eq!(whole, [true; 3], "{message}");
                assert_eq!(connection.list(COOKIE, ALL).expect("a list"), []);
            }
        }
        let long = Flow { matches: vec![Match::InPort(1); 10_000], ..good[0].clone() };
        let error = connection.add(&[good[0].clone(), long]).expect_err("it fits no message");
        assert!(matches!(error, Error::TooLong(_)));
        // The connection serves on.
        connection.add(&good).expect("they are added");
        assert_eq!(connection.list(COOKIE, ALL).expect("a list").len(), good.len());
        connection.delete(COOKIE, ALL).expect("they are deleted");
    }
}

#[test]
fn answers_of_many_parts_are_read() {
    let switch = Switch::new();
    let mut connection = switch.connect();
    let flow = |number: u16| Flow {
        table: 0,
        priority: 1,
        cookie: COOKIE,
        matches: vec![Match::UdpDst(number), Match::EthType(ethertype::IPV6), Match::IpProto(protocol::UDP)],
        action: Action::Drop,
    };
    let flows: Vec<Flow> = (0..3000).map(flow).collect();
    connection.add(&flows).expect("they are added");
    let found = connection.list(COOKIE, ALL).expect("a list");
    assert_eq!(found.len(), flows.len());
    assert!(flows.iter().rev().take(100).all(|flow| found.iter().any(|found| found.is(flow))));
    connection.delete(COOKIE, ALL).expect("they are deleted");
}

#[test]
fn ports_have_numbers_and_names() {
    let switch = Switch::new();
    switch.join("c1", 17);
    for protocols in ["[]", "[OpenFlow13]"] {
        switch.configure(&format!("set bridge br0 protocols={protocols}"));
        let ports = switch.connect().ports().expect("a list");
        let mut told: Vec<(u32, &str)> = ports.iter().map(|port| (port.number, port.name.as_str())).collect();
        told.sort_unstable();
        assert_eq!(told, [(17, "c1"), (0xffff_fffe, "br0")]);
    }
}

#[test]
fn a_bridge_without_a_version_of_ours_is_told() {
    let switch = Switch::new();
    for (protocols, offered) in [("[OpenFlow10]", "OpenFlow 1.0"), ("[OpenFlow10,OpenFlow15]", "OpenFlow 1.0, 1.5")] {
        switch.configure(&format!("set bridge br0 protocols={protocols}"));
        let error = openflow::Connection::open(&switch.socket(), PATIENCE).expect_err("no version is common");
        assert!(matches!(&error, Error::Version { offered: told, .. } if told == offered), "{error}");
    }
}
