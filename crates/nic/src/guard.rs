//! What a NIC needs of the host's packet filter: `ipMasq`, `macspoofchk`, `ipspoofchk`.

use attachment::{Description, Elements};
use cni::{Call, Error, Success};
use keys::NicKeys;

use crate::Found;
use crate::attached::Nic;
use crate::contradictions::refuse;

/// Why `ipspoofchk` without addresses is refused.
const ADDRESSES_WITHOUT_IPAM: &str =
    "ipspoofchk lets only the addresses of ipam pass, and there is no ipam; add ipam, or set macspoofchk instead";

/// What the packet filter does for a NIC.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    /// Frames from other addresses than the NIC's own are dropped.
    macs: bool,
    /// Packets from other IP addresses than those of the result are dropped.
    addresses: bool,
    /// What the container sends to other networks is translated.
    translation: Translation,
}

/// Whose source address is replaced by the host's.
#[derive(Debug, Clone, Default)]
enum Translation {
    #[default]
    None,
    /// What comes in by these interfaces of the host.
    From(Vec<String>),
    /// What comes in by the host interface, to which the host routes the container's addresses.
    Routed,
}

impl Guard {
    /// Parses the keys. `ways_out` are the interfaces of the host by which the container's packets come in, nearest first.
    ///
    /// # Errors
    /// Code 7 for a guard that would let nothing pass.
    pub fn parse(keys: &NicKeys, call: &Call, ways_out: Vec<String>) -> Result<Self, Error> {
        refuse(&[(keys.ipspoofchk && call.config.ipam.is_none(), ADDRESSES_WITHOUT_IPAM)])?;
        let translation = if keys.ip_masq { Translation::From(ways_out) } else { Translation::None };
        Ok(Self { macs: keys.macspoofchk, addresses: keys.ipspoofchk, translation })
    }

    /// Of a routed NIC, which has no port that could be guarded.
    #[must_use]
    pub fn of_routed(keys: &NicKeys) -> Self {
        let translation = if keys.ip_masq { Translation::Routed } else { Translation::None };
        Self { macs: false, addresses: false, translation }
    }

    /// Refuses a guard that would let nothing pass.
    ///
    /// # Errors
    /// Code 7.
    pub fn refuse_nothing(&self, addressing: &Success) -> Result<(), Error> {
        refuse(&[(self.addresses && addressing.ips.is_empty(), ADDRESSES_WITHOUT_IPAM)])
    }

    /// The address of what is behind the previous plugin's device is not known here.
    ///
    /// # Errors
    /// Code 7.
    pub fn refuse_lent(&self, found: &Found) -> Result<(), Error> {
        match &found.lent {
            Some(device) if self.macs || self.addresses => Err(Error::invalid_config(format!(
                "macspoofchk and ipspoofchk guard a NIC that is made here, but the port will be {device}, which the previous \
                 plugin made; remove the two keys"
            ))),
            _ => Ok(()),
        }
    }

    /// What must be in force before the port lets the first frame pass. IP addresses are not known yet.
    pub fn describe(&self, nic: &Nic, found: &Found, description: &mut Description) {
        let mut elements = Elements::guarding(nic.identity.clone());
        if self.macs {
            elements = elements.guarding_mac(nic.mac(found));
        }
        if self.addresses {
            elements = elements.guarding_addresses(nic.mac(found));
        }
        description.own(elements);
    }

    /// What the addresses of the NIC have in the packet filter. Without addresses there is nothing to translate, as with the
    /// reference.
    pub fn addressing(&self, nic: &Nic, addressing: &Success, description: &mut Description) {
        let addresses = || addressing.ips.iter().map(|ip| ip.address.ip());
        let mut elements = Elements::of_addresses(nic.identity.clone());
        if self.addresses {
            elements = elements.allowing(addresses());
        }
        match &self.translation {
            Translation::None => {}
            Translation::From(interfaces) => {
                for interface in interfaces {
                    elements = elements.masquerading(interface, addresses());
                }
            }
            Translation::Routed => elements = elements.masquerading_routed(addresses()),
        }
        description.own(elements);
    }
}
