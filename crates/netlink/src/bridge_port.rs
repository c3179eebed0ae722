//! The settings of a device as a port of a bridge.

use netlink_packet_route::link::{InfoBridgePort, InfoPortData, InfoPortKind};
use rtnetlink::LinkUnspec;

use crate::{Request, link};

/// `bridge link set dev NAME hairpin on|off`.
#[must_use]
pub fn set_hairpin(name: &str, on: bool) -> Request {
    set(name, InfoBridgePort::HairpinMode(on))
}

/// `bridge link set dev NAME isolated on|off`. Kernels before 4.18 ignore it.
#[must_use]
pub fn set_isolated(name: &str, on: bool) -> Request {
    set(name, InfoBridgePort::Isolated(on))
}

/// `bridge link set dev NAME learning off neigh_suppress on`: what arrives by the port is not learned from, and questions for addresses
/// whose answer is known do not leave by it. Kernels before 4.15 ignore the second.
#[must_use]
pub fn set_told(name: &str) -> Request {
    set_all(name, vec![InfoBridgePort::Learning(false), InfoBridgePort::NeighSupress(true)])
}

fn set(name: &str, setting: InfoBridgePort) -> Request {
    set_all(name, vec![setting])
}

fn set_all(name: &str, settings: Vec<InfoBridgePort>) -> Request {
    let message = LinkUnspec::new_with_name(name)
        .set_port_kind(InfoPortKind::Bridge)
        .set_port_data(InfoPortData::BridgePort(settings))
        .build();
    link::change(message)
}
