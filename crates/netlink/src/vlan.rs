//! 802.1Q VLAN devices: the frames of one VLAN on a link, without their tags.

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{InfoData, InfoKind, InfoVlan};

use crate::{Request, link};

/// The kind of such a link.
pub const KIND: &str = "vlan";

/// A VLAN device to make. Its MTU and its address are those of the link below it, and follow them.
#[derive(Debug)]
pub struct NewVlan<'a> {
    /// Its name.
    pub name: &'a str,
    /// The index of the link that carries the tagged frames.
    pub below: u32,
    /// The VLAN, 1 to 4094.
    pub id: u16,
}

impl NewVlan<'_> {
    /// `ip link add link BELOW name NAME type vlan id ID`. It is down.
    #[must_use]
    pub fn create(&self) -> Request {
        let vlan = link::of_kind(InfoKind::Vlan)
            .name(self.name)
            .link(self.below)
            .set_info_data(InfoData::Vlan(vec![InfoVlan::Id(self.id)]));
        Request::create(RouteNetlinkMessage::NewLink(vlan.build()))
    }
}
