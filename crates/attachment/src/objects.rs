//! The kinds of objects, one file each.

mod address;
mod announced;
mod borrowed;
mod bridge;
mod bridge_port;
mod forwarding;
mod link_local;
mod qdisc;
mod redirect;
mod route;
mod sysctl;
mod tap;
mod unclaimed;
mod up;
mod veth;

pub use address::{Address, Others};
pub use announced::Announced;
pub use borrowed::Borrowed;
pub use bridge::Bridge;
pub use bridge_port::BridgePort;
pub use forwarding::Forwarding;
pub use link_local::LinkLocal;
pub use qdisc::Qdisc;
pub use redirect::Redirect;
pub use route::Route;
pub use sysctl::Sysctl;
pub use tap::Tap;
pub use unclaimed::Unclaimed;
pub use up::Up;
pub use veth::Veth;
