//! The addresses and routes of a link, to be moved to another link.
//!
//! Everything goes back to the kernel as it came, attribute by attribute, so that attributes unknown to this crate move too.
//! Only those that name the link are changed, and those that the kernel shows but does not accept.

use std::net::Ipv6Addr;

use netlink_packet_core::{NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::route::RouteMessage;
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::attributes::{append, iterate, read_u16, read_u32, value_of};
use crate::link::Link;
use crate::{Error, Object, Request, Socket};

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_NEWROUTE: u16 = 24;
const RTM_DELROUTE: u16 = 25;

// `struct ifaddrmsg` and its attributes (`if_addr.h`).
const ADDRESS_HEADER_BYTES: usize = 8;
const ADDRESS_FLAGS: usize = 2;
const ADDRESS_INDEX: usize = 4;
const IFA_ADDRESS: u16 = 1;
const IFA_LABEL: u16 = 3;
const IFA_FLAGS: u16 = 8;
const IFA_PROTO: u16 = 11;
/// A link-local address that the kernel made (Linux 5.18 and later tell).
const IFAPROT_KERNEL_LL: u8 = 3;
const IFA_F_NODAD: u32 = 0x02;
/// Those that a user sets: home address, managed by temporary ones, no prefix route, multicast join. The rest is state.
const IFA_F_OF_USERS: u32 = 0x10 | 0x100 | 0x200 | 0x400;

// `struct rtmsg` and its attributes (`rtnetlink.h`).
const ROUTE_HEADER_BYTES: usize = 12;
const ROUTE_DESTINATION_BITS: usize = 1;
const ROUTE_TABLE: usize = 4;
const ROUTE_PROTOCOL: usize = 5;
const ROUTE_FLAGS: usize = 8;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_METRICS: u16 = 8;
const RTA_MULTIPATH: u16 = 9;
const RTA_CACHEINFO: u16 = 12;
const RTA_TABLE: u16 = 15;
const RTA_VIA: u16 = 18;
const RTA_EXPIRES: u16 = 23;
const RTA_NH_ID: u16 = 30;
const TABLE_MAIN: u8 = 254;
const TABLE_LOCAL: u32 = 255;
const PROTO_KERNEL: u8 = 2;
const PROTO_RA: u8 = 9;
const RTM_F_CLONED: u32 = 0x200;
const RTNH_F_ONLINK: u8 = 4;
/// Where `rta_expires` is in `struct rta_cacheinfo`, and its unit (`USER_HZ`, the same on all architectures but two).
const EXPIRES: usize = 8;
const TICKS_PER_S: u32 = 100;
/// `struct rtnexthop`: length, flags, weight, index.
const NEXTHOP_HEADER_BYTES: usize = 8;
pub(crate) const NEXTHOP_INDEX: usize = 4;

/// The addresses and routes of a link.
#[derive(Debug, Clone, Default)]
pub struct Layer3 {
    index: u32,
    name: String,
    addresses: Vec<Address>,
    routes: Vec<Vec<u8>>,
    has_nexthop_objects: bool,
}

#[derive(Debug, Clone)]
struct Address {
    payload: Vec<u8>,
    /// The kernel made it for the link; it stays there.
    is_link_local_of_kernel: bool,
}

impl Layer3 {
    /// Reads those of a link. Left out is what the kernel derives from addresses by itself: the table `local`, and routes to
    /// the link's own link-local addresses.
    ///
    /// # Errors
    /// Those of [`Socket::dump`].
    pub fn of(socket: &mut Socket, link: &Link) -> Result<Self, Error> {
        let mut message = AddressMessage::default();
        message.header.index = link.index;
        let addresses = socket.dump("addresses", &Request::dump(RouteNetlinkMessage::GetAddress(message)))?;
        let request = Request::dump(RouteNetlinkMessage::GetRoute(RouteMessage::default()));
        socket.expect_large_objects();
        let routes = socket.dump("routes", &request)?;
        Ok(Self::read(link, &addresses, &routes))
    }

    fn read(link: &Link, addresses: &[Object], routes: &[Object]) -> Self {
        let own = link.mac.map(|mac| mac.link_local().octets());
        let mut found = Self { index: link.index, name: link.name.clone(), ..Self::default() };
        let mut of_ipv6 = Vec::new();
        for payload in objects(addresses, RTM_NEWADDR) {
            if read_u32(payload, ADDRESS_INDEX) != Some(link.index) {
                continue;
            }
            let is_link_local_of_kernel = is_of_kernel(payload, own);
            let address = Address { payload: payload.clone(), is_link_local_of_kernel };
            match payload.first() {
                Some(&AF_INET) => found.addresses.push(address),
                Some(&AF_INET6) => of_ipv6.push(address),
                _ => {}
            }
        }
        // The kernel lists them the last first.
        found.addresses.extend(of_ipv6.into_iter().rev());
        for payload in objects(routes, RTM_NEWROUTE).filter(|payload| is_kept(payload)) {
            found.has_nexthop_objects |= is_by_object(payload, link.index);
            if goes_through(payload, link.index) {
                found.routes.push(payload.clone());
            }
        }
        // A gateway must be reachable when its route comes.
        found.routes.sort_by_key(|payload| has_gateway(payload));
        found
    }

    /// Whether a route uses a nexthop object (`ip nexthop`). That is bound to its link, so the route cannot be moved.
    #[must_use]
    pub fn has_nexthop_objects(&self) -> bool {
        self.has_nexthop_objects
    }

    /// The same without the link-local addresses that the kernel makes for each link.
    #[must_use]
    pub fn without_link_local(mut self) -> Self {
        self.addresses.retain(|address| !address.is_link_local_of_kernel);
        self
    }

    /// Adds all of it to a link: addresses, then routes. `EEXIST` says that the kernel has made a route by itself, or that
    /// it is there already.
    ///
    /// A route of a router advertisement gets an odd metric. With the same metric the kernel would take it for the
    /// router's next advertisement and refuse that (`rt6_add_dflt_router` in `net/ipv6/route.c`).
    #[must_use]
    pub fn add_to(&self, link: u32) -> Vec<Request> {
        self.add(link, odd_metric)
    }

    /// Adds all of it to its own link again.
    #[must_use]
    pub fn restore(&self) -> Vec<Request> {
        self.add(self.index, |_, metric| metric)
    }

    fn add(&self, link: u32, metric: fn(&[u8], u32) -> u32) -> Vec<Request> {
        let addresses = self.addresses.iter().map(|address| {
            let payload = self.address_for(&address.payload, link);
            Request::raw(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, payload)
        });
        let routes = self.routes.iter().map(|payload| {
            // Behind those of the same destination: what is there stays in use until it is withdrawn.
            let flags = if payload.first() == Some(&AF_INET) { NLM_F_CREATE | NLM_F_APPEND } else { NLM_F_CREATE };
            Request::raw(RTM_NEWROUTE, flags, self.route_for(payload, link, metric))
        });
        addresses.chain(routes).collect()
    }

    /// Removes all of it from its own link: routes, then addresses. `ESRCH` and `EADDRNOTAVAIL` say that something has gone
    /// with something else.
    #[must_use]
    pub fn withdraw(&self) -> Vec<Request> {
        let routes = self.routes.iter().rev().map(|payload| {
            let mut route = self.route_for(payload, self.index, |_, metric| metric);
            route = rebuild(&route, ROUTE_HEADER_BYTES, |kind, _| kind != RTA_METRICS && kind != RTA_EXPIRES);
            Request::raw(RTM_DELROUTE, 0, route)
        });
        let addresses = self.addresses.iter().rev().filter(|address| !address.is_link_local_of_kernel);
        let addresses = addresses.map(|address| {
            let payload = self.address_for(&address.payload, self.index);
            Request::raw(RTM_DELADDR, 0, payload)
        });
        routes.chain(addresses).collect()
    }

    fn address_for(&self, payload: &[u8], link: u32) -> Vec<u8> {
        let named = |value: &[u8]| value.split(|byte| *byte == 0).next() == Some(self.name.as_bytes());
        let mut copy = rebuild(payload, ADDRESS_HEADER_BYTES, |kind, value| {
            kind != IFA_FLAGS && !(kind == IFA_LABEL && named(value))
        });
        let flags = value_of(payload.get(ADDRESS_HEADER_BYTES..).unwrap_or_default(), IFA_FLAGS);
        let mut flags = flags.and_then(|value| read_u32(value, 0)).unwrap_or_default() & IFA_F_OF_USERS;
        if payload.first() == Some(&AF_INET6) {
            flags |= IFA_F_NODAD;
        }
        append(&mut copy, IFA_FLAGS, &flags.to_ne_bytes());
        write(&mut copy, ADDRESS_FLAGS, &[0]);
        write(&mut copy, ADDRESS_INDEX, &link.to_ne_bytes());
        copy
    }

    fn route_for(&self, payload: &[u8], link: u32, metric: fn(&[u8], u32) -> u32) -> Vec<u8> {
        let mut copy = payload.get(..ROUTE_HEADER_BYTES).unwrap_or_default().to_vec();
        // Flags such as dead and linkdown are shown and not taken.
        let kept = payload.get(ROUTE_FLAGS).copied().unwrap_or_default() & RTNH_F_ONLINK;
        write(&mut copy, ROUTE_FLAGS, &u32::from(kept).to_ne_bytes());
        for (kind, value) in iterate(payload.get(ROUTE_HEADER_BYTES..).unwrap_or_default()) {
            match kind {
                RTA_OIF => append(&mut copy, kind, &link.to_ne_bytes()),
                RTA_PRIORITY => {
                    let value = metric(payload, read_u32(value, 0).unwrap_or_default());
                    append(&mut copy, kind, &value.to_ne_bytes());
                }
                RTA_MULTIPATH => {
                    let only_own = payload.first() == Some(&AF_INET6);
                    append(&mut copy, kind, &nexthops_for(value, self.index, link, only_own));
                }
                RTA_CACHEINFO => {
                    let ticks = read_u32(value, EXPIRES).unwrap_or_default();
                    if ticks.cast_signed() > 0 {
                        append(&mut copy, RTA_EXPIRES, &(ticks / TICKS_PER_S).to_ne_bytes());
                    }
                }
                _ => append(&mut copy, kind, value),
            }
        }
        copy
    }
}

fn objects(objects: &[Object], message_type: u16) -> impl Iterator<Item = &Vec<u8>> {
    objects.iter().filter(move |object| object.message_type == message_type).map(|object| &object.payload)
}

/// Whether an address is one that the kernel made from the link's own, or says that it made.
fn is_of_kernel(payload: &[u8], own: Option<[u8; 16]>) -> bool {
    let attributes = payload.get(ADDRESS_HEADER_BYTES..).unwrap_or_default();
    let address = value_of(attributes, IFA_ADDRESS);
    let is_link_local = address.is_some_and(is_link_local) && payload.first() == Some(&AF_INET6);
    let says = value_of(attributes, IFA_PROTO).and_then(|value| value.first()) == Some(&IFAPROT_KERNEL_LL);
    is_link_local && (says || own.is_some_and(|own| address == Some(own.as_slice())))
}

fn is_link_local(address: &[u8]) -> bool {
    <[u8; 16]>::try_from(address).is_ok_and(|octets| Ipv6Addr::from(octets).is_unicast_link_local())
}

fn attribute(payload: &[u8], kind: u16) -> Option<&[u8]> {
    value_of(payload.get(ROUTE_HEADER_BYTES..)?, kind)
}

/// A route that was set, not one that follows from an address or a packet.
fn is_kept(payload: &[u8]) -> bool {
    let family = payload.first().copied().unwrap_or_default();
    let table = attribute(payload, RTA_TABLE).and_then(|value| read_u32(value, 0));
    let table = table.or_else(|| payload.get(ROUTE_TABLE).copied().map(u32::from));
    let is_cloned = read_u32(payload, ROUTE_FLAGS).is_some_and(|flags| flags & RTM_F_CLONED != 0);
    let is_of_kernel = payload.get(ROUTE_PROTOCOL) == Some(&PROTO_KERNEL);
    let is_own_link_local = is_of_kernel && attribute(payload, RTA_DST).is_some_and(is_link_local_or_group);
    [AF_INET, AF_INET6].contains(&family) && table != Some(TABLE_LOCAL) && !is_cloned && !is_own_link_local
}

/// `fe80::/10` or `ff00::/8`.
fn is_link_local_or_group(address: &[u8]) -> bool {
    address.len() == 16 && (is_link_local(address) || address.first() == Some(&0xff))
}

fn goes_through(payload: &[u8], link: u32) -> bool {
    let through = attribute(payload, RTA_OIF).and_then(|value| read_u32(value, 0));
    let nexthops = attribute(payload, RTA_MULTIPATH).unwrap_or_default();
    through == Some(link) || iterate_nexthops(nexthops).any(|hop| read_u32(hop, NEXTHOP_INDEX) == Some(link))
}

/// By a nexthop object that is this link's, or of which the kernel does not tell whose it is.
fn is_by_object(payload: &[u8], link: u32) -> bool {
    let is_told = attribute(payload, RTA_OIF).is_some() || attribute(payload, RTA_MULTIPATH).is_some();
    attribute(payload, RTA_NH_ID).is_some() && (!is_told || goes_through(payload, link))
}

fn has_gateway(payload: &[u8]) -> bool {
    [RTA_GATEWAY, RTA_VIA, RTA_MULTIPATH].iter().any(|kind| attribute(payload, *kind).is_some())
}

fn odd_metric(payload: &[u8], metric: u32) -> u32 {
    let is_advertised = payload.get(ROUTE_PROTOCOL) == Some(&PROTO_RA) && has_gateway(payload);
    if is_advertised { metric | 1 } else { metric }
}

/// The nexthops with `to` in the place of `from`. Of an IPv6 route each nexthop is a route of its own, and `only_own` are
/// moved.
fn nexthops_for(value: &[u8], from: u32, to: u32, only_own: bool) -> Vec<u8> {
    let mut copy = Vec::with_capacity(value.len());
    for hop in iterate_nexthops(value) {
        let is_own = read_u32(hop, NEXTHOP_INDEX) == Some(from);
        if only_own && !is_own {
            continue;
        }
        let mut hop = hop.to_vec();
        let flags = hop.get(2).copied().unwrap_or_default() & RTNH_F_ONLINK;
        write(&mut hop, 2, &[flags]);
        if is_own {
            write(&mut hop, NEXTHOP_INDEX, &to.to_ne_bytes());
        }
        copy.extend(hop);
        copy.resize(copy.len().next_multiple_of(4), 0);
    }
    copy
}

/// Each `struct rtnexthop` of a route with several, with its attributes.
pub(crate) fn iterate_nexthops(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let length = usize::from(read_u16(bytes, 0)?);
        let hop = bytes.get(..length).filter(|hop| hop.len() >= NEXTHOP_HEADER_BYTES)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(hop)
    })
}

