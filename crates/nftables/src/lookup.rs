//! Lookups in maps (`net/netfilter/nft_lookup.c`).

use crate::message::{put_number, put_text};
use crate::register::VERDICT;
use crate::{Expression, Register, Set};

const NFTA_LOOKUP_SET: u16 = 1;
const NFTA_LOOKUP_SREG: u16 = 2;
const NFTA_LOOKUP_DREG: u16 = 3;

impl Set {
    /// Loads what the map has for the key at `key`; ends the rule where it has nothing.
    #[must_use]
    pub fn map(&self, key: Register, into: Register) -> Expression {
        self.lookup(key, into.number())
    }

    /// `vmap`: ends the rule with what the map has for the key at `key`; goes on where it has nothing.
    #[must_use]
    pub fn decide(&self, key: Register) -> Expression {
        self.lookup(key, VERDICT)
    }

    fn lookup(&self, key: Register, into: u32) -> Expression {
        Expression::encode("lookup", |data| {
            put_number(data, NFTA_LOOKUP_SREG, key.number());
            put_number(data, NFTA_LOOKUP_DREG, into);
            put_text(data, NFTA_LOOKUP_SET, self.name);
        })
    }
}
