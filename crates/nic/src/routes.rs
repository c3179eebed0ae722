//! The routes of the container interface.

use std::net::IpAddr;

use attachment::{Description, Device, LinkRoute};
use cni::{Error, Success};
use ipnetwork::IpNetwork;
use netlink::route;

/// The routes of a result, through the container interface.
pub(crate) fn describe(device: &Device, addressing: &Success, description: &mut Description) {
    for route in once(addressing.routes.iter().map(|route| via(route, addressing))) {
        description.own(LinkRoute::new(device.clone(), route));
    }
}

/// The same where only the gateways are on the link: another NIC may have the same ones. A route to one of them is the link's.
pub fn by_the_host(device: &Device, addressing: &Success, description: &mut Description) {
    for route in once(addressing.routes.iter().map(|route| via(route, addressing))) {
        if route.gateway.is_some_and(|gateway| route.destination == IpNetwork::from(gateway)) {
            let of_link = route::Route { gateway: None, ..route };
            let yields = of_link.destination.is_ipv4();
            description.own(LinkRoute { yields, ..LinkRoute::new(device.clone(), of_link) });
            continue;
        }
        let is_on_link = route.gateway.is_some() && addressing.ips.iter().any(|ip| ip.gateway == route.gateway);
        description.own(LinkRoute::new(device.clone(), route::Route { is_on_link, ..route }));
    }
}

/// Those that are listed again are left out.
fn once(routes: impl Iterator<Item = route::Route>) -> Vec<route::Route> {
    let mut different: Vec<route::Route> = Vec::new();
    for route in routes {
        if !different.iter().any(|before| before.is_same_as(&route)) {
            different.push(route);
        }
    }
    different
}

/// The route for the kernel: without a next hop, the gateway of its family's address is meant (DLG-9).
pub(crate) fn via(route: &cni::Route, addressing: &Success) -> route::Route {
    let of_family = |ip: &&cni::IpConfig| ip.address.is_ipv4() == route.dst.is_ipv4();
    // 0.0.0.0 and :: say that there is none.
    let own = route.gw.map(|gateway| Some(gateway).filter(|gateway| !gateway.is_unspecified()));
    let gateway = own.unwrap_or_else(|| addressing.ips.iter().filter(of_family).find_map(|ip| ip.gateway));
    route::Route {
        destination: route.dst,
        gateway,
        priority: route.priority,
        table: route.table,
        mtu: route.mtu,
        advmss: route.advmss,
        scope: route.scope,
        is_on_link: false,
        is_further: false,
    }
}

/// `0.0.0.0/0` or `::/0`, by the gateway's family.
#[must_use]
pub fn default_route(gateway: IpAddr) -> Option<IpNetwork> {
    let any = if gateway.is_ipv4() { IpAddr::from([0; 4]) } else { IpAddr::from([0; 16]) };
    IpNetwork::new(any, 0).ok()
}

/// The default routes by the gateways of an answer of IPAM, where it has none of its own: `isDefaultGateway` of a NIC whose gateway
/// is not made here.
///
/// # Errors
/// Code 7 for an address without a gateway.
pub fn by_gateways_of_ipam(addressing: &mut Success) -> Result<(), Error> {
    for ip in &addressing.ips {
        let Some(gateway) = ip.gateway else {
            return Err(Error::invalid_config(format!(
                "isDefaultGateway: ipam gives no gateway with {}; name it there",
                ip.address
            )));
        };
        let is_new = |default: &IpNetwork| !addressing.routes.iter().any(|route| route.dst == *default);
        if let Some(default) = default_route(gateway).filter(is_new) {
            addressing.routes.push(cni::Route::new(default, Some(gateway)));
        }
    }
    Ok(())
}