/// The same with some of its attributes.
fn rebuild(payload: &[u8], header: usize, keep: impl Fn(u16, &[u8]) -> bool) -> Vec<u8> {
    let mut copy = payload.get(..header).unwrap_or_default().to_vec();
    for (kind, value) in iterate(payload.get(header..).unwrap_or_default()) {
        if keep(kind, value) {
            append(&mut copy, kind, value);
        }
    }
    copy
}

fn write(bytes: &mut [u8], offset: usize, value: &[u8]) {
    let space = offset.checked_add(value.len()).and_then(|end| bytes.get_mut(offset..end));
    if let Some(space) = space {
        space.copy_from_slice(value);
    }
}

/// The link of the default route in the main table: that of the smallest metric, IPv4 before IPv6. `None` without one.
///
/// # Errors
/// Those of [`Socket::dump`].
pub fn default_link(socket: &mut Socket) -> Result<Option<u32>, Error> {
    match default_link_of(socket, false)? {
        None => default_link_of(socket, true),
        found => Ok(found),
    }
}

/// The same of one family.
///
/// # Errors
/// Those of [`Socket::dump`].
pub fn default_link_of(socket: &mut Socket, is_ipv6: bool) -> Result<Option<u32>, Error> {
    let mut message = RouteMessage::default();
    message.header.address_family = if is_ipv6 { AddressFamily::Inet6 } else { AddressFamily::Inet };
    message.header.table = TABLE_MAIN; // kernels without strict checking list all
    let routes = match socket.dump("routes", &Request::dump(RouteNetlinkMessage::GetRoute(message))) {
        // There has been no address yet, and there is no table; or the kernel has no IPv6.
        Err(error) if error.is_missing() || error.is_unreachable() || error.is_without_family() => return Ok(None),
        routes => routes?,
    };
    let defaults = objects(&routes, RTM_NEWROUTE).filter(|payload| {
        payload.get(ROUTE_DESTINATION_BITS) == Some(&0) && payload.get(ROUTE_TABLE) == Some(&TABLE_MAIN)
    });
    let through = defaults.filter_map(|payload| {
        let metric = attribute(payload, RTA_PRIORITY).and_then(|value| read_u32(value, 0)).unwrap_or_default();
        let first = || {
            let hops = attribute(payload, RTA_MULTIPATH)?;
            iterate_nexthops(hops).next().and_then(|hop| read_u32(hop, NEXTHOP_INDEX))
        };
        let link = attribute(payload, RTA_OIF).and_then(|value| read_u32(value, 0)).or_else(first)?;
        Some((metric, link))
    });
    Ok(through.min().map(|(_, link)| link))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(header: [u8; 12], attributes: &[(u16, &[u8])]) -> Object {
        let mut payload = header.to_vec();
        attributes.iter().for_each(|(kind, value)| append(&mut payload, *kind, value));
        Object { message_type: RTM_NEWROUTE, payload }
    }

    fn link() -> Link {
        Link { index: 7, name: "eth0".to_owned(), ..Link::default() }
    }

    const UNICAST: [u8; 12] = [AF_INET, 0, 0, 0, 254, 4, 0, 1, 0, 0, 0, 0];

    #[test]
    fn routes_via_gateways_come_last_and_others_links_do_not_come() {
        let via = route(UNICAST, &[(RTA_OIF, &7u32.to_ne_bytes()), (RTA_GATEWAY, &[10, 0, 0, 1])]);
        let direct = route(UNICAST, &[(RTA_OIF, &7u32.to_ne_bytes()), (RTA_DST, &[10, 9, 0, 0])]);
        let other = route(UNICAST, &[(RTA_OIF, &8u32.to_ne_bytes())]);
        let found = Layer3::read(&link(), &[], &[via.clone(), other, direct.clone()]);
        assert_eq!(found.routes, [direct.payload, via.payload]);
    }

    #[test]
    fn of_several_nexthops_only_the_links_own_is_changed() {
        let hop = |index: u32| [&[8, 0, 1 | RTNH_F_ONLINK, 3][..], &index.to_ne_bytes()].concat();
        let both = [hop(7), hop(8)].concat();
        let clean = |index: u32| [&[8, 0, RTNH_F_ONLINK, 3][..], &index.to_ne_bytes()].concat();
        assert_eq!(nexthops_for(&both, 7, 9, false), [clean(9), clean(8)].concat());
        assert_eq!(nexthops_for(&both, 7, 9, true), clean(9));
        assert!(goes_through(&route(UNICAST, &[(RTA_MULTIPATH, &both)]).payload, 8));
    }

    #[test]
    fn a_nexthop_object_counts_unless_it_is_known_to_be_anothers() {
        let by_object = |attributes: &[(u16, &[u8])]| {
            let mut all = vec![(RTA_NH_ID, [1, 0, 0, 0].as_slice())];
            all.extend(attributes);
            Layer3::read(&link(), &[], &[route(UNICAST, &all)])
        };
        assert!(by_object(&[]).has_nexthop_objects());
        assert!(by_object(&[(RTA_OIF, &7u32.to_ne_bytes())]).has_nexthop_objects());
        assert!(!by_object(&[(RTA_OIF, &8u32.to_ne_bytes())]).has_nexthop_objects());
    }

    #[test]
    fn no_bytes_panic() {
        for length in 0..64 {
            for byte in [0, 1, 4, 8, 9, 12, 30, 255] {
                let object = |message_type| Object { message_type, payload: vec![byte; length] };
                let link = Link { index: u32::from_ne_bytes([byte; 4]), ..link() };
                let found = Layer3::read(&link, &[object(RTM_NEWADDR)], &[object(RTM_NEWROUTE)]);
                let _ = (found.add_to(3), found.withdraw(), found.restore());
            }
        }
    }
}
