//! Named sets and maps.

use std::time::Duration;

use netlink::attributes::{append_nested, read_text, value_of};
use netlink::{Error, Object, Request, Socket};

use crate::count::Count;
use crate::datatype::{self, ByteOrder, Type, byte_order};
use crate::message::{Body, NLM_F_CREATE, NLM_F_EXCL, Verb, open, put_number, read_number};
use crate::userdata::{byte_orders, typeof_parts};
use crate::{Source, Table, milliseconds};

const NFTA_SET_TABLE: u16 = 1;
const NFTA_SET_NAME: u16 = 2;
const NFTA_SET_FLAGS: u16 = 3;
const NFTA_SET_KEY_TYPE: u16 = 4;
const NFTA_SET_KEY_LEN: u16 = 5;
const NFTA_SET_DATA_TYPE: u16 = 6;
const NFTA_SET_DATA_LEN: u16 = 7;
const NFTA_SET_DESC: u16 = 9;
const NFTA_SET_ID: u16 = 10;
const NFTA_SET_TIMEOUT: u16 = 11;
const NFTA_SET_USERDATA: u16 = 13;
const NFTA_SET_EXPR: u16 = 17;
const NFTA_SET_DESC_CONCAT: u16 = 2;
const NFTA_LIST_ELEM: u16 = 1;
const NFTA_SET_FIELD_LEN: u16 = 1;

const NFT_SET_ANONYMOUS: u32 = 0x1;
const NFT_SET_INTERVAL: u32 = 0x4;
const NFT_SET_MAP: u32 = 0x8;
const NFT_SET_TIMEOUT: u32 = 0x10;
const NFT_SET_CONCAT: u32 = 0x80;

/// The type of verdicts (`NFT_DATA_VERDICT`).
const VERDICTS: u32 = 0xffff_ff00;

/// What the elements of a set hold beside their keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// Nothing: it is not a map.
    None,
    /// Values of these parts.
    Of(&'static [Type]),
    /// Verdicts: it is a verdict map.
    Verdicts,
}

/// A named set, or a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Set {
    /// Its name.
    pub name: &'static str,
    /// The type of its key, part by part.
    pub key: &'static [Type],
    /// What it maps keys to.
    pub values: Values,
    /// Its elements are intervals: `flags interval`. Types of a single key must be in network order.
    pub has_intervals: bool,
    /// Its elements may expire; those that do not say when, after this time, or never for zero.
    pub timeout: Option<Duration>,
    /// Each element counts the packets that found it (Linux 5.7).
    pub is_counted: bool,
    /// What the parts of its key are taken from, if `nft` is to show that (`typeof`) instead of their types: of raw bytes it
    /// shows no set otherwise.
    pub sources: &'static [Source],
}

impl Set {
    /// A set of single keys.
    #[must_use]
    pub const fn new(name: &'static str, key: &'static [Type]) -> Self {
        Self { name, key, values: Values::None, has_intervals: false, timeout: None, is_counted: false, sources: &[] }
    }

    /// The same as a map to values of these parts.
    #[must_use]
    pub const fn to(self, parts: &'static [Type]) -> Self {
        Self { values: Values::Of(parts), ..self }
    }

    /// The same as a verdict map.
    #[must_use]
    pub const fn to_verdicts(self) -> Self {
        Self { values: Values::Verdicts, ..self }
    }

    /// The same with intervals for elements (those of several parts: Linux 5.6).
    #[must_use]
    pub const fn with_intervals(self) -> Self {
        Self { has_intervals: true, ..self }
    }

