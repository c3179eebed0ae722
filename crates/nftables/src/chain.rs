//! Chains, and what they hook into.

use netlink::attributes::{read_text, value_of};
use netlink::{Error, Object, Request, Socket};

use crate::message::{Body, NLM_F_CREATE, NLM_F_EXCL, Verb, open, put_number, read_number};
use crate::{Family, Table};

const NFTA_CHAIN_TABLE: u16 = 1;
const NFTA_CHAIN_NAME: u16 = 3;
const NFTA_CHAIN_HOOK: u16 = 4;
const NFTA_CHAIN_POLICY: u16 = 5;
const NFTA_CHAIN_USE: u16 = 6;
const NFTA_CHAIN_TYPE: u16 = 7;
const NFTA_HOOK_HOOKNUM: u16 = 1;
const NFTA_HOOK_PRIORITY: u16 = 2;

/// A chain by its name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Chain {
    /// Its table.
    pub table: Table,
    /// Its name.
    pub name: String,
}

impl Chain {
    /// `nft create chain TABLE NAME`: packets come by it only from others ([`Verdict::Jump`](crate::Verdict::Jump)).
    #[must_use]
    pub fn create(&self) -> Request {
        self.body().change(Verb::NewChain, NLM_F_CREATE | NLM_F_EXCL)
    }

    /// Asks for the chain: an object, or `ENOENT`.
    #[must_use]
    pub fn get(&self) -> Request {
        self.body().question(Verb::GetChain)
    }

    /// `nft delete chain TABLE NAME`, with its rules; one that others lead to is refused with `EBUSY`.
    #[must_use]
    pub fn delete(&self) -> Request {
        self.body().change(Verb::DelChain, 0)
    }

    fn body(&self) -> Body {
        self.table.body().text(NFTA_CHAIN_NAME, &self.name)
    }
}

impl std::fmt::Display for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.table, self.name)
    }
}

/// Where packets pass (`enum nf_inet_hooks`; those of bridges have the same numbers).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// As they come in.
    Prerouting = 0,
    /// Before a process of this host, or the bridge itself, gets them.
    Input = 1,
    /// Between two links.
    Forward = 2,
    /// As a process of this host sends them.
    Output = 3,
    /// As they go out.
    Postrouting = 4,
}

/// What a base chain may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Let pass or drop.
    Filter,
    /// Translate addresses.
    Nat,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Nat => "nat",
        }
    }
}

/// What happens to packets that no rule has decided about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// They are dropped (`NF_DROP`).
    Drop = 0,
    /// They pass (`NF_ACCEPT`).
    Accept = 1,
}

/// A chain that packets come by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseChain {
    /// Its name.
    pub chain: Chain,
    /// What it may do.
    pub kind: Kind,
    /// Where it is.
    pub hook: Hook,
    /// Its order among the chains of that hook.
    pub priority: i32,
    /// For what its rules do not decide.
    pub policy: Policy,
}

impl BaseChain {
    /// `nft create chain TABLE NAME { type … hook … priority …; policy …; }`.
    #[must_use]
    pub fn create(&self) -> Request {
        let body = self.chain.body();
        body.text(NFTA_CHAIN_TYPE, self.kind.name())
            .number(NFTA_CHAIN_POLICY, self.policy as u32)
            .nested(NFTA_CHAIN_HOOK, |hook| {
                put_number(hook, NFTA_HOOK_HOOKNUM, self.hook as u32);
                put_number(hook, NFTA_HOOK_PRIORITY, self.priority.cast_unsigned());
            })
            .change(Verb::NewChain, NLM_F_CREATE | NLM_F_EXCL)
    }
}

/// A chain that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its name.
    pub chain: Chain,
    /// The number of its hook; `None` for one that packets come by only from others.
    pub hook: Option<u32>,
    /// For what its rules do not decide.
    pub policy: Option<Policy>,
    /// Its rules, and the rules and elements that lead to it; of a base chain, its rules alone.
    pub uses: u32,
}

impl Found {
    /// The chain in a message of the kernel.
    #[must_use]
    pub fn read(object: &Object) -> Option<Self> {
        let (family, attributes) = open(object, Verb::NewChain)?;
        let name = |kind| value_of(attributes, kind).map(read_text);
        let hook = value_of(attributes, NFTA_CHAIN_HOOK).and_then(|hook| value_of(hook, NFTA_HOOK_HOOKNUM));
        let policy = value_of(attributes, NFTA_CHAIN_POLICY).and_then(read_number);
        Some(Self {
            chain: Chain { table: Table::new(family?, name(NFTA_CHAIN_TABLE)?), name: name(NFTA_CHAIN_NAME)? },
            hook: hook.and_then(read_number),
            uses: value_of(attributes, NFTA_CHAIN_USE).and_then(read_number).unwrap_or(0),
            policy: policy.map(|policy| if policy == 0 { Policy::Drop } else { Policy::Accept }),
        })
    }

    /// Whether packets come by it there.
    #[must_use]
    pub fn is_at(&self, hook: Hook) -> bool {
        self.hook == Some(hook as u32)
    }
}

/// All chains of one family, or of all: `nft list chains`.
///
/// # Errors
/// Those of [`Socket::dump`].
pub fn list(socket: &mut Socket, family: Option<Family>) -> Result<Vec<Found>, Error> {
    let objects = socket.dump("chains", &Body::new(family).list(Verb::GetChain))?;
    Ok(objects.iter().filter_map(Found::read).collect())
}
