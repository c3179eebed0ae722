//! Routes.

use std::cmp::Reverse;
use std::net::{IpAddr, Ipv6Addr};

use ipnetwork::IpNetwork;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteMetric, RouteNextHop, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::RouteMessageBuilder;

use crate::attributes::{append, iterate, read_u32, value_of};
use crate::layer3::{NEXTHOP_INDEX, iterate_nexthops};
use crate::{Error, Object, Request, Socket};

const RTM_NEWROUTE: u16 = 24;

/// The main routing table (`RT_TABLE_MAIN`).
const MAIN: u32 = 254;

/// A route through a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Destination.
    pub destination: IpNetwork,
    /// Next hop; none for a destination on the link itself.
    pub gateway: Option<IpAddr>,
    /// Metric; the kernel's default when not given (0 for IPv4, 1024 for IPv6).
    pub priority: Option<u32>,
    /// Table; the main one when not given.
    pub table: Option<u32>,
    /// Path MTU in bytes.
    pub mtu: Option<u32>,
    /// Advertised maximal segment size in bytes.
    pub advmss: Option<u32>,
    /// Scope as the kernel numbers it; when not given, global with a gateway and link without one.
    pub scope: Option<u8>,
    /// The gateway is on the link, whatever other routes say of it (`onlink`; for IPv6 since Linux 4.16).
    pub is_on_link: bool,
    /// Of one that the kernel has: it is a further next hop of a route of IPv6 with several. Each has its own `mtu` and `advmss`, but only
    /// the first one's are shown (`rt6_fill_node` in `net/ipv6/route.c`).
    pub is_further: bool,
}

/// The largest path MTU and segment size in bytes that the kernel keeps of what it is given (`ip_metrics_convert` in `net/ipv4/metrics.c`).
const LARGEST_MTU_BYTES: u32 = 65_535 - 15;
const LARGEST_ADVMSS_BYTES: u32 = 65_535 - 40;

/// The metric of a route of IPv6 that has none of its own (`IP6_RT_PRIO_USER` in `include/uapi/linux/ipv6_route.h`).
const IPV6_METRIC: u32 = 1024;

impl Route {
    /// The main routing table.
    pub const MAIN: u32 = MAIN;

    /// A route with the kernel's defaults.
    #[must_use]
    pub fn new(destination: IpNetwork, gateway: Option<IpAddr>) -> Self {
        Self {
            destination,
            gateway,
            priority: None,
            table: None,
            mtu: None,
            advmss: None,
            scope: None,
            is_on_link: false,
            is_further: false,
        }
    }

    /// `ip route add DESTINATION via GATEWAY dev INDEX …`. One of the same destination and metric is refused (`EEXIST`), whatever it
    /// leads through.
    ///
    /// # Errors
    /// [`Error::Malformed`] when destination and gateway are of different families.
    pub fn add(&self, index: u32) -> Result<Request, Error> {
        Ok(Request::create(RouteNetlinkMessage::NewRoute(self.message(index)?)))
    }

    /// `ip -6 route append DESTINATION via GATEWAY dev INDEX …`: a further next hop beside those of the same destination and metric, which
    /// share the packets (`fib6_add_rt2node` in `net/ipv6/ip6_fib.c`). Only the same next hop is refused (`EEXIST`). IPv4 has no
    /// such routes: there one of two is not used.
    ///
    /// # Errors
    /// As [`Route::add`].
    pub fn add_beside(&self, index: u32) -> Result<Request, Error> {
        Ok(Request::create_beside(RouteNetlinkMessage::NewRoute(self.message(index)?)))
    }

    /// `ip route del DESTINATION via GATEWAY dev INDEX …`.
    ///
    /// # Errors
    /// As [`Route::add`].
    pub fn delete(&self, index: u32) -> Result<Request, Error> {
        Ok(Request::change(RouteNetlinkMessage::DelRoute(self.message(index)?)))
    }

