//! Compares what is encoded here with what nft 1.0.6 sends for the same (`strace -e write=all nft -f …`).
//!
//! Bytes are written as a tree: the kind of an attribute, then its value in hexadecimal, or in brackets the attributes that it
//! holds. Of nft's, the numbers of entries in a list are left out, which the kernel does not read, and those of sets in lookups,
//! which are needed for sets without a name.

use std::time::Duration;

use netlink::Mac;
use netlink::attributes::{append_nested, read_u16};

use crate::conntrack::{self, Connection, state, status};
use crate::nat::{self, Nat, Translated};
use crate::{
    Comparison, Count, Data, Element, Expression, Family, Field, Key, Meta, Register, Set, Source, Span, Table, Type,
    Verdict, exthdr, fib, route, set_for_group, set_mark,
};

const IPV4_SOURCE: Field = Field { base: crate::Base::Network, offset: 12, length: 4 };

fn tree(mut bytes: &[u8]) -> String {
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        let length = usize::from(read_u16(bytes, 0).unwrap());
        let kind = read_u16(bytes, 2).unwrap();
        let value = &bytes[4..length];
        entries.push(if kind & 0x8000 == 0 {
            format!("{kind}:{}", value.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
        } else {
            format!("{}[{}]", kind & 0x7fff, tree(value))
        });
        bytes = &bytes[length.next_multiple_of(4)..];
    }
    entries.join(" ")
}

fn set(set: &Set, id: u32) -> String {
    let tree = tree(set.description(&Table::new(Family::Inet, "tried"), id).attributes());
    tree.strip_prefix("1:747269656400 ").unwrap().to_owned()
}

fn elements(set: &Set, elements: &[Element]) -> String {
    let mut list = Vec::new();
    elements.iter().for_each(|element| element.put(&mut list, set));
    tree(&list)
}

fn rule(expressions: &[Expression]) -> String {
    let mut list = Vec::new();
    expressions.iter().for_each(|expression| expression.put(&mut list));
    tree(&list)
}

fn equal(value: &[u8]) -> Expression {
    Expression::Compare(Comparison::Equal, value.to_vec())
}

#[test]
fn sets() {
    for (ours, id, nft) in [
        (
            Set::new("verdicts", &[Type::Ipv4]).to_verdicts(),
            3,
            "2:766572646963747300 3:00000008 4:00000007 5:00000004 6:ffffff00 7:00000000 10:00000003 \
             13:000402000000010400000000",
        ),
        (
            Set::new("marks", &[Type::Ipv4]).to(&[Type::Mark]),
            4,
            "2:6d61726b7300 3:00000008 4:00000007 5:00000004 6:00000013 7:00000004 10:00000004 \
             13:000402000000010401000000",
        ),
        (
            Set::new("dnat6", &[Type::InetProto, Type::InetService]).to(&[Type::Ipv6, Type::InetService]),
            2,
            "2:646e61743600 3:00000008 4:0000030d 5:00000008 6:0000020d 7:00000014 10:00000002 \
             13:000400000000010400000000",
        ),
        (
            Set::new("prefixes", &[Type::Ipv4]).with_intervals(),
            5,
            "2:707265666978657300 3:00000004 4:00000007 5:00000004 10:00000005 13:000402000000",
        ),
        (
            Set::new("both", &[Type::Ipv4, Type::InetService]).with_intervals(),
            7,
            "2:626f746800 3:00000084 4:000001cd 5:00000008 10:00000007 9[2[1[1:00000004] 1[1:00000002]]] \
             13:000400000000",
        ),
        (Set::new("mac", &[Type::Ether]), 8, "2:6d616300 3:00000000 4:00000009 5:00000006 10:00000008 13:000402000000"),
        (
            Set::new("protos", &[Type::InetProto]),
            9,
            "2:70726f746f7300 3:00000000 4:0000000c 5:00000001 10:00000009 13:000400000000",
        ),
        (
            Set::new("marked", &[Type::Mark]),
            10,
            "2:6d61726b656400 3:00000000 4:00000013 5:00000004 10:0000000a 13:000401000000",
        ),
        (
            Set::new("bans", &[Type::Ipv4]).with_timeout(Duration::ZERO),
            11,
            "2:62616e7300 3:00000010 4:00000007 5:00000004 10:0000000b 13:000402000000",
        ),
        (
            Set::new("banned", &[Type::Ipv4]).with_timeout(Duration::from_secs(300)),
            12,
            "2:62616e6e656400 3:00000010 4:00000007 5:00000004 10:0000000c 11:00000000000493e0 13:000402000000",
        ),
        (
            Set::new("counted", &[Type::Ipv4]).with_counters(),
            13,
            "2:636f756e74656400 3:00000000 4:00000007 5:00000004 10:0000000d 13:000402000000 \
             17[1:636f756e74657200 2[]]",
        ),
    ] {
        assert_eq!(set(&ours, id), nft, "{}", ours.name);
    }
}

