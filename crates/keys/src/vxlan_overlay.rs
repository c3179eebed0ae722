//! The keys of a NIC on a Local Area Cloud.

use serde_json::Value;

use crate::bridge::Device;
use crate::choice::choice;
use crate::from_json::number;
use crate::nic::TapNamespace;
use crate::{Form, FromJson, Place, Refusal, keys, patterns};

keys! {
    /// A NIC on a Local Area Cloud: an Ethernet that hosts have in common, by VXLAN.
    #[object(others = told, example = r#"{"group": "239.0.0.1"}"#)]
    pub struct LacKeys {
        /// the multicast group by which the hosts find each other
        #[key("group", pattern = patterns::ADDRESS, accepts = "multicast address", example = r#""239.0.0.1""#, is_ours = true)]
        pub group: Group,

        /// the UDP port
        #[key("port", default = "14789, VDE's; with `mode` `evpn` 4789", example = "4789", is_ours = true)]
        pub port: Option<UdpPort>,

        /// the VXLAN Network Identifier
        #[key("vni", default = "1; with `mode` `evpn` it must be given", example = "42", is_ours = true)]
        pub vni: Option<Vni>,

        /// TTL, or hop limit, of the packets on the underlay
        #[key("ttl", default = "1 with a group, so that they stay in one subnet; else the host's own", example = "4", is_ours = true)]
        pub ttl: Option<Ttl>,

        /// the underlay: the device of the host by which it reaches the others
        #[key("if", pattern = patterns::LINK, default = "the device of the host's route to the group, or to the remotes; with `mode` `evpn` of its default route", example = r#""eth1""#, is_ours = true)]
        pub underlay: Option<String>,

        /// the same as `if`, which iproute2 calls so
        #[key("dev", pattern = patterns::LINK, example = r#""eth1""#, is_ours = true)]
        pub dev: Option<String>,

        /// the LAC in VDE's notation: see [VDE](#vde)
        #[key("url", accepts = "`vxvde://[GROUP][/OPTION[=VALUE]]...`, or the same with `vxlan://`", default = "none", example = r#""vxvde://234.0.0.1/if=eth1""#, is_ours = true)]
        pub url: Option<String>,

        /// how frames reach the other hosts: see [modes](#modes)
        #[key("mode", default = "`multicast` with `group`, `remotes` with remotes, `vxvde` with a `url` that begins so", example = r#""vxvde""#, is_ours = true)]
        pub mode: Option<LacMode>,

        /// the same as `mode: "vxvde"`
        #[key("compat", example = r#""vxvde""#, is_ours = true)]
        pub compat: Option<LacCompat>,

        /// instead of a group: the addresses of the other hosts
        #[key("remotes", accepts = "list of addresses", default = "none", example = r#"["192.0.2.2", "192.0.2.3"]"#, is_ours = true)]
        pub remotes: Vec<String>,

        /// a file with the addresses of the other hosts, one on a line; `#` begins a comment
        #[key("remotesFile", accepts = "path", default = "none", example = r#""/etc/cni/lac-hosts""#, is_ours = true)]
        pub remotes_file: Option<String>,

        /// only these hosts are heard: addresses and networks of the other hosts; see [peers](#peers)
        #[key("peers", accepts = "list of addresses and networks", default = "whoever sends is heard", example = r#"["192.0.2.2", "198.51.100.0/28"]"#, is_ours = true)]
        pub peers: Vec<String>,

        /// a file with them instead, one on a line; `#` begins a comment
        #[key("peersFile", accepts = "path", default = "none", example = r#""/etc/cni/lac-peers""#, is_ours = true)]
        pub peers_file: Option<String>,

        /// a file with the key by which packets to the other hosts are encrypted; needs `peers`; see [encryption](#encryption)
        #[key("keyFile", accepts = "path", default = "none: in clear", example = r#""/etc/cni/lac.key""#, is_ours = true)]
        pub key_file: Option<String>,

        /// with `mode` `evpn`: the address of this host that the others send to; see [EVPN](#evpn)
        #[key("local", pattern = patterns::ADDRESS, accepts = "address", default = "the first one of the underlay", example = r#""192.0.2.1""#, is_ours = true)]
        pub local: Option<String>,

        /// `tap` makes a TAP device for a [virtual machine](../virtual-machines.md) instead of a veth pair
        #[key("nic", default = "`veth`", example = r#""tap""#, is_ours = true)]
        pub nic: Device,

        /// where the TAP device is: on the host, named after the attachment, or where the machine's process runs, named as the
        /// container interface
        #[key("tapNamespace", default = "`host`", example = r#""container""#, is_ours = true)]
        pub tap_namespace: Option<TapNamespace>,

        /// the TAP device can be opened once for each queue of the guest
        #[key("multiQueue", default = "false", example = "true", is_ours = true)]
        pub multi_queue: Option<bool>,

        /// the number of the user who may open the TAP device
        #[key("owner", accepts = "number", default = "root; with `ownerGroup` alone, any user of that group", example = "64055", is_ours = true)]
        pub owner: Option<u32>,

        /// the number of the group of users that may open the TAP device; other plugins call it `group`
        #[key("ownerGroup", accepts = "number", default = "none", example = "64055", is_ours = true)]
        pub owner_group: Option<u32>,

        /// MTU of the NIC
        #[key("mtu", accepts = "bytes", default = "the underlay's, less 50 for IPv4 or 70 for IPv6", example = "1400", is_ours = true)]
        pub mtu: u32,

        /// the NIC's hardware address; also `runtimeConfig.mac`, `args.cni.mac`, `MAC=` in `CNI_ARGS`
        #[key("mac", pattern = patterns::MAC, accepts = "address", default = "derived", example = r#""02:00:00:00:00:01""#, is_ours = true)]
        pub mac: Option<String>,

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
}

choice! {
    /// How frames reach the other hosts of a LAC.
    pub enum LacMode {
        /// By a multicast group, between kernels.
        Multicast = "multicast",
        /// By the address of each.
        Remotes = "remotes",
        /// By a multicast group, together with VDE's clients.
        Vxvde = "vxvde",
        /// By what a BGP daemon tells (EVPN, RFC 7432).
        Evpn = "evpn",
    }
}

choice! {
    /// With whom else a LAC works.
    pub enum LacCompat {
        /// VDE's clients.
        Vxvde = "vxvde",
    }
}

/// A multicast group as it is written; `None` where it is empty.
///
/// It is a type of its own for its objection: with other plugins `group` is the number of a group of users.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Group(pub Option<String>);

impl FromJson for Group {
    const FORM: Form = Form::Text("");

    fn from_json(value: &Value, place: &Place<'_>) -> Result<Self, Refusal> {
        match value {
            Value::String(group) => Ok(Self(Some(group.clone()))),
            other => Err(place.is_no(
                "a multicast address in quotes, such as \"239.0.0.1\" (the group of users that may open a TAP device is called \
                 ownerGroup here)",
                other,
            )),
        }
    }

    fn is_unset(value: &Value) -> bool {
        value.is_null() || value == ""
    }
}

/// Declares a number with bounds of its own.
macro_rules! bounded {
    ($(
        $(#[doc = $about:literal])*
        $name:ident($number:ty): $from:literal to $to:literal;
    )*) => {$(
        $(#[doc = $about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name(pub $number);

        impl FromJson for $name {
            const FORM: Form = Form::Number { from: $from, to: $to };

            fn from_json(value: &Value, place: &Place<'_>) -> Result<Self, Refusal> {
                number(value, place, $from, $to).map(Self)
            }
        }
    )*};
}

bounded! {
    /// A port of UDP. The kernel would take 0 for another one.
    UdpPort(u16): 1 to 65_535;

    /// A VXLAN Network Identifier: 24 bits (RFC 7348, 5).
    Vni(u32): 0 to 16_777_215;

    /// The TTL of a packet, or its hop limit. 0 never leaves the host.
    Ttl(u8): 1 to 255;
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: &Value) -> Result<LacKeys, String> {
        LacKeys::from_json(value, &Place::Whole).map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn numbers_have_their_bounds() {
        let keys = read(&json!({"port": 1, "vni": 0, "ttl": 1})).unwrap();
        assert_eq!((keys.port, keys.vni, keys.ttl), (Some(UdpPort(1)), Some(Vni(0)), Some(Ttl(1))));
        let keys = read(&json!({"port": 65535, "VNI": 16_777_215, "ttl": 255})).unwrap();
        assert_eq!((keys.port, keys.vni, keys.ttl), (Some(UdpPort(65535)), Some(Vni(16_777_215)), Some(Ttl(255))));
        for (value, objection) in [
            (json!({"port": 0}), "port is 0: it must be a number from 1 to 65535"),
            (json!({"port": 65536}), "port is 65536: it must be a number from 1 to 65535"),
            (json!({"vni": 16_777_216}), "vni is 16777216: it must be a number from 0 to 16777215"),
            (json!({"vni": -1}), "vni is -1: it must be a number from 0 to 16777215"),
            (json!({"ttl": 0}), "ttl is 0: it must be a number from 1 to 255"),
            (json!({"ttl": 256}), "ttl is 256: it must be a number from 1 to 255"),
            (json!({"ttl": 1.5}), "ttl is 1.5: it must be a whole number from 1 to 255"),
            (json!({"port": "1"}), "port is \"1\": it must be a number from 1 to 65535"),
        ] {
            assert_eq!(read(&value).unwrap_err(), objection);
        }
    }

    #[test]
    fn a_group_is_no_group_of_users() {
        assert_eq!(read(&json!({"group": "239.0.0.1"})).unwrap().group, Group(Some("239.0.0.1".to_owned())));
        assert_eq!(read(&json!({"group": ""})).unwrap().group, Group(None));
        let objection = read(&json!({"group": 64055, "nic": "tap"})).unwrap_err();
        assert!(objection.starts_with("group is 64055: it must be a multicast address in quotes"), "{objection}");
        assert!(objection.contains("ownerGroup"), "{objection}");
    }

    #[test]
    fn words() {
        let keys = read(&json!({"mode": "vxvde", "compat": "vxvde", "nic": "tap"})).unwrap();
        assert_eq!((keys.mode, keys.compat, keys.nic), (Some(LacMode::Vxvde), Some(LacCompat::Vxvde), Device::Tap));
        assert_eq!(read(&json!({"mode": "", "compat": ""})).unwrap().mode, None);
        assert_eq!(
            read(&json!({"mode": "unicast"})).unwrap_err(),
            "mode is \"unicast\": it must be \"multicast\" or \"remotes\" or \"vxvde\" or \"evpn\""
        );
        assert_eq!(read(&json!({"compat": "vde"})).unwrap_err(), "compat is \"vde\": it must be \"vxvde\"");
    }
}
