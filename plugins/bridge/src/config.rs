//! The keys of the configuration.

use cni::{Call, Error};
use netlink::Mac;
use serde::Deserialize;

use crate::firewall::{IP_MASQ_ON_UPLINK, IPSPOOFCHK_WITHOUT_ADDRESSES};
use crate::uplink::{bridge_of, default_bridge};

/// All keys at the top level.
pub(crate) const KEYS: &[&str] = &[
    "autoVlan",
    "bridge",
    "delegateTimeoutSeconds",
    "disableContainerInterface",
    "enabledad",
    "forceAddress",
    "group",
    "hairpinMode",
    "ipMasq",
    "ipMasqBackend",
    "ipspoofchk",
    "isDefaultGateway",
    "isGateway",
    "mac",
    "macspoofchk",
    "mtu",
    "multiQueue",
    "nic",
    "owner",
    "portIsolation",
    "preserveDefaultVlan",
    "promiscMode",
    "tapNamespace",
    "uplink",
    "vlan",
    "vlanTrunk",
];

/// The keys of `CNI_ARGS` that mean something to this plugin or to its delegate.
const ARGS: &[&str] = &["MAC", "IP", "GATEWAY"];

/// The configuration. Keys and defaults are those of the reference, and `autoVlan`, `delegateTimeoutSeconds`, `group`,
/// `ipspoofchk`, `multiQueue`, `nic`, `owner`, `tapNamespace`, `uplink`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Keys {
    /// The bridge's name. Default: `cni0`; with an uplink `br-` and its name. Made if it does not exist.
    pub(crate) bridge: String,
    /// The bridge gets the gateway's address, and the host forwards.
    pub(crate) is_gateway: bool,
    /// As `isGateway`, and the container's default route goes there.
    pub(crate) is_default_gateway: bool,
    /// Another address of the same family on the bridge is replaced instead of refused.
    pub(crate) force_address: bool,
    /// What the container sends beyond its bridge carries the address of the host (source NAT).
    pub(crate) ip_masq: bool,
    /// MTU of the NIC, and of the bridge when it is made, in bytes; 0 takes that of the path.
    pub(crate) mtu: u32,
    /// Frames may leave through the port that they came in by.
    pub(crate) hairpin_mode: bool,
    /// The bridge receives what is addressed to others.
    pub(crate) promisc_mode: bool,
    /// The VLAN of the NIC, 1 to 4094; 0 is none. With `uplink` that of the uplink's logical device.
    pub(crate) vlan: u16,
    /// The VLANs that the NIC carries tagged.
    pub(crate) vlan_trunk: Vec<Trunk>,
    /// With VLANs of its own, the port stays in the bridge's default VLAN, too. Default: true.
    pub(crate) preserve_default_vlan: bool,
    /// Frames from other addresses than the NIC's own are dropped.
    pub(crate) macspoofchk: bool,
    /// Packets from other IP addresses than those of the result are dropped.
    pub(crate) ipspoofchk: bool,
    /// IPv6 addresses go through duplicate detection before ADD returns.
    pub(crate) enabledad: bool,
    /// Isolated ports reach only those that are not.
    pub(crate) port_isolation: bool,
    /// The container interface stays down, without addresses.
    pub(crate) disable_container_interface: bool,
    /// The NIC's address. `runtimeConfig.mac`, `args.cni.mac` and `MAC` of `CNI_ARGS` come before it (CAP-7).
    pub(crate) mac: Option<String>,

    /// A device of the host that becomes a port of the bridge, so that the NIC is in the network behind it.
    pub(crate) uplink: Option<String>,
    /// A VLAN device that the uplink lacks is made.
    pub(crate) auto_vlan: bool,
    /// What the NIC is.
    pub(crate) nic: Nic,
    /// Where the TAP device is.
    pub(crate) tap_namespace: TapNamespace,
    /// The TAP device can be opened once for each queue of the guest.
    pub(crate) multi_queue: bool,
    /// The user who may open the TAP device, by number. Default: root where there is no `group` either.
    pub(crate) owner: Option<u32>,
    /// The group that may open the TAP device, by number.
    pub(crate) group: Option<u32>,

    /// Checked, and means nothing else: rules are nftables' in either case.
    ip_masq_backend: Option<String>,
}

/// Entries of `vlanTrunk`: a VLAN, or those from one to another.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Trunk {
    #[serde(rename = "minID")]
    pub(crate) min_id: Option<u16>,
    #[serde(rename = "maxID")]
    pub(crate) max_id: Option<u16>,
    pub(crate) id: Option<u16>,
}

/// What the container's NIC is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Nic {
    /// A veth pair, one end in the container's namespace.
    Veth,
    /// A TAP device, for a virtual machine.
    Tap,
}

