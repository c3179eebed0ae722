//! `inet plugboard-lacs`: which hosts are heard in a LAC.
//!
//! A packet of VXLAN is judged by its source, its port and its VNI, before anything else that a host does with what is for itself. It is
//! one table for all LACs: a chain for each would be in the way of every packet.
//!
//! IPv4 is whole where the host takes it. IPv6 is put together later, unless conntrack has done it: so what is sent in pieces of which
//! the first one is too short to have the VNI, or the header of UDP, is dropped.
//!
//! What leaves for a sealed port by IPsec must be of a VXLAN device: policies ask for addresses and a port, which processes of the host
//! have, too, and containers behind its address. Nothing answers that what has come by IPsec could not be delivered: that would quote it,
//! in clear.

use nftables::{
    Base, BaseChain, Chain, Comparison, Expression, Field, Hook, Kind, Meta, Policy, Register, Rule, Set, Source,
    Table, Type, Verdict, exthdr, fib, route, set_for_group,
};

use super::common::{IPV4_SOURCE, IPV6_SOURCE, NFPROTO_IPV4, NFPROTO_IPV6, equal};
use super::label::labelled;

const PORT: Type = Type::InetService;
const VNI: Type = Type::ThreeBytes;

/// The VNI in the header of VXLAN, behind that of UDP (RFC 7348, 5).
const VNI_FIELD: Field = Field { base: Base::Transport, offset: 12, length: 3 };
/// What is before it: flags, of which a kernel sets one, and reserved bits.
const FLAGS_FIELD: Field = Field { base: Base::Transport, offset: 8, length: 4 };
const VNI_IS_VALID: [u8; 4] = [8, 0, 0, 0];
const VNI_SOURCE: Source = Source::Transport(96, 24);

/// The LACs that hear only some hosts, by port and VNI. Each counts what was dropped.
pub(crate) static CLOSED: Set =
    Set::new("closed", &[PORT, VNI]).taken_from(&[Source::UdpDestination, VNI_SOURCE]).with_counters();
/// Those of them whose packets come and go by IPsec alone.
pub(crate) static SEALED: Set = Set::new("sealed", &[PORT, VNI]).taken_from(&[Source::UdpDestination, VNI_SOURCE]);
/// The ports of those. States and policies of IPsec know no VNI.
pub(crate) static PORTS: Set = Set::new("ports", &[PORT]);
/// The hosts that they hear: networks, each with port and VNI.
pub(crate) static PEERS4: Set = Set::new("peers4", &[Type::Ipv4, PORT, VNI])
    .taken_from(&[Source::Ipv4Source, Source::UdpDestination, VNI_SOURCE])
    .with_intervals();
/// The same for IPv6.
pub(crate) static PEERS6: Set = Set::new("peers6", &[Type::Ipv6, PORT, VNI])
    .taken_from(&[Source::Ipv6Source, Source::UdpDestination, VNI_SOURCE])
    .with_intervals();

/// `raw`: before those of others (`NF_IP_PRI_RAW`).
const RAW: i32 = -300;

/// Behind those that translate addresses, which may have IPsec take a packet.
const BEHIND_SRCNAT: i32 = 300;

const UDP: [u8; 1] = [17];
const VXLAN: &[u8; 16] = b"vxlan\0\0\0\0\0\0\0\0\0\0\0";

/// The first byte of where it goes: 255 for a group (RFC 4291, 2.7).
const IPV6_TO: Field = Field { base: Base::Network, offset: 24, length: 1 };

const LOOPBACK: &[u8; 16] = b"lo\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

const FIRST: Register = Register::FIRST;

pub(super) fn sets() -> Vec<&'static Set> {
    vec![&CLOSED, &SEALED, &PORTS, &PEERS4, &PEERS6]
}

pub(super) const OUTLINE: &[(&str, u32)] = &[("prerouting", 1), ("input", 8), ("output", 2), ("postrouting", 3)];

pub(super) fn chains(table: &Table) -> Vec<(BaseChain, Vec<Rule>)> {
    let chain = |name: &str, hook, priority| {
        let chain = Chain { table: table.clone(), name: name.to_owned() };
        BaseChain { chain, kind: Kind::Filter, hook, priority, policy: Policy::Accept }
    };
    vec![
        (chain("prerouting", Hook::Prerouting, RAW), vec![unanswered()]),
        (chain("input", Hook::Input, RAW), heard()),
        (chain("output", Hook::Output, RAW), sent()),
        (chain("postrouting", Hook::Postrouting, BEHIND_SRCNAT), sealed()),
    ]
}

/// What IPsec has decrypted for this host, and nobody listens for, as before a VXLAN device is there or when it has gone: the kernel would
/// answer that the port cannot be reached, and quote the packet, in clear. It answers none that is for a group. Any packet of VXLAN
/// counts, because a peer may have LACs on the port that this host has not.
fn unanswered() -> Rule {
    let local = vec![
        fib::address_type(fib::Address::Destination, FIRST),
        Expression::Compare(Comparison::Equal, fib::LOCAL.to_vec()),
    ];
    let deciphered = vec![Expression::Meta(Meta::Secpath), equal(&[1])];
    let vxlan = vec![Expression::Field(FLAGS_FIELD), equal(&VNI_IS_VALID)];
    let parts = [deciphered, udp(), vxlan, local, set_for_group(FIRST).to_vec()];
    labelled("unanswered", parts.concat())
}

