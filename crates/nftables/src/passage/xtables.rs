//! Matches of iptables, whose parameters are C structures (`include/uapi/linux/netfilter/xt_*.h`).

use super::applies::Applies;
use crate::conntrack::state;
use crate::xtables::{BY_STATE, MATCH_FLAGS, STATE_MASK};

/// The greatest port.
const LAST_PORT: u16 = u16::MAX;

const INVERT_FLAGS: usize = 148;
/// `XT_CONNTRACK_STATUS` and `…_DIRECTION`.
const BY_STATUS: u16 = 1 << 6;
const BY_DIRECTION: u16 = 1 << 12;
/// The first revision whose masks have 16 bits.
const WIDE_MASKS: u32 = 2;

/// `struct xt_multiport_v1`: so many ports, then which of them begin a range, and whether it is inverted.
const MULTIPORT_RANGES: std::ops::Range<usize> = 32..47;
const MULTIPORT_INVERTED: usize = 47;

/// To which packets a match applies, given that their protocol is the one it is for.
pub(super) fn applies(name: &str, revision: u32, info: &[u8]) -> Applies {
    match name {
        "comment" => Applies::Always,
        "icmp" | "icmp6" | "icmpv6" | "sctp" | "dccp" => Applies::Never,
        // Option, flags and inversion.
        "tcp" => ports(info, 8..12),
        "udp" => ports(info, 8..9),
        "multiport" => {
            let has_ranges = info.get(MULTIPORT_RANGES).is_none_or(|ranges| ranges.iter().any(|flag| *flag != 0));
            let is_inverted = info.get(MULTIPORT_INVERTED) != Some(&0);
            if has_ranges || is_inverted { Applies::Perhaps } else { Applies::ToSome }
        }
        "conntrack" if revision >= WIDE_MASKS => connection(info).unwrap_or(Applies::Perhaps),
        "state" => match info.first_chunk().map(|mask| u32::from_ne_bytes(*mask)) {
            Some(mask) => Applies::by(mask & state::NEW != 0),
            None => Applies::Perhaps,
        },
        _ => Applies::Perhaps,
    }
}

/// `struct xt_tcp` and `struct xt_udp`: the ports that it comes from, those that it goes to, and what else is asked for.
fn ports(info: &[u8], rest: std::ops::Range<usize>) -> Applies {
    if info.get(rest).is_none_or(|rest| rest.iter().any(|byte| *byte != 0)) {
        return Applies::Perhaps;
    }
    let of = |at: usize| match (word(info, at), word(info, at.saturating_add(2))) {
        (Some(0), Some(LAST_PORT)) => Applies::Always,
        (Some(first), Some(last)) => Applies::to_ports(first, last),
        _ => Applies::Perhaps,
    };
    of(0).min(of(4))
}

/// `None` for a structure that is too short.
fn connection(info: &[u8]) -> Option<Applies> {
    let (asked, inverted) = (word(info, MATCH_FLAGS)?, word(info, INVERT_FLAGS)?);
    let holds = |by: u16, is_so: bool| asked & by == 0 || (is_so != (inverted & by != 0));
    let is_new = u32::from(word(info, STATE_MASK)?) & state::NEW != 0;
    if !holds(BY_STATE, is_new) || !holds(BY_STATUS, false) || !holds(BY_DIRECTION, true) {
        return Some(Applies::Never);
    }
    let asks_more = asked & !(BY_STATE | BY_STATUS | BY_DIRECTION) != 0;
    Some(if asks_more { Applies::Perhaps } else { Applies::Always })
}

/// Two bytes in the host's order.
fn word(info: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*info.get(at..)?.first_chunk()?))
}
