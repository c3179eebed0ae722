//! `sourceRouting`, `table` and `metric`: by which NIC packets leave a container that has several.

use std::collections::BTreeSet;
use std::net::IpAddr;

use attachment::{Description, Device, Identity, SourceRoute, SourceRule, SourceTable};
use cni::{Call, Error, IpConfig, Success};
use ipnetwork::IpNetwork;
use netlink::route::Route;

use crate::contradictions::refuse;
use crate::routes::{default_route, via};

/// Tables that are not a NIC's: "any", and the kernel's own `default`, `main` and `local` (`RT_TABLE_*` in
/// `include/uapi/linux/rtnetlink.h`).
const RESERVED: [u32; 4] = [0, 253, MAIN, 255];
const MAIN: u32 = 254;

/// Answers leave by the NIC that has the address: a routing table for the NIC, and a rule for each of its addresses.
#[derive(Debug, Clone)]
pub struct SourceRouting {
    identity: Identity,
    table: u32,
}

/// What the NIC has for a neighbour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnLink {
    /// The whole subnet of each address.
    Subnets,
    /// The gateway alone: the rest is behind it.
    Gateways,
}

impl SourceRouting {
    /// Parses the keys; `None` where they do not ask for it.
    ///
    /// # Errors
    /// Code 7 naming the key.
    pub fn parse(is_asked: bool, table: Option<u32>, call: &Call, identity: &Identity) -> Result<Option<Self>, Error> {
        refuse(&[
            (!is_asked && table.is_some(), "table is for sourceRouting: set that, too, or remove table"),
            (
                is_asked && call.config.ipam.is_none(),
                "sourceRouting is for addresses, and there is no ipam that gives the NIC any; add ipam, or remove sourceRouting",
            ),
        ])?;
        if let Some(table) = table.filter(|table| RESERVED.contains(table)) {
            return Err(Error::invalid_config(format!(
                "table: {table} is one of the kernel's own numbers (253 to 255, and 0 for any); choose another, or leave table \
                 out for one that follows from the attachment"
            )));
        }
        let table = table.unwrap_or_else(|| identity.table());
        Ok(is_asked.then(|| Self { identity: identity.clone(), table }))
    }

    /// The table, which nobody else may use. `has_interface` says that the container has an interface that gets addresses.
    ///
    /// # Errors
    /// Code 7 where it has none.
    pub fn describe(&self, has_interface: bool, description: &mut Description) -> Result<(), Error> {
        refuse(&[(
            !has_interface,
            "sourceRouting is for the addresses of a container interface, and there is none that gets any: a TAP device's are its \
             guest's, and a device of the previous plugin's has its own; remove sourceRouting",
        )])?;
        let (identity, table) = (self.identity.clone(), self.table);
        description.own(SourceTable { identity, table, is_searched: false });
        Ok(())
    }

    /// The routes of the table, and the rules that lead there. What is on the link comes first, because gateways must be reachable
    /// when their routes come. The main table is left as it is.
    pub fn addressing(&self, addressing: &Success, on_link: OnLink, description: &mut Description) {
        let device = Device::container(self.identity.if_name());
        let routes = self.routes(addressing, on_link);
        for (place, route) in routes.iter().enumerate() {
            let is_further = routes.iter().take(place).any(|before| before.rivals(route));
            let route = SourceRoute::new(device.clone(), route.clone(), self.table);
            description.own(if is_further { route.further() } else { route });
        }
        for ip in &addressing.ips {
            description.own(SourceRule { address: ip.address.ip(), table: self.table });
        }
    }

    /// Of several of one destination and metric the first counts; of IPv6 every next hop that routes ask for. Where the main table cannot
    /// have them all, it says so.
    fn routes(&self, addressing: &Success, on_link: OnLink) -> Vec<Route> {
        let mut routes: Vec<Route> = Vec::new();
        let mut add = |route: Route| {
            let is_further = |other: &Route| {
                let are_next_hops = route.gateway.is_some() && other.gateway.is_some();
                route.destination.is_ipv6() && are_next_hops && route.gateway != other.gateway
            };
            if routes.iter().filter(|other| other.rivals(&route)).all(is_further) {
                routes.push(route);
            }
        };
        for neighbours in addressing.ips.iter().flat_map(|ip| neighbours(ip, on_link)) {
            add(Route::new(neighbours, None));
        }
        // A route into another table leads nowhere from here, unless it is this very one.
        let is_of_nic = |route: &&cni::Route| route.table.is_none_or(|table| table == MAIN);
        for route in addressing.routes.iter().filter(is_of_nic) {
            add(via(route, addressing));
        }
        let mut defaults = BTreeSet::new();
        let is_here = |route: &cni::Route| is_of_nic(&route) || route.table == Some(self.table);
        for ip in &addressing.ips {
            let Some(gateway) = ip.gateway.filter(|gateway| !gateway.is_unspecified()) else { continue };
            let Some(default) = default_route(gateway).filter(|default| defaults.insert(*default)) else { continue };
            if !addressing.routes.iter().any(|route| route.dst == default && is_here(route)) {
                add(Route::new(default, Some(gateway)));
            }
        }
        routes
    }

    /// For DEL: the table that the configuration names, or that follows from the attachment if it asks for source routing, whether or
    /// not the rest of it is valid.
    pub fn named(call: &Call, identity: &Identity, description: &mut Description) {
        let key = |name| keys::find(&call.config.object, name);
        let is_asked = key("sourceRouting").and_then(|asked| asked.as_bool()) == Some(true);
        let named = key("table").and_then(|table| table.as_u64()).and_then(|table| u32::try_from(table).ok());
        let named = named.filter(|table| !RESERVED.contains(table));
        if let Some(table) = named.or_else(|| is_asked.then(|| identity.table())) {
            description.own(SourceTable { identity: identity.clone(), table, is_searched: true });
        }
    }
}

