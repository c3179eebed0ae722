//! The bridge as the gateway of its containers: which interface of the host has the gateway's addresses.

use attachment::{Address, Device, Listening, Others, Side, Sysctl};
use cni::{Error, Success};
use ipnetwork::IpNetwork;
use plugin::interface::Description;

use crate::config::Keys;
use crate::describe::Bridged;

impl Keys {
    /// The VLAN of the gateway: that of the NIC. With `uplink` the VLAN is below the bridge, and the bridge knows none.
    pub(crate) fn gateway_vlan(&self) -> Option<u16> {
        (self.is_gateway && self.vlan != 0 && self.uplink.is_none()).then_some(self.vlan)
    }

    /// The name of the host's interface with the gateway's addresses: the bridge, or its device in the NIC's VLAN, which
    /// the reference names so, too.
    pub(crate) fn gateway_interface(&self) -> String {
        match self.gateway_vlan() {
            Some(id) => format!("{}.{id}", self.bridge),
            None => self.bridge.clone(),
        }
    }

    /// The host's interfaces by which what the container sends beyond the bridge comes in. In a VLAN whose gateway is the
    /// operator's, that is the operator's device there; it is called as ours would be, or is the bridge itself.
    pub(crate) fn ways_out(&self) -> Vec<String> {
        let mut interfaces = vec![self.gateway_interface()];
        if self.vlan != 0 && self.uplink.is_none() && !self.is_gateway {
            interfaces.push(format!("{}.{}", self.bridge, self.vlan));
        }
        interfaces.retain(|name| name.len() <= netlink::link::NAME_BYTES);
        interfaces
    }

    /// # Errors
    /// Code 7 when the kernel takes no link of that name.
    pub(crate) fn check_gateway(&self) -> Result<(), Error> {
        let name = self.gateway_interface();
        if name.len() <= netlink::link::NAME_BYTES {
            return Ok(());
        }
        Err(Error::invalid_config(format!(
            "bridge: the gateway of vlan {} would be the link {name}, whose name is longer than {} bytes; choose a \
             shorter name for the bridge",
            self.vlan,
            netlink::link::NAME_BYTES
        )))
    }
}

impl Bridged {
    /// The VLAN of the gateway, if it is going to have addresses.
    pub(crate) fn gateway_vlan(&self) -> Option<u16> {
        self.keys.gateway_vlan().filter(|_| self.has_ipam)
    }

    /// The gateway's addresses, and forwarding.
    pub(crate) fn gateway(&self, addressing: &Success) -> Description {
        let mut objects: Description = Vec::new();
        let others = if self.keys.force_address { Others::Replace } else { Others::Respect };
        for ip in &addressing.ips {
            let Some(address) = ip.gateway.and_then(|gateway| IpNetwork::new(gateway, ip.address.prefix()).ok()) else {
                continue;
            };
            let path = match address {
                IpNetwork::V4(_) => "net/ipv4/ip_forward",
                IpNetwork::V6(_) => "net/ipv6/conf/all/forwarding",
            };
            let device = Device::host(self.keys.gateway_interface());
            objects.push(Box::new(Address { device: device.clone(), address, others, is_detected: false }));
            objects.push(Box::new(Listening { device, address: address.ip() }));
            objects.push(Box::new(Sysctl { side: Side::Host, path: path.to_owned(), value: "1", optional: false }));
        }
        objects
    }
}
