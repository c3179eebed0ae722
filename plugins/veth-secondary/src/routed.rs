//! A veth pair without a bridge: the host has routes to the container's addresses, and is its gateway.

use std::collections::BTreeSet;

use attachment::{
    Address, AwaitListening, Description, Device, Forwarding, HostRoute, Identity, LinkLocal, LinkRoute, Others,
    RoutedRule, Session, Stage, Sysctl,
};
use cni::{Call, Command, Error, IpConfig, Success};
use ipnetwork::IpNetwork;
use keys::{NicKeys, OnBridgeKeys, TapKeys};
use netlink::route::Route;
use nic::{Found, Gateway, Guard, Nic, OnLink, Path, expected, merge};
use plugin::Prop;

use crate::connection::Connection;

/// A routed NIC: what is wanted, and what was found.
#[derive(Debug, Clone)]
pub(crate) struct Routed {
    nic: Nic,
    gateway: Gateway,
    guard: Guard,
    found: Found,
}

impl Routed {
    /// # Errors
    /// Code 7 naming the key.
    pub(crate) fn read(call: &Call, identity: Identity) -> Result<Self, Error> {
        let on_bridge: OnBridgeKeys = call.config.keys()?;
        let keys: NicKeys = call.config.keys()?;
        let of_tap: TapKeys = call.config.keys()?;
        let guard = Guard::of_routed(&keys);
        let nic = Nic::parse(&keys, keys::Device::Veth, &of_tap, call, identity)?;
        nic.refuse_mtu()?;
        let gateway = Gateway { is_default: on_bridge.is_default_gateway, replaces: false };
        Ok(Self { nic, gateway, guard, found: Found::default() })
    }

    fn host(&self) -> Device {
        Device::host(self.nic.identity.host_name())
    }
}

impl Connection for Routed {
    fn survey(&mut self, call: &Call, session: &mut Session) -> Result<(), Error> {
        if self.nic.mtu_bytes.is_none() && call.environment.command != Command::Check {
            let path = Path::of_the_host(session).map_err(|error| nic::error(&error))?;
            self.found.path = self.nic.fit(path);
        }
        Ok(())
    }

    fn describe(&self) -> Description {
        let mut description = Description::new();
        description.own(RoutedRule { identity: self.nic.identity.clone() });
        self.nic.describe(&self.found, "", &mut description);
        let (device, mac) = (self.host(), self.nic.identity.host_mac());
        description.own(Sysctl { stage: Stage::Setting, ..Sysctl::no_router_advertisements(&device.name) });
        description.own(LinkLocal { device, mac, is_detected: false });
        description
    }

    /// # Errors
    /// Code 7 for an address without a gateway: one that is all of its subnet has no other address to take.
    fn complete(&self, addressing: &mut Success) -> Result<(), Error> {
        self.nic.refuse_ipv6(&self.found, addressing)?;
        if let Some(alone) = addressing.ips.iter().find(|ip| ip.gateway.is_none() && is_host(ip.address)) {
            return Err(Error::invalid_config(format!(
                "{} has no gateway, and its subnet has no other address for one; name the gateway in ipam",
                alone.address
            )));
        }
        self.gateway.complete(addressing);
        match addressing.ips.iter().find(|ip| ip.gateway == Some(ip.address.ip())) {
            None => Ok(()),
            Some(ip) => Err(Error::invalid_config(format!(
                "the container would have the address {} of its own gateway; name another gateway in ipam, or exclude the address",
                ip.address.ip()
            ))),
        }
    }

    /// As with the reference's `ptp`: the container reaches its gateway directly, and its subnet by way of that.
    fn addressing(&self, addressing: &Success) -> Description {
        let mut description = Description::new();
        self.guard.addressing(&self.nic, addressing, &mut description);
        let (inside, host) = (self.nic.container_interface(), self.host());
        nic::alone(&self.nic, &self.found, addressing, &mut description);
        let (mut gateways, mut subnets) = (BTreeSet::new(), BTreeSet::new());
        for ip in &addressing.ips {
            description.own(HostRoute { identity: self.nic.identity.clone(), address: ip.address.ip() });
            let Some(gateway) = ip.gateway else { continue };
            // Several addresses may have the same one.
            if gateways.insert(gateway) {
                let (address, others) = (IpNetwork::from(gateway), Others::Alone);
                // By another NIC's way the gateway is the same host; IPv6 has both.
                let yields = gateway.is_ipv4();
                description.own(LinkRoute { yields, ..LinkRoute::new(inside.clone(), Route::new(address, None)) });
                let device = host.clone();
                description.own(Address { device, address, others, is_detected: false, has_route: false });
                description.act(AwaitListening { device: host.clone(), address: gateway });
                description.own(Forwarding { is_ipv6: gateway.is_ipv6() });
            }
            if let Some(route) = subnet(ip).filter(|route| subnets.insert(route.destination)) {
                description.own(LinkRoute { yields: true, ..LinkRoute::new(inside.clone(), route) });
            }
        }
        nic::by_the_host(&inside, addressing, &mut description);
        description
    }

    fn has_interface(&self) -> bool {
        self.nic.has_interface(&self.found)
    }

    fn on_link(&self) -> OnLink {
        OnLink::Gateways
    }

    fn result(&self, call: &Call, _session: &mut Session, addressing: Success) -> Result<Success, Error> {
        Ok(merge(call, self.nic.interfaces(&self.found, call), addressing))
    }

    fn expect(&mut self, call: &Call, previous: &Success) -> Result<Success, Error> {
        expected(call, previous, &mut self.found)
    }

    fn rehearse(&mut self, _session: &mut Session) -> Result<Vec<Prop>, Error> {
        Ok(Vec::new())
    }
}

/// It is all of its subnet.
fn is_host(address: IpNetwork) -> bool {
    address.prefix() == if address.is_ipv4() { 32 } else { 128 }
}

/// The route to the other addresses of the subnet.
fn subnet(ip: &IpConfig) -> Option<Route> {
    let network = IpNetwork::new(ip.address.network(), ip.address.prefix()).ok()?;
    (!is_host(ip.address)).then(|| Route { is_on_link: true, ..Route::new(network, ip.gateway) })
}
