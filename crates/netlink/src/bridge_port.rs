//! The settings of a device as a port of a bridge.

use netlink_packet_route::link::{InfoBridgePort, InfoPortData, InfoPortKind};
use rtnetlink::LinkUnspec;

use crate::{Request, link};

/// `bridge link set dev NAME hairpin on|off`.
#[must_use]
pub fn set_hairpin(name: &str, on: bool) -> Request {
    let message = LinkUnspec::new_with_name(name)
        .set_port_kind(InfoPortKind::Bridge)
        .set_port_data(InfoPortData::BridgePort(vec![InfoBridgePort::HairpinMode(on)]))
        .build();
    link::change(message)
}