    fn message(&self, index: u32) -> Result<RouteMessage, Error> {
        let mixed =
            |_| Error::Malformed(format!("a route to {} cannot have a gateway of the other family", self.destination));
        let scope = RouteScope::from(self.scope.unwrap_or_else(|| self.default_scope()));
        let mut builder = RouteMessageBuilder::<IpAddr>::new()
            .destination_prefix(self.destination.network(), self.destination.prefix())
            .map_err(mixed)?
            .output_interface(index)
            .scope(scope)
            .table_id(self.table());
        if let Some(gateway) = self.gateway {
            builder = builder.gateway(gateway).map_err(mixed)?;
        }
        if let Some(priority) = self.priority {
            builder = builder.priority(priority);
        }
        let mut message = builder.build();
        if self.is_on_link && self.gateway.is_some() {
            message.header.flags |= RouteFlags::Onlink;
        }
        let metrics: Vec<_> =
            [self.mtu.map(RouteMetric::Mtu), self.advmss.map(RouteMetric::Advmss)].into_iter().flatten().collect();
        if !metrics.is_empty() {
            message.attributes.push(RouteAttribute::Metrics(metrics));
        }
        Ok(message)
    }

    /// Whether the kernel's `have` is this route, so far as this one says and the kernel shows. It keeps a scope for IPv4 alone, and path
    /// MTU and segment size within bounds.
    #[must_use]
    pub fn is_met_by(&self, have: &Self) -> bool {
        self.leads_where(have)
            && self.gateway == have.gateway
            && self.priority.is_none_or(|_| self.metric() == have.metric())
            && (have.is_further || self.has_metrics_of(have))
            && self.scope.is_none_or(|want| self.destination.is_ipv6() || have.scope == Some(want))
    }

    fn has_metrics_of(&self, have: &Self) -> bool {
        let is_met = |want: Option<u32>, have, largest| want.is_none_or(|want| have == Some(want.min(largest)));
        is_met(self.mtu, have.mtu, LARGEST_MTU_BYTES) && is_met(self.advmss, have.advmss, LARGEST_ADVMSS_BYTES)
    }

    /// Both say the same of one route.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        let bounded = |route: &Self| {
            (
                route.mtu.map(|bytes| bytes.min(LARGEST_MTU_BYTES)),
                route.advmss.map(|bytes| bytes.min(LARGEST_ADVMSS_BYTES)),
            )
        };
        self.rivals(other)
            && (self.gateway, self.scope, self.is_on_link) == (other.gateway, other.scope, other.is_on_link)
            && bounded(self) == bounded(other)
    }

    /// Both are to one destination, in one table.
    #[must_use]
    pub fn leads_where(&self, other: &Self) -> bool {
        let network = |route: &Self| (route.destination.network(), route.destination.prefix());
        network(self) == network(other) && self.table() == other.table()
    }

    /// Both are to one destination with one metric, in one table. Of IPv4 there is one such route.
    #[must_use]
    pub fn rivals(&self, other: &Self) -> bool {
        self.leads_where(other) && self.metric() == other.metric()
    }

    /// To everywhere, in the table that is looked up for all packets.
    #[must_use]
    pub fn is_main_default(&self) -> bool {
        self.destination.prefix() == 0 && self.table() == MAIN
    }

    /// The scope that the kernel gives one that names none: link without a gateway, and otherwise universe.
    #[must_use]
    pub fn default_scope(&self) -> u8 {
        match self.gateway {
            None if self.destination.is_ipv4() => RouteScope::Link.into(),
            _ => RouteScope::Universe.into(),
        }
    }

    /// The table that it is in.
    #[must_use]
    pub fn table(&self) -> u32 {
        self.table.filter(|table| *table != 0).unwrap_or(MAIN)
    }

    /// The metric that the kernel gives it.
    #[must_use]
    pub fn metric(&self) -> u32 {
        match self.priority.filter(|metric| *metric > 0) {
            Some(metric) => metric,
            None if self.destination.is_ipv4() => 0,
            None => IPV6_METRIC,
        }
    }
}

/// `struct rtmsg`: family, length of the destination, and ten bytes of which the type and the flags are at these offsets.
const HEADER_BYTES: usize = 12;
const TYPE_OFFSET: usize = 7;

