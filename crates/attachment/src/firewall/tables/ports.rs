//! `inet plugboard-ports`: published ports.
//!
//! A connection to an address of the host is led into a container by what a map has for its protocol and port, and for its address
//! where a port is published at one alone. So a packet costs the same whatever is published. Only the first packet of a connection
//! gets there at all: what follows does as that one did.

use std::net::{IpAddr, SocketAddr};

use nftables::conntrack::{Connection, status};
use nftables::nat::{Nat, Translated};
use nftables::{
    Base, BaseChain, Chain, Comparison, Expression, Family, Field, Hook, Key, Kind, Meta, Policy, Register, Rule, Set,
    Table, Type, Verdict, fib,
};

use super::common::{
    IPV4_DESTINATION, IPV4_SOURCE, IPV6_DESTINATION, IPV6_SOURCE, NFPROTO_IPV4, NFPROTO_IPV6, SRCNAT, equal,
};
use super::label::labelled;

const PROTOCOL: Type = Type::InetProto;
const PORT: Type = Type::InetService;

/// From protocol, address of the host and port to address and port of a container.
pub(crate) static HOSTPORTS4: Set = Set::new("hostports4", &[PROTOCOL, Type::Ipv4, PORT]).to(&[Type::Ipv4, PORT]);
/// The same for IPv6.
pub(crate) static HOSTPORTS6: Set = Set::new("hostports6", &[PROTOCOL, Type::Ipv6, PORT]).to(&[Type::Ipv6, PORT]);
/// The same at whatever address of the host.
pub(crate) static PORTS4: Set = Set::new("ports4", &[PROTOCOL, PORT]).to(&[Type::Ipv4, PORT]);
/// The same for IPv6.
pub(crate) static PORTS6: Set = Set::new("ports6", &[PROTOCOL, PORT]).to(&[Type::Ipv6, PORT]);
/// From protocol and port to the chain of an attachment that has conditions.
pub(crate) static CONDITIONAL: Set = Set::new("conditional", &[PROTOCOL, PORT]).to_verdicts();
/// Published ports that another attachment of the same container holds, each with what it leads to: protocol, address of the host,
/// port, address and port of the container. No rule looks here. IPv4 is written as IPv6 (`::ffff:0:0/96`).
pub(crate) static WAITING: Set = Set::new("waiting", &[PROTOCOL, Type::Ipv6, PORT, Type::Ipv6, PORT]);
/// Containers that are published, each behind a link of the host.
pub(crate) static PUBLISHED4: Set = Set::new("published4", &[Type::Ifname, Type::Ipv4]);
/// The same for IPv6.
pub(crate) static PUBLISHED6: Set = Set::new("published6", &[Type::Ifname, Type::Ipv6]);
/// The address of a container, twice: what it sends to itself by the host gets another source. `br_netfilter` hides where it came in.
pub(crate) static OWN4: Set = Set::new("own4", &[Type::Ipv4, Type::Ipv4]);
/// The same for IPv6.
pub(crate) static OWN6: Set = Set::new("own6", &[Type::Ipv6, Type::Ipv6]);
/// The link that a container is behind, twice, and its address: what its neighbours there send to it by the host gets another source,
/// or its answers would go to them directly.
pub(crate) static HAIRPIN4: Set = Set::new("hairpin4", &[Type::Ifname, Type::Ifname, Type::Ipv4]);
/// The same for IPv6.
pub(crate) static HAIRPIN6: Set = Set::new("hairpin6", &[Type::Ifname, Type::Ifname, Type::Ipv6]);
/// Containers to which everything gets another source.
pub(crate) static ALL4: Set = Set::new("all4", &[Type::Ipv4]);
/// The same for IPv6.
pub(crate) static ALL6: Set = Set::new("all6", &[Type::Ipv6]);
/// Links of the host whose setting `route_localnet` was changed here. An element is no attachment's.
pub(crate) static LOCALNETS: Set = Set::new("localnets", &[Type::Ifname]);

/// Before those of others (`NF_IP_PRI_NAT_DST` less 1): the first to translate a connection is the only one.
const BEFORE_DSTNAT: i32 = -101;
/// `filter` (`NF_IP_PRI_FILTER`).
const FILTER: i32 = 0;

/// The first byte of an address of 127.0.0.0/8.
const LOOPBACK4: [u8; 1] = [127];
const LOOPBACK6: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const IPV4_SOURCE_FIRST: Field = Field { base: Base::Network, offset: 12, length: 1 };
const IPV4_DESTINATION_FIRST: Field = Field { base: Base::Network, offset: 16, length: 1 };