/// `typeof ip saddr . udp dport . @th,96,24`, and the same without an address, or with one of IPv6.
#[test]
fn sets_of_raw_bytes() {
    const RAW: Source = Source::Transport(96, 24);
    let lacs = Set::new("closed", &[Type::InetService, Type::ThreeBytes]);
    assert_eq!(
        set(&lacs.taken_from(&[Source::UdpDestination, RAW]).with_counters(), 1),
        "2:636c6f73656400 3:00000000 4:00000344 5:00000008 10:00000001 \
         13:000400000000034600040d000000013e0014000407000000010c00040600000001040200000001260004070000\
         00011e000400000000010400000000020403000000030460000000040418000000 17[1:636f756e74657200 2[]]"
    );
    let with = |name, address| {
        let parts: &'static [Type] = match address {
            Source::Ipv4Source => &[Type::Ipv4, Type::InetService, Type::ThreeBytes],
            _ => &[Type::Ipv6, Type::InetService, Type::ThreeBytes],
        };
        let sources: &'static [Source] = match address {
            Source::Ipv4Source => &[Source::Ipv4Source, Source::UdpDestination, RAW],
            _ => &[Source::Ipv6Source, Source::UdpDestination, RAW],
        };
        Set::new(name, parts).taken_from(sources).with_intervals()
    };
    assert_eq!(
        set(&with("peers4", Source::Ipv4Source), 3),
        "2:70656572733400 3:00000084 4:00007344 5:0000000c 10:00000003 \
         9[2[1[1:00000004] 1[1:00000002] 1[1:00000003]]] \
         13:000400000000035c00040d00000001540014000407000000010c00040c00000001040b000000011400040700000001\
         0c0004060000000104020000000226000407000000011e000400000000010400000000020403000000030460000000040418000000"
    );
    assert_eq!(
        set(&with("peers6", Source::Ipv6Source), 4),
        "2:70656572733600 3:00000084 4:00008344 5:00000018 10:00000004 \
         9[2[1[1:00000010] 1[1:00000002] 1[1:00000003]]] \
         13:000400000000035c00040d00000001540014000407000000010c00040d000000010408000000011400040700000001\
         0c0004060000000104020000000226000407000000011e000400000000010400000000020403000000030460000000040418000000"
    );
}