/// Whether an address is one of the namespace's own (`ip route get`).
///
/// # Errors
/// What the kernel says other than that there is no way there.
pub fn is_local(socket: &mut Socket, address: IpAddr) -> Result<bool, Error> {
    const RTN_LOCAL: u8 = 2;
    let answer = to(socket, address, 0)?;
    Ok(answer.is_some_and(|route| route.payload.get(TYPE_OFFSET) == Some(&RTN_LOCAL)))
}

/// The indices of the links that the route to an address leads through (`ip route get fibmatch`); none where there is no route, several
/// for one with several next hops. For an IPv6 group ask [`to_groups`] instead: the kernel has a route to all groups through every link.
///
/// # Errors
/// What the kernel says other than that there is no way there.
pub fn through(socket: &mut Socket, address: IpAddr) -> Result<Vec<u32>, Error> {
    /// The route itself, not what follows from it for one packet.
    const RTM_F_FIB_MATCH: u32 = 0x2000;
    let Some(route) = to(socket, address, RTM_F_FIB_MATCH)? else { return Ok(Vec::new()) };
    let links = links_of(&route);
    if !links.is_empty() {
        return Ok(links);
    }
    // By a next hop that is an object of its own, of which the kernel may tell no more than its number.
    Ok(to(socket, address, 0)?.map(|route| links_of(&route)).unwrap_or_default())
}

/// The link that an address is directly behind: the only one that the route to it leads through, without a gateway.
///
/// # Errors
/// What the kernel says other than that there is no way there.
pub fn directly(socket: &mut Socket, address: IpAddr) -> Result<Option<u32>, Error> {
    const RTN_UNICAST: u8 = 1;
    const RTA_OIF: u16 = 4;
    const RTA_GATEWAY: u16 = 5;
    const RTA_VIA: u16 = 18;
    let Some(route) = to(socket, address, 0)? else { return Ok(None) };
    let attributes = route.payload.get(HEADER_BYTES..).unwrap_or_default();
    let is_direct = route.payload.get(TYPE_OFFSET) == Some(&RTN_UNICAST)
        && [RTA_GATEWAY, RTA_VIA].iter().all(|kind| value_of(attributes, *kind).is_none());
    Ok(value_of(attributes, RTA_OIF).filter(|_| is_direct).and_then(|index| read_u32(index, 0)))
}

fn links_of(route: &Object) -> Vec<u32> {
    const RTA_OIF: u16 = 4;
    const RTA_MULTIPATH: u16 = 9;
    let mut links = Vec::new();
    for (kind, value) in iterate(route.payload.get(HEADER_BYTES..).unwrap_or_default()) {
        match kind {
            RTA_OIF => links.extend(read_u32(value, 0)),
            RTA_MULTIPATH => links.extend(iterate_nexthops(value).filter_map(|hop| read_u32(hop, NEXTHOP_INDEX))),
            _ => {}
        }
    }
    links.sort_unstable();
    links.dedup();
    links
}

/// The links that the best routes to an IPv6 group lead through: the kernel has one for each link, in its table `local`, and prefers none
/// of them; an operator may add one that it prefers (`ip -6 route add ff05::/16 dev LINK table local`).
///
/// # Errors
/// Those of [`Socket::dump`].
pub fn to_groups(socket: &mut Socket, group: Ipv6Addr) -> Result<Vec<u32>, Error> {
    const LOCAL: u32 = 255;
    let mut routes = in_table(socket, LOCAL)?;
    routes.retain(|(_, route)| route.destination.contains(group.into()));
    let rank = |route: &Route| (Reverse(route.destination.prefix()), route.priority.unwrap_or_default());
    let best = routes.iter().map(|(_, route)| rank(route)).min();
    Ok(routes.iter().filter(|(_, route)| Some(rank(route)) == best).filter_map(|(link, _)| *link).collect())
}

