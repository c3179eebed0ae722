//! Our tables: sets, chains and rules.
//!
//! Attachments of other releases live beside ours, and share the tables. What a release has published therefore stays: the names
//! and types of sets, and the rules of a chain, whose number earlier releases compare. New features get sets and chains of
//! their own, and [`growth`] adds these to tables that lack them.

mod common;
mod growth;
mod label;
pub(crate) mod lacs;
pub(crate) mod ports;

use netlink::Request;
use nftables::rule::Place;
use nftables::{
    Base, BaseChain, Chain, Comparison, Expression, Family, Field, Hook, Kind, Meta, Policy, Rule, Set, Source, Table,
    Type, Verdict,
};

use common::{IPV4_DESTINATION, IPV4_SOURCE, IPV6_DESTINATION, IPV6_SOURCE, NFPROTO_IPV4, NFPROTO_IPV6, SRCNAT, equal};
pub(crate) use growth::{Parts, Stand, examine};
use label::labelled;

/// The name of those that releases have had from the start.
const NAME: &str = "plugboard";
/// That of the table of routed NICs. It is one of its own so that attachments on bridges need nothing of it.
const ROUTED: &str = "plugboard-routed";
/// That of the table of published ports, which only those need who publish some.
const PORTS: &str = "plugboard-ports";

/// That of LACs that hear only some hosts.
const LACS: &str = "plugboard-lacs";

/// A table of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ours {
    /// `inet plugboard`: source NAT.
    Nat,
    /// `bridge plugboard`: who may send what.
    Filter,
    /// `inet plugboard-routed`: source NAT of routed NICs.
    Routed,
    /// `inet plugboard-ports`: published ports.
    Ports,
    /// `inet plugboard-lacs`: which hosts are heard in a LAC.
    Lacs,
}

/// Addresses behind the gateway interface of the first part: what comes in there from them, and leaves elsewhere, is
/// translated.
pub(crate) static MASQUERADE4: Set = Set::new("masquerade4", &[Type::Ifname, Type::Ipv4]);
/// The same for IPv6.
pub(crate) static MASQUERADE6: Set = Set::new("masquerade6", &[Type::Ifname, Type::Ipv6]);
/// Routed addresses, each behind the host interface of the first part: what comes in there from them, and does not go to another
/// one of them, is translated.
pub(crate) static ROUTED4: Set = Set::new("routed4", &[Type::Ifname, Type::Ipv4]);
/// The same for IPv6.
pub(crate) static ROUTED6: Set = Set::new("routed6", &[Type::Ifname, Type::Ipv6]);
/// Ports whose hardware addresses are checked.
pub(crate) static GUARDED: Set = Set::new("guarded", &[Type::Ifname]);
/// The hardware addresses of those ports.
pub(crate) static MACS: Set = Set::new("macs", &[Type::Ifname, Type::Ether]);
/// Ports whose IP addresses are checked.
pub(crate) static IPGUARDED: Set = Set::new("ipguarded", &[Type::Ifname]);
/// The IPv4 addresses of those ports.
pub(crate) static ADDRESSES4: Set = Set::new("addresses4", &[Type::Ifname, Type::Ipv4]);
/// The IPv6 addresses of those ports.
pub(crate) static ADDRESSES6: Set = Set::new("addresses6", &[Type::Ifname, Type::Ipv6]);

/// Ports whose neighbour discovery is checked.
pub(crate) static NEIGHBOURS: Set = Set::new("neighbours", &[Type::Ifname]);
/// The hardware addresses that those ports may tell in options of neighbour discovery.
pub(crate) static TOLD_MACS: Set =
    Set::new("toldmacs", &[Type::Ifname, Type::SixBytes]).taken_from(&[Source::Iifname, Source::Transport(208, 48)]);

/// Of the sets in which an attachment that asks for them has elements, those that the first releases did not know: what they attached
/// has none there, and is whole.
pub(crate) static LATE: [&Set; 2] = [&NEIGHBOURS, &TOLD_MACS];

