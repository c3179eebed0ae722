//! Neighbours: who answers for an address on a link.

use std::net::IpAddr;

use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::{Answer, Error, Mac, Request, Socket};

const RTM_NEWNEIGH: u16 = 28;

/// `ip neighbour add ADDRESS dev INDEX nud none use`: makes the kernel ask on the link who has the address.
///
/// Between ports of a bridge on one host the question and the answer travel within this very system call as a rule.
///
/// The kernel's table is one for all namespaces of the machine, and any user can fill it in a namespace of their own
/// (`gc_thresh3`). An entry that counts as learned by other means is not subject to that limit (`neigh_alloc` in
/// `net/core/neighbour.c`, since 5.0), and is otherwise an entry like any other.
#[must_use]
pub fn solicit(index: u32, address: IpAddr) -> Request {
    let mut message = message(index, address);
    message.header.flags = NeighbourFlags::Use | NeighbourFlags::ExtLearned;
    message.header.state = NeighbourState::None;
    Request::create(RouteNetlinkMessage::NewNeighbour(message))
}

/// `ip neighbour get ADDRESS dev INDEX`.
#[must_use]
pub fn get(index: u32, address: IpAddr) -> Request {
    Request::get(RouteNetlinkMessage::GetNeighbour(message(index, address)))
}

/// `ip neighbour del ADDRESS dev INDEX`.
#[must_use]
pub fn delete(index: u32, address: IpAddr) -> Request {
    Request::change(RouteNetlinkMessage::DelNeighbour(message(index, address)))
}

/// Who answered, from the answer to [`get`].
#[must_use]
pub fn answered_by(answer: &Answer) -> Option<Mac> {
    let Ok(Some(object)) = answer else { return None };
    let message: NeighbourMessage = object.decode(RTM_NEWNEIGH)?;
    if message.header.state != NeighbourState::Reachable {
        return None;
    }
    message.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::LinkLayerAddress(bytes) => bytes.clone().try_into().ok().map(Mac),
        _ => None,
    })
}

fn message(index: u32, address: IpAddr) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.ifindex = index;
    message.header.family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    message.attributes.push(NeighbourAttribute::Destination(match address {
        IpAddr::V4(v4) => NeighbourAddress::Inet(v4),
        IpAddr::V6(v6) => NeighbourAddress::Inet6(v6),
    }));
    message
}

/// Who has which address on a link, as far as the kernel knows: `ip neighbour show dev INDEX`.
///
/// # Errors
/// Those of [`Socket::dump`].
pub fn list(socket: &mut Socket, index: u32) -> Result<Vec<(IpAddr, Mac)>, Error> {
    // The strict check takes a header of zeros only.
    let request = Request::dump(RouteNetlinkMessage::GetNeighbour(NeighbourMessage::default()));
    let objects = socket.dump("neighbours", &request)?;
    Ok(objects
        .into_iter()
        .filter_map(|object| object.decode::<NeighbourMessage>(RTM_NEWNEIGH))
        .filter(|message| message.header.ifindex == index)
        .filter_map(|message| pair(&message))
        .collect())
}

fn pair(message: &NeighbourMessage) -> Option<(IpAddr, Mac)> {
    let address = message.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::Destination(NeighbourAddress::Inet(v4)) => Some(IpAddr::V4(*v4)),
        NeighbourAttribute::Destination(NeighbourAddress::Inet6(v6)) => Some(IpAddr::V6(*v6)),
        _ => None,
    })?;
    let mac = message.attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::LinkLayerAddress(bytes) => bytes.clone().try_into().ok().map(Mac),
        _ => None,
    })?;
    Some((address, mac))
}
