//! `fib`: what the routing tables say about a packet's address (`net/netfilter/nft_fib.c`).

use crate::message::put_number;
use crate::{Expression, Register};

const NFTA_FIB_DREG: u16 = 1;
const NFTA_FIB_RESULT: u16 = 2;
const NFTA_FIB_FLAGS: u16 = 3;
const NFT_FIB_RESULT_ADDRTYPE: u32 = 3;

/// The address that is looked up (`enum nft_fib_flags`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Address {
    /// Where the packet comes from.
    Source = 1,
    /// Where it goes.
    Destination = 2,
}

/// The type of an address of the host itself, as [`address_type`] loads it (`RTN_LOCAL`).
pub const LOCAL: [u8; 4] = 2u32.to_ne_bytes();

/// Loads the type of an address, in the host's byte order: `fib daddr type`.
#[must_use]
pub fn address_type(address: Address, into: Register) -> Expression {
    Expression::encode("fib", |data| {
        put_number(data, NFTA_FIB_FLAGS, address as u32);
        put_number(data, NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
        put_number(data, NFTA_FIB_DREG, into.number());
    })
}
