//! The commands that make a VXLAN device, for people.

use std::net::IpAddr;

use netlink::{link, vxlan};

use super::{Lac, LacId, Reach};
use crate::{Object, Tag};

impl Lac {
    pub(super) fn creation_commands(&self) -> Vec<String> {
        let (name, bridge) = (self.device.clone(), self.id.bridge());
        let LacId { port, vni } = self.id;
        let mut device = format!("ip link add {name} mtu {} type vxlan id {vni} dstport {port}", self.mtu);
        if !self.is_evpn() {
            device.push_str(&format!(" dev {}", self.underlay));
        }
        if let Some(local) = self.local {
            device.push_str(&format!(" local {local}"));
        }
        match &self.reach {
            Reach::Group(group) => device.push_str(&format!(" group {group}")),
            Reach::Flooded(group) => {
                let (first, end) = self.source_ports();
                device.push_str(&format!(" group {group} nolearning srcport {first} {end}"));
            }
            Reach::Hosts { is_ipv6: true, .. } => device.push_str(" remote ::"),
            Reach::Evpn { .. } => device.push_str(" nolearning"),
            Reach::Hosts { .. } => {}
        }
        if self.ttl != 0 {
            device.push_str(&format!(" ttl {}", self.ttl));
        }
        if self.local.is_some() && self.learns() {
            device.push_str(&format!(" tos {:#x}", vxlan::OWN_TOS));
        }
        let tag = Tag::shared(&self.id.shared_by());
        let mode = if link::may_have_ipv6(Some(self.mtu)) { " addrgenmode none" } else { "" };
        let mut commands = vec![device, format!("ip link set {name} alias '{tag}'{mode}")];
        commands.extend(match self.is_evpn() {
            true => self.told_commands(),
            false => vec![format!("ip link set {name} master {bridge} up")],
        });
        commands.extend(self.checksums().iter().flat_map(Object::commands));
        if let Reach::Hosts { hosts, .. } = &self.reach {
            commands.extend(hosts.iter().map(|host| self.remote_command("append", *host)));
        }
        commands
    }

    pub(super) fn remote_command(&self, verb: &str, host: IpAddr) -> String {
        let via = if host.is_multicast() { format!(" via {}", self.underlay) } else { String::new() };
        let permanent = if verb == "append" { " permanent" } else { "" };
        format!("bridge fdb {verb} 00:00:00:00:00:00 dev {} dst {host}{via} self{permanent}", self.device)
    }
}
