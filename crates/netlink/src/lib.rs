//! Netlink over a blocking socket of our own: rtnetlink, and the transactions of netfilter.
//!
//! A [`Socket`] sends any number of [`Request`]s in one go and returns one answer for each, with the kernel's own words
//! where it refuses. The other modules make requests and read answers, one file per kind of object. Nothing here knows
//! what an attachment is.
//!
//! The messages come from `netlink-packet-route` and the builders of `rtnetlink`; its tokio connection is left out
//! because a runtime costs more than the whole of a plugin's work.

pub mod address;
pub mod attributes;
pub mod bridge;
pub mod bridge_fdb;
pub mod bridge_port;
pub mod bridge_vlan;
pub mod child;
pub mod conntrack;
pub mod elsewhere;
mod error;
pub mod fdb;
pub mod ifb;
pub mod ipvlan;
pub mod layer3;
pub mod link;
mod link_change;
mod mac;
pub mod macvlan;
pub mod multicast;
mod name;
mod namespace;
mod ndmsg;
pub mod neighbour;
pub mod neighbour_entry;
pub mod offload;
pub mod qdisc;
mod request;
pub mod route;
pub mod rule;
mod socket;
pub mod spanning_tree;
pub mod tap;
mod transaction;
pub mod veth;
pub mod vlan;
pub mod vxlan;
pub mod xfrm;

pub use error::{Error, KernelError};
pub use link_change::LinkChange;
pub use mac::Mac;
pub use namespace::Namespace;
pub use request::{Answer, Object, Request};
pub use socket::Socket;
pub use transaction::Refusal;
