//! The keys of a port of Open vSwitch. Those that ovs-cni has are called as there; others as the columns of the database.

use crate::choice::choice;
use crate::nic::TrunkKeys;
use crate::vlan::OptionalVlanId;
use crate::{keys, patterns};

keys! {
    /// A port of a bridge of Open vSwitch.
    #[object(others = told, example = r#"{"bridge": "br0", "vlan": 100}"#)]
    pub struct OvsPortKeys {
        /// the bridge's name
        #[key("bridge", example = r#""br0""#, default = "`br-int`, if `ovnPort` is given")]
        pub bridge: Option<String>,

        /// what the NIC is: see [kinds](#kinds-of-nics)
        #[key("nic", default = "`veth`", example = r#""internal""#, is_ours = true)]
        pub nic: SwitchDevice,

        /// the VLAN of an access port, the native VLAN beside `trunk`, or the outer VLAN of a tunnel
        #[key("vlan", accepts = "1 to 4094", default = "none", example = "100")]
        pub vlan: OptionalVlanId,

        /// the VLANs that the port carries with tags
        #[key("trunk", accepts = "list of `{id}` or `{minID, maxID}`", default = "without `vlan` all", example = r#"[{"id": 42}, {"minID": 1000, "maxID": 1010}]"#)]
        pub trunk: Vec<TrunkKeys>,

        /// what becomes of tags: see [VLANs](#vlans)
        #[key("vlan_mode", default = "`access` with `vlan` alone, `trunk` without it, `native-untagged` with both", example = r#""native-tagged""#, is_ours = true)]
        pub vlan_mode: Option<SwitchVlanMode>,

        /// with `dot1q-tunnel`: the inner VLANs that pass
        #[key("cvlans", accepts = "list of `{id}` or `{minID, maxID}`", default = "all", example = r#"[{"id": 5}]"#, is_ours = true)]
        pub cvlans: Vec<TrunkKeys>,

        /// with `dot1q-tunnel`: the Ethertype of the outer tag, `802.1ad` or `802.1q`
        #[key("qinq_ethtype", default = "`802.1ad`", example = r#""802.1q""#, is_ours = true)]
        pub qinq_ethtype: Option<Ethertype>,

        /// MTU of the NIC; of a TAP device 65521 at most. Below 1280 the NIC has no IPv6
        #[key("mtu", accepts = "bytes", default = "1500; of an internal port the bridge's least", example = "1450")]
        pub mtu: u32,

        /// the NIC's hardware address; also `runtimeConfig.mac`, `args.cni.mac`, and `mac` in `CNI_ARGS` in any letter case
        #[key("mac", pattern = patterns::MAC, accepts = "address", default = "derived", example = r#""02:00:00:00:00:01""#, is_ours = true)]
        pub mac: Option<String>,

        /// the port's number in OpenFlow; a port that has it by chance gets another one, and ADD fails if one has asked for it or is guarded by `macspoofchk` or `ipspoofchk`
        #[key("ofport_request", accepts = "1 to 65279", default = "the switch's choice", example = "7")]
        pub ofport_request: u32,

        /// the same as `nic`, for `system` (a veth) and `internal`
        #[key("interface_type", default = "`system`", example = r#""internal""#)]
        pub interface_type: Option<String>,

        /// the bridge is made if it is missing, with this datapath: the kernel's or that of `ovs-vswitchd`; it goes with its last port
        #[key("datapath_type", default = "the bridge must exist", example = r#""netdev""#, is_ours = true)]
        pub datapath_type: Option<DatapathType>,

        /// another bridge, to which a pair of patch ports joins this one as long as it has ports of this plugin
        #[key("patchTo", default = "none", example = r#""br-ex""#, is_ours = true)]
        pub patch_to: Option<String>,

        /// the logical port of OVN that this is, in `external_ids:iface-id`; also `args.cni.ovnPort`, and `ovnPort` in `CNI_ARGS` in any
        /// letter case
        #[key("ovnPort", default = "none", example = r#""lsp-1""#)]
        pub ovn_port: Option<String>,

        /// mirrors of the bridge in which the port takes part
        #[key("mirrors", accepts = "list of objects", default = "none", example = r#"[{"name": "m1", "ingress": true, "egress": true}]"#)]
        pub mirrors: Vec<MirrorKeys>,

        /// limit of what the switch receives from the host interface, by the kernel's policer
        #[key("ingress_policing_rate", accepts = "kbit/s", default = "none", example = "10000", is_ours = true)]
        pub ingress_policing_rate: u32,

        /// its burst
        #[key("ingress_policing_burst", accepts = "kbit", default = "the switch's", example = "1000", is_ours = true)]
        pub ingress_policing_burst: u32,

        /// limit of what the switch sends to the host interface, by a queue of `linux-htb`
        #[key("max_rate", accepts = "bit/s", default = "none", example = "10000000", is_ours = true)]
        pub max_rate: u64,

        /// a file with any of these keys, for those that the configuration does not have; the first that exists of this one,
        /// `/etc/kubernetes/cni/net.d/ovs.d/ovs.conf` and `/etc/cni/net.d/ovs.d/ovs.conf`
        #[key("configuration_path", example = r#""/etc/ovs-cni.conf""#)]
        pub configuration_path: Option<String>,

        /// a device for hardware offload, which is refused: use the plugins that are made for such devices
        #[key("deviceID", example = r#""""#)]
        pub device_id: Option<String>,

        /// frames from, and ARP and neighbour discovery that claim, another hardware address than the NIC's are dropped
        #[key("macspoofchk", default = "false", example = "true", is_ours = true)]
        pub macspoofchk: bool,

        /// IPv4 and IPv6 packets, ARP and neighbour advertisements pass with the NIC's own addresses only, and no other protocol
        /// passes; needs `ipam`
        #[key("ipspoofchk", default = "false", example = "true", is_ours = true)]
        pub ipspoofchk: bool,

        /// IPv6 addresses go through duplicate detection, for which ADD waits 1 to 2 s; a duplicate is refused
        #[key("enabledad", default = "false", example = "true", is_ours = true)]
        pub enabledad: bool,

        /// the container interface is left down, for whoever sets it up; not with `ipam`
        #[key("disableContainerInterface", default = "false", example = "true", is_ours = true)]
        pub disable_container_interface: bool,

        /// answers leave by this NIC if it is the one that the question came in by: its addresses get a routing table of their own
        #[key("sourceRouting", default = "false", example = "true", is_ours = true)]
        pub source_routing: bool,

        /// with `sourceRouting`: the table's number
        #[key("table", accepts = "number", default = "derived", example = "100", is_ours = true)]
        pub table: Option<u32>,

        /// the metric of the default routes and of those of `ipam`, unless they have a `priority`
        #[key("metric", accepts = "number", default = "the kernel's", example = "200", is_ours = true)]
        pub metric: Option<u32>,
    }

    /// Where the switch is, and how long it may take.
    #[object(others = told, example = r#"{"socket_file": "tcp:192.0.2.1:6640"}"#)]
    pub struct SwitchKeys {
        /// where the database server listens: `unix:FILE`, `tcp:HOST:PORT` or `ssl:HOST:PORT`
        #[key("socket_file", default = "`unix:/var/run/openvswitch/db.sock`", example = r#""tcp:192.0.2.1:6640""#)]
        pub socket_file: Option<String>,

        /// with `ssl:`, the file of the own private key
        #[key("private_key", example = r#""/etc/openvswitch/cni-privkey.pem""#, is_ours = true)]
        pub private_key: Option<String>,

        /// with `ssl:`, the file of the own certificate
        #[key("certificate", example = r#""/etc/openvswitch/cni-cert.pem""#, is_ours = true)]
        pub certificate: Option<String>,

        /// with `ssl:`, the file of the authority that has signed the server's certificate
        #[key("ca_cert", example = r#""/etc/openvswitch/cacert.pem""#, is_ours = true)]
        pub ca_cert: Option<String>,

        /// with `link_state_check_interval`: `ovs-vswitchd` is waited for this many times that long
        #[key("link_state_check_retries", accepts = "number", default = "5", example = "10")]
        pub link_state_check_retries: u32,

        /// see `link_state_check_retries`; without either of the two, ADD waits 10 s at most
        #[key("link_state_check_interval", accepts = "milliseconds", default = "1000", example = "500")]
        pub link_state_check_interval: u32,
    }

    /// An entry of `mirrors`.
    #[object(others = told, example = r#"{"name": "m1", "ingress": true}"#)]
    pub struct MirrorKeys {
        /// the mirror's name
        #[key("name", example = r#""m1""#, is_required = true)]
        pub name: String,

        /// what the switch receives from the port is copied
        #[key("ingress", default = "false", example = "true")]
        pub ingress: bool,

        /// what the switch sends to the port is copied
        #[key("egress", default = "false", example = "true")]
        pub egress: bool,

        /// the copies go out by the port, which gets nothing else
        #[key("output", default = "false", example = "true", is_ours = true)]
        pub output: bool,
    }
}

