//! The description of one attachment, and its verbs.
//!
//! An attachment is a list of [`Object`]s: links, ports, addresses, routes, queues, filter rules, each on the host's or the container's
//! side. A plugin writes the list; the verbs do the rest:
//!
//! | verb | here |
//! |---|---|
//! | create, and undo when one fails | [`Creation`] |
//! | change the queues of a device while packets pass | [`LiveQueues`] |
//! | compare with the kernel | [`differences`] |
//! | remove | [`remove`] |
//! | remove what no valid attachment owns | [`sweep`] |
//! | print | [`commands`] |
//!
//! A new kind of object is a file in `objects/` and has all verbs; no object knows which plugin uses it.

mod advertisement;
mod create;
mod error;
mod firewall;
mod identity;
mod kernel;
mod live;
mod lock;
mod migration;
mod object;
mod objects;
mod patience;
mod shared;
mod sweep;
mod uplink;

pub use create::Creation;
pub use error::Error;
pub use identity::{Identity, Tag};
pub use kernel::{Kernel, Step};
pub use live::LiveQueues;
pub use lock::Lock;
pub use object::{Device, Difference, Object, Objects, Side, commands, differences, refuse_existing, remove};
pub use objects::{
    Address, Announced, Borrowed, Bridge, BridgePort, Elements, Forwarding, GatewayVlan, Ifb, LinkLocal, Listening,
    Members, Others, PortVlans, Qdisc, Redirect, Route, Settled, Sysctl, Tap, Unclaimed, Up, Veth,
};
pub use shared::bridge_of;
pub use sweep::{sweep, unhook_ifb};
pub use uplink::{Uplink, Vlan};