/// `meta ipsec missing`, `meta pkttype set multicast`, `rt ipsec missing` and `exists`, `frag more-fragments 1`, `frag frag-off 0` and
/// `meta iifkind "vxlan"`. Flags and operations that are zero are left out here.
#[test]
fn transformations_and_fragments() {
    assert_eq!(
        rule(&[Expression::Meta(Meta::Secpath), equal(&[0])]),
        "1[1:6d65746100 2[2:00000019 1:00000001]] 1[1:636d7000 2[1:00000001 2:00000000 3[1:00]]]"
    );
    assert_eq!(
        rule(&set_for_group(Register::FIRST)),
        "1[1:696d6d65646961746500 2[1:00000001 2[1:02]]] 1[1:6d65746100 2[2:00000013 3:00000001]]"
    );
    assert_eq!(
        rule(&route::in_clear()),
        "1[1:727400 2[2:00000004 1:00000001]] 1[1:636d7000 2[1:00000001 2:00000000 3[1:00]]]"
    );
    assert_eq!(
        rule(&exthdr::more_fragments()),
        "1[1:65787468647200 2[1:00000001 2:2c 3:00000003 4:00000001]] \
         1[1:6269747769736500 2[1:00000001 2:00000001 3:00000001 4[1:01] 5[1:00]]] \
         1[1:636d7000 2[1:00000001 2:00000000 3[1:01]]]"
    );
    assert_eq!(
        rule(&exthdr::first_fragment()),
        "1[1:65787468647200 2[1:00000001 2:2c 3:00000002 4:00000002]] \
         1[1:6269747769736500 2[1:00000001 2:00000001 3:00000002 4[1:fff8] 5[1:0000]]] \
         1[1:636d7000 2[1:00000001 2:00000000 3[1:0000]]]"
    );
    assert_eq!(
        rule(&route::transformed()),
        "1[1:727400 2[2:00000004 1:00000001]] 1[1:636d7000 2[1:00000001 2:00000000 3[1:01]]]"
    );
    assert_eq!(rule(&[Expression::Meta(Meta::Iifkind)]), "1[1:6d65746100 2[2:0000001a 1:00000001]]");
}

#[test]
fn elements_of_maps() {
    let address = |last: u8| Key::ipv4([10, 0, 0, last].into());
    let dnat = Set::new("dnat4", &[Type::InetProto, Type::InetService]).to(&[Type::Ipv4, Type::InetService]);
    let target = Data::Value(address(9).and_port(8080));
    let published = Element::new(Key::protocol(6).and_port(80)).with_data(target);
    assert_eq!(elements(&dnat, &[published]), "1[1[1:0600000000500000] 2[1:0a0000091f900000]]");
    let verdicts = Set::new("verdicts", &[Type::Ipv4]).to_verdicts();
    let decided = [
        Element::new(address(1)).with_data(Data::Verdict(Verdict::Drop)),
        Element::new(address(2)).with_data(Data::Verdict(Verdict::Jump("other".to_owned()))),
    ];
    assert_eq!(
        elements(&verdicts, &decided),
        "1[1[1:0a000001] 2[2[1:00000000]]] 1[1[1:0a000002] 2[2[1:fffffffd 2:6f7468657200]]]"
    );
    let marks = Set::new("marks", &[Type::Ipv4]).to(&[Type::Mark]);
    let marked = Element::new(address(1)).with_data(Data::Value(Key::mark(7)));
    assert_eq!(elements(&marks, &[marked]), "1[1[1:0a000001] 2[1:07000000]]");
}

#[test]
fn elements_with_intervals() {
    let prefixes = Set::new("prefixes", &[Type::Ipv4]).with_intervals();
    let prefix = |address: [u8; 4], length| Element::from(Span::prefix4(address.into(), length));
    let all = [
        prefix([0; 4], 8).with_comment("x"),
        prefix([10, 1, 0, 0], 16),
        Element::new(Key::ipv4([192, 0, 2, 1].into())),
        prefix([240, 0, 0, 0], 4),
    ];
    // nft ends with a mark that the last interval has no end: its own, which it needs for texts.
    assert_eq!(
        elements(&prefixes, &all),
        "1[1[1:00000000] 6:00027800] 1[3:00000001 1[1:01000000]] 1[1[1:0a010000]] 1[3:00000001 1[1:0a020000]] \
         1[1[1:c0000201]] 1[3:00000001 1[1:c0000202]] 1[1[1:f0000000]]"
    );
    let ports = Set::new("ports", &[Type::InetService]).with_intervals();
    assert_eq!(
        elements(&ports, &[Span::ports(0..=22).into(), Span::ports(80..=90).into()]),
        "1[1[1:0000]] 1[3:00000001 1[1:0017]] 1[1[1:0050]] 1[3:00000001 1[1:005b]]"
    );
    let both = Set::new("both", &[Type::Ipv4, Type::InetService]).with_intervals();
    let ranges = Span::prefix4([10, 1, 0, 0].into(), 16).and(&Span::ports(80..=90)).into();
    let single = Element::new(Key::ipv4([10, 2, 0, 1].into()).and_port(22));
    assert_eq!(
        elements(&both, &[ranges, single]),
        "1[1[1:0a01000000500000] 10[1:0a01ffff005a0000]] 1[1[1:0a02000100160000] 10[1:0a02000100160000]]"
    );
}

