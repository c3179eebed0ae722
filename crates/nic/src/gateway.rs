//! The host as the gateway of its containers.

use std::net::IpAddr;

use attachment::{Address, AwaitListening, Description, Device, Forwarding, Others};
use cni::{IpConfig, Success};
use ipnetwork::IpNetwork;

use crate::routes::default_route;

/// A link of the host that has the gateways' addresses.
#[derive(Debug, Clone)]
pub struct Gateway {
    /// The container's default route goes there.
    pub is_default: bool,
    /// Another address of the same family on the link is replaced instead of refused.
    pub replaces: bool,
}

impl Gateway {
    /// Completes what IPAM returned: a gateway for each address, and the default routes.
    pub fn complete(&self, addressing: &mut Success) {
        for ip in &mut addressing.ips {
            ip.gateway = ip.gateway.or_else(|| first_host(ip.address));
            let Some(gateway) = ip.gateway.filter(|_| self.is_default) else { continue };
            let Some(default) = default_route(gateway) else { continue };
            if !addressing.routes.iter().any(|route| route.dst == default) {
                addressing.routes.push(cni::Route::new(default, Some(gateway)));
            }
        }
    }

    /// The gateways' addresses on `link`, and forwarding.
    pub fn describe(&self, link: &str, addressing: &Success, description: &mut Description) {
        let of_gateway = |ip: &IpConfig| IpNetwork::new(ip.gateway?, ip.address.prefix()).ok();
        let gateways: Vec<IpNetwork> = addressing.ips.iter().filter_map(of_gateway).collect();
        for address in gateways.iter().copied() {
            let device = Device::host(link);
            let others = Others::Shared { companions: gateways.clone(), replaces: self.replaces };
            description.own(Address { device: device.clone(), address, others, is_detected: false, has_route: true });
            description.act(AwaitListening { device, address: address.ip() });
            description.own(Forwarding { is_ipv6: address.is_ipv6() });
        }
    }
}

/// The first address of a subnet behind its own, which the reference takes for the gateway's.
fn first_host(address: IpNetwork) -> Option<IpAddr> {
    Some(match address.network() {
        IpAddr::V4(network) => IpAddr::V4(network.to_bits().checked_add(1)?.into()),
        IpAddr::V6(network) => IpAddr::V6(network.to_bits().checked_add(1)?.into()),
    })
}
