//! The keys that every plugin with a NIC has.

use cni::{Call, Error};
use serde::Deserialize;

/// The keys as they are written. Names and defaults are those of the reference's `bridge`, and `delegateTimeoutSeconds`, `group`,
/// `ipspoofchk`, `multiQueue`, `nic`, `owner`, `tapNamespace`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NicKeys {
    /// The NIC's address. `runtimeConfig.mac`, `args.cni.mac` and `MAC` of `CNI_ARGS` come before it (CAP-7).
    pub mac: Option<String>,
    /// MTU of the NIC, and of what is made for it, in bytes; 0 takes that of the path.
    pub mtu: u32,
    /// What the NIC is.
    pub nic: Device,
    /// Where the TAP device is.
    pub tap_namespace: TapNamespace,
    /// The TAP device can be opened once for each queue of the guest.
    pub multi_queue: bool,
    /// The user who may open the TAP device, by number. Default: root where there is no `group` either.
    pub owner: Option<u32>,
    /// The group that may open the TAP device, by number.
    pub group: Option<u32>,
    /// IPv6 addresses go through duplicate detection before ADD returns.
    pub enabledad: bool,
    /// The container interface stays down, without addresses.
    pub disable_container_interface: bool,
    /// Frames from other addresses than the NIC's own are dropped.
    pub macspoofchk: bool,
    /// Packets from other IP addresses than those of the result are dropped.
    pub ipspoofchk: bool,
    /// What the container sends beyond its own network carries the address of the host (source NAT).
    pub ip_masq: bool,
    /// Checked, and means nothing else: rules are nftables' in either case.
    pub ip_masq_backend: Option<String>,
    /// The VLAN of the NIC, 1 to 4094; 0 is none.
    pub vlan: u16,
    /// The VLANs that the NIC carries tagged.
    pub vlan_trunk: Vec<Trunk>,
    /// With VLANs of its own, the port stays in the switch's default VLAN, too. Default: true.
    pub preserve_default_vlan: bool,
}

/// Entries of `vlanTrunk`: a VLAN, or those from one to another.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Trunk {
    /// The first VLAN.
    #[serde(rename = "minID")]
    pub min_id: Option<u16>,
    /// The last VLAN.
    #[serde(rename = "maxID")]
    pub max_id: Option<u16>,
    /// One VLAN.
    pub id: Option<u16>,
}

/// What the container's NIC is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Device {
    /// A veth pair, one end in the container's namespace.
    Veth,
    /// A TAP device, for a virtual machine.
    Tap,
}

/// Where a TAP device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TapNamespace {
    /// On the host, a port of the switch itself.
    Host,
    /// In the container's namespace, where the virtual machine's process runs.
    Container,
}

impl Default for NicKeys {
    fn default() -> Self {
        Self {
            mac: None,
            mtu: 0,
            nic: Device::Veth,
            tap_namespace: TapNamespace::Host,
            multi_queue: false,
            owner: None,
            group: None,
            enabledad: false,
            disable_container_interface: false,
            macspoofchk: false,
            ipspoofchk: false,
            ip_masq: false,
            ip_masq_backend: None,
            vlan: 0,
            vlan_trunk: Vec::new(),
            preserve_default_vlan: true,
        }
    }
}

impl NicKeys {
    /// What cannot be had together, or means nothing without another key.
    pub(crate) fn refuse_contradictions(&self, call: &Call) -> Result<(), Error> {
        let of_a_tap = ["owner", "group", "multiQueue", "tapNamespace"];
        let object = &call.config.object;
        if let Some(key) = of_a_tap.iter().find(|key| self.nic == Device::Veth && object.contains_key(**key)) {
            return Err(Error::invalid_config(format!(
                "{key} is of a TAP device: set nic to \"tap\", or remove the key"
            )));
        }
        if let Some(backend) = self.ip_masq_backend.as_deref().filter(|name| !["iptables", "nftables"].contains(name)) {
            let msg = format!("ipMasqBackend: {backend:?} is neither \"iptables\" nor \"nftables\"");
            return Err(Error::invalid_config(msg));
        }
        let is_tap = self.nic == Device::Tap;
        refuse(&[
            (is_tap && self.enabledad, "enabledad is of a veth: the addresses of a TAP device are its guest's"),
            (
                is_tap && self.disable_container_interface,
                "disableContainerInterface is of a veth; with nic \"tap\" there is no container interface",
            ),
            (
                self.disable_container_interface && call.config.ipam.is_some(),
                "ipam gives addresses to an interface that disableContainerInterface keeps down; remove one of the two",
            ),
        ])
    }
}

/// The first contradiction that is met, as code 7.
pub(crate) fn refuse(contradictions: &[(bool, &str)]) -> Result<(), Error> {
    match contradictions.iter().find(|(is_met, _)| *is_met) {
        Some((_, reason)) => Err(Error::invalid_config(*reason)),
        None => Ok(()),
    }
}
