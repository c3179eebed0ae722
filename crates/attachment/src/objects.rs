//! The kinds of objects that belong to one attachment, one file each.

mod address;
mod bridge_port;
mod elements;
mod forwarding;
mod host_links;
mod ifb;
mod link_local;
mod link_up;
mod live_queues;
mod loan;
mod port_vlans;
mod qdisc;
mod redirect;
mod route;
mod shaped_device;
mod sysctl;
mod tap;
mod tap_behind;
mod tc_words;
mod veth;

pub use address::{Address, Others};
pub use bridge_port::BridgePort;
pub use elements::Elements;
pub use forwarding::Forwarding;
pub use ifb::Ifb;
pub use link_local::LinkLocal;
pub use link_up::LinkUp;
pub use loan::Loan;
pub use port_vlans::PortVlans;
pub use qdisc::LinkQdisc;
pub use redirect::Redirect;
pub use route::LinkRoute;
pub use shaped_device::ShapedDevice;
pub use sysctl::Sysctl;
pub use tap::Tap;
pub use veth::Veth;
