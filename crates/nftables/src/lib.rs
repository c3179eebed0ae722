//! nf_tables over netlink, without a child process.
//!
//! A [`Table`] names things; [`Set`]s, [`Chain`]s and [`Rule`]s become requests of a [`transaction`], of which the kernel does all
//! or none. What is there can be listed. Names, types and comments are encoded as the `nft` tool does it, so that it shows
//! everything readably. Nothing here knows what the rules are for.
//!
//! Numbers and layouts are those of `include/uapi/linux/netfilter/nf_tables.h`; all numbers are big endian on the wire.

use netlink::{Refusal, Request, Socket};

pub mod chain;
pub mod element;
mod expression;
mod family;
mod generation;
mod message;
pub mod rule;
mod set;
mod table;
mod userdata;

pub use chain::{BaseChain, Chain, Hook, Kind, Policy};
pub use element::{Element, Key};
pub use expression::{Base, Comparison, Expression, Field, Meta, Verdict};
pub use family::Family;
pub use generation::{get_generation, read_generation};
pub use rule::{Place, Rule};
pub use set::{Set, Type};
pub use table::Table;
pub use userdata::COMMENT_BYTES;

/// Has all requests done in order, or none of them. With a `generation`, none if anything has changed since.
///
/// # Errors
/// The first refusal; `ERESTART` for a generation that is past, `EOPNOTSUPP` when the kernel has no nf_tables.
pub fn transaction(socket: &mut Socket, generation: Option<u32>, requests: Vec<Request>) -> Result<(), Refusal> {
    socket.transaction(message::SUBSYSTEM, generation, requests)
}
