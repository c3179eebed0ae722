//! The configuration as an attachment.

use std::net::IpAddr;

use attachment::{
    Address, Announced, Bridge, BridgePort, Device, Elements, Forwarding, GatewayVlan, Identity, Kernel, Listening,
    Members, Object, Others, Route, Settled, Side, Sysctl, Unclaimed,
};
use cni::{Call, Error, Success};
use ipnetwork::IpNetwork;
use netlink::{Mac, route};
use plugin::codes::from_attachment;
use plugin::interface::{Description, Interface, bridge_interface};
use plugin::probe::probe;

use crate::config::Keys;
use crate::nic::{self, Attached};
use crate::{adopted, path};

/// The MTU in bytes that the kernel gives a veth or TAP device where neither the configuration nor the path says another
/// (`ETH_DATA_LEN`).
const DEFAULT_MTU: u32 = 1500;

/// A NIC on a bridge.
#[derive(Debug, Clone)]
pub(crate) struct Bridged {
    pub(crate) keys: Keys,
    pub(crate) identity: Identity,
    pub(crate) mac: Mac,
    /// The device of the previous plugin's that is the port, so that no NIC is made.
    pub(crate) adopted: Option<String>,
    /// Addresses come from an allocator that gives each of them once, and need no asking around.
    is_allocated: bool,
    /// The bridge's MTU in bytes, where the configuration names one. CHECK expects it whatever the NIC's has become.
    bridge_mtu: Option<u32>,
    /// Addresses come from somewhere.
    pub(crate) has_ipam: bool,
}

impl Bridged {
    pub(crate) fn mtu(&self) -> Option<u32> {
        (self.keys.mtu != 0).then_some(self.keys.mtu)
    }

    fn bridge(&self) -> Bridge {
        Bridge {
            name: self.keys.bridge.clone(),
            network: self.identity.network().to_owned(),
            mtu: self.bridge_mtu,
            promiscuous: self.keys.promisc_mode,
            vlan_filtering: self.keys.filters_vlans(),
            is_gateway: self.keys.is_gateway,
            gateway_vlan: self.gateway_vlan(),
            uplink: self.keys.uplink(),
        }
    }

    /// The port, its VLANs, and what needs a port to be there.
    fn on_the_bridge(&self) -> Description {
        let mut objects: Description = vec![Box::new(BridgePort {
            device: self.port(),
            bridge: self.keys.bridge.clone(),
            hairpin: self.keys.hairpin_mode,
            isolated: self.keys.port_isolation,
        })];
        if let Some(vlans) = self.keys.port_vlans(self.port()) {
            objects.push(Box::new(vlans));
        }
        if let Some(id) = self.gateway_vlan() {
            let network = self.identity.network().to_owned();
            objects.push(Box::new(GatewayVlan { bridge: self.keys.bridge.clone(), network, id }));
        }
        objects
    }

    pub(crate) fn container_interface(&self) -> Device {
        Device::container(self.identity.if_name())
    }

    pub(crate) fn container_setting(&self, setting: &str, value: &'static str) -> Box<dyn Object> {
        let path = format!("net/ipv6/conf/{}/{setting}", self.identity.if_name());
        Box::new(Sysctl { side: Side::Container, path, value, optional: true })
    }
}

impl Interface for Bridged {
    fn read(call: &Call, identity: Identity) -> Result<Self, Error> {
        let keys = Keys::read(call)?;
        let mac = keys.asked_mac(call)?.unwrap_or_else(|| identity.container_mac());
        let is_allocated = call.config.ipam.as_deref() == Some("host-local");
        let bridge_mtu = Some(keys.mtu).filter(|bytes| *bytes != 0);
        let has_ipam = call.config.ipam.is_some();
        Ok(Self { keys, identity, mac, adopted: None, is_allocated, bridge_mtu, has_ipam })
    }

    fn survey(&mut self, call: &Call, kernel: &mut Kernel) -> Result<(), Error> {
        self.adopted = adopted::find(call, &self.identity, &self.keys.bridge, kernel)?;
        self.refuse_guard_of_adopted()?;
        if let Some(uplink) = self.keys.uplink().filter(|_| self.keys.is_gateway) {
            uplink.refuse_gateway(kernel).map_err(|error| from_attachment(&error))?;
        }
        if self.keys.mtu == 0 {
            let path = path::survey(&self.keys, kernel).map_err(|error| from_attachment(&error))?;
            self.keys.mtu = path.mtu.unwrap_or_default();
            self.bridge_mtu = path.mtu.filter(|_| path.is_for_the_bridge);
        }
        Ok(())
    }

    fn links(&self) -> Description {
        let mut links: Description = vec![Box::new(self.bridge())];
        links.push(Box::new(Members { bridge: self.keys.bridge.clone() }));
        links.push(self.guard());
        links.extend(self.nic(self.on_the_bridge()));
        links
    }

    fn remains(call: &Call, identity: Identity, kernel: &mut Kernel) -> Description {
        let bridge = Keys::bridge_of(call);
        let mut remains: Description = vec![Box::new(Bridge::shared(&bridge, identity.network()))];
        // The configuration may name another bridge by now.
        if let Ok(Some(other)) = attachment::bridge_of(kernel, &identity)
            && other != bridge
        {
            remains.push(Box::new(Bridge::shared(&other, identity.network())));
        }
        remains.extend(adopted::remains(call, &identity, &bridge));
        remains.extend(nic::remains(call, identity.clone()));
        remains.push(Box::new(Elements::of(identity)));
        remains
    }

