//! Tables, which contain everything else.

use netlink::attributes::value_of;
use netlink::{Object, Request};

use crate::Family;
use crate::message::{Body, NLM_F_CREATE, NLM_F_EXCL, Verb, open, read_number};

const NFTA_TABLE_NAME: u16 = 1;
const NFTA_TABLE_FLAGS: u16 = 2;
const NFTA_TABLE_USE: u16 = 3;
const NFT_TABLE_F_DORMANT: u32 = 1;

/// A table by its name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Table {
    /// The packets it sees.
    pub family: Family,
    /// Its name.
    pub name: String,
}

impl Table {
    /// A table by its name.
    pub fn new(family: Family, name: impl Into<String>) -> Self {
        Self { family, name: name.into() }
    }

    /// The beginning of a message about something in the table, whose attribute 1 is always the table's name.
    pub(crate) fn body(&self) -> Body {
        Body::new(Some(self.family)).text(NFTA_TABLE_NAME, &self.name)
    }

    /// Asks for the table: an object, or `ENOENT`.
    #[must_use]
    pub fn get(&self) -> Request {
        self.body().question(Verb::GetTable)
    }

    /// `nft create table FAMILY NAME`; one that exists is refused with `EEXIST`.
    #[must_use]
    pub fn create(&self) -> Request {
        self.body().number(NFTA_TABLE_FLAGS, 0).change(Verb::NewTable, NLM_F_CREATE | NLM_F_EXCL)
    }

    /// `nft delete table FAMILY NAME`, with all that is in it.
    #[must_use]
    pub fn delete(&self) -> Request {
        self.body().change(Verb::DelTable, 0)
    }
}

/// How many chains, sets and other objects a table has, from the kernel's answer to [`Table::get`].
#[must_use]
pub fn read_uses(object: &Object) -> Option<u32> {
    read_number(value_of(open(object, Verb::NewTable)?.1, NFTA_TABLE_USE)?)
}

/// Whether the table's chains are not in force (`flags dormant`), from the kernel's answer to [`Table::get`].
#[must_use]
pub fn read_dormant(object: &Object) -> Option<bool> {
    let (_, attributes) = open(object, Verb::NewTable)?;
    Some(value_of(attributes, NFTA_TABLE_FLAGS).and_then(read_number).unwrap_or(0) & NFT_TABLE_F_DORMANT != 0)
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.family.name(), self.name)
    }
}
