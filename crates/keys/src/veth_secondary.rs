//! The keys that only `veth-secondary` has.

use crate::choice::choice;
use crate::vlan::OptionalVlanId;
use crate::{keys, patterns};

keys! {
    /// A further NIC: what it is, and what it is connected to.
    #[object(others = told, example = r#"{"nic": "macvlan", "link": "eth0"}"#)]
    pub struct SecondaryKeys {
        /// what the NIC is: see [kinds](#kinds-of-nics)
        #[key("nic", default = "`veth`", example = r#""macvlan""#, is_ours = true)]
        pub nic: SecondaryDevice,

        /// `veth`: `bridge` or `routed`; `macvlan`: `bridge`, `private`, `vepa` or `passthru`; `ipvlan`: `l2`, `l3` or `l3s`
        #[key("mode", default = "`bridge`; with `ipvlan` `l2`", example = r#""routed""#)]
        pub mode: Option<String>,

        /// `veth` and `tap`: the bridge's name; with `uplink` the default is `br-` and the uplink's name, as in `br-eth0` or, in a
        /// VLAN, `br-eth0.2`
        #[key("bridge", pattern = patterns::LINK, default = "`br-` and the network's name, or a hash of a long one", example = r#""home-br""#)]
        pub bridge: Option<String>,

        /// `macvlan`, `ipvlan` and `vlan`: the link that the NIC is a child of
        #[key("link", pattern = patterns::LINK, default = "the device of the host's default route", example = r#""eth0""#, is_ours = true)]
        pub link: Option<String>,

        /// the same as `link`
        #[key("master", pattern = patterns::LINK, example = r#""eth0""#)]
        pub master: Option<String>,

        /// `link` is a link of the container instead of the host
        #[key("linkInContainer", default = "false", example = "true")]
        pub link_in_container: bool,

        /// `nic: "vlan"`: the VLAN's number, the same as `vlan`
        #[key("vlanId", accepts = "1 to 4094", example = "10")]
        pub vlan_id: OptionalVlanId,

        /// `macvlan`: how many broadcast frames wait to be delivered
        #[key("bcqueuelen", accepts = "number", default = "the kernel's 1000", example = "2000")]
        pub bc_queue_len: Option<u32>,

        /// `host-device`: the device's name
        #[key("device", pattern = patterns::LINK, example = r#""enp3s0""#)]
        pub device: Option<String>,

        /// `host-device`: the device's hardware address
        #[key("hwaddr", pattern = patterns::MAC, accepts = "address", example = r#""52:54:00:12:34:56""#)]
        pub hwaddr: Option<String>,

        /// `host-device`: the device by its directory in sysfs
        #[key("kernelpath", example = r#""/sys/devices/pci0000:00/0000:00:1f.6""#)]
        pub kernelpath: Option<String>,

        /// `host-device`: the device by its address on the PCI bus; also `runtimeConfig.deviceID`
        #[key("pciBusID", example = r#""0000:00:1f.6""#)]
        pub pci_bus_id: Option<String>,

        /// `host-device`: the device may have addresses; it loses them with its routes, and DEL gives the addresses back
        #[key("force", default = "false", example = "true", is_ours = true)]
        pub force: bool,

        /// answers leave by this NIC if it is the one that the question came in by: its addresses get a routing table of their own
        #[key("sourceRouting", default = "false", example = "true", is_ours = true)]
        pub source_routing: bool,

        /// with `sourceRouting`: the table's number
        #[key("table", accepts = "number", default = "derived", example = "100")]
        pub table: Option<u32>,

        /// the metric of the default routes and of those of `ipam`, unless they have a `priority`
        #[key("metric", accepts = "number", default = "the kernel's", example = "200", is_ours = true)]
        pub metric: Option<u32>,
    }
}

choice! {
    /// What a further NIC is.
    pub enum SecondaryDevice {
        /// A veth pair, one end in the container's namespace.
        Veth = "veth",
        /// A TAP device, for a virtual machine.
        Tap = "tap",
        /// A device with an address of its own on another link.
        Macvlan = "macvlan",
        /// A device with the address of the link that it is on.
        Ipvlan = "ipvlan",
        /// One VLAN of a link.
        Vlan = "vlan",
        /// A device of the host.
        HostDevice = "host-device",
    }
}
