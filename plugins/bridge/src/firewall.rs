//! What a NIC needs of the host's packet filter: `ipMasq`, `macspoofchk`, `ipspoofchk`.

use std::net::{IpAddr, Ipv4Addr};

use attachment::{Elements, Object};
use cni::{Error, Success};

use crate::config::Keys;
use crate::describe::Bridged;

pub(crate) const IP_MASQ_ON_UPLINK: &str = "ipMasq and uplink cannot be set together without vlan: the containers are in the uplink's own network, and nothing \
     is there to translate; remove one of the two";
pub(crate) const IPSPOOFCHK_WITHOUT_ADDRESSES: &str =
    "ipspoofchk lets only the addresses of ipam pass, and there is no ipam; add ipam, or set macspoofchk instead";

impl Keys {
    /// Refuses a guard that would let nothing pass.
    ///
    /// # Errors
    /// Code 7.
    pub(crate) fn check_addresses(&self, addressing: &Success) -> Result<(), Error> {
        if self.ipspoofchk && addressing.ips.is_empty() {
            return Err(Error::invalid_config(IPSPOOFCHK_WITHOUT_ADDRESSES));
        }
        Ok(())
    }
}

impl Bridged {
    /// What is behind a device of the previous plugin's has an address that is not known here.
    ///
    /// # Errors
    /// Code 7.
    pub(crate) fn refuse_guard_of_adopted(&self) -> Result<(), Error> {
        match &self.adopted {
            Some(device) if self.keys.macspoofchk || self.keys.ipspoofchk => Err(Error::invalid_config(format!(
                "macspoofchk and ipspoofchk guard a NIC that is made here, and the port is to be {device}, which the previous \
                 plugin made; remove the two keys"
            ))),
            _ => Ok(()),
        }
    }

    /// What must be in force before the port lets the first frame pass. IP addresses are not known yet.
    pub(crate) fn guard(&self) -> Box<dyn Object> {
        let mut elements = Elements::of(self.identity.clone());
        if self.keys.macspoofchk {
            elements = elements.guarding_mac(self.mac);
        }
        if self.keys.ipspoofchk {
            elements = elements.guarding_addresses(self.mac);
        }
        Box::new(elements)
    }

    /// What the addresses of the NIC have in the packet filter. Without addresses there is nothing to translate, as with the
    /// reference.
    pub(crate) fn translation(&self, addressing: &Success) -> Box<dyn Object> {
        let addresses = || addressing.ips.iter().map(|ip| ip.address.ip());
        let mut elements = Elements::of(self.identity.clone());
        if self.keys.ipspoofchk {
            elements = elements.allowing(addresses());
        }
        if self.keys.ip_masq {
            for interface in self.keys.ways_out() {
                elements = elements.masquerading(&interface, addresses());
            }
        }
        Box::new(elements)
    }

    /// The same for an address of nobody, to try out whether the kernel can do it.
    pub(crate) fn example_of_translation(&self) -> Box<dyn Object> {
        let mut elements = Elements::of(self.identity.clone());
        if self.keys.ip_masq {
            let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)); // RFC 5737
            elements = elements.masquerading(&self.keys.gateway_interface(), [address]);
        }
        Box::new(elements)
    }
}
