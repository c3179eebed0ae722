//! `rt`: the route that a packet takes (`net/netfilter/nft_rt.c`).

use crate::message::put_number;
use crate::{Comparison, Expression, Register};

const NFTA_RT_DREG: u16 = 1;
const NFTA_RT_KEY: u16 = 2;

/// `NFT_RT_XFRM` (Linux 4.20).
const XFRM: u32 = 4;

/// Goes on if no policy of xfrm transforms the packet on its way out: `rt ipsec missing`.
#[must_use]
pub fn in_clear() -> [Expression; 2] {
    [load(), Expression::Compare(Comparison::Equal, vec![0])]
}

/// Goes on if one does: `rt ipsec exists`.
#[must_use]
pub fn transformed() -> [Expression; 2] {
    [load(), Expression::Compare(Comparison::Equal, vec![1])]
}

fn load() -> Expression {
    Expression::encode("rt", |data| {
        put_number(data, NFTA_RT_KEY, XFRM);
        put_number(data, NFTA_RT_DREG, Register::FIRST.number());
    })
}
