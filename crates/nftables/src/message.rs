//! Messages of nf_tables: `struct nfgenmsg`, then attributes.

use netlink::attributes::{append, append_nested};
use netlink::{Object, Request};

use crate::Family;

/// `NFNL_SUBSYS_NFTABLES`.
pub(crate) const SUBSYSTEM: u8 = 10;

const HEADER_BYTES: usize = 4;
pub(crate) const NLM_F_EXCL: u16 = 0x200;
pub(crate) const NLM_F_CREATE: u16 = 0x400;
pub(crate) const NLM_F_APPEND: u16 = 0x800;

/// An expression's kind and its parameters (`enum nft_expr_attributes`).
pub(crate) const NFTA_EXPR_NAME: u16 = 1;
pub(crate) const NFTA_EXPR_DATA: u16 = 2;

/// A match of iptables (`enum nft_match_attributes`).
pub(crate) const NFTA_MATCH_NAME: u16 = 1;
pub(crate) const NFTA_MATCH_INFO: u16 = 3;

/// What a message is about (`enum nf_tables_msg_types`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    NewTable = 0,
    GetTable = 1,
    DelTable = 2,
    NewChain = 3,
    GetChain = 4,
    DelChain = 5,
    NewRule = 6,
    GetRule = 7,
    DelRule = 8,
    NewSet = 9,
    GetSet = 10,
    NewElement = 12,
    GetElement = 13,
    DelElement = 14,
    NewGeneration = 15,
    GetGeneration = 16,
}

impl Verb {
    fn number(self) -> u16 {
        u16::from_be_bytes([SUBSYSTEM, self as u8])
    }
}

/// The body of a message in the making.
#[derive(Debug, Clone)]
pub(crate) struct Body(Vec<u8>);

impl Body {
    /// For one family, or for all.
    pub(crate) fn new(family: Option<Family>) -> Self {
        Self(vec![family.map_or(0, Family::number), 0, 0, 0])
    }

    pub(crate) fn text(mut self, kind: u16, text: &str) -> Self {
        put_text(&mut self.0, kind, text);
        self
    }

    pub(crate) fn number(mut self, kind: u16, number: u32) -> Self {
        put_number(&mut self.0, kind, number);
        self
    }

    pub(crate) fn long(mut self, kind: u16, number: u64) -> Self {
        append(&mut self.0, kind, &number.to_be_bytes());
        self
    }

    pub(crate) fn bytes(mut self, kind: u16, bytes: &[u8]) -> Self {
        append(&mut self.0, kind, bytes);
        self
    }

    pub(crate) fn nested(mut self, kind: u16, fill: impl FnOnce(&mut Vec<u8>)) -> Self {
        append_nested(&mut self.0, kind, fill);
        self
    }

    /// The attributes.
    #[cfg(test)]
    pub(crate) fn attributes(&self) -> &[u8] {
        &self.0[HEADER_BYTES..]
    }

    pub(crate) fn change(self, verb: Verb, flags: u16) -> Request {
        Request::raw(verb.number(), flags, self.0)
    }

    pub(crate) fn question(self, verb: Verb) -> Request {
        Request::question(verb.number(), self.0)
    }

    pub(crate) fn list(self, verb: Verb) -> Request {
        Request::list(verb.number(), self.0)
    }
}

pub(crate) fn put_text(bytes: &mut Vec<u8>, kind: u16, text: &str) {
    let mut value = text.as_bytes().to_vec();
    value.push(0);
    append(bytes, kind, &value);
}

pub(crate) fn put_number(bytes: &mut Vec<u8>, kind: u16, number: u32) {
    append(bytes, kind, &number.to_be_bytes());
}

/// The family and the attributes of a message of the kernel; `None` for one of another kind.
pub(crate) fn open(object: &Object, verb: Verb) -> Option<(Option<Family>, &[u8])> {
    if object.message_type != verb.number() {
        return None;
    }
    let family = Family::read(*object.payload.first()?);
    Some((family, object.payload.get(HEADER_BYTES..)?))
}

/// A 32-bit number that is all of `bytes`.
pub(crate) fn read_number(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

/// A 64-bit number that is all of `bytes`.
pub(crate) fn read_long(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}