#[test]
fn elements_with_times_and_counters() {
    let address = |last: u8| Element::new(Key::ipv4([10, 0, 0, last].into()));
    let minute = Duration::from_secs(60);
    let bans = Set::new("bans", &[Type::Ipv4]).with_timeout(Duration::ZERO);
    let half = Element { expires: Some(minute / 2), ..address(2).with_timeout(minute) };
    assert_eq!(
        elements(&bans, &[address(1).with_timeout(minute), half]),
        "1[4:000000000000ea60 1[1:0a000001]] 1[4:000000000000ea60 5:0000000000007530 1[1:0a000002]]"
    );
    let counted = Set::new("counted", &[Type::Ipv4]).with_counters();
    let first = Element { count: Some(Count { packets: 3, bytes: 4 }), ..address(1).with_comment("c") };
    assert_eq!(
        elements(&counted, &[first, address(2)]),
        "1[1[1:0a000001] 6:00026300 7[1:636f756e74657200 2[1:0000000000000004 2:0000000000000003]]] \
         1[1[1:0a000002]]"
    );
    let mac = Set::new("mac", &[Type::Ether]);
    assert_eq!(elements(&mac, &[Element::new(Key::mac(Mac([2, 0, 0, 0, 0, 9])))]), "1[1[1:020000000009]]");
    let protocols = Set::new("protos", &[Type::InetProto]);
    assert_eq!(elements(&protocols, &[Element::new(Key::protocol(6))]), "1[1[1:06]]");
}

/// `fib daddr type local dnat ip to meta l4proto . th dport map @dnat4`, and the same for IPv6.
#[test]
fn dnat_by_a_map() {
    const KEY: &[Type] = &[Type::InetProto, Type::InetService];
    let first = Register::FIRST;
    let by = |map: Set, family, address: &[Type]| {
        rule(&[
            fib::address_type(fib::Address::Destination, first),
            equal(&fib::LOCAL),
            Expression::Meta(Meta::L4proto),
            Field::DESTINATION_PORT.load(first.behind(&[Type::InetProto])),
            map.map(first, first),
            Nat::new(Translated::Destination, family, first).with_port(first.behind(address)).into(),
        ])
    };
    let key = "1[1:66696200 2[3:00000002 2:00000003 1:00000001]] \
               1[1:636d7000 2[1:00000001 2:00000000 3[1:02000000]]] 1[1:6d65746100 2[2:00000010 1:00000001]] \
               1[1:7061796c6f616400 2[1:00000009 2:00000002 3:00000002 4:00000002]]";
    let four = Set::new("dnat4", KEY).to(&[Type::Ipv4, Type::InetService]);
    assert_eq!(
        by(four, Family::Ip, &[Type::Ipv4]),
        format!(
            "{key} 1[1:6c6f6f6b757000 2[2:00000001 3:00000001 1:646e61743400]] \
             1[1:6e617400 2[1:00000001 2:00000002 3:00000001 5:00000009]]"
        )
    );
    let six = Set::new("dnat6", KEY).to(&[Type::Ipv6, Type::InetService]);
    assert_eq!(
        by(six, Family::Ip6, &[Type::Ipv6]),
        format!(
            "{key} 1[1:6c6f6f6b757000 2[2:00000001 3:00000001 1:646e61743600]] \
             1[1:6e617400 2[1:00000001 2:0000000a 3:00000001 5:00000002]]"
        )
    );
}