const LINK_SOURCE: Field = Field { base: Base::Link, offset: 6, length: 6 };
const ETHERTYPE: Field = Field { base: Base::Link, offset: 12, length: 2 };
const ARP_SENDER_MAC: Field = Field { base: Base::Network, offset: 8, length: 6 };
const ARP_SENDER_IP: Field = Field { base: Base::Network, offset: 14, length: 4 };
const ARP_TARGET_IP: Field = Field { base: Base::Network, offset: 24, length: 4 };
const IPV6_DESTINATION_FIRST: Field = Field { base: Base::Network, offset: 24, length: 1 };
const IPV6_LENGTH: Field = Field { base: Base::Network, offset: 4, length: 2 };
const IPV6_NEXT: Field = Field { base: Base::Network, offset: 6, length: 1 };
const ICMP_TYPE: Field = Field { base: Base::Transport, offset: 0, length: 1 };
const ICMPV6_TYPE: Field = Field { base: Base::Transport, offset: 0, length: 1 };
/// RFC 4861, 4.3 and 4.4: the target of a neighbour solicitation or advertisement.
const ADVERTISED: Field = Field { base: Base::Transport, offset: 8, length: 16 };
/// The first option behind it: its type and length; and the six bytes of one that is eight bytes long.
const OPTION: Field = Field { base: Base::Transport, offset: 24, length: 2 };
const OPTION_VALUE: Field = Field { base: Base::Transport, offset: 26, length: 6 };
/// The six bytes of the first option of a router solicitation (4.1).
const ROUTER_OPTION_VALUE: Field = Field { base: Base::Transport, offset: 10, length: 6 };

const IPPROTO_ICMPV6: [u8; 1] = [58];
const IPPROTO_ICMP: [u8; 1] = [1];
const IPPROTO_UDP: [u8; 1] = [17];
/// RFC 792 and RFC 1256.
const REDIRECT4: [u8; 1] = [5];
const ROUTER_ADVERTISEMENT4: [u8; 1] = [9];
// The messages of neighbour discovery (RFC 4861, 4).
const ROUTER_SOLICITATION: [u8; 1] = [133];
const ROUTER_ADVERTISEMENT: [u8; 1] = [134];
const NEIGHBOUR_SOLICITATION: [u8; 1] = [135];
const NEIGHBOUR_ADVERTISEMENT: [u8; 1] = [136];
const REDIRECT: [u8; 1] = [137];
/// The nonce of duplicate detection (RFC 7527), eight bytes long.
const NONCE: [u8; 2] = [14, 1];
/// Where DHCP servers answer to.
const DHCP_CLIENT: [u8; 2] = 68u16.to_be_bytes();
const DHCPV6_CLIENT: [u8; 2] = 546u16.to_be_bytes();
const IPV4: [u8; 2] = [0x08, 0x00];
const ARP: [u8; 2] = [0x08, 0x06];
const IPV6: [u8; 2] = [0x86, 0xdd];

/// Before everything else that sees frames (`NF_BR_PRI_NAT_DST_BRIDGED`).
const FIRST: i32 = -300;
/// Right behind.
const SECOND: i32 = -299;

impl Ours {
    /// All of them.
    pub(crate) const ALL: [Self; 5] = [Self::Nat, Self::Filter, Self::Routed, Self::Ports, Self::Lacs];
    /// Those whose elements are an attachment's; others are of what attachments share.
    pub(crate) const OF_ATTACHMENTS: &[Self] = &[Self::Nat, Self::Filter, Self::Routed, Self::Ports];
    /// Those in which plugins with a NIC have elements.
    pub(crate) const OF_NICS: &[Self] = &[Self::Nat, Self::Filter, Self::Routed];
    /// That of published ports, which are another plugin's than the NIC of the same attachment.
    pub(crate) const OF_PORTS: &[Self] = &[Self::Ports];

    pub(crate) fn table(self) -> Table {
        match self {
            Self::Nat => Table::new(Family::Inet, NAME),
            Self::Filter => Table::new(Family::Bridge, NAME),
            Self::Routed => Table::new(Family::Inet, ROUTED),
            Self::Ports => Table::new(Family::Inet, PORTS),
            Self::Lacs => Table::new(Family::Inet, LACS),
        }
    }

