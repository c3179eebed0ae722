//! The keys that every plugin with a NIC has.

use crate::choice::choice;
use crate::vlan::{OptionalVlanId, VlanId};
use crate::{keys, patterns};

keys! {
    /// A container's or a virtual machine's NIC. Names and defaults are those of the reference's `bridge`, as far as it has them.
    #[object(others = told, example = r#"{"mtu": 1400}"#)]
    pub struct NicKeys {
        /// MTU of the NIC and of the bridge that is made, which keeps it whatever its ports have; a bridge with another MTU is
        /// refused. By default that of the uplink, or of the link or device that the NIC is made of; else of the bridge, if it exists;
        /// else, with `isGateway` or routed by the host, of the device of the host's default route; else 1500. A TAP device can have
        /// 65521 at most, and others 65535: to that a larger default is cut. Below 1280 the NIC has no IPv6
        #[key("mtu", accepts = "bytes", default = "the path's", example = "1400")]
        pub mtu: u32,

        /// the NIC is in this VLAN, without tags: [of the bridge](bridge.md#vlans-of-a-bridge) or, with `uplink`, of the physical network
        #[key("vlan", accepts = "1 to 4094", default = "none", example = "10")]
        pub vlan: OptionalVlanId,

        /// VLANs that the NIC carries with tags, beside `vlan`; not with `uplink`
        #[key("vlanTrunk", accepts = "list of `{id}` or `{minID, maxID}`", default = "none", example = r#"[{"id": 20}, {"minID": 30, "maxID": 39}]"#)]
        pub vlan_trunk: Vec<TrunkKeys>,

        /// with VLANs of its own, the NIC still receives what is in the bridge's default VLAN (1 as a rule)
        #[key("preserveDefaultVlan", default = "false", example = "true")]
        pub preserve_default_vlan: Option<bool>,

        /// what the container sends beyond the bridge carries the host's address; what stays on the bridge does not
        /// ([firewall](../firewall.md))
        #[key("ipMasq", default = "false", example = "true")]
        pub ip_masq: bool,

        /// accepted, but has no effect: the rules are nftables' in either case
        #[key("ipMasqBackend", example = r#""nftables""#)]
        pub ip_masq_backend: Option<MasqueradeBackend>,

        /// frames from, and ARP and neighbour discovery that claim, another hardware address than the NIC's are dropped; on an operator's bridge LLDP
        /// and the like are still learned from, unless it has `no_linklocal_learn`
        #[key("macspoofchk", default = "false", example = "true")]
        pub macspoofchk: bool,

        /// IPv4 and IPv6 packets, ARP and neighbour advertisements pass with the NIC's own addresses only, and no other protocol
        /// passes; needs `ipam`
        #[key("ipspoofchk", default = "false", example = "true", is_ours = true)]
        pub ipspoofchk: bool,

        /// IPv6 addresses go through duplicate detection, for which ADD waits 1 to 2 s; a duplicate is refused
        #[key("enabledad", default = "false", example = "true")]
        pub enabledad: bool,

        /// the container interface is left down, for whoever sets it up; not with `ipam`
        #[key("disableContainerInterface", default = "false", example = "true")]
        pub disable_container_interface: bool,

        /// the NIC's hardware address, as `02:00:00:00:00:01`, `02-00-00-00-00-01` or `0200.0000.0001`; also
        /// `runtimeConfig.mac`, `args.cni.mac`, `MAC=` in `CNI_ARGS`
        #[key("mac", pattern = patterns::MAC, accepts = "address", default = "derived", example = r#""02:00:00:00:00:01""#)]
        pub mac: Option<String>,
    }

    /// A TAP device.
    #[object(others = told, example = r#"{"nic": "tap", "owner": 64055}"#)]
    pub struct TapKeys {
        /// where the TAP device is: on the host, named after the attachment, or where the machine's process runs, named as the
        /// container interface
        #[key("tapNamespace", default = "`host`", example = r#""container""#, is_ours = true)]
        pub tap_namespace: Option<TapNamespace>,

        /// the TAP device can be opened once for each queue of the guest
        #[key("multiQueue", default = "false", example = "true", is_ours = true)]
        pub multi_queue: Option<bool>,

        /// the number of the user who may open the TAP device
        #[key("owner", accepts = "number", default = "root; with `group` alone, any user of that group", example = "64055", is_ours = true)]
        pub owner: Option<u32>,

        /// the number of the group that may open the TAP device
        #[key("group", accepts = "number", default = "none", example = "64055", is_ours = true)]
        pub group: Option<u32>,
    }

    /// VLANs: one, or those from one to another.
    #[object(others = told, example = r#"{"minID": 30, "maxID": 39}"#)]
    pub struct TrunkKeys {
        /// one VLAN
        #[key("id", accepts = "1 to 4094", example = "20")]
        pub id: Option<VlanId>,

        /// the first VLAN of several
        #[key("minID", accepts = "1 to 4094", example = "30")]
        pub min_id: Option<VlanId>,

        /// the last VLAN of several
        #[key("maxID", accepts = "1 to 4094", example = "39")]
        pub max_id: Option<VlanId>,
    }
}

choice! {
    /// Where a TAP device is.
    pub enum TapNamespace {
        /// On the host, a port of the switch itself.
        Host = "host",
        /// In the container's namespace, where the virtual machine's process runs.
        Container = "container",
    }
}

choice! {
    /// By what the reference masquerades.
    pub enum MasqueradeBackend {
        /// By running `iptables`.
        Iptables = "iptables",
        /// By running `nft`.
        Nftables = "nftables",
    }
}