/// What can be reached without a gateway: the gateway itself, too, where it is not in the subnet. A link-local one is on each link.
fn neighbours(ip: &IpConfig, on_link: OnLink) -> Vec<IpNetwork> {
    let subnet = IpNetwork::new(ip.address.network(), ip.address.prefix()).ok().filter(|_| on_link == OnLink::Subnets);
    let is_near = |gateway: &IpAddr| match gateway {
        IpAddr::V6(gateway) if gateway.is_unicast_link_local() => true,
        gateway => gateway.is_unspecified() || subnet.is_some_and(|subnet| subnet.contains(*gateway)),
    };
    let gateway = ip.gateway.filter(|gateway| !is_near(gateway)).map(IpNetwork::from);
    subnet.into_iter().chain(gateway).collect()
}

/// Gives the routes that have no priority of their own this metric. That of a subnet on the link is the kernel's affair.
pub fn set_metric(metric: Option<u32>, addressing: &mut Success) {
    // 0 says in either family that the kernel may choose.
    let Some(metric) = metric.filter(|metric| *metric > 0) else { return };
    for route in &mut addressing.routes {
        route.priority = route.priority.or(Some(metric));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: u32 = 70_000;

    /// The routes of the table, as `ip` would add them.
    fn routes(addresses: &[(&str, &str)], more: Vec<cni::Route>, on_link: OnLink) -> Vec<String> {
        let ip = |(address, gateway): &(&str, &str)| IpConfig {
            address: address.parse().unwrap(),
            gateway: gateway.parse().ok(),
            interface: None,
            extra: Success::default().extra,
        };
        let addressing = Success { ips: addresses.iter().map(ip).collect(), routes: more, ..Success::default() };
        let routing = SourceRouting { identity: Identity::new("net", "c1", "eth1"), table: TABLE };
        let text = |route: Route| {
            let via = route.gateway.map(|gateway| format!(" via {gateway}")).unwrap_or_default();
            let metric = route.priority.map(|metric| format!(" metric {metric}")).unwrap_or_default();
            format!("{}{via}{metric}", route.destination)
        };
        routing.routes(&addressing, on_link).into_iter().map(text).collect()
    }

    fn to(destination: &str) -> cni::Route {
        cni::Route::new(destination.parse().unwrap(), None)
    }

    #[test]
    fn the_table_has_the_subnets_the_routes_and_a_default_route_of_each_family() {
        let both = [("10.1.0.5/24", "10.1.0.1"), ("fd00:1::5/64", "fe80::1")];
        assert_eq!(
            routes(&both, vec![to("10.7.0.0/16")], OnLink::Subnets),
            ["10.1.0.0/24", "fd00:1::/64", "10.7.0.0/16 via 10.1.0.1", "0.0.0.0/0 via 10.1.0.1", "::/0 via fe80::1"]
        );
        assert_eq!(
            routes(&both, Vec::new(), OnLink::Gateways),
            ["10.1.0.1/32", "0.0.0.0/0 via 10.1.0.1", "::/0 via fe80::1"]
        );
        assert_eq!(routes(&[("10.1.0.5/24", "")], Vec::new(), OnLink::Subnets), ["10.1.0.0/24"]);
    }

    #[test]
    fn a_default_route_of_the_nic_is_the_tables_too() {
        let one = [("10.1.0.5/24", "10.1.0.1")];
        let mut default = cni::Route::new("0.0.0.0/0".parse().unwrap(), "10.1.0.9".parse().ok());
        default.priority = Some(7);
        assert_eq!(
            routes(&one, vec![default.clone()], OnLink::Subnets),
            ["10.1.0.0/24", "0.0.0.0/0 via 10.1.0.9 metric 7"]
        );
        default.table = Some(100);
        assert_eq!(
            routes(&one, vec![default.clone()], OnLink::Subnets),
            ["10.1.0.0/24", "0.0.0.0/0 via 10.1.0.1"],
            "one of another table is not"
        );
        default.table = Some(TABLE);
        assert_eq!(routes(&one, vec![default], OnLink::Subnets), ["10.1.0.0/24"], "it is there already");
    }

    #[test]
    fn no_route_comes_twice_and_gateways_are_reachable() {
        let several = [("10.1.0.5/24", "10.1.0.1"), ("10.1.0.6/24", "10.1.0.2"), ("10.3.0.5/32", "10.9.0.1")];
        assert_eq!(
            routes(&several, vec![to("10.1.0.0/24"), to("10.7.0.0/16"), to("10.7.0.0/16")], OnLink::Subnets),
            ["10.1.0.0/24", "10.3.0.5/32", "10.9.0.1/32", "10.7.0.0/16 via 10.1.0.1", "0.0.0.0/0 via 10.1.0.1"]
        );
    }

    #[test]
    fn a_metric_is_for_routes_without_a_priority() {
        let mut own = to("10.8.0.0/16");
        own.priority = Some(0);
        let mut addressing = Success { routes: vec![to("10.7.0.0/16"), own], ..Success::default() };
        set_metric(Some(0), &mut addressing);
        assert_eq!(addressing.routes[0].priority, None);
        set_metric(Some(200), &mut addressing);
        assert_eq!(addressing.routes.iter().map(|route| route.priority).collect::<Vec<_>>(), [Some(200), Some(0)]);
    }
}
