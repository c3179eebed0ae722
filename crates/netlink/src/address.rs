//! IP addresses of links.

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use rtnetlink::AddressMessageBuilder;

use crate::{Error, Request, Socket};

const RTM_NEWADDR: u16 = 20;

/// `ip address add ADDRESS dev INDEX nodad`, with the subnet's broadcast address as `brd +` makes it.
///
/// IPv6 addresses skip duplicate detection: they come from an allocator, and a second in which they cannot be used would
/// be part of every ADD.
#[must_use]
pub fn add(index: u32, address: IpNetwork) -> Request {
    let mut message = message(index, address);
    if address.is_ipv6() {
        message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
    }
    Request::create(RouteNetlinkMessage::NewAddress(message))
}

/// As [`add`], without the route to the subnet on the link (`noprefixroute`; for IPv4 since Linux 4.18).
#[must_use]
pub fn add_without_route(index: u32, address: IpNetwork) -> Request {
    let mut message = message(index, address);
    let detection = if address.is_ipv6() { AddressFlags::Nodad } else { AddressFlags::empty() };
    message.attributes.push(AddressAttribute::Flags(detection | AddressFlags::Noprefixroute));
    Request::create(RouteNetlinkMessage::NewAddress(message))
}

/// As [`add`], with duplicate detection for IPv6: the address cannot be used before its [`State`] says so.
#[must_use]
pub fn add_with_detection(index: u32, address: IpNetwork) -> Request {
    Request::create(RouteNetlinkMessage::NewAddress(message(index, address)))
}

/// `ip address del ADDRESS dev INDEX`.
#[must_use]
pub fn delete(index: u32, address: IpNetwork) -> Request {
    Request::change(RouteNetlinkMessage::DelAddress(message(index, address)))
}

/// How far an address is through duplicate detection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It can be used.
    Usable,
    /// It is tentative: nobody has objected yet.
    Tentative,
    /// Another host has it.
    Duplicate,
}

/// The addresses of one link, link-local ones included.
///
/// # Errors
/// Those of [`Socket::dump`].
pub fn list(socket: &mut Socket, index: u32) -> Result<Vec<IpNetwork>, Error> {
    Ok(states(socket, index)?.into_iter().map(|(address, _)| address).collect())
}

/// The addresses of all links, each with the index of its link.
///
/// # Errors
/// Those of [`Socket::dump`].
pub fn list_all(socket: &mut Socket) -> Result<Vec<(u32, IpNetwork)>, Error> {
    let messages = all(socket, AddressMessage::default())?;
    Ok(messages.iter().filter_map(|message| Some((message.header.index, read(message)?.0))).collect())
}

fn all(socket: &mut Socket, message: AddressMessage) -> Result<Vec<AddressMessage>, Error> {
    let messages = socket.dump("addresses", &Request::dump(RouteNetlinkMessage::GetAddress(message)))?;
    Ok(messages.into_iter().filter_map(|object| object.decode::<AddressMessage>(RTM_NEWADDR)).collect())
}

/// An address with what is needed to give it to the link again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// The address.
    pub address: IpNetwork,
    /// The other end of a point-to-point link.
    pub peer: Option<IpAddr>,
    /// It has no lifetime: no router or server has given it for a while.
    pub is_permanent: bool,
}

/// The addresses of one link, but for link-local ones of IPv6.
///
/// # Errors
/// Those of [`Socket::dump`].
pub fn held(socket: &mut Socket, index: u32) -> Result<Vec<Held>, Error> {
    let mut message = AddressMessage::default();
    message.header.index = index;
    let messages = all(socket, message)?;
    let of_link = messages.iter().filter(|message| message.header.index == index).filter_map(read_held);
    let is_link_local = |ip: IpAddr| matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
    Ok(of_link.filter(|held| !is_link_local(held.address.ip())).collect())
}

fn read_held(message: &AddressMessage) -> Option<Held> {
    let (address, _) = read(message)?;
    let mut held = Held { address, peer: None, is_permanent: false };
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Address(other) if *other != address.ip() => held.peer = Some(*other),
            AddressAttribute::Flags(flags) => held.is_permanent = flags.contains(AddressFlags::Permanent),
            _ => {}
        }
    }
    Some(held)
}

/// The addresses of one link with their states.
///
/// # Errors
/// Those of [`Socket::dump`].
pub fn states(socket: &mut Socket, index: u32) -> Result<Vec<(IpNetwork, State)>, Error> {
    let mut message = AddressMessage::default();
    message.header.index = index;
    let messages = all(socket, message)?;
    Ok(messages.iter().filter(|message| message.header.index == index).filter_map(read).collect())
}

fn message(index: u32, address: IpNetwork) -> AddressMessage {
    match address {
        IpNetwork::V4(v4) => {
            AddressMessageBuilder::<std::net::Ipv4Addr>::new().index(index).address(v4.ip(), v4.prefix()).build()
        }
        IpNetwork::V6(v6) => {
            AddressMessageBuilder::<std::net::Ipv6Addr>::new().index(index).address(v6.ip(), v6.prefix()).build()
        }
    }
}

/// `IFA_LOCAL` is the link's own address; without it `IFA_ADDRESS` is (`if_addr.h`).
fn read(message: &AddressMessage) -> Option<(IpNetwork, State)> {
    let mut own: Option<IpAddr> = None;
    let mut state = State::Usable;
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(address) => own = Some(*address),
            AddressAttribute::Address(address) => own = own.or(Some(*address)),
            // A duplicate stays tentative (`addrconf_dad_failure` in `net/ipv6/addrconf.c`).
            AddressAttribute::Flags(flags) if flags.contains(AddressFlags::Dadfailed) => state = State::Duplicate,
            AddressAttribute::Flags(flags) if flags.contains(AddressFlags::Tentative) => state = State::Tentative,
            _ => {}
        }
    }
    Some((IpNetwork::new(own?, message.header.prefix_len).ok()?, state))
}