const FIRST: Register = Register::FIRST;

pub(super) fn sets() -> Vec<&'static Set> {
    vec![
        &HOSTPORTS4,
        &HOSTPORTS6,
        &PORTS4,
        &PORTS6,
        &CONDITIONAL,
        &WAITING,
        &PUBLISHED4,
        &PUBLISHED6,
        &OWN4,
        &OWN6,
        &HAIRPIN4,
        &HAIRPIN6,
        &ALL4,
        &ALL6,
        &LOCALNETS,
    ]
}

pub(super) const OUTLINE: &[(&str, u32)] = &[("prerouting", 9), ("output", 7), ("postrouting", 8), ("input", 2)];

pub(super) fn chains(table: &Table) -> Vec<(BaseChain, Vec<Rule>)> {
    let chain = |name: &str, kind, hook, priority| {
        let chain = Chain { table: table.clone(), name: name.to_owned() };
        BaseChain { chain, kind, hook, priority, policy: Policy::Accept }
    };
    vec![
        (chain("prerouting", Kind::Nat, Hook::Prerouting, BEFORE_DSTNAT), [no_loopback(), leads()].concat()),
        (chain("output", Kind::Nat, Hook::Output, BEFORE_DSTNAT), leads()),
        (chain("postrouting", Kind::Nat, Hook::Postrouting, SRCNAT), sources()),
        (chain("input", Kind::Filter, Hook::Input, FILTER), no_martians()),
    ]
}

/// What comes in from outside and goes to 127.0.0.0/8, or pretends to come from there, is led nowhere: a port that is published at
/// 127.0.0.1 is the host's alone.
fn no_loopback() -> Vec<Rule> {
    let of = |name: &str, address: Field| {
        let family = vec![Expression::Meta(Meta::Nfproto), equal(&NFPROTO_IPV4)];
        let rest = vec![Expression::Field(address), equal(&LOOPBACK4), Expression::Verdict(Verdict::Return)];
        labelled(name, [family, rest].concat())
    };
    vec![of("from-loopback4", IPV4_SOURCE_FIRST), of("loopback4", IPV4_DESTINATION_FIRST)]
}

/// Where connections go. The kernel delivers no answer to `::1` that comes from outside: that address stays the host's own.
fn leads() -> Vec<Rule> {
    let v4 = || vec![Expression::Meta(Meta::Nfproto), equal(&NFPROTO_IPV4)];
    let v6 = || vec![Expression::Meta(Meta::Nfproto), equal(&NFPROTO_IPV6)];
    let to = |family: Vec<Expression>, rest: Vec<Expression>| [family, rest].concat();
    let at_one = |address: Field, kind: Type, map: &Set, family: Family| {
        let port = Field::DESTINATION_PORT.load(FIRST.behind(&[PROTOCOL, kind]));
        let mut steps = vec![Meta::L4proto.load(FIRST), address.load(FIRST.behind(&[PROTOCOL])), port];
        steps.extend(translated(map, kind, family));
        steps
    };
    let at_all = |map: &Set, kind: Type, family: Family| {
        let mut steps = protocol_and_port();
        steps.extend(translated(map, kind, family));
        steps
    };
    let elsewhere = vec![
        fib::address_type(fib::Address::Destination, FIRST),
        Expression::Compare(Comparison::Unequal, fib::LOCAL.to_vec()),
        Expression::Verdict(Verdict::Return),
    ];
    let loopback6 = vec![Expression::Field(IPV6_DESTINATION), equal(&LOOPBACK6), Expression::Verdict(Verdict::Return)];
    let mut conditional = protocol_and_port();
    conditional.push(CONDITIONAL.decide(FIRST));
    vec![
        labelled("elsewhere", elsewhere),
        labelled("loopback6", to(v6(), loopback6)),
        labelled("host4", to(v4(), at_one(IPV4_DESTINATION, Type::Ipv4, &HOSTPORTS4, Family::Ip))),
        labelled("host6", to(v6(), at_one(IPV6_DESTINATION, Type::Ipv6, &HOSTPORTS6, Family::Ip6))),
        labelled("conditional", conditional),
        labelled("any4", to(v4(), at_all(&PORTS4, Type::Ipv4, Family::Ip))),
        labelled("any6", to(v6(), at_all(&PORTS6, Type::Ipv6, Family::Ip6))),
    ]
}

fn protocol_and_port() -> Vec<Expression> {
    vec![Meta::L4proto.load(FIRST), Field::DESTINATION_PORT.load(FIRST.behind(&[PROTOCOL]))]
}

