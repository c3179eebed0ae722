//! Flows of a bridge of Open vSwitch over its management socket (`BRIDGE.mgmt`), without a child process.
//!
//! A [`Connection`] speaks OpenFlow 1.4 or 1.3, whichever the bridge allows. Both match on all that port security needs, by OXM:
//! senders and targets of ARP, targets and link-layer options of neighbour discovery, sources of IPv4 and IPv6, VLANs. Their messages
//! are the same but for ports and for the numbers of bundles. 1.4 has bundles of its own, so that any number of flows come or do not
//! come as one; with 1.3 Open vSwitch knows them as an extension of the ONF. 1.5 has other statistics of flows and nothing that is
//! needed here.
//!
//! A [`Flow`] is what is wanted, a [`FoundFlow`] what the bridge has. [`guard`] makes the flows of port security.
//!
//! Sources: the OpenFlow Switch Specifications 1.3.5 and 1.4.1 of the ONF, and `include/openflow` of Open vSwitch.

mod bundle;
mod bytes;
mod connection;
mod error;
mod field;
mod flow;
mod found;
pub mod guard;
mod message;
mod port;
mod prefix;
mod refusal;
mod stream;
mod version;

pub use connection::Connection;
pub use error::Error;
pub use field::{Match, ethertype, protocol};
pub use flow::{Action, Flow};
pub use found::FoundFlow;
pub use port::Port;
pub use prefix::{Ipv4Prefix, Ipv6Prefix};
pub use refusal::Refusal;
pub use version::Version;
