//! Links on top of another one: macvlan, ipvlan and VLAN devices.

use std::os::fd::{AsFd, AsRawFd};

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{InfoData, InfoKind, InfoVlan};

use crate::{Mac, Namespace, Request, ipvlan, link, macvlan, vlan};

/// What such a link is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// A hardware address of its own.
    Macvlan(macvlan::Settings),
    /// The parent's hardware address.
    Ipvlan(ipvlan::Mode),
    /// A VLAN of the parent, by its id: 1 to 4094.
    Vlan(u16),
}

impl Sort {
    /// The kinds of such links.
    pub const KINDS: [&'static str; 3] = [macvlan::KIND, ipvlan::KIND, vlan::KIND];

    /// The kind of the link.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Macvlan(_) => macvlan::KIND,
            Self::Ipvlan(_) => ipvlan::KIND,
            Self::Vlan(_) => vlan::KIND,
        }
    }
}

/// A child of a link to make.
#[derive(Debug)]
pub struct NewChild<'a> {
    /// Its name.
    pub name: &'a str,
    /// The index of its parent, in the socket's namespace.
    pub parent: u32,
    /// The namespace that it is made in; the socket's own when not given. The kernel looks for the parent in that of the socket
    /// (`macvlan_common_newlink`, `ipvlan_link_new`, `vlan_newlink`), so that the child need not be moved, which takes 24 ms. It
    /// looks there for a link of that name, too, and refuses the child if there is one.
    pub namespace: Option<&'a Namespace>,
    /// Its address; by default the parent's, for a macvlan a random one.
    pub mac: Option<Mac>,
    /// Its MTU in bytes, at most the parent's; by default that of the parent.
    pub mtu: Option<u32>,
}

impl NewChild<'_> {
    /// `ip link add link PARENT name NAME address MAC mtu BYTES netns NAMESPACE type SORT …`. It is down.
    #[must_use]
    pub fn create(&self, sort: Sort) -> Request {
        let (kind, data) = match sort {
            Sort::Macvlan(settings) => (InfoKind::MacVlan, settings.data()),
            Sort::Ipvlan(mode) => (InfoKind::IpVlan, mode.data()),
            Sort::Vlan(id) => (InfoKind::Vlan, InfoData::Vlan(vec![InfoVlan::Id(id)])),
        };
        let mut child = link::of_kind(kind).name(self.name).link(self.parent).set_info_data(data);
        if let Some(mac) = self.mac {
            child = child.address(mac.0.to_vec());
        }
        if let Some(bytes) = self.mtu {
            child = child.mtu(bytes);
        }
        if let Some(namespace) = self.namespace {
            child = child.setns_by_fd(namespace.as_fd().as_raw_fd());
        }
        Request::create(RouteNetlinkMessage::NewLink(child.build()))
    }
}
