//! Errors in the words of those who write configurations.

use attachment::Remedy;
use plugin::codes;

/// An error of an attachment, with what to do about it by the keys of a plugin with a NIC.
#[must_use]
pub fn error(error: &attachment::Error) -> cni::Error {
    codes::worded(error, words)
}

fn words(remedy: &Remedy) -> Option<String> {
    Some(match remedy {
        Remedy::ReplaceAddress => "change the subnet, or set forceAddress to replace the address".to_owned(),
        Remedy::BridgeMtu { bridge, mtu_bytes } => {
            format!("set it with `ip link set {bridge} mtu {mtu_bytes}`, or change the key mtu")
        }
        Remedy::UplinkMtu => "leave mtu out to take that of the uplink, or raise it there".to_owned(),
        Remedy::AskForUplink => "choose another name for the bridge, or set uplink and vlan here, too".to_owned(),
        Remedy::GatewayOnVlan { device } => {
            format!("give the address to {device} itself instead of isGateway, or use autoVlan")
        }
        Remedy::OtherBridge { bridge } => format!("use \"bridge\": \"{bridge}\", or remove it from that bridge"),
        Remedy::OwnBridge => {
            "replace it by a plain route, or make the bridge yourself and name it in `bridge`".to_owned()
        }
        Remedy::IsBridge => {
            "name it in `bridge`, or name the device that leads to the physical network in `uplink`".to_owned()
        }
        Remedy::TakeAddresses => "remove them, or set force: then they come back when the device does".to_owned(),
        Remedy::DefineVlan { command } => format!("define it with `{command}`, or set autoVlan"),
        Remedy::NoSwitchBridge { bridge } => {
            format!("make it with `ovs-vsctl add-br {bridge}`, or set datapath_type to have it made")
        }
        Remedy::NoBridgeToJoin { bridge } => {
            format!("make it with `ovs-vsctl add-br {bridge}`, or name another one in patchTo")
        }
        Remedy::InternalName => "use \"nic\": \"veth\", or another name for the interface".to_owned(),
        Remedy::OtherTable => {
            "set another number with table, or leave table out for one that follows from the attachment".to_owned()
        }
        Remedy::OtherRoute => {
            "remove one of the two, or give the route another priority in ipam (with cniVersion 1.1.0)".to_owned()
        }
        Remedy::Masquerade(text) => format!("ipMasq needs it; {text}"),
        Remedy::Guard(text) => format!("macspoofchk and ipspoofchk need it; {text}"),
        Remedy::Firewall(text) => format!("ipMasq, macspoofchk and ipspoofchk need it; {text}"),
        Remedy::Act(_) => return None,
    })
}
