//! Linux bridges.

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::InfoKind;

use crate::link;
use crate::{Mac, Request};

/// A bridge to make.
#[derive(Debug)]
pub struct Bridge<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its address. An address that is given stays; otherwise the bridge takes the smallest of its ports and changes it as
    /// ports come and go, and its neighbours lose it.
    pub mac: Mac,
    /// Its MTU in bytes; when not given, the bridge follows the smallest of its ports.
    pub mtu: Option<u32>,
}

impl Bridge<'_> {
    /// `ip link add NAME address MAC mtu BYTES up type bridge`.
    #[must_use]
    pub fn create(&self) -> Request {
        let bridge = link::of_kind(InfoKind::Bridge).name(self.name).address(self.mac.0.to_vec()).up();
        let bridge = match self.mtu {
            Some(bytes) => bridge.mtu(bytes),
            None => bridge,
        };
        Request::create(RouteNetlinkMessage::NewLink(bridge.build()))
    }
}
