//! Expressions, of which rules consist.

use netlink::attributes::append_nested;

use crate::count::{self, Count};
use crate::data::put_value;
use crate::message::{NFTA_EXPR_DATA, NFTA_EXPR_NAME, put_number, put_text};
use crate::register::VERDICT;
use crate::{Key, Register, Set, Verdict};

const NFTA_LIST_ELEM: u16 = 1;
const NFTA_META_DREG: u16 = 1;
const NFTA_META_KEY: u16 = 2;
const NFTA_META_SREG: u16 = 3;
const NFTA_PAYLOAD_DREG: u16 = 1;
const NFTA_PAYLOAD_BASE: u16 = 2;
const NFTA_PAYLOAD_OFFSET: u16 = 3;
const NFTA_PAYLOAD_LEN: u16 = 4;
const NFTA_CMP_SREG: u16 = 1;
const NFTA_CMP_OP: u16 = 2;
const NFTA_CMP_DATA: u16 = 3;
const NFTA_BITWISE_SREG: u16 = 1;
const NFTA_BITWISE_DREG: u16 = 2;
const NFTA_BITWISE_LEN: u16 = 3;
const NFTA_BITWISE_MASK: u16 = 4;
const NFTA_BITWISE_XOR: u16 = 5;
const NFTA_LOOKUP_SET: u16 = 1;
const NFTA_LOOKUP_SREG: u16 = 2;
const NFTA_LOOKUP_FLAGS: u16 = 5;
const NFT_LOOKUP_F_INV: u32 = 1;
const NFTA_IMMEDIATE_DREG: u16 = 1;
const NFTA_IMMEDIATE_DATA: u16 = 2;

/// The first two registers of 16 bytes.
const REGISTER: u32 = 1;
const SECOND_REGISTER: u32 = 2;

/// Metadata of a packet (`enum nft_meta_keys`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meta {
    /// `meta protocol`: its EtherType, below a VLAN tag that the kernel has taken off.
    Protocol = 1,
    /// `meta mark`: its mark, in the host's byte order.
    Mark = 3,
    /// `iifname`: the link that it came in by.
    Iifname = 6,
    /// `oifname`: the link that it leaves by.
    Oifname = 7,
    /// `meta nfproto`: the family of its network header.
    Nfproto = 15,
    /// `meta l4proto`: the protocol of its transport header.
    L4proto = 16,
    /// `meta pkttype`: whom the link layer has it for, in 1 byte (`PACKET_HOST` and the like of `packet(7)`).
    PacketType = 19,
    /// `meta ipsec`: 1 if xfrm has transformed it on its way in, in 1 byte.
    Secpath = 25,
    /// `meta iifkind`: the kind of the link that it came in by; where packets go out, of the one that made it, if one did (Linux 5.7).
    Iifkind = 26,
}

/// Where an offset counts from (`enum nft_payload_bases`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// The Ethernet header.
    Link = 0,
    /// The network header.
    Network = 1,
    /// The transport header, behind extension headers.
    Transport = 2,
}

/// Bytes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Where the offset counts from.
    pub base: Base,
    /// In bytes.
    pub offset: u32,
    /// In bytes.
    pub length: u32,
}

/// How a value must compare with the register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// The same.
    Equal = 0,
    /// Another.
    Unequal = 1,
    /// Not greater, as a number in network order.
    AtMost = 3,
    /// Not less.
    AtLeast = 5,
}

