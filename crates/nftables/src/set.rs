//! Named sets, and the types of their keys.

use netlink::Request;

use crate::Table;
use crate::message::{Body, NLM_F_CREATE, NLM_F_EXCL, Verb};
use crate::userdata::key_byte_order;

const NFTA_SET_NAME: u16 = 2;
const NFTA_SET_FLAGS: u16 = 3;
const NFTA_SET_KEY_TYPE: u16 = 4;
const NFTA_SET_KEY_LEN: u16 = 5;
const NFTA_SET_ID: u16 = 10;
const NFTA_SET_USERDATA: u16 = 13;

/// A concatenation's type holds one of each part in 6 bits (`TYPE_BITS` in nft's `datatype.h`).
const TYPE_BITS: u32 = 6;

/// The type of a key or of a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// `ifname`.
    Ifname,
    /// `ipv4_addr`.
    Ipv4,
    /// `ipv6_addr`.
    Ipv6,
    /// `ether_addr`.
    Ether,
}

impl Type {
    /// The tool's number for it (`enum datatypes` in nft's `datatype.h`); to the kernel it means nothing.
    fn number(self) -> u32 {
        match self {
            Self::Ipv4 => 7,
            Self::Ipv6 => 8,
            Self::Ether => 9,
            Self::Ifname => 41,
        }
    }

    /// Its length in a key, in bytes: parts begin at registers of 4 bytes.
    pub(crate) fn length(self) -> usize {
        match self {
            Self::Ipv4 => 4,
            Self::Ether => 8,
            Self::Ipv6 | Self::Ifname => 16,
        }
    }
}

/// A named set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Set {
    /// Its name.
    pub name: &'static str,
    /// The type of its key, part by part.
    pub key: &'static [Type],
}

impl Set {
    /// `nft create set TABLE NAME { type …; }`. The `id` is another one for each set of a transaction.
    #[must_use]
    pub fn create(&self, table: &Table, id: u32) -> Request {
        let kind = self.key.iter().fold(0u32, |all, part| all << TYPE_BITS | part.number());
        let length: usize = self.key.iter().map(|part| part.length()).sum();
        self.body(table)
            .number(NFTA_SET_FLAGS, 0)
            .number(NFTA_SET_KEY_TYPE, kind)
            .number(NFTA_SET_KEY_LEN, u32::try_from(length).unwrap_or(u32::MAX))
            .number(NFTA_SET_ID, id)
            .bytes(NFTA_SET_USERDATA, &key_byte_order(self.key))
            .change(Verb::NewSet, NLM_F_CREATE | NLM_F_EXCL)
    }

    pub(crate) fn body(&self, table: &Table) -> Body {
        table.body().text(NFTA_SET_NAME, self.name)
    }
}
