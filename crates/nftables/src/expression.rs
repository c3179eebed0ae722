//! Expressions, of which rules consist.

use netlink::attributes::{append, append_nested};

use crate::Set;
use crate::message::{put_number, put_text};

const NFTA_LIST_ELEM: u16 = 1;
const NFTA_EXPR_NAME: u16 = 1;
const NFTA_EXPR_DATA: u16 = 2;
const NFTA_DATA_VALUE: u16 = 1;
const NFTA_DATA_VERDICT: u16 = 2;
const NFTA_VERDICT_CODE: u16 = 1;
const NFTA_META_DREG: u16 = 1;
const NFTA_META_KEY: u16 = 2;
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
const NFTA_COUNTER_BYTES: u16 = 1;
const NFTA_COUNTER_PACKETS: u16 = 2;
const NFTA_IMMEDIATE_DREG: u16 = 1;
const NFTA_IMMEDIATE_DATA: u16 = 2;

/// The register that holds verdicts, and the first two of 16 bytes, which concatenations begin in.
const REGISTER_VERDICT: u32 = 0;
const REGISTER: u32 = 1;
const SECOND_REGISTER: u32 = 2;

/// What is known of a packet beside its bytes (`enum nft_meta_keys`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meta {
    /// `meta protocol`: its EtherType, below a VLAN tag that the kernel has taken off.
    Protocol = 1,
    /// `iifname`: the link that it came in by.
    Iifname = 6,
    /// `oifname`: the link that it leaves by.
    Oifname = 7,
    /// `meta nfproto`: the family of its network header.
    Nfproto = 15,
    /// `meta l4proto`: the protocol of its transport header.
    L4proto = 16,
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
}

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// `drop`.
    Drop,
    /// `accept`, as far as this chain goes.
    Accept,
    /// `return`: the chain's policy decides.
    Return,
}

impl Verdict {
    /// `NF_DROP`, `NF_ACCEPT`, and `NFT_RETURN`, which is -5.
    fn number(self) -> u32 {
        match self {
            Self::Drop => 0,
            Self::Accept => 1,
            Self::Return => (-5i32).cast_unsigned(),
        }
    }
}

/// A step of a rule. Those that compare end the rule for packets that differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    /// Loads into the register.
    Meta(Meta),
    /// Loads into the register.
    Field(Field),
    /// Loads behind what the register has, for a key of two parts.
    AndField(Field),
    /// Keeps the bits of the register that are set here.
    Mask(&'static [u8]),
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
}

impl Expression {
    fn name(&self) -> &'static str {
        match self {
            Self::Meta(_) => "meta",
            Self::Field(_) | Self::AndField(_) => "payload",
            Self::Mask(_) => "bitwise",
            Self::Compare(..) => "cmp",
            Self::In(_) | Self::NotIn(_) => "lookup",
            Self::Counter => "counter",
            Self::Masquerade => "masq",
            Self::Verdict(_) => "immediate",
        }
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
            Self::Meta(key) => {
                put_number(data, NFTA_META_KEY, *key as u32);
                put_number(data, NFTA_META_DREG, REGISTER);
            }
            Self::Field(field) => field.put(data, REGISTER),
            Self::AndField(field) => field.put(data, SECOND_REGISTER),
            Self::Mask(mask) => put_mask(data, mask),
            Self::Compare(comparison, value) => {
                put_number(data, NFTA_CMP_SREG, REGISTER);
                put_number(data, NFTA_CMP_OP, *comparison as u32);
                put_value(data, NFTA_CMP_DATA, value);
            }
            Self::In(set) => put_lookup(data, set, 0),
            Self::NotIn(set) => put_lookup(data, set, NFT_LOOKUP_F_INV),
            Self::Counter => {
                append(data, NFTA_COUNTER_BYTES, &0u64.to_be_bytes());
                append(data, NFTA_COUNTER_PACKETS, &0u64.to_be_bytes());
            }
            Self::Masquerade => {}
            Self::Verdict(verdict) => {
                put_number(data, NFTA_IMMEDIATE_DREG, REGISTER_VERDICT);
                append_nested(data, NFTA_IMMEDIATE_DATA, |data| {
                    append_nested(data, NFTA_DATA_VERDICT, |code| {
                        put_number(code, NFTA_VERDICT_CODE, verdict.number());
                    });
                });
            }
        }
    }
}

impl Field {
    fn put(self, data: &mut Vec<u8>, register: u32) {
        put_number(data, NFTA_PAYLOAD_DREG, register);
        put_number(data, NFTA_PAYLOAD_BASE, self.base as u32);
        put_number(data, NFTA_PAYLOAD_OFFSET, self.offset);
        put_number(data, NFTA_PAYLOAD_LEN, self.length);
    }
}

fn put_value(data: &mut Vec<u8>, kind: u16, value: &[u8]) {
    append_nested(data, kind, |data| append(data, NFTA_DATA_VALUE, value));
}

fn put_mask(data: &mut Vec<u8>, mask: &[u8]) {
    put_number(data, NFTA_BITWISE_SREG, REGISTER);
    put_number(data, NFTA_BITWISE_DREG, REGISTER);
    put_number(data, NFTA_BITWISE_LEN, u32::try_from(mask.len()).unwrap_or(u32::MAX));
    put_value(data, NFTA_BITWISE_MASK, mask);
    put_value(data, NFTA_BITWISE_XOR, &vec![0; mask.len()]);
}

fn put_lookup(data: &mut Vec<u8>, set: &Set, flags: u32) {
    put_text(data, NFTA_LOOKUP_SET, set.name);
    put_number(data, NFTA_LOOKUP_SREG, REGISTER);
    if flags != 0 {
        put_number(data, NFTA_LOOKUP_FLAGS, flags);
    }
}