/// A step of a rule. Those that compare end the rule for packets that differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    /// Loads into the register.
    Meta(Meta),
    /// Loads into the register.
    Field(Field),
    /// Loads behind the 16 bytes that the register has, for a key of two parts.
    AndField(Field),
    /// Keeps the bits of the register that are set here.
    Mask(Vec<u8>),
    /// Compares the register.
    Compare(Comparison, Vec<u8>),
    /// Goes on if the register is in the set.
    In(&'static Set),
    /// Goes on if the register is not in the set.
    NotIn(&'static Set),
    /// Counts packets and bytes.
    Counter,
    /// Gives the packet the address of the link that it leaves by.
    Masquerade,
    /// Ends the rule.
    Verdict(Verdict),
    /// Any other expression, by its name and its attributes: made by its own module, such as
    /// [`Nat`](crate::nat::Nat), so that a program has only what it uses.
    Encoded(&'static str, Vec<u8>),
}

impl Expression {
    fn name(&self) -> &'static str {
        match self {
            Self::Meta(_) => "meta",
            Self::Field(_) | Self::AndField(_) => "payload",
            Self::Mask(_) => "bitwise",
            Self::Compare(..) => "cmp",
            Self::In(_) | Self::NotIn(_) => "lookup",
            Self::Counter => count::NAME,
            Self::Masquerade => "masq",
            Self::Verdict(_) => "immediate",
            Self::Encoded(name, _) => name,
        }
    }

    pub(crate) fn encode(name: &'static str, fill: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut data = Vec::new();
        fill(&mut data);
        Self::Encoded(name, data)
    }

    /// Appends it to the list of a rule.
    pub(crate) fn put(&self, list: &mut Vec<u8>) {
        append_nested(list, NFTA_LIST_ELEM, |expression| {
            put_text(expression, NFTA_EXPR_NAME, self.name());
            append_nested(expression, NFTA_EXPR_DATA, |data| self.put_data(data));
        });
    }

    fn put_data(&self, data: &mut Vec<u8>) {
        match self {
            Self::Meta(key) => key.put(data, REGISTER),
            Self::Field(field) => field.put(data, REGISTER),
            Self::AndField(field) => field.put(data, SECOND_REGISTER),
            Self::Mask(mask) => put_mask(data, mask),
            Self::Compare(comparison, value) => {
                put_number(data, NFTA_CMP_SREG, REGISTER);
                put_number(data, NFTA_CMP_OP, *comparison as u32);
                append_nested(data, NFTA_CMP_DATA, |data| put_value(data, value));
            }
            Self::In(set) => put_lookup(data, set, 0),
            Self::NotIn(set) => put_lookup(data, set, NFT_LOOKUP_F_INV),
            Self::Counter => Count::default().put_data(data),
            Self::Masquerade => {}
            Self::Verdict(verdict) => {
                put_number(data, NFTA_IMMEDIATE_DREG, VERDICT);
                append_nested(data, NFTA_IMMEDIATE_DATA, |data| verdict.put(data));
            }
            Self::Encoded(_, attributes) => data.extend(attributes),
        }
    }
}

impl Meta {
    /// Loads it.
    #[must_use]
    pub fn load(self, into: Register) -> Expression {
        Expression::encode("meta", |data| self.put(data, into.number()))
    }

    fn put(self, data: &mut Vec<u8>, register: u32) {
        put_number(data, NFTA_META_KEY, self as u32);
        put_number(data, NFTA_META_DREG, register);
    }
}

/// `meta mark set`: the register's 4 bytes become the packet's mark.
#[must_use]
pub fn set_mark(from: Register) -> Expression {
    Expression::encode("meta", |data| {
        put_number(data, NFTA_META_KEY, Meta::Mark as u32);
        put_number(data, NFTA_META_SREG, from.number());
    })
}

/// `meta pkttype set multicast`: the packet counts as one for a group, whoever it is for. The kernel answers no such packet with an error
/// of ICMP (`icmp_send`, `icmp6_send`). In `prerouting` alone (`nft_meta_set_validate`).
#[must_use]
pub fn set_for_group(by: Register) -> [Expression; 2] {
    const PACKET_MULTICAST: u8 = 2;
    let load = Expression::encode("immediate", |data| {
        put_number(data, NFTA_IMMEDIATE_DREG, by.number());
        append_nested(data, NFTA_IMMEDIATE_DATA, |data| put_value(data, &[PACKET_MULTICAST]));
    });
    let set = Expression::encode("meta", |data| {
        put_number(data, NFTA_META_KEY, Meta::PacketType as u32);
        put_number(data, NFTA_META_SREG, by.number());
    });
    [load, set]
}

impl Key {
    /// Loads it, as it stands here.
    #[must_use]
    pub fn load(&self, into: Register) -> Expression {
        Expression::encode("immediate", |data| {
            put_number(data, NFTA_IMMEDIATE_DREG, into.number());
            append_nested(data, NFTA_IMMEDIATE_DATA, |data| put_value(data, self.bytes()));
        })
    }
}

impl Field {
    /// The port that a packet comes from, of TCP, UDP and the like: `th sport`. Compare the protocol first.
    pub const SOURCE_PORT: Self = Self { base: Base::Transport, offset: 0, length: 2 };
    /// The port that it goes to: `th dport`.
    pub const DESTINATION_PORT: Self = Self { base: Base::Transport, offset: 2, length: 2 };

    /// Loads it.
    #[must_use]
    pub fn load(self, into: Register) -> Expression {
        Expression::encode("payload", |data| self.put(data, into.number()))
    }

    fn put(self, data: &mut Vec<u8>, register: u32) {
        put_number(data, NFTA_PAYLOAD_DREG, register);
        put_number(data, NFTA_PAYLOAD_BASE, self.base as u32);
        put_number(data, NFTA_PAYLOAD_OFFSET, self.offset);
        put_number(data, NFTA_PAYLOAD_LEN, self.length);
    }
}

fn put_mask(data: &mut Vec<u8>, mask: &[u8]) {
    put_number(data, NFTA_BITWISE_SREG, REGISTER);
    put_number(data, NFTA_BITWISE_DREG, REGISTER);
    put_number(data, NFTA_BITWISE_LEN, u32::try_from(mask.len()).unwrap_or(u32::MAX));
    append_nested(data, NFTA_BITWISE_MASK, |data| put_value(data, mask));
    append_nested(data, NFTA_BITWISE_XOR, |data| put_value(data, &vec![0; mask.len()]));
}

fn put_lookup(data: &mut Vec<u8>, set: &Set, flags: u32) {
    put_text(data, NFTA_LOOKUP_SET, set.name);
    put_number(data, NFTA_LOOKUP_SREG, REGISTER);
    if flags != 0 {
        put_number(data, NFTA_LOOKUP_FLAGS, flags);
    }
}
