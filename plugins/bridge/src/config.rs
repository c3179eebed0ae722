//! The keys of the configuration.

use cni::{Call, Code, Error};
use netlink::Mac;
use serde::Deserialize;

/// All keys at the top level.
pub(crate) const KEYS: &[&str] = &[
    "bridge",
    "delegateTimeoutSeconds",
    "disableContainerInterface",
    "enabledad",
    "forceAddress",
    "group",
    "hairpinMode",
    "ipMasqBackend",
    "isDefaultGateway",
    "isGateway",
    "mac",
    "macspoofchk",
    "mtu",
    "nic",
    "owner",
    "portIsolation",
    "preserveDefaultVlan",
    "promiscMode",
    "vlan",
    "vlanTrunk",
];

/// The keys of `CNI_ARGS` that mean something to this plugin or to its delegate.
const ARGS: &[&str] = &["MAC", "IP", "GATEWAY"];

/// The configuration. Keys and defaults are those of the reference, and `nic`, `owner`, `group`, `delegateTimeoutSeconds`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Keys {
    /// The bridge's name. Made if it does not exist.
    pub(crate) bridge: String,
    /// The bridge gets the gateway's address, and the host forwards.
    pub(crate) is_gateway: bool,
    /// As `isGateway`, and the container's default route goes there.
    pub(crate) is_default_gateway: bool,
    /// Another address of the same family on the bridge is replaced instead of refused.
    pub(crate) force_address: bool,
    /// MTU of the NIC, and of the bridge when it is made, in bytes; 0 is the kernel's 1500.
    pub(crate) mtu: u32,
    /// Frames may leave through the port that they came in by.
    pub(crate) hairpin_mode: bool,
    /// The bridge receives what is addressed to others.
    pub(crate) promisc_mode: bool,
    /// The NIC's address. `runtimeConfig.mac`, `args.cni.mac` and `MAC` of `CNI_ARGS` come before it (CAP-7).
    pub(crate) mac: Option<String>,
    /// What the NIC is.
    pub(crate) nic: Nic,
    /// The user who may open the TAP device, by number.
    pub(crate) owner: Option<u32>,
    /// The group that may open the TAP device, by number.
    pub(crate) group: Option<u32>,

    ip_masq: bool,
    vlan: u32,
    vlan_trunk: Vec<serde::de::IgnoredAny>,
    macspoofchk: bool,
    enabledad: bool,
    port_isolation: bool,
    disable_container_interface: bool,
}

/// What the container's NIC is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Nic {
    /// A veth pair, one end in the container's namespace.
    Veth,
    /// A TAP device on the host, for a virtual machine.
    Tap,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            bridge: "cni0".to_owned(),
            is_gateway: false,
            is_default_gateway: false,
            force_address: false,
            mtu: 0,
            hairpin_mode: false,
            promisc_mode: false,
            mac: None,
            nic: Nic::Veth,
            owner: None,
            group: None,
            ip_masq: false,
            vlan: 0,
            vlan_trunk: Vec::new(),
            macspoofchk: false,
            enabledad: false,
            port_isolation: false,
            disable_container_interface: false,
        }
    }
}

impl Keys {
    /// Reads and validates.
    ///
    /// # Errors
    /// Code 7 naming the key; code 2 for a key of the reference that asks for something this plugin cannot do yet.
    pub(crate) fn read(call: &Call) -> Result<Self, Error> {
        let mut keys: Self = call.config.keys()?;
        keys.is_gateway |= keys.is_default_gateway;
        keys.refuse_unsupported(call)?;
        if keys.bridge.is_empty()
            || keys.bridge.len() > netlink::link::NAME_BYTES
            || keys.bridge.contains(['/', ':', ' '])
        {
            return Err(Error::invalid_config(format!(
                "bridge: '{}' cannot be the name of a link: at most 15 bytes, without '/', ':' and blanks",
                keys.bridge
            )));
        }
        if keys.hairpin_mode && keys.promisc_mode {
            return Err(Error::invalid_config("hairpinMode and promiscMode cannot be set at the same time"));
        }
        if keys.nic == Nic::Veth && (keys.owner.is_some() || keys.group.is_some()) {
            return Err(Error::invalid_config("owner and group are of a TAP device: set nic to \"tap\""));
        }
        Ok(keys)
    }

    /// The bridge's name, whatever else the configuration says.
    pub(crate) fn bridge_of(call: &Call) -> String {
        let named = call.config.object.get("bridge").and_then(|name| name.as_str());
        named.map_or_else(|| Self::default().bridge, str::to_owned)
    }

    /// Nothing is silently weaker than asked.
    fn refuse_unsupported(&self, call: &Call) -> Result<(), Error> {
        let asked = [
            (self.ip_masq, "ipMasq"),
            (self.vlan != 0, "vlan"),
            (!self.vlan_trunk.is_empty(), "vlanTrunk"),
            (self.macspoofchk, "macspoofchk"),
            (self.enabledad, "enabledad"),
            (self.port_isolation, "portIsolation"),
            (self.disable_container_interface, "disableContainerInterface"),
        ];
        match asked.into_iter().find(|(is_asked, _)| *is_asked) {
            Some((_, key)) => {
                let value = call.config.object.get(key).map(ToString::to_string).unwrap_or_default();
                Err(Error::new(
                    Code::UnsupportedField,
                    format!("{key}: {value} is not supported by this version of the plugin; remove the key"),
                ))
            }
            None => Ok(()),
        }
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