/// Where a TAP device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TapNamespace {
    /// On the host, a port of the bridge itself.
    Host,
    /// In the container's namespace, where the virtual machine's process runs.
    Container,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            bridge: String::new(),
            is_gateway: false,
            is_default_gateway: false,
            force_address: false,
            ip_masq: false,
            mtu: 0,
            hairpin_mode: false,
            promisc_mode: false,
            vlan: 0,
            vlan_trunk: Vec::new(),
            preserve_default_vlan: true,
            macspoofchk: false,
            ipspoofchk: false,
            enabledad: false,
            port_isolation: false,
            disable_container_interface: false,
            mac: None,
            uplink: None,
            auto_vlan: false,
            nic: Nic::Veth,
            tap_namespace: TapNamespace::Host,
            multi_queue: false,
            owner: None,
            group: None,
            ip_masq_backend: None,
        }
    }
}

impl Keys {
    /// Reads and validates.
    ///
    /// # Errors
    /// Code 7 naming the key.
    pub(crate) fn read(call: &Call) -> Result<Self, Error> {
        let mut keys: Self = call.config.keys()?;
        keys.is_gateway |= keys.is_default_gateway;
        if !call.config.object.contains_key("bridge") {
            keys.bridge = default_bridge(keys.uplink.as_deref(), keys.vlan.into()).ok_or_else(|| {
                let uplink = keys.uplink.as_deref().unwrap_or_default();
                Error::invalid_config(format!("bridge: the uplink {uplink} makes too long a name; name the bridge"))
            })?;
        }
        if keys.bridge.is_empty()
            || keys.bridge.len() > netlink::link::NAME_BYTES
            || keys.bridge.contains(['/', ':', ' '])
        {
            return Err(Error::invalid_config(format!(
                "bridge: '{}' cannot be the name of a link: at most 15 bytes, without '/', ':' and blanks",
                keys.bridge
            )));
        }
        keys.refuse_uplink()?;
        keys.refuse_contradictions(call)?;
        keys.check_vlans()?;
        keys.check_gateway()?;
        Ok(keys)
    }

    /// What cannot be had together, or means nothing without another key.
    fn refuse_contradictions(&self, call: &Call) -> Result<(), Error> {
        let of_a_tap = ["owner", "group", "multiQueue", "tapNamespace"];
        if let Some(key) = of_a_tap.iter().find(|key| self.nic == Nic::Veth && call.config.object.contains_key(**key)) {
            return Err(Error::invalid_config(format!(
                "{key} is of a TAP device: set nic to \"tap\", or remove the key"
            )));
        }
        if let Some(backend) = self.ip_masq_backend.as_deref().filter(|name| !["iptables", "nftables"].contains(name)) {
            let msg = format!("ipMasqBackend: {backend:?} is neither \"iptables\" nor \"nftables\"");
            return Err(Error::invalid_config(msg));
        }
        let has_ipam = call.config.ipam.is_some();
        let is_tap = self.nic == Nic::Tap;
        let contradictions = [
            (is_tap && self.enabledad, "enabledad is of a veth: the addresses of a TAP device are its guest's"),
            (
                is_tap && self.disable_container_interface,
                "disableContainerInterface is of a veth; with nic \"tap\" there is no container interface",
            ),
            (self.hairpin_mode && self.promisc_mode, "hairpinMode and promiscMode cannot be set at the same time"),
            (self.ip_masq && self.uplink.is_some() && self.vlan == 0, IP_MASQ_ON_UPLINK),
            (self.ipspoofchk && !has_ipam, IPSPOOFCHK_WITHOUT_ADDRESSES),
            (
                self.disable_container_interface && has_ipam,
                "ipam gives addresses to an interface that disableContainerInterface keeps down; remove one of the two",
            ),
        ];
        match contradictions.iter().find(|(is_met, _)| *is_met) {
            Some((_, reason)) => Err(Error::invalid_config(*reason)),
            None => Ok(()),
        }
    }

    /// The bridge's name, whatever else the configuration says.
    pub(crate) fn bridge_of(call: &Call) -> String {
        bridge_of(call).unwrap_or_default()
    }

    /// The address that was asked for, from the nearest source (CAP-7).
    ///
    /// # Errors
    /// Code 7 naming the source and the text that is no address of a NIC (CAP-2).
    pub(crate) fn asked_mac(&self, call: &Call) -> Result<Option<Mac>, Error> {
        call.environment.args.only(ARGS)?;
        let sources = [
            ("runtimeConfig.mac", call.config.capability::<String>("mac")?),
            ("args.cni.mac", call.config.arg::<String>("mac")?),
            ("MAC in CNI_ARGS", call.environment.args.get("MAC").map(str::to_owned)),
            ("mac", self.mac.clone()),
        ];
        let Some((source, text)) =
            sources.into_iter().find_map(|(source, text)| Some((source, text.filter(|text| !text.is_empty())?)))
        else {
            return Ok(None);
        };
        let mac: Mac = text.parse().map_err(|reason| Error::invalid_config(format!("{source}: {reason}")))?;
        if mac.is_usable() {
            Ok(Some(mac))
        } else {
            Err(Error::invalid_config(format!("{source}: {mac} is a group address or zero; a NIC needs another")))
        }
    }
}