    /// The same with elements that expire after this time, or for zero never, unless they say otherwise.
    #[must_use]
    pub const fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self }
    }

    /// The same with a counter for each element.
    #[must_use]
    pub const fn with_counters(self) -> Self {
        Self { is_counted: true, ..self }
    }

    /// The same, whose key of several parts is shown as taken from these: `typeof …`.
    #[must_use]
    pub const fn taken_from(self, sources: &'static [Source]) -> Self {
        Self { sources, ..self }
    }

    /// `nft create set TABLE NAME { type …; }`. The `id` is another one for each set of a transaction.
    #[must_use]
    pub fn create(&self, table: &Table, id: u32) -> Request {
        self.description(table, id).change(Verb::NewSet, NLM_F_CREATE | NLM_F_EXCL)
    }

    pub(crate) fn description(&self, table: &Table, id: u32) -> Body {
        let mut body = self
            .body(table)
            .number(NFTA_SET_FLAGS, self.flags())
            .number(NFTA_SET_KEY_TYPE, datatype::number(self.key))
            .number(NFTA_SET_KEY_LEN, length(self.key));
        body = match self.values {
            Values::None => body,
            Values::Of(parts) => {
                body.number(NFTA_SET_DATA_TYPE, datatype::number(parts)).number(NFTA_SET_DATA_LEN, length(parts))
            }
            Values::Verdicts => body.number(NFTA_SET_DATA_TYPE, VERDICTS).number(NFTA_SET_DATA_LEN, 0),
        };
        body = body.number(NFTA_SET_ID, id);
        if self.is_ranges_of_parts() {
            body = body.nested(NFTA_SET_DESC, |description| self.put_fields(description));
        }
        if let Some(timeout) = self.timeout.filter(|timeout| !timeout.is_zero()) {
            body = body.long(NFTA_SET_TIMEOUT, milliseconds(timeout));
        }
        let values = match self.values {
            Values::None => None,
            Values::Of(parts) => Some(byte_order(parts)),
            Values::Verdicts => Some(ByteOrder::None),
        };
        let mut shown = byte_orders(byte_order(self.key), values);
        if !self.sources.is_empty() {
            shown.extend(typeof_parts(self.sources));
        }
        body = body.bytes(NFTA_SET_USERDATA, &shown);
        if self.is_counted {
            body = body.nested(NFTA_SET_EXPR, Count::put_template);
        }
        body
    }

    pub(crate) fn body(&self, table: &Table) -> Body {
        body(table, self.name)
    }

    /// Whether an element is written as two: its first key, and the first one behind it.
    pub(crate) fn is_pairs(&self) -> bool {
        self.has_intervals && self.key.len() == 1
    }

    /// Whether an element is a range in each of its parts.
    pub(crate) fn is_ranges_of_parts(&self) -> bool {
        self.has_intervals && self.key.len() > 1
    }

    fn flags(&self) -> u32 {
        let mut flags = 0;
        if self.has_intervals {
            flags |= NFT_SET_INTERVAL;
        }
        if self.is_ranges_of_parts() {
            flags |= NFT_SET_CONCAT;
        }
        if self.values != Values::None {
            flags |= NFT_SET_MAP;
        }
        if self.timeout.is_some() {
            flags |= NFT_SET_TIMEOUT;
        }
        flags
    }

    /// The lengths of its parts, in bytes without padding.
    fn put_fields(&self, description: &mut Vec<u8>) {
        append_nested(description, NFTA_SET_DESC_CONCAT, |parts| {
            for part in self.key {
                append_nested(parts, NFTA_LIST_ELEM, |field| {
                    put_number(field, NFTA_SET_FIELD_LEN, u32::try_from(part.length()).unwrap_or(u32::MAX));
                });
            }
        });
    }
}

/// The beginning of a message about a set or its elements.
pub(crate) fn body(table: &Table, name: &str) -> Body {
    table.body().text(NFTA_SET_NAME, name)
}

fn length(parts: &[Type]) -> u32 {
    u32::try_from(datatype::length(parts)).unwrap_or(u32::MAX)
}

/// A set that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its table.
    pub table: Table,
    /// Its name.
    pub name: String,
    /// It belongs to a rule, whose text has its elements.
    pub is_anonymous: bool,
}

impl Found {
    pub(crate) fn body(&self) -> Body {
        body(&self.table, &self.name)
    }

    /// The set in a message of the kernel.
    #[must_use]
    pub fn read(object: &Object) -> Option<Self> {
        let (family, attributes) = open(object, Verb::NewSet)?;
        let name = |kind| value_of(attributes, kind).map(read_text);
        let flags = value_of(attributes, NFTA_SET_FLAGS).and_then(read_number).unwrap_or(0);
        Some(Self {
            table: Table::new(family?, name(NFTA_SET_TABLE)?),
            name: name(NFTA_SET_NAME)?,
            is_anonymous: flags & NFT_SET_ANONYMOUS != 0,
        })
    }
}

/// The sets and maps of a table. None where there is no such table.
///
/// # Errors
/// Those of [`Socket::dump`].
pub fn list(socket: &mut Socket, table: &Table) -> Result<Vec<Found>, Error> {
    socket.expect_large_objects();
    match socket.dump("sets", &table.body().list(Verb::GetSet)) {
        Ok(objects) => Ok(objects.iter().filter_map(Found::read).filter(|found| found.table == *table).collect()),
        Err(error) if error.errno() == Some(libc::ENOENT) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
