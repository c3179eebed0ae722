//! Intermediate functional blocks: devices whose queue shapes what another device receives (`drivers/net/ifb.c`).

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::InfoKind;

use crate::{Request, link};

/// Its MTU in bytes. Nothing depends on it: what is redirected to a device is not checked against its MTU. Below IPv6's least MTU
/// (RFC 8200, section 5) it has no IPv6, whose settings, addresses and questions about them would be a fifth of its cost.
pub const MTU: u32 = 1279;

/// `ip link add NAME mtu 1279 numtxqueues 1 type ifb`. One queue: a limit is for all that the interface carries. It is down
/// until it has its queue: to change the queue of a device that is up, the kernel waits until nobody uses the old one.
#[must_use]
pub fn create(name: &str) -> Request {
    let message = link::of_kind(InfoKind::Ifb).name(name).mtu(MTU).build();
    Request::create(RouteNetlinkMessage::NewLink(message))
}