/// The route to an address; `None` where there is none.
fn to(socket: &mut Socket, address: IpAddr, flags: u32) -> Result<Option<Object>, Error> {
    const RTM_GETROUTE: u16 = 26;
    const RTA_DST: u16 = 1;
    let (family, bytes) = match address {
        IpAddr::V4(v4) => (libc::AF_INET, v4.octets().to_vec()),
        IpAddr::V6(v6) => (libc::AF_INET6, v6.octets().to_vec()),
    };
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let mut payload = vec![u8::try_from(family).unwrap_or_default(), bits, 0, 0, 0, 0, 0, 0];
    payload.extend(flags.to_ne_bytes());
    append(&mut payload, RTA_DST, &bytes);
    match socket.request(Request::question(RTM_GETROUTE, payload)) {
        Ok(answer) => Ok(answer),
        Err(error)
            if matches!(error.errno(), Some(libc::EACCES | libc::EINVAL))
                || error.is_unreachable()
                || error.is_missing()
                || error.is_without_family() =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// All routes of both families and all tables, each with the index of the link that it goes through: one with several next hops comes
/// once for each. None where it leads nowhere (`blackhole`).
///
/// # Errors
/// Those of [`Socket::dump`].
pub fn list(socket: &mut Socket) -> Result<Vec<(Option<u32>, Route)>, Error> {
    let request = Request::dump(RouteNetlinkMessage::GetRoute(RouteMessage::default()));
    let messages = socket.dump("routes", &request)?;
    Ok(messages
        .into_iter()
        .filter_map(|object| object.decode::<RouteMessage>(RTM_NEWROUTE))
        .filter_map(|message| read(&message))
        .flatten()
        .collect())
}

/// The same in one table.
///
/// # Errors
/// Those of [`Socket::dump`].
pub fn in_table(socket: &mut Socket, table: u32) -> Result<Vec<(Option<u32>, Route)>, Error> {
    let mut message = RouteMessage::default();
    message.attributes.push(RouteAttribute::Table(table));
    let messages = socket.dump("routes", &Request::dump(RouteNetlinkMessage::GetRoute(message)))?;
    Ok(messages
        .into_iter()
        .filter_map(|object| object.decode::<RouteMessage>(RTM_NEWROUTE))
        .filter_map(|message| read(&message))
        .flatten()
        .filter(|(_, route)| route.table == Some(table)) // kernels before 4.20 do not filter
        .collect())
}

/// One for each next hop.
fn read(message: &RouteMessage) -> Option<Vec<(Option<u32>, Route)>> {
    let any = match message.header.address_family {
        AddressFamily::Inet => IpAddr::from([0; 4]),
        AddressFamily::Inet6 => IpAddr::from([0; 16]),
        _ => return None,
    };
    let mut destination = any;
    let (mut oif, mut hops) = (None, None);
    let mut route = Route::new(IpNetwork::new(any, 0).ok()?, None);
    route.table = Some(u32::from(message.header.table));
    route.scope = Some(message.header.scope.into());
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(address) => destination = ip(address)?,
            RouteAttribute::Gateway(address) => route.gateway = ip(address),
            RouteAttribute::Oif(found) => oif = Some(*found),
            RouteAttribute::MultiPath(found) => hops = Some(found),
            RouteAttribute::Priority(metric) => route.priority = Some(*metric),
            RouteAttribute::Table(table) => route.table = Some(*table),
            RouteAttribute::Metrics(metrics) => {
                for metric in metrics {
                    match metric {
                        RouteMetric::Mtu(bytes) => route.mtu = Some(*bytes),
                        RouteMetric::Advmss(bytes) => route.advmss = Some(*bytes),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    route.destination = IpNetwork::new(destination, message.header.destination_prefix_length).ok()?;
    let Some(hops) = hops else {
        // One of IPv6 that leads nowhere names the loopback device.
        let leads_nowhere = matches!(
            message.header.kind,
            RouteType::BlackHole | RouteType::Unreachable | RouteType::Prohibit | RouteType::Throw
        );
        return Some(vec![(oif.filter(|_| !leads_nowhere), route)]);
    };
    let is_ipv6 = any.is_ipv6();
    let through = |(place, hop): (usize, &RouteNextHop)| {
        let gateway = hop.attributes.iter().find_map(|attribute| match attribute {
            RouteAttribute::Gateway(address) => ip(address),
            _ => None,
        });
        (Some(hop.interface_index), Route { gateway, is_further: is_ipv6 && place > 0, ..route.clone() })
    };
    Some(hops.iter().enumerate().map(through).collect())
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(v4) => Some(IpAddr::V4(*v4)),
        RouteAddress::Inet6(v6) => Some(IpAddr::V6(*v6)),
        _ => None,
    }
}
