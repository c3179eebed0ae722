//! VXLAN devices: Ethernet frames in UDP packets to other hosts (RFC 7348, `drivers/net/vxlan/vxlan_core.c`).

use std::net::{IpAddr, Ipv4Addr};

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{InfoData, InfoKind, InfoVxlan};
use rtnetlink::{LinkMessageBuilder, LinkUnspec};

use crate::Request;
use crate::attributes::{iterate, read_u32};
use crate::xfrm::payload_in;

/// The kind of such a link.
pub const KIND: &str = "vxlan";

/// What the headers take of a packet of the underlay: outer IP, UDP, VXLAN, inner Ethernet (`vxlan_headroom`).
const IPV4_HEADERS_BYTES: u32 = 20 + 8 + 8 + 14;
const IPV6_HEADERS_BYTES: u32 = 40 + 8 + 8 + 14;

const IFLA_VXLAN_ID: u16 = 1;
const IFLA_VXLAN_GROUP: u16 = 2;
const IFLA_VXLAN_LINK: u16 = 3;
const IFLA_VXLAN_LOCAL: u16 = 4;
const IFLA_VXLAN_TTL: u16 = 5;
const IFLA_VXLAN_LEARNING: u16 = 7;
const IFLA_VXLAN_PORT_RANGE: u16 = 10;
const IFLA_VXLAN_PORT: u16 = 15;
const IFLA_VXLAN_GROUP6: u16 = 16;
const IFLA_VXLAN_LOCAL6: u16 = 17;
const IFLA_VXLAN_COLLECT_METADATA: u16 = 25;

/// The least MTU in bytes of such a device (`ETH_MIN_MTU`).
pub const LEAST_MTU_BYTES: u32 = 68;

/// The largest MTU in bytes of a VXLAN device over an underlay with this one: 50 bytes less, or 70 with IPv6.
#[must_use]
pub fn mtu_over(underlay_bytes: u32, is_ipv6: bool) -> u32 {
    underlay_bytes.saturating_sub(if is_ipv6 { IPV6_HEADERS_BYTES } else { IPV4_HEADERS_BYTES })
}

/// The same where packets are encrypted, as [`crate::xfrm`] has it.
#[must_use]
pub fn sealed_mtu_over(underlay_bytes: u32, is_ipv6: bool) -> u32 {
    let ip_bytes = if is_ipv6 { 40 } else { 20 };
    payload_in(underlay_bytes.saturating_sub(ip_bytes)).saturating_sub(IPV4_HEADERS_BYTES - 20)
}

/// The settings of a VXLAN device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The VXLAN network identifier, less than 2^24.
    pub vni: u32,
    /// The UDP port that packets are sent to and received on.
    pub port: u16,
    /// Where frames go whose destination is not known: a group, or one other host; an unspecified address of the family where there
    /// is none.
    pub remote: IpAddr,
    /// The address that packets are sent from, where that is not left to the routes.
    pub local: Option<IpAddr>,
    /// The index of the underlay, in the device's own namespace.
    pub underlay: Option<u32>,
    /// The TTL or hop limit of the packets; 0 for the host's own, and 1 to a group.
    pub ttl: u8,
    /// Which host has which hardware address is learned from what arrives.
    pub learning: bool,
    /// The UDP ports that packets are sent from: from the first to the one before the second; the host's own range where both are
    /// 0.
    pub source_ports: (u16, u16),
    /// The VNI and the remote of each packet come from the stack instead (`external`).
    pub is_external: bool,
}

impl Settings {
    /// Reads the attributes of a device of the kind.
    pub(crate) fn read(attributes: &[u8]) -> Self {
        let mut settings = Self {
            vni: 0,
            port: 0,
            remote: Ipv4Addr::UNSPECIFIED.into(),
            local: None,
            underlay: None,
            ttl: 0,
            learning: false,
            source_ports: (0, 0),
            is_external: false,
        };
        let big_endian = |value: &[u8], place| value.get(place..place + 2)?.try_into().ok().map(u16::from_be_bytes);
        let is_on = |value: &[u8]| value.first() != Some(&0);
        for (kind, value) in iterate(attributes) {
            match kind {
                IFLA_VXLAN_ID => settings.vni = read_u32(value, 0).unwrap_or_default(),
                IFLA_VXLAN_PORT => settings.port = big_endian(value, 0).unwrap_or_default(),
                IFLA_VXLAN_GROUP => settings.remote = address(value).unwrap_or(settings.remote),
                IFLA_VXLAN_GROUP6 => settings.remote = address(value).unwrap_or(settings.remote),
                IFLA_VXLAN_LOCAL | IFLA_VXLAN_LOCAL6 => {
                    settings.local = address(value).filter(|local| !local.is_unspecified());
                }
                IFLA_VXLAN_LINK => settings.underlay = read_u32(value, 0).filter(|index| *index != 0),
                IFLA_VXLAN_TTL => settings.ttl = value.first().copied().unwrap_or_default(),
                IFLA_VXLAN_LEARNING => settings.learning = is_on(value),
                IFLA_VXLAN_COLLECT_METADATA => settings.is_external = is_on(value),
                IFLA_VXLAN_PORT_RANGE => {
                    let port = |place| big_endian(value, place).unwrap_or_default();
                    settings.source_ports = (port(0), port(2));
                }
                _ => {}
            }
        }
        settings
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        _ => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
    }
}

