//! Pairs of virtual Ethernet devices (veth).

use std::os::fd::{AsFd, AsRawFd};

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{InfoData, InfoKind, InfoVeth};
use rtnetlink::{LinkMessageBuilder, LinkUnspec};

use crate::link;
use crate::{Mac, Namespace, Request};

/// A pair to make. The peer is made in its own namespace directly: making it here and moving it there takes 24 ms, because
/// the kernel waits for everyone who may still see it.
#[derive(Debug)]
pub struct NewVeth<'a> {
    /// The end in the socket's namespace.
    pub name: &'a str,
    /// Its address.
    pub mac: Mac,
    /// The MTU of both ends in bytes; the kernel's 1500 when not given.
    pub mtu: Option<u32>,
    /// The other end.
    pub peer: Peer<'a>,
}

/// The other end of a pair.
#[derive(Debug)]
pub struct Peer<'a> {
    /// Its namespace.
    pub namespace: &'a Namespace,
    /// Its name there.
    pub name: &'a str,
    /// Its address.
    pub mac: Mac,
}

impl NewVeth<'_> {
    /// `ip link add NAME address MAC up type veth peer name PEER netns NAMESPACE address MAC`.
    ///
    /// The near end comes up at once. The far end stays down, so that it can be configured before the first frame.
    #[must_use]
    pub fn create(&self) -> Request {
        let with_mtu = |builder: LinkMessageBuilder<LinkUnspec>| match self.mtu {
            Some(bytes) => builder.mtu(bytes),
            None => builder,
        };
        let peer = with_mtu(LinkUnspec::new_with_name(self.peer.name))
            .address(self.peer.mac.0.to_vec())
            .setns_by_fd(self.peer.namespace.as_fd().as_raw_fd())
            .build();
        let near = with_mtu(link::of_kind(InfoKind::Veth))
            .name(self.name)
            .address(self.mac.0.to_vec())
            .up()
            .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)));
        Request::create(RouteNetlinkMessage::NewLink(near.build()))
    }
}