    pub(crate) fn sets(self) -> Vec<&'static Set> {
        match self {
            Self::Nat => vec![&MASQUERADE4, &MASQUERADE6],
            Self::Filter => vec![&GUARDED, &MACS, &IPGUARDED, &ADDRESSES4, &ADDRESSES6, &NEIGHBOURS, &TOLD_MACS],
            Self::Routed => vec![&ROUTED4, &ROUTED6],
            Self::Ports => ports::sets(),
            Self::Lacs => lacs::sets(),
        }
    }

    /// The names of its chains, and how many rules each has: what can be compared at the least expense.
    pub(crate) fn outline(self) -> &'static [(&'static str, u32)] {
        match self {
            Self::Nat | Self::Routed => &[("postrouting", 6)],
            Self::Filter => &[("prerouting", 7), ("input", 1), ("discovery", 13)],
            Self::Ports => ports::OUTLINE,
            Self::Lacs => lacs::OUTLINE,
        }
    }

    /// Asks for the chains of [`Ours::outline`].
    pub(crate) fn questions(self) -> impl Iterator<Item = Request> {
        let named = move |name: &str| Chain { table: self.table(), name: name.to_owned() };
        self.outline().iter().map(move |(name, _)| named(name).get())
    }

    fn translation(self) -> BaseChain {
        self.chain("postrouting", Kind::Nat, Hook::Postrouting, SRCNAT)
    }

    fn chain(self, name: &str, kind: Kind, hook: Hook, priority: i32) -> BaseChain {
        let chain = Chain { table: self.table(), name: name.to_owned() };
        BaseChain { chain, kind, hook, priority, policy: Policy::Accept }
    }

    /// Its chains, each with its rules in order.
    pub(crate) fn chains(self) -> Vec<(BaseChain, Vec<Rule>)> {
        match self {
            Self::Nat => {
                // What leaves through the gateway interface that it came in by is traffic between the members of the bridge, which
                // `br_netfilter` may hand to these hooks.
                let members = [("members4", IPV4_SOURCE), ("members6", IPV6_SOURCE)];
                vec![(self.translation(), translation(members, &MASQUERADE4, &MASQUERADE6))]
            }
            Self::Routed => {
                let members = [("members4", IPV4_DESTINATION), ("members6", IPV6_DESTINATION)];
                vec![(self.translation(), translation(members, &ROUTED4, &ROUTED6))]
            }
            Self::Ports => ports::chains(&self.table()),
            Self::Lacs => lacs::chains(&self.table()),
            Self::Filter => vec![
                (self.chain("prerouting", Kind::Filter, Hook::Prerouting, FIRST), [mac_guard(), ip_guard()].concat()),
                // Frames to the bridge's own group addresses come by here alone, and the bridge learns from them.
                (self.chain("input", Kind::Filter, Hook::Input, FIRST), vec![foreign_source()]),
                (self.chain("discovery", Kind::Filter, Hook::Prerouting, SECOND), [told_macs(), no_router()].concat()),
            ],
        }
    }

    /// The requests that make it, without elements. The first makes the table itself.
    pub(crate) fn create(self) -> Vec<Request> {
        let table = self.table();
        let mut requests = vec![table.create()];
        requests.extend((1..).zip(self.sets()).map(|(id, set)| set.create(&table, id)));
        for (base, rules) in self.chains() {
            requests.push(base.create());
            requests.extend(rules.iter().map(|rule| rule.create(&base.chain, Place::Last)));
        }
        requests
    }

    /// The same for people, as `nft` reads it. The target of an advertisement needs nft 1.0.8.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Nat => include_str!("nat.nft"),
            Self::Filter => include_str!("filter.nft"),
            Self::Routed => include_str!("routed.nft"),
            Self::Ports => include_str!("ports.nft"),
            Self::Lacs => include_str!("lacs.nft"),
        }
    }
}

/// Source NAT of what comes in from the addresses of a set. What goes to the members, who have one of these addresses in the given
/// field, each behind the interface that it leaves by, stays as it is.
fn translation([members4, members6]: [(&str, Field); 2], set4: &'static Set, set6: &'static Set) -> Vec<Rule> {
    let of = |name: &str, family: [u8; 1], rest: Vec<Expression>| {
        let mut expressions = vec![Expression::Meta(Meta::Nfproto), equal(&family)];
        expressions.extend(rest);
        labelled(name, expressions)
    };
    let from = |link: Meta, source: Field, set: &'static Set, end: Expression| {
        vec![Expression::Meta(link), Expression::AndField(source), Expression::In(set), end]
    };
    let stays = || Expression::Verdict(Verdict::Return);
    vec![
        of(members4.0, NFPROTO_IPV4, from(Meta::Oifname, members4.1, set4, stays())),
        of(
            "multicast4",
            NFPROTO_IPV4,
            vec![
                Expression::Field(IPV4_DESTINATION),
                Expression::Mask(vec![0xf0, 0, 0, 0]),
                equal(&[224, 0, 0, 0]),
                stays(),
            ],
        ),
        of("masquerade4", NFPROTO_IPV4, from(Meta::Iifname, IPV4_SOURCE, set4, Expression::Masquerade)),
        of(members6.0, NFPROTO_IPV6, from(Meta::Oifname, members6.1, set6, stays())),
        of("multicast6", NFPROTO_IPV6, vec![Expression::Field(IPV6_DESTINATION_FIRST), equal(&[0xff]), stays()]),
        of("masquerade6", NFPROTO_IPV6, from(Meta::Iifname, IPV6_SOURCE, set6, Expression::Masquerade)),
    ]
}

