//! `dnat`, `snat` and `redirect` (`net/netfilter/nft_nat.c`, `nft_redir.c`): they end a rule.

use netlink::attributes::{append, iterate, value_of};

use crate::message::{put_number, read_number};
use crate::{Expression, Family, Register};

pub(crate) const NAME: &str = "nat";

const NFTA_NAT_TYPE: u16 = 1;
const NFTA_NAT_FAMILY: u16 = 2;
const NFTA_NAT_REG_ADDR_MIN: u16 = 3;
const NFTA_NAT_REG_ADDR_MAX: u16 = 4;
const NFTA_NAT_REG_PROTO_MIN: u16 = 5;
const NFTA_NAT_REG_PROTO_MAX: u16 = 6;
const NFTA_NAT_FLAGS: u16 = 7;
const NFTA_REDIR_REG_PROTO_MIN: u16 = 1;
const NFTA_REDIR_FLAGS: u16 = 3;

/// Chooses ports by chance (`NF_NAT_RANGE_PROTO_RANDOM`).
pub const RANDOM: u32 = 0x4;
/// Gives a client the same address each time (`NF_NAT_RANGE_PERSISTENT`).
pub const PERSISTENT: u32 = 0x8;
/// Chooses ports by chance, whatever the client's port (`NF_NAT_RANGE_PROTO_RANDOM_FULLY`).
pub const FULLY_RANDOM: u32 = 0x10;

/// What is translated (`enum nft_nat_types`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Translated {
    /// `snat`: in chains of postrouting and input.
    Source = 0,
    /// `dnat`: in chains of prerouting and output.
    Destination = 1,
}

/// `dnat` or `snat` to what registers hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nat {
    /// What is translated.
    pub translated: Translated,
    /// The family of the addresses.
    pub family: Family,
    /// The address; the first of a range.
    pub address: Option<Register>,
    /// The last address of a range.
    pub last_address: Option<Register>,
    /// The port, in network order; the first of a range.
    pub port: Option<Register>,
    /// The last port of a range.
    pub last_port: Option<Register>,
    /// [`RANDOM`] and so on; that there are addresses and ports, the kernel sees itself.
    pub flags: u32,
}

impl Nat {
    /// To one address.
    #[must_use]
    pub const fn new(translated: Translated, family: Family, address: Register) -> Self {
        Self { translated, family, address: Some(address), last_address: None, port: None, last_port: None, flags: 0 }
    }

    /// And to one port.
    #[must_use]
    pub const fn with_port(self, port: Register) -> Self {
        Self { port: Some(port), ..self }
    }
}

impl From<Nat> for Expression {
    fn from(nat: Nat) -> Self {
        Self::encode(NAME, |data| {
            put_number(data, NFTA_NAT_TYPE, nat.translated as u32);
            put_number(data, NFTA_NAT_FAMILY, nat.family.number().into());
            put_register(data, NFTA_NAT_REG_ADDR_MIN, nat.address);
            put_register(data, NFTA_NAT_REG_ADDR_MAX, nat.last_address);
            put_register(data, NFTA_NAT_REG_PROTO_MIN, nat.port);
            put_register(data, NFTA_NAT_REG_PROTO_MAX, nat.last_port);
            put_flags(data, NFTA_NAT_FLAGS, nat.flags);
        })
    }
}

/// The parameters of a `dnat` or `snat` without what the kernel adds when it lists them: the last of a range of one, and the flags that
/// tell what there is (`NF_NAT_RANGE_MAP_IPS`, `NF_NAT_RANGE_PROTO_SPECIFIED`).
pub(crate) fn without_what_follows(listed: &[u8]) -> Vec<u8> {
    const TOLD_BY_THE_REST: u32 = 0x3;
    let mut left = Vec::new();
    for (kind, value) in iterate(listed) {
        let first = match kind {
            NFTA_NAT_REG_ADDR_MAX => value_of(listed, NFTA_NAT_REG_ADDR_MIN),
            NFTA_NAT_REG_PROTO_MAX => value_of(listed, NFTA_NAT_REG_PROTO_MIN),
            _ => None,
        };
        if kind == NFTA_NAT_FLAGS {
            put_flags(&mut left, kind, read_number(value).unwrap_or_default() & !TOLD_BY_THE_REST);
        } else if first != Some(value) {
            append(&mut left, kind, value);
        }
    }
    left
}

/// `redirect`: to the host itself, and to a port there.
#[must_use]
pub fn redirect(port: Option<Register>, flags: u32) -> Expression {
    Expression::encode("redir", |data| {
        put_register(data, NFTA_REDIR_REG_PROTO_MIN, port);
        put_flags(data, NFTA_REDIR_FLAGS, flags);
    })
}

fn put_register(data: &mut Vec<u8>, kind: u16, register: Option<Register>) {
    if let Some(register) = register {
        put_number(data, kind, register.number());
    }
}

fn put_flags(data: &mut Vec<u8>, kind: u16, flags: u32) {
    if flags != 0 {
        put_number(data, kind, flags);
    }
}
