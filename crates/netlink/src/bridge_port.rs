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

fn set(name: &str, setting: InfoBridgePort) -> Request {
    let message = LinkUnspec::new_with_name(name)
        .set_port_kind(InfoPortKind::Bridge)
        .set_port_data(InfoPortData::BridgePort(vec![setting]))
        .build();
    link::change(message)
}
