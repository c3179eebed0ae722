//! Rules.

use netlink::attributes::{iterate, read_text, value_of};
use netlink::{Error, Object, Request, Socket};

use crate::message::{
    NFTA_EXPR_DATA, NFTA_EXPR_NAME, NFTA_MATCH_INFO, NFTA_MATCH_NAME, NLM_F_APPEND, NLM_F_CREATE, Verb, open, read_long,
};
use crate::userdata::{comment, read_comment};
use crate::{Chain, Expression, Table, Verdict, likeness};

const NFTA_RULE_TABLE: u16 = 1;
const NFTA_RULE_CHAIN: u16 = 2;
const NFTA_RULE_HANDLE: u16 = 3;
const NFTA_RULE_EXPRESSIONS: u16 = 4;
const NFTA_RULE_POSITION: u16 = 6;
const NFTA_RULE_USERDATA: u16 = 7;
const NFTA_IMMEDIATE_DATA: u16 = 2;
const NFTA_CMP_DATA: u16 = 3;
const NFTA_DATA_VALUE: u16 = 1;
/// A rule to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its steps.
    pub expressions: Vec<Expression>,
    /// Its comment; empty for none.
    pub comment: String,
}

/// Where a rule goes in its chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Before all others.
    First,
    /// Behind all others.
    Last,
    /// Before the one with this handle.
    Before(u64),
    /// Behind the one with this handle.
    Behind(u64),
}

impl Rule {
    /// A rule without a comment.
    #[must_use]
    pub fn new(expressions: Vec<Expression>) -> Self {
        Self { expressions, comment: String::new() }
    }

    /// `nft add rule …`, `nft insert rule …`.
    #[must_use]
    pub fn create(&self, chain: &Chain, place: Place) -> Request {
        let mut body = chain.table.body().text(NFTA_RULE_CHAIN, &chain.name).nested(NFTA_RULE_EXPRESSIONS, |list| {
            self.expressions.iter().for_each(|expression| expression.put(list));
        });
        if !self.comment.is_empty() {
            body = body.bytes(NFTA_RULE_USERDATA, &comment(&self.comment));
        }
        if let Place::Before(handle) | Place::Behind(handle) = place {
            body = body.long(NFTA_RULE_POSITION, handle);
        }
        let place = if matches!(place, Place::Last | Place::Behind(_)) { NLM_F_APPEND } else { 0 };
        body.change(Verb::NewRule, NLM_F_CREATE | place)
    }
}

/// A rule that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its chain.
    pub chain: Chain,
    /// The kernel's number for it.
    pub handle: u64,
    /// Its comment; empty for none.
    pub comment: String,
    /// Its steps, as the kernel lists them.
    expressions: Vec<u8>,
}

impl Found {
    /// Its steps, as the kernel lists them.
    pub(crate) fn expressions(&self) -> &[u8] {
        &self.expressions
    }

    /// One with these steps.
    #[cfg(test)]
    pub(crate) fn of(chain: Chain, expressions: &[Expression]) -> Self {
        let mut list = Vec::new();
        expressions.iter().for_each(|expression| expression.put(&mut list));
        Self { chain, handle: 0, comment: String::new(), expressions: list }
    }

    /// Whether it consists of these steps, whatever it has counted.
    #[must_use]
    pub fn does(&self, expressions: &[Expression]) -> bool {
        likeness::is_alike(&self.expressions, expressions)
    }

    /// The chain that the rule leads to, if it does: `jump CHAIN`.
    #[must_use]
    pub fn jump(&self) -> Option<String> {
        self.parameters("immediate").find_map(|data| match Verdict::read(value_of(data, NFTA_IMMEDIATE_DATA)?)? {
            Verdict::Jump(chain) => Some(chain),
            _ => None,
        })
    }

    /// The values that it compares a part of the packet with, whatever that is.
    pub fn compared(&self) -> impl Iterator<Item = &[u8]> {
        self.parameters("cmp").filter_map(|data| value_of(value_of(data, NFTA_CMP_DATA)?, NFTA_DATA_VALUE))
    }

    /// The comment that iptables has given it, as a match that matches everything.
    #[must_use]
    pub fn iptables_comment(&self) -> Option<String> {
        let is_it = |data: &&[u8]| value_of(data, NFTA_MATCH_NAME).map(read_text).as_deref() == Some("comment");
        self.parameters("match").find(is_it).and_then(|data| value_of(data, NFTA_MATCH_INFO)).map(read_text)
    }

    /// The parameters of its expressions of a kind.
    fn parameters(&self, kind: &'static str) -> impl Iterator<Item = &[u8]> {
        let is_it =
            move |expression: &&[u8]| value_of(expression, NFTA_EXPR_NAME).map(read_text).as_deref() == Some(kind);
        let all = iterate(&self.expressions).map(|(_, expression)| expression);
        all.filter(is_it).filter_map(|expression| value_of(expression, NFTA_EXPR_DATA))
    }

    /// `nft delete rule … handle …`.
    #[must_use]
    pub fn delete(&self) -> Request {
        let body = self.chain.table.body().text(NFTA_RULE_CHAIN, &self.chain.name);
        body.long(NFTA_RULE_HANDLE, self.handle).change(Verb::DelRule, 0)
    }

    /// The rule in a message of the kernel.
    #[must_use]
    pub fn read(object: &Object) -> Option<Self> {
        let (family, attributes) = open(object, Verb::NewRule)?;
        let name = |kind| value_of(attributes, kind).map(read_text);
        let table = Table::new(family?, name(NFTA_RULE_TABLE)?);
        Some(Self {
            chain: Chain { table, name: name(NFTA_RULE_CHAIN)? },
            handle: read_long(value_of(attributes, NFTA_RULE_HANDLE)?)?,
            comment: value_of(attributes, NFTA_RULE_USERDATA).and_then(read_comment).unwrap_or_default(),
            expressions: value_of(attributes, NFTA_RULE_EXPRESSIONS).unwrap_or_default().to_vec(),
        })
    }
}

/// The rules of a table, or of one of its chains, in order: `nft list table …`. None where there is no such table.
///
/// # Errors
/// Those of [`Socket::dump`].
pub fn list(socket: &mut Socket, table: &Table, chain: Option<&str>) -> Result<Vec<Found>, Error> {
    let body = chain.into_iter().fold(table.body(), |body, name| body.text(NFTA_RULE_CHAIN, name));
    socket.expect_large_objects();
    match socket.dump("rules", &body.list(Verb::GetRule)) {
        // Older kernels list all tables.
        Ok(objects) => Ok(objects
            .iter()
            .filter_map(Found::read)
            .filter(|rule| rule.chain.table == *table && chain.is_none_or(|name| rule.chain.name == name))
            .collect()),
        Err(error) if error.errno() == Some(libc::ENOENT) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