fn mac_guard() -> Vec<Rule> {
    let mut arp = vec![Expression::Meta(Meta::Protocol), equal(&ARP)];
    arp.extend(not_among(ARP_SENDER_MAC, &MACS));
    vec![foreign_source(), dropped("arp-source-mac", &GUARDED, arp)]
}

fn foreign_source() -> Rule {
    dropped("source-mac", &GUARDED, not_among(LINK_SOURCE, &MACS))
}

fn ip_guard() -> Vec<Rule> {
    let others = [IPV4, ARP, IPV6]
        .iter()
        .flat_map(|kind| [Expression::Field(ETHERTYPE), Expression::Compare(Comparison::Unequal, kind.to_vec())]);
    let of = |name: &str, kind: [u8; 2], rest: Vec<Expression>| {
        let mut expressions = vec![Expression::Field(ETHERTYPE), equal(&kind)];
        expressions.extend(rest);
        dropped(name, &IPGUARDED, expressions)
    };
    let mut advertisement =
        vec![Expression::Meta(Meta::L4proto), equal(&IPPROTO_ICMPV6), Expression::Field(ICMPV6_TYPE)];
    advertisement.push(equal(&NEIGHBOUR_ADVERTISEMENT));
    advertisement.extend(not_among(ADVERTISED, &ADDRESSES6));
    vec![
        dropped("protocol", &IPGUARDED, others.collect()),
        of("source4", IPV4, not_among(IPV4_SOURCE, &ADDRESSES4)),
        of("arp-source4", ARP, not_among(ARP_SENDER_IP, &ADDRESSES4)),
        of("source6", IPV6, not_among(IPV6_SOURCE, &ADDRESSES6)),
        of("advertised6", IPV6, advertisement),
    ]
}

/// Neighbour discovery tells no hardware address but the port's own. Rules cannot walk options: so there is one at most, of eight
/// bytes, which every host's are, and no extension header in front, behind which there might be more.
fn told_macs() -> Vec<Rule> {
    let solicitation = || discovery(Comparison::Equal, ROUTER_SOLICITATION);
    let neighbour = || {
        let mut kinds = discovery(Comparison::AtLeast, NEIGHBOUR_SOLICITATION);
        kinds.push(Expression::Compare(Comparison::AtMost, NEIGHBOUR_ADVERTISEMENT.to_vec()));
        kinds
    };
    let lengths = |bare: u16| {
        let is_not = |length: u16| Expression::Compare(Comparison::Unequal, length.to_be_bytes().to_vec());
        vec![Expression::Field(IPV6_LENGTH), is_not(bare), Expression::Field(IPV6_LENGTH), is_not(bare + 8)]
    };
    let has_option = |bare: u16| vec![Expression::Field(IPV6_LENGTH), equal(&(bare + 8).to_be_bytes())];
    let is_no_nonce = || vec![Expression::Field(OPTION), Expression::Compare(Comparison::Unequal, NONCE.to_vec())];
    let mut wrapped = vec![Expression::Meta(Meta::Protocol), equal(&IPV6), Expression::Field(IPV6_NEXT)];
    wrapped.push(Expression::Compare(Comparison::Unequal, IPPROTO_ICMPV6.to_vec()));
    wrapped.extend([Expression::Meta(Meta::L4proto), equal(&IPPROTO_ICMPV6), Expression::Field(ICMPV6_TYPE)]);
    wrapped.push(Expression::Compare(Comparison::AtLeast, ROUTER_SOLICITATION.to_vec()));
    wrapped.push(Expression::Compare(Comparison::AtMost, REDIRECT.to_vec()));
    let foreign = |value: Field| not_among(value, &TOLD_MACS);
    let of = |name, conditions: Vec<Vec<Expression>>, last| dropped_if(name, conditions.concat(), &NEIGHBOURS, last);
    vec![
        of("wrapped-discovery6", vec![wrapped], Vec::new()),
        of("neighbour-options6", vec![neighbour(), lengths(24)], Vec::new()),
        of("neighbour-mac6", vec![neighbour(), has_option(24), is_no_nonce()], foreign(OPTION_VALUE)),
        of("router-options6", vec![solicitation(), lengths(8)], Vec::new()),
        of("router-mac6", vec![solicitation(), has_option(8)], foreign(ROUTER_OPTION_VALUE)),
    ]
}

