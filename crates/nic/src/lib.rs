//! What every plugin with a NIC shares.
//!
//! A [`Nic`] is what the configuration asks for: a veth or a TAP device, its hardware address, what guards it. What was found
//! on the host is [`Found`]. This crate turns both into a description; a plugin adds its keys and what its NIC is connected to.

mod addresses;
mod attached;
mod contradictions;
mod gateway;
mod guard;
mod loan;
mod mac;
mod on_bridge;
mod path;
mod result;
mod routes;
mod segment;
mod source_routing;
mod vlans;
mod words;

pub use addresses::{addressing, alone, on_link, without_neighbours};
pub use attached::{Nic, refuse_mtu};
pub use gateway::Gateway;
pub use guard::Guard;
pub use loan::{find_loan, lent_before};
pub use on_bridge::OnBridge;
pub use path::Path;
pub use result::{append, bridge_interface, expected, merge, set_resolver};
pub use routes::{by_gateways_of_ipam, by_the_host, default_route};
pub use source_routing::{OnLink, SourceRouting, set_metric};
pub use vlans::{Vlans, ranges};
pub use words::error;

/// What was found of the NIC's surroundings.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// A device of the previous plugin's that is the port, so that no NIC is made.
    pub lent: Option<String>,
    /// The way that the container's packets take.
    pub path: Path,
    /// For CHECK: the container interface as the final result says, whoever made it so (CHK-3).
    pub result: Option<AsInResult>,
}

/// The container interface as a result says.
#[derive(Debug, Clone, Copy)]
pub struct AsInResult {
    /// Its hardware address.
    pub mac: Option<netlink::Mac>,
    /// Its MTU in bytes. Before 1.1.0 a result does not tell.
    pub mtu_bytes: Option<u32>,
}