fn translated(map: &Set, kind: Type, family: Family) -> [Expression; 2] {
    let to = Nat::new(Translated::Destination, family, FIRST).with_port(FIRST.behind(&[kind]));
    [map.map(FIRST, FIRST), to.into()]
}

/// Leads to an address and a port, without a map, in the registers that `nft` uses for it.
pub(crate) fn led_to(to: SocketAddr) -> Vec<Expression> {
    let (address, family) = match to.ip() {
        IpAddr::V4(v4) => (Key::ipv4(v4), Family::Ip),
        IpAddr::V6(v6) => (Key::ipv6(v6), Family::Ip6),
    };
    let second = FIRST.behind(&[Type::Ipv6]);
    vec![
        address.load(FIRST),
        Key::port(to.port()).load(second),
        Nat::new(Translated::Destination, family, FIRST).with_port(second).into(),
    ]
}

/// Connections that were led into a container, of which answers would not come back to the host, get an address of the host.
fn sources() -> Vec<Rule> {
    let own = |source: Field, destination: Field, kind: Type, set: &'static Set| {
        vec![source.load(FIRST), destination.load(FIRST.behind(&[kind])), Expression::In(set), Expression::Masquerade]
    };
    let hairpin = |destination: Field, set: &'static Set| {
        let links = [Type::Ifname, Type::Ifname];
        vec![
            Meta::Iifname.load(FIRST),
            Meta::Oifname.load(FIRST.behind(&[Type::Ifname])),
            destination.load(FIRST.behind(&links)),
            Expression::In(set),
            Expression::Masquerade,
        ]
    };
    let loopback4 = vec![
        Expression::Field(IPV4_SOURCE_FIRST),
        equal(&LOOPBACK4),
        Expression::Meta(Meta::Oifname),
        Expression::AndField(IPV4_DESTINATION),
        Expression::In(&PUBLISHED4),
        Expression::Masquerade,
    ];
    let all = |destination: Field, set: &'static Set| {
        vec![Expression::Field(destination), Expression::In(set), Expression::Masquerade]
    };
    let of = |name: &str, family: [u8; 1], rest: Vec<Expression>| {
        labelled(name, [vec![Expression::Meta(Meta::Nfproto), equal(&family)], rest].concat())
    };
    let untranslated = [untranslated().to_vec(), vec![Expression::Verdict(Verdict::Return)]].concat();
    vec![
        labelled("untranslated", untranslated),
        of("own4", NFPROTO_IPV4, own(IPV4_SOURCE, IPV4_DESTINATION, Type::Ipv4, &OWN4)),
        of("hairpin4", NFPROTO_IPV4, hairpin(IPV4_DESTINATION, &HAIRPIN4)),
        of("loopback4", NFPROTO_IPV4, loopback4),
        of("all4", NFPROTO_IPV4, all(IPV4_DESTINATION, &ALL4)),
        of("own6", NFPROTO_IPV6, own(IPV6_SOURCE, IPV6_DESTINATION, Type::Ipv6, &OWN6)),
        of("hairpin6", NFPROTO_IPV6, hairpin(IPV6_DESTINATION, &HAIRPIN6)),
        of("all6", NFPROTO_IPV6, all(IPV6_DESTINATION, &ALL6)),
    ]
}

/// With `route_localnet` a neighbour could reach what listens at 127.0.0.1 alone (CVE-2020-8558), or pretend to be the host itself.
/// Answers to what the host has opened by 127.0.0.1 are translated.
fn no_martians() -> Vec<Rule> {
    let loopback = |address: Field| {
        let family = vec![Expression::Meta(Meta::Nfproto), equal(&NFPROTO_IPV4)];
        let there = vec![Expression::Field(address), equal(&LOOPBACK4), Expression::Meta(Meta::Iifname)];
        [family, there, vec![Expression::In(&LOCALNETS)]].concat()
    };
    let dropped = || vec![Expression::Counter, Expression::Verdict(Verdict::Drop)];
    let to = [loopback(IPV4_DESTINATION_FIRST), untranslated().to_vec(), dropped()].concat();
    let from = [loopback(IPV4_SOURCE_FIRST), dropped()].concat();
    vec![labelled("to-loopback4", to), labelled("from-loopback4", from)]
}

/// Goes on if the connection was led nowhere else.
fn untranslated() -> [Expression; 3] {
    [
        Connection::Status.load(FIRST),
        Expression::Mask(status::DNAT.to_ne_bytes().to_vec()),
        Expression::Compare(Comparison::Equal, vec![0; 4]),
    ]
}