/// Whose addresses are checked is neither a router nor a DHCP server to its neighbours, and objects to no address but its own.
fn no_router() -> Vec<Rule> {
    let of = |name, conditions, last| dropped_if(name, conditions, &IPGUARDED, last);
    let to_port = |port: &[u8]| {
        let (protocol, field) = (Expression::Meta(Meta::L4proto), Expression::Field(Field::DESTINATION_PORT));
        vec![protocol, equal(&IPPROTO_UDP), field, equal(port)]
    };
    let control = |kind: [u8; 1]| {
        let (ip, icmp) = (Expression::Meta(Meta::Protocol), Expression::Meta(Meta::L4proto));
        vec![ip, equal(&IPV4), icmp, equal(&IPPROTO_ICMP), Expression::Field(ICMP_TYPE), equal(&kind)]
    };
    // RFC 5227: who asks so objects to what another begins to use.
    let probe = vec![Expression::Meta(Meta::Protocol), equal(&ARP), Expression::Field(ARP_SENDER_IP), equal(&[0; 4])];
    let mut detection = discovery(Comparison::Equal, NEIGHBOUR_SOLICITATION);
    detection.extend([Expression::Field(IPV6_SOURCE), equal(&[0; 16])]);
    vec![
        of("router4", control(ROUTER_ADVERTISEMENT4), Vec::new()),
        of("redirect4", control(REDIRECT4), Vec::new()),
        of("probed4", probe, not_among(ARP_TARGET_IP, &ADDRESSES4)),
        of("router6", discovery(Comparison::Equal, ROUTER_ADVERTISEMENT), Vec::new()),
        of("redirect6", discovery(Comparison::Equal, REDIRECT), Vec::new()),
        of("detected6", detection, not_among(ADVERTISED, &ADDRESSES6)),
        of("dhcp-server4", to_port(&DHCP_CLIENT), Vec::new()),
        of("dhcp-server6", to_port(&DHCPV6_CLIENT), Vec::new()),
    ]
}

/// A message of ICMPv6 whose type compares so.
fn discovery(comparison: Comparison, kind: [u8; 1]) -> Vec<Expression> {
    vec![
        Expression::Meta(Meta::Protocol),
        equal(&IPV6),
        Expression::Meta(Meta::L4proto),
        equal(&IPPROTO_ICMPV6),
        Expression::Field(ICMPV6_TYPE),
        Expression::Compare(comparison, kind.to_vec()),
    ]
}

/// As [`dropped`], but the conditions are examined first: few packets meet them, and a set takes longer.
fn dropped_if(name: &str, mut conditions: Vec<Expression>, ports: &'static Set, last: Vec<Expression>) -> Rule {
    conditions.extend([Expression::Meta(Meta::Iifname), Expression::In(ports)]);
    conditions.extend(last);
    conditions.extend([Expression::Counter, Expression::Verdict(Verdict::Drop)]);
    labelled(name, conditions)
}

/// Drops and counts what comes from a port in the set and meets the conditions.
fn dropped(name: &str, ports: &'static Set, conditions: Vec<Expression>) -> Rule {
    let mut expressions = vec![Expression::Meta(Meta::Iifname), Expression::In(ports)];
    expressions.extend(conditions);
    expressions.extend([Expression::Counter, Expression::Verdict(Verdict::Drop)]);
    labelled(name, expressions)
}

/// The field is none of those that its port may have there.
fn not_among(field: Field, set: &'static Set) -> Vec<Expression> {
    vec![Expression::Meta(Meta::Iifname), Expression::AndField(field), Expression::NotIn(set)]
}

/// The same steps with the kind of a frame taken from elsewhere: `nft` chooses one way for what it reads, even if it shows both
/// the same.
fn encoded_otherwise(expressions: &[Expression]) -> Vec<Expression> {
    let (header, known) = (Expression::Field(ETHERTYPE), Expression::Meta(Meta::Protocol));
    let mut encoded = expressions.to_vec();
    for (place, step) in encoded.iter_mut().enumerate() {
        let next = expressions.get(place + 1);
        if !matches!(next, Some(Expression::Compare(Comparison::Equal, _))) {
            continue;
        }
        if *step == header {
            *step = known.clone();
        } else if *step == known {
            *step = header.clone();
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outlines_are_those_of_the_chains() {
        for ours in Ours::ALL {
            let chains = ours.chains();
            let whole =
                chains.iter().map(|(base, rules)| (base.chain.name.as_str(), u32::try_from(rules.len()).unwrap()));
            assert_eq!(whole.collect::<Vec<_>>(), ours.outline());
        }
    }
}
