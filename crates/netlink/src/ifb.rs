//! Intermediate functional blocks: devices whose queue shapes what another device receives (`drivers/net/ifb.c`).

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::InfoKind;

use crate::{Request, link};

/// `ip link add NAME mtu BYTES numtxqueues 1 type ifb`. One queue: a limit is for all that the interface carries. It is down
/// until it has its queue: to change the queue of a device that is up, the kernel waits until nobody uses the old one.
#[must_use]
pub fn create(name: &str, mtu: u32) -> Request {
    let message = link::of_kind(InfoKind::Ifb).name(name).mtu(mtu).build();
    Request::create(RouteNetlinkMessage::NewLink(message))
}