#[test]
fn translations() {
    let first = Register::FIRST;
    let address = Key::ipv4([10, 0, 0, 9].into());
    let dnat = Nat { flags: nat::RANDOM | nat::PERSISTENT, ..Nat::new(Translated::Destination, Family::Ip, first) };
    assert_eq!(
        rule(&[address.load(first), dnat.into()]),
        "1[1:696d6d65646961746500 2[1:00000001 2[1:0a000009]]] \
         1[1:6e617400 2[1:00000001 2:00000002 3:00000001 7:0000000c]]"
    );
    assert_eq!(
        rule(&[address.load(first), Nat::new(Translated::Source, Family::Ip, first).into()]),
        "1[1:696d6d65646961746500 2[1:00000001 2[1:0a000009]]] 1[1:6e617400 2[1:00000000 2:00000002 3:00000001]]"
    );
    // nft adds NF_NAT_RANGE_PROTO_SPECIFIED, which the kernel sets itself.
    assert_eq!(
        rule(&[Key::port(8080).load(first), nat::redirect(Some(first), 0)]),
        "1[1:696d6d65646961746500 2[1:00000001 2[1:1f90]]] 1[1:726564697200 2[1:00000001]]"
    );
    assert_eq!(rule(&[nat::redirect(None, nat::FULLY_RANDOM)]), "1[1:726564697200 2[3:00000010]]");
}

#[test]
fn lookups_and_verdicts() {
    let first = Register::FIRST;
    let source = "1[1:7061796c6f616400 2[1:00000001 2:00000001 3:0000000c 4:00000004]]";
    let verdicts = Set::new("verdicts", &[Type::Ipv4]).to_verdicts();
    assert_eq!(
        rule(&[Expression::Field(IPV4_SOURCE), verdicts.decide(first)]),
        format!("{source} 1[1:6c6f6f6b757000 2[2:00000001 3:00000000 1:766572646963747300]]")
    );
    let marks = Set::new("marks", &[Type::Ipv4]).to(&[Type::Mark]);
    assert_eq!(
        rule(&[Expression::Field(IPV4_SOURCE), marks.map(first, first), set_mark(first)]),
        format!(
            "{source} 1[1:6c6f6f6b757000 2[2:00000001 3:00000001 1:6d61726b7300]] \
             1[1:6d65746100 2[2:00000003 3:00000001]]"
        )
    );
    for (verdict, number) in
        [(Verdict::Jump("other".to_owned()), "fffffffd"), (Verdict::Goto("other".to_owned()), "fffffffc")]
    {
        assert_eq!(
            rule(&[Expression::Verdict(verdict)]),
            format!("1[1:696d6d65646961746500 2[1:00000000 2[2[1:{number} 2:6f7468657200]]]]")
        );
    }
}

#[test]
fn connections_and_marks() {
    let first = Register::FIRST;
    let any = |key: &str, bits: &str| {
        format!(
            "1[1:637400 2[2:{key} 1:00000001]] \
             1[1:6269747769736500 2[1:00000001 2:00000001 3:00000004 4[1:{bits}] 5[1:00000000]]] \
             1[1:636d7000 2[1:00000001 2:00000001 3[1:00000000]]]"
        )
    };
    assert_eq!(rule(&Connection::State.has_any(state::ESTABLISHED | state::RELATED)), any("00000000", "06000000"));
    assert_eq!(rule(&Connection::Status.has_any(status::DNAT)), any("00000002", "20000000"));
    assert_eq!(rule(&[Connection::Direction.load(first)]), "1[1:637400 2[2:00000001 1:00000001]]");
    assert_eq!(
        rule(&[Key::mark(7).load(first), conntrack::set_mark(first)]),
        "1[1:696d6d65646961746500 2[1:00000001 2[1:07000000]]] 1[1:637400 2[2:00000003 4:00000001]]"
    );
    assert_eq!(rule(&[Meta::Mark.load(first)]), "1[1:6d65746100 2[2:00000003 1:00000001]]");
}

#[test]
fn the_tree_shows_what_is_nested() {
    let mut bytes = Vec::new();
    append_nested(&mut bytes, 3, |inner| netlink::attributes::append(inner, 1, b"ab"));
    assert_eq!(tree(&bytes), "3[1:6162]");
}
