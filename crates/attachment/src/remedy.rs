//! What to do about an error.

use std::fmt;

/// What can be done about an error. If the configuration is to be changed, only the plugin knows the keys: it has its own
/// words for these, see [`Error::worded`](crate::Error::worded).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remedy {
    /// Something to do on the host, or in general.
    Act(String),
    /// An address on a shared link can be replaced.
    ReplaceAddress,
    /// A bridge has another MTU than is asked for.
    BridgeMtu {
        /// The bridge.
        bridge: String,
        /// The MTU that is asked for, in bytes.
        mtu_bytes: u32,
    },
    /// An MTU is asked for that is larger than the uplink's.
    UplinkMtu,
    /// A gateway's address is asked for on the bridge of an uplink that is not asked for.
    AskForUplink,
    /// A gateway's address is asked for where an operator's VLAN device would get it at the end.
    GatewayOnVlan {
        /// The VLAN device.
        device: String,
    },
    /// The uplink is a port of another bridge.
    OtherBridge {
        /// That one.
        bridge: String,
    },
    /// The addresses and routes of the uplink cannot be moved to a bridge that is made here.
    OwnBridge,
    /// The uplink is a bridge.
    IsBridge,
    /// A device of the host has addresses, which it would lose while a container has it.
    TakeAddresses,
    /// A VLAN device is missing.
    DefineVlan {
        /// The command that makes it.
        command: String,
    },
    /// A bridge of Open vSwitch is missing.
    NoSwitchBridge {
        /// The bridge.
        bridge: String,
    },
    /// A bridge of Open vSwitch that another one is to be joined to is missing.
    NoBridgeToJoin {
        /// The missing one.
        bridge: String,
    },
    /// The name of a container interface is taken where its device is made.
    InternalName,
    /// A routing table is in use.
    OtherTable,
    /// A route of the same destination and metric is there.
    OtherRoute,
    /// Source NAT is not available.
    Masquerade(String),
    /// The packet filter is not available for guarding a NIC.
    Guard(String),
    /// The packet filter is not available at all.
    Firewall(String),
}

impl Remedy {
    /// Something to do that no key of a configuration is about.
    pub fn act(text: impl Into<String>) -> Self {
        Self::Act(text.into())
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Act(text) | Self::Masquerade(text) | Self::Guard(text) | Self::Firewall(text) => f.write_str(text),
            Self::ReplaceAddress => f.write_str("change the subnet, or have the address replaced"),
            Self::BridgeMtu { bridge, mtu_bytes } => {
                write!(f, "set it with `ip link set {bridge} mtu {mtu_bytes}`, or ask for another MTU")
            }
            Self::UplinkMtu => f.write_str("leave the MTU to the uplink, or raise it there"),
            Self::AskForUplink => f.write_str("choose another name for the bridge, or ask for its uplink, too"),
            Self::GatewayOnVlan { device } => {
                write!(f, "give the address to {device} itself, or have the VLAN device made")
            }
            Self::OtherBridge { bridge } => write!(f, "use bridge {bridge}, or remove it from that bridge"),
            Self::OwnBridge => f.write_str("replace it by a plain route, or make the bridge yourself"),
            Self::IsBridge => {
                f.write_str("use it as the bridge, or name the device that leads to the physical network")
            }
            Self::NoSwitchBridge { bridge } | Self::NoBridgeToJoin { bridge } => {
                write!(f, "make it with `ovs-vsctl add-br {bridge}`")
            }
            Self::InternalName => f.write_str("use a veth, or another name for the interface"),
            Self::OtherTable => f.write_str("choose another table, or remove what uses it"),
            Self::OtherRoute => f.write_str("remove one of the two, or ask for another metric"),
            Self::TakeAddresses => f.write_str("remove them, or ask for the device with its addresses"),
            Self::DefineVlan { command } => write!(f, "define it with `{command}`"),
        }
    }
}