choice! {
    /// What a NIC on Open vSwitch is.
    pub enum SwitchDevice {
        /// A veth pair, one end in the container's namespace.
        Veth = "veth",
        /// A device of the switch's own.
        Internal = "internal",
        /// A TAP device, for a virtual machine.
        Tap = "tap",
    }
}

choice! {
    /// What becomes of VLAN tags.
    pub enum SwitchVlanMode {
        /// Frames have no tag outside.
        Access = "access",
        /// Frames keep their tags.
        Trunk = "trunk",
        /// A trunk with a native VLAN, whose frames leave with a tag.
        NativeTagged = "native-tagged",
        /// A trunk with a native VLAN, whose frames leave without a tag.
        NativeUntagged = "native-untagged",
        /// An outer VLAN around those of the container.
        Tunnel = "dot1q-tunnel",
    }
}

choice! {
    /// The Ethertype of an outer tag.
    pub enum Ethertype {
        /// IEEE 802.1ad, 0x88a8.
        Provider = "802.1ad",
        /// IEEE 802.1Q, 0x8100.
        Customer = "802.1q",
    }
}

choice! {
    /// What forwards the frames of a bridge.
    pub enum DatapathType {
        /// The kernel's module `openvswitch`.
        System = "system",
        /// `ovs-vswitchd` itself.
        Netdev = "netdev",
    }
}