    fn complete(&self, call: &Call, addressing: &mut Success) -> Result<(), Error> {
        if addressing.dns == cni::Dns::default() {
            addressing.dns = call.config.dns()?;
        }
        self.keys.check_addresses(addressing)?;
        if !self.keys.is_gateway {
            return Ok(());
        }
        for ip in &mut addressing.ips {
            ip.gateway = ip.gateway.or_else(|| first_host(ip.address));
            let Some(gateway) = ip.gateway.filter(|_| self.keys.is_default_gateway) else { continue };
            let Some(default) = default_route(gateway) else { continue };
            if !addressing.routes.iter().any(|route| route.dst == default) {
                addressing.routes.push(cni::Route::new(default, Some(gateway)));
            }
        }
        Ok(())
    }

    fn addressing(&self, addressing: &Success) -> Description {
        let mut objects: Description = vec![self.translation(addressing)];
        if self.attached() == Attached::ContainerTap {
            objects.push(Box::new(Forwarding { device: self.identity.host_name() }));
        }
        if self.has_interface() {
            let device = self.container_interface();
            let is_detected = self.keys.enabledad;
            if addressing.ips.iter().any(|ip| ip.address.is_ipv6()) {
                objects.push(self.container_setting("disable_ipv6", "0"));
            }
            objects.push(Box::new(Forwarding { device: self.identity.host_name() }));
            for ip in &addressing.ips {
                if !(self.is_allocated || (is_detected && ip.address.is_ipv6())) {
                    objects.push(Box::new(Unclaimed { device: device.clone(), address: ip.address.ip() }));
                }
                objects.push(Box::new(Address {
                    device: device.clone(),
                    address: ip.address,
                    others: Others::Alone,
                    is_detected,
                }));
            }
            if is_detected {
                objects.push(Box::new(Settled { device: device.clone() }));
            }
            for ip in &addressing.ips {
                objects.push(Box::new(Listening { device: device.clone(), address: ip.address.ip() }));
                objects.push(Box::new(Announced { device: device.clone(), address: ip.address.ip(), mac: self.mac }));
            }
            for route in &addressing.routes {
                objects.push(Box::new(Route { device: device.clone(), route: via(route, addressing) }));
            }
        }
        if self.keys.is_gateway {
            objects.extend(self.gateway(addressing));
        }
        objects
    }

    /// Bridge, host interface, container interface, gateway in a VLAN, in the reference's order (RES-20). A virtual machine's
    /// NIC is listed with the address that its device model must be given.
    fn interfaces(&self, kernel: &mut Kernel, sandbox: &str) -> Result<(Vec<cni::Interface>, Option<usize>), Error> {
        let bridge = bridge_interface(kernel, &self.keys.bridge)?;
        let gateway = match self.gateway_vlan() {
            Some(_) => Some(bridge_interface(kernel, &self.keys.gateway_interface())?),
            None => None,
        };
        if self.adopted.is_some() {
            return Ok((std::iter::once(bridge).chain(gateway).collect(), None));
        }
        let host = cni::Interface {
            name: self.identity.host_name(),
            mac: self.identity.host_mac().to_string(),
            mtu: Some(self.mtu().unwrap_or(DEFAULT_MTU)),
            ..cni::Interface::default()
        };
        let own = cni::Interface {
            name: self.identity.if_name().to_owned(),
            mac: self.mac.to_string(),
            mtu: host.mtu,
            sandbox: sandbox.to_owned(),
            ..cni::Interface::default()
        };
        Ok(([bridge, host, own].into_iter().chain(gateway).collect(), Some(2)))
    }

    fn makes_nic(&self) -> bool {
        self.adopted.is_none()
    }

    fn expect(&mut self, mac: Option<Mac>, mtu: Option<u32>) {
        self.mac = mac.unwrap_or(self.mac);
        self.keys.mtu = mtu.unwrap_or(0); // before 1.1.0 a result does not tell, and a later plugin may have changed it
    }

    /// Makes the links in a namespace of their own; and what has the bridge's name on the host must be able to serve.
    fn probe(&self) -> Result<(), Error> {
        let unavailable = |error| Error::new(cni::Code::NotAvailable, from_attachment(&error).msg);
        let found =
            Kernel::new(None).find(&Device::host(&self.keys.bridge)).map_err(|error| from_attachment(&error))?;
        if let Some(link) = found {
            self.bridge().check(&link).map_err(unavailable)?;
        }
        let mut copy = self.clone();
        if let Some(uplink) = copy.keys.uplink() {
            uplink.refuse_unusable(&mut Kernel::new(None)).map_err(unavailable)?;
            (copy.keys.uplink, copy.keys.vlan) = (None, 0); // they are not where the rest is tried out
        }
        probe(move || {
            let mut objects = copy.links();
            objects.push(copy.example_of_translation());
            objects
        })
    }
}

/// The route for the kernel: without a next hop, the gateway of its family's address is meant (DLG-9).
fn via(route: &cni::Route, addressing: &Success) -> route::Route {
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
    }
}

/// `0.0.0.0/0` or `::/0`.
fn default_route(gateway: IpAddr) -> Option<IpNetwork> {
    let any = if gateway.is_ipv4() { IpAddr::from([0; 4]) } else { IpAddr::from([0; 16]) };
    IpNetwork::new(any, 0).ok()
}

/// The first address of a subnet behind its own, which the reference takes for the gateway's.
fn first_host(address: IpNetwork) -> Option<IpAddr> {
    Some(match address.network() {
        IpAddr::V4(network) => IpAddr::V4(network.to_bits().checked_add(1)?.into()),
        IpAddr::V6(network) => IpAddr::V6(network.to_bits().checked_add(1)?.into()),
    })
}
