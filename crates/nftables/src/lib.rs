//! nf_tables over netlink, without a child process.
//!
//! A [`Table`] is the scope of names; [`Set`]s, [`Chain`]s and [`Rule`]s become requests of a [`transaction`], which the kernel
//! carries out all or not at all. Existing objects can be listed. Names, types and comments are encoded as the `nft` tool does
//! it, so that it shows everything readably. Nothing here knows what the rules are for.
//!
//! Numbers and layouts are those of `include/uapi/linux/netfilter/nf_tables.h`; all numbers are big endian on the wire.

use std::time::Duration;

use netlink::{Refusal, Request, Socket};

pub mod chain;
pub mod conntrack;
mod count;
mod data;
mod datatype;
pub mod element;
mod expression;
pub mod exthdr;
mod family;
pub mod fib;
mod generation;
mod key;
mod likeness;
mod lookup;
mod message;
pub mod nat;
pub mod passage;
mod register;
pub mod route;
pub mod rule;
pub mod set;
mod span;
mod table;
mod userdata;
mod verdict;
#[cfg(test)]
mod written_by_nft;
pub mod xtables;

pub use chain::{BaseChain, Chain, Hook, Kind, Policy};
pub use count::Count;
pub use data::Data;
pub use datatype::Type;
pub use element::Element;
pub use expression::{Base, Comparison, Expression, Field, Meta, set_for_group, set_mark};
pub use family::Family;
pub use generation::{get_generation, read_generation};
pub use key::Key;
pub use register::Register;
pub use rule::{Place, Rule};
pub use set::{Set, Values};
pub use span::Span;
pub use table::{Table, read_dormant, read_uses};
pub use userdata::{COMMENT_BYTES, Source};
pub use verdict::Verdict;

/// Carries out all requests in order, or none of them. With a `generation`, none if anything has changed since.
///
/// # Errors
/// The first refusal; `ERESTART` for a generation that is past, `EOPNOTSUPP` when the kernel has no nf_tables.
pub fn transaction(socket: &mut Socket, generation: Option<u32>, requests: Vec<Request>) -> Result<(), Refusal> {
    socket.transaction(message::SUBSYSTEM, generation, requests)
}

/// A time in milliseconds, rounded up: none would mean that something stays. What the kernel refuses, from 584 years on
/// (`nf_msecs_to_jiffies64` in `net/netfilter/nf_tables_api.c`), is cut.
fn milliseconds(time: Duration) -> u64 {
    const REFUSED: u64 = u64::MAX / 1_000_000;
    u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX).min(REFUSED - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_time_becomes_none_or_too_long() {
        assert_eq!(milliseconds(Duration::ZERO), 0);
        assert_eq!(milliseconds(Duration::from_nanos(1)), 1);
        assert_eq!(milliseconds(Duration::from_millis(1500)), 1500);
        assert_eq!(milliseconds(Duration::MAX), u64::MAX / 1_000_000 - 1);
    }
}