/// A VXLAN device to make.
#[derive(Debug)]
pub struct NewVxlan<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its settings.
    pub settings: &'a Settings,
    /// Its MTU in bytes. The kernel cuts a larger one than the underlay allows to that.
    pub mtu: u32,
}

impl NewVxlan<'_> {
    /// `ip link add NAME mtu BYTES type vxlan id VNI dev UNDERLAY dstport PORT …`. It is down, and joins its group when it is set up.
    #[must_use]
    pub fn create(&self) -> Request {
        let Settings { vni, port, remote, local, underlay, ttl, learning, source_ports, .. } = self.settings;
        let mut data = vec![InfoVxlan::Id(*vni), InfoVxlan::Port(*port), InfoVxlan::Learning(*learning)];
        data.push(match remote {
            IpAddr::V4(v4) => InfoVxlan::Group(*v4),
            IpAddr::V6(v6) => InfoVxlan::Group6(*v6),
        });
        data.extend(local.map(|local| match local {
            IpAddr::V4(v4) => InfoVxlan::Local(v4),
            IpAddr::V6(v6) => InfoVxlan::Local6(v6),
        }));
        data.extend(underlay.map(InfoVxlan::Link));
        if *ttl != 0 {
            data.push(InfoVxlan::Ttl(*ttl));
        }
        if *source_ports != (0, 0) {
            data.push(InfoVxlan::PortRange(*source_ports));
        }
        if self.settings.asks_routes_anew() {
            data.push(InfoVxlan::Tos(OWN_TOS));
        }
        let device = LinkMessageBuilder::<LinkUnspec>::new_with_info_kind(InfoKind::Vxlan)
            .name(self.name)
            .mtu(self.mtu)
            .set_info_data(InfoData::Vxlan(data));
        Request::create(RouteNetlinkMessage::NewLink(device.build()))
    }
}

/// A type of service with which the kernel keeps no routes (`vxlan_xmit_one`). In packets it is 0, for its two bits are those of ECN, which are
/// taken from the frame.
pub const OWN_TOS: u8 = 2;

impl Settings {
    /// Whether the device is made to look up the route of each packet: a hardware address that is learned to be at another host keeps
    /// the route to the former one (`vxlan_snoop`), and with that what IPsec does on it. So it is where IPsec may: with an address of its
    /// own to send from, and learning.
    #[must_use]
    pub fn asks_routes_anew(&self) -> bool {
        self.local.is_some() && self.learning
    }
}

/// `ip link set INDEX type vxlan local ADDRESS`, of the family that the device has.
#[must_use]
pub fn set_local(index: u32, local: IpAddr) -> Request {
    let local = match local {
        IpAddr::V4(v4) => InfoVxlan::Local(v4),
        IpAddr::V6(v6) => InfoVxlan::Local6(v6),
    };
    let device = LinkMessageBuilder::<LinkUnspec>::new_with_info_kind(InfoKind::Vxlan)
        .index(index)
        .set_info_data(InfoData::Vxlan(vec![local]));
    Request::change(RouteNetlinkMessage::NewLink(device.build()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attributes::append;

    #[test]
    fn the_headers_are_counted() {
        assert_eq!((mtu_over(1500, false), mtu_over(1500, true)), (1450, 1430));
        assert_eq!(mtu_over(40, false), 0);
        assert_eq!((sealed_mtu_over(1500, false), sealed_mtu_over(1500, true)), (1408, 1376));
        assert_eq!(sealed_mtu_over(40, true), 0);
    }

    #[test]
    fn settings_are_read() {
        let mut bytes = Vec::new();
        append(&mut bytes, IFLA_VXLAN_ID, &7u32.to_ne_bytes());
        append(&mut bytes, IFLA_VXLAN_GROUP, &[234, 0, 0, 1]);
        append(&mut bytes, IFLA_VXLAN_LINK, &3u32.to_ne_bytes());
        append(&mut bytes, IFLA_VXLAN_TTL, &[1]);
        append(&mut bytes, IFLA_VXLAN_LEARNING, &[1]);
        append(&mut bytes, IFLA_VXLAN_PORT, &14789u16.to_be_bytes());
        append(&mut bytes, IFLA_VXLAN_PORT_RANGE, &[0x39, 0xc5, 0x39, 0xc6]);
        let read = Settings::read(&bytes);
        let expected = Settings {
            vni: 7,
            port: 14789,
            remote: Ipv4Addr::new(234, 0, 0, 1).into(),
            local: None,
            underlay: Some(3),
            ttl: 1,
            learning: true,
            source_ports: (14789, 14790),
            is_external: false,
        };
        assert_eq!(read, expected);
        for cut in 0..bytes.len() {
            Settings::read(bytes.get(..cut).unwrap_or_default()); // no bytes panic
        }
    }
}
