//! `exthdr`: extension headers of IPv6 (`net/netfilter/nft_exthdr.c`).

use netlink::attributes::append;

use crate::message::put_number;
use crate::{Comparison, Expression, Register};

const NFTA_EXTHDR_DREG: u16 = 1;
const NFTA_EXTHDR_TYPE: u16 = 2;
const NFTA_EXTHDR_OFFSET: u16 = 3;
const NFTA_EXTHDR_LEN: u16 = 4;

/// `IPPROTO_FRAGMENT`.
const FRAGMENT: u8 = 44;

/// Goes on if it is a fragment of IPv6, and not the last one: `frag more-fragments 1` (RFC 8200, 4.5).
#[must_use]
pub fn more_fragments() -> [Expression; 3] {
    [of_fragment(3, 1), Expression::Mask(vec![1]), Expression::Compare(Comparison::Equal, vec![1])]
}

/// Goes on if it is the first fragment: `frag frag-off 0`.
#[must_use]
pub fn first_fragment() -> [Expression; 3] {
    [of_fragment(2, 2), Expression::Mask(vec![0xff, 0xf8]), Expression::Compare(Comparison::Equal, vec![0, 0])]
}

fn of_fragment(offset: u32, length: u32) -> Expression {
    Expression::encode("exthdr", |data| {
        put_number(data, NFTA_EXTHDR_DREG, Register::FIRST.number());
        append(data, NFTA_EXTHDR_TYPE, &[FRAGMENT]);
        put_number(data, NFTA_EXTHDR_OFFSET, offset);
        put_number(data, NFTA_EXTHDR_LEN, length);
    })
}
