//! `ct`: what conntrack knows about the connection that a packet belongs to (`net/netfilter/nft_ct.c`).

use crate::message::put_number;
use crate::{Comparison, Expression, Register};

const NFTA_CT_DREG: u16 = 1;
const NFTA_CT_KEY: u16 = 2;
const NFTA_CT_SREG: u16 = 4;

/// What is loaded, in the host's byte order (`enum nft_ct_keys`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// `ct state`: one of the bits of [`state`], in 4 bytes.
    State = 0,
    /// `ct direction`: 0 for the one that it was opened in, 1 for the other, in 1 byte.
    Direction = 1,
    /// `ct status`: bits of [`status`], in 4 bytes.
    Status = 2,
    /// `ct mark`, in 4 bytes.
    Mark = 3,
}

/// `ct state` (`NF_CT_STATE_BIT` in `include/uapi/linux/netfilter/nf_conntrack_common.h`).
pub mod state {
    /// Belongs to none.
    pub const INVALID: u32 = 1;
    /// Of one that packets have passed in both directions of.
    pub const ESTABLISHED: u32 = 2;
    /// Opens one that another announced, or reports an error of one.
    pub const RELATED: u32 = 4;
    /// Opens one.
    pub const NEW: u32 = 8;
}

/// `ct status` (`enum ip_conntrack_status`).
pub mod status {
    /// Its source is translated.
    pub const SNAT: u32 = 0x10;
    /// Its destination is translated.
    pub const DNAT: u32 = 0x20;
}

impl Connection {
    /// Loads it.
    #[must_use]
    pub fn load(self, into: Register) -> Expression {
        Expression::encode("ct", |data| {
            put_number(data, NFTA_CT_KEY, self as u32);
            put_number(data, NFTA_CT_DREG, into.number());
        })
    }

    /// Goes on if it has any of these bits, such as `ct state established,related`.
    #[must_use]
    pub fn has_any(self, bits: u32) -> [Expression; 3] {
        [
            self.load(Register::FIRST),
            Expression::Mask(bits.to_ne_bytes().to_vec()),
            Expression::Compare(Comparison::Unequal, vec![0; 4]),
        ]
    }
}

/// `ct mark set`: the register's 4 bytes become the connection's mark.
#[must_use]
pub fn set_mark(from: Register) -> Expression {
    Expression::encode("ct", |data| {
        put_number(data, NFTA_CT_KEY, Connection::Mark as u32);
        put_number(data, NFTA_CT_SREG, from.number());
    })
}
