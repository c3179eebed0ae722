//! The keys of a NIC on a Linux bridge.

use crate::choice::choice;
use crate::{keys, patterns};

keys! {
    /// A Linux bridge.
    #[object(others = told, example = r#"{"bridge": "home-br"}"#)]
    pub struct BridgeKeys {
        /// the bridge's name; with `uplink` the default is `br-` and the uplink's name, as in `br-eth0` or, in a VLAN,
        /// `br-eth0.2`
        #[key("bridge", pattern = patterns::LINK, default = "`cni0`", example = r#""home-br""#)]
        pub bridge: Option<String>,

        /// `tap` makes a TAP device for a [virtual machine](../virtual-machines.md) instead of a veth pair
        #[key("nic", default = "`veth`", example = r#""tap""#, is_ours = true)]
        pub nic: Device,
    }

    /// A NIC's place on a Linux bridge.
    #[object(others = told, example = r#"{"isGateway": true}"#)]
    pub struct OnBridgeKeys {
        /// the bridge gets the gateway's address, and the host forwards
        #[key("isGateway", default = "false", example = "true")]
        pub is_gateway: bool,

        /// as `isGateway`, and the container's default route goes there; of a NIC without a bridge, to the gateway that `ipam` names
        #[key("isDefaultGateway", default = "false", example = "true")]
        pub is_default_gateway: bool,

        /// another address of the same family on the bridge is replaced; without this it is refused
        #[key("forceAddress", default = "false", example = "true")]
        pub force_address: bool,

        /// frames may leave through the port that they came in by; not with `promiscMode`
        #[key("hairpinMode", default = "false", example = "true")]
        pub hairpin_mode: bool,

        /// the bridge receives what is addressed to others
        #[key("promiscMode", default = "false", example = "true")]
        pub promisc_mode: bool,

        /// the NIC reaches the gateway and ports that are not isolated, but no isolated one
        #[key("portIsolation", default = "false", example = "true")]
        pub port_isolation: bool,

        /// a device of the host that becomes a port of the bridge, so that the NIC is in the
        /// [physical network](../physical-networks.md)
        #[key("uplink", pattern = patterns::LINK, default = "none", example = r#""eth0""#, is_ours = true)]
        pub uplink: Option<String>,

        /// with `uplink` and `vlan`: a VLAN device that the uplink lacks is made, and goes with its last user
        #[key("autoVlan", default = "false", example = "true", is_ours = true)]
        pub auto_vlan: bool,
    }
}

choice! {
    /// What the container's NIC on a bridge is.
    pub enum Device {
        /// A veth pair, one end in the container's namespace.
        Veth = "veth",
        /// A TAP device, for a virtual machine.
        Tap = "tap",
    }
}