fn heard() -> Vec<Rule> {
    let drop = || vec![Expression::Verdict(Verdict::Drop)];
    let of = |name: &str, parts: Vec<Vec<Expression>>| labelled(name, parts.concat());
    let from_loopback = vec![Expression::Meta(Meta::Iifname), equal(LOOPBACK)];
    let in_clear = vec![Expression::Meta(Meta::Secpath), equal(&[0])];
    let is_readable = |field: Field, least: &[u8]| {
        vec![Expression::Field(field), Expression::Compare(Comparison::AtLeast, least.to_vec())]
    };
    let whole = vec![udp(), is_readable(VNI_FIELD, &[0; 3]), vec![Expression::Verdict(Verdict::Return)]];
    let is_cut = [exthdr::more_fragments(), exthdr::first_fragment()].concat();
    let cut = vec![family(NFPROTO_IPV6), is_cut, vec![Expression::Counter], drop()];
    vec![
        others(),
        of("own", vec![from_loopback, udp(), among(&CLOSED), drop()]),
        of("clear", vec![in_clear, udp(), among(&SEALED), among(&CLOSED), drop()]),
        peers("peers4", NFPROTO_IPV4, IPV4_SOURCE, Type::Ipv4, &PEERS4),
        peers("peers6", NFPROTO_IPV6, IPV6_SOURCE, Type::Ipv6, &PEERS6),
        of("strangers", vec![udp(), among(&CLOSED), drop()]),
        of("whole", whole),
        of("cut6", cut),
    ]
}

/// Whatever becomes of the policies of xfrm: nothing of a sealed LAC leaves in clear. Any user may send from any address of IPv6 (`IPV6_FREEBIND`), to a group which the host is in, too.
fn sent() -> Vec<Rule> {
    let of = |name: &str, parts: Vec<Vec<Expression>>| labelled(name, [parts.concat(), dropped()].concat());
    let from_nowhere = vec![
        fib::address_type(fib::Address::Source, FIRST),
        Expression::Compare(Comparison::Unequal, fib::LOCAL.to_vec()),
    ];
    let is = |field: Field, value: &[u8]| vec![Expression::Field(field), equal(value)];
    vec![
        of("clear", vec![route::in_clear().to_vec(), udp(), among(&SEALED)]),
        // Last of all `closed`, which counts what is found in it.
        of("forged6", vec![family(NFPROTO_IPV6), is(IPV6_TO, &[0xff]), from_nowhere, udp(), among(&CLOSED)]),
    ]
}

/// What IPsec takes for a sealed port.
fn sealed() -> Vec<Rule> {
    let port = vec![Expression::Field(Field::DESTINATION_PORT), Expression::In(&PORTS)];
    let of_device = vec![Expression::Meta(Meta::Iifkind), equal(VXLAN), Expression::Verdict(Verdict::Return)];
    vec![
        others(),
        labelled("vxlan", of_device),
        labelled("strange", [route::transformed().to_vec(), udp(), port, dropped()].concat()),
    ]
}

fn others() -> Rule {
    let expressions = vec![
        Expression::Meta(Meta::L4proto),
        Expression::Compare(Comparison::Unequal, UDP.to_vec()),
        Expression::Verdict(Verdict::Return),
    ];
    labelled("others", expressions)
}

fn dropped() -> Vec<Expression> {
    vec![Expression::Counter, Expression::Verdict(Verdict::Drop)]
}

/// What the host sends to a group comes back to it, from its own address: whoever may send on this host could speak as a peer.
fn peers(name: &str, family: [u8; 1], source: Field, kind: Type, set: &'static Set) -> Rule {
    let port = FIRST.behind(&[kind]);
    let mut expressions = [self::family(family), udp()].concat();
    expressions.extend([
        source.load(FIRST),
        Field::DESTINATION_PORT.load(port),
        VNI_FIELD.load(FIRST.behind(&[kind, PORT])),
        Expression::In(set),
        fib::address_type(fib::Address::Source, FIRST),
        Expression::Compare(Comparison::Unequal, fib::LOCAL.to_vec()),
        Expression::Verdict(Verdict::Return),
    ]);
    labelled(name, expressions)
}

fn udp() -> Vec<Expression> {
    protocol(UDP)
}

fn protocol(number: [u8; 1]) -> Vec<Expression> {
    vec![Expression::Meta(Meta::L4proto), equal(&number)]
}

fn family(number: [u8; 1]) -> Vec<Expression> {
    vec![Expression::Meta(Meta::Nfproto), equal(&number)]
}

fn among(set: &'static Set) -> Vec<Expression> {
    vec![Field::DESTINATION_PORT.load(FIRST), VNI_FIELD.load(FIRST.behind(&[PORT])), Expression::In(set)]
}
