//! What passes a host's NIC, and what tunnels carry in it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use harness::Namespace;

use crate::Frames;

const ETHERNET_BYTES: usize = 14;
const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;

const ICMP: u8 = 1;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;
const FRAGMENT_HEADER: u8 = 44;
const HOP_BY_HOP_OPTIONS: u8 = 0;

const ECHO_REQUEST: u8 = 8;
const ECHO_REPLY: u8 = 0;
const ECHO_REQUEST_V6: u8 = 128;
const ECHO_REPLY_V6: u8 = 129;

/// RFC 7348, 5: the flag of a valid VNI.
const VNI_IS_VALID: u8 = 0x08;
const VXLAN_BYTES: usize = 8;

/// What passes one interface in both directions, from when this is made.
#[derive(Debug)]
pub struct Capture {
    frames: Frames,
}

impl Capture {
    /// Begins at an interface of a namespace. The kernel keeps what was not taken: 16 MiB of it.
    ///
    /// # Panics
    /// If there is no such interface.
    pub fn start(ns: &Namespace, interface: &str) -> Self {
        let frames = Frames::open(ns, interface).unwrap_or_else(|error| panic!("{interface} of {}: {error}", ns.name));
        frames.keep(16 << 20);
        Self { frames }
    }

    /// All IP packets that have passed since they were last taken, in their order.
    pub fn take(&self) -> Vec<Packet> {
        std::iter::from_fn(|| self.frames.next()).filter_map(|frame| Packet::parse(&frame)).collect()
    }

    /// Takes packets until one is as wanted, 5 s at most.
    pub fn find(&self, mut wanted: impl FnMut(&Packet) -> bool) -> Option<Packet> {
        let end = Instant::now() + Duration::from_secs(5);
        while Instant::now() < end {
            match self.frames.next() {
                Some(frame) => match Packet::parse(&frame) {
                    Some(packet) if wanted(&packet) => return Some(packet),
                    _ => {}
                },
                None => std::thread::sleep(Duration::from_millis(1)),
            }
        }
        None
    }
}

/// An IP packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Its source.
    pub from: IpAddr,
    /// Its destination.
    pub to: IpAddr,
    /// Its TTL or hop limit.
    pub ttl: u8,
    /// The protocol of its payload; of IPv6 that after hop-by-hop options and a fragment header.
    pub protocol: u8,
    /// It is not the whole of a datagram.
    pub is_fragment: bool,
    /// It is not to be divided; always so in IPv6.
    pub dont_fragment: bool,
    /// What follows the IP header.
    pub payload: Vec<u8>,
}

impl Packet {
    /// Reads an Ethernet frame; none when it holds no whole IP packet.
    pub fn parse(frame: &[u8]) -> Option<Self> {
        let packet = frame.get(ETHERNET_BYTES..)?;
        match ethertype(frame)? {
            ETHERTYPE_IPV4 => Self::parse_v4(packet),
            ETHERTYPE_IPV6 => Self::parse_v6(packet),
            _ => None,
        }
    }

    /// RFC 791, 3.1.
    fn parse_v4(packet: &[u8]) -> Option<Self> {
        let header = usize::from(packet.first()? & 0x0f) * 4;
        let length = usize::from(be16(packet, 2)?);
        let fragment = be16(packet, 6)?;
        let address = |at: usize| {
            let octets: [u8; 4] = packet.get(at..at + 4)?.try_into().ok()?;
            Some(IpAddr::from(Ipv4Addr::from(octets)))
        };
        Some(Self {
            from: address(12)?,
            to: address(16)?,
            ttl: *packet.get(8)?,
            protocol: *packet.get(9)?,
            is_fragment: fragment & 0x3fff != 0,
            dont_fragment: fragment & 0x4000 != 0,
            payload: packet.get(header..length)?.to_vec(),
        })
    }

    /// RFC 8200, 3 and 4.
    fn parse_v6(packet: &[u8]) -> Option<Self> {
        let address = |at: usize| {
            let octets: [u8; 16] = packet.get(at..at + 16)?.try_into().ok()?;
            Some(IpAddr::from(Ipv6Addr::from(octets)))
        };
        let (mut protocol, mut is_fragment) = (*packet.get(6)?, false);
        let mut payload = packet.get(40..40 + usize::from(be16(packet, 4)?))?;
        while let HOP_BY_HOP_OPTIONS | FRAGMENT_HEADER = protocol {
            is_fragment |= protocol == FRAGMENT_HEADER;
            let bytes = if protocol == FRAGMENT_HEADER { 8 } else { 8 + usize::from(*payload.get(1)?) * 8 };
            protocol = *payload.first()?;
            payload = payload.get(bytes..)?;
        }
        Some(Self {
            from: address(8)?,
            to: address(24)?,
            ttl: *packet.get(7)?,
            protocol,
            is_fragment,
            dont_fragment: true,
            payload: payload.to_vec(),
        })
    }

    /// The source and destination ports of a UDP datagram that is whole or the first fragment.
    pub fn udp_ports(&self) -> Option<(u16, u16)> {
        let is_udp = self.protocol == UDP;
        is_udp.then_some((be16(&self.payload, 0)?, be16(&self.payload, 2)?))
    }

    /// What VXLAN carries in it, on whatever port: none when it is not a whole UDP datagram that begins with VXLAN's header.
    pub fn vxlan(&self) -> Option<Vxlan> {
        let (from_port, to_port) = self.udp_ports().filter(|_| !self.is_fragment)?;
        let datagram = self.payload.get(8..)?;
        let [VNI_IS_VALID, 0, 0, 0, high, middle, low, 0] = *datagram.first_chunk::<VXLAN_BYTES>()? else {
            return None;
        };
        let vni = u32::from_be_bytes([0, high, middle, low]);
        Some(Vxlan { from_port, to_port, vni, frame: datagram.get(VXLAN_BYTES..)?.to_vec() })
    }

    /// Whether it is an echo request or an answer to one.
    pub fn is_echo(&self) -> bool {
        let kind = self.payload.first().copied();
        match self.protocol {
            ICMP => matches!(kind, Some(ECHO_REQUEST | ECHO_REPLY)),
            ICMPV6 => matches!(kind, Some(ECHO_REQUEST_V6 | ECHO_REPLY_V6)),
            _ => false,
        }
    }
}

/// The payload of a VXLAN datagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vxlan {
    /// The UDP port that it comes from.
    pub from_port: u16,
    /// The UDP port that it goes to.
    pub to_port: u16,
    /// Its VNI.
    pub vni: u32,
    /// The Ethernet frame in it.
    pub frame: Vec<u8>,
}

impl Vxlan {
    /// The hardware address that the frame is to.
    pub fn to_mac(&self) -> Option<[u8; 6]> {
        self.frame.first_chunk().copied()
    }

    /// The hardware address that the frame is from.
    pub fn from_mac(&self) -> Option<[u8; 6]> {
        self.frame.get(6..)?.first_chunk().copied()
    }

    /// The kind of its payload, as in `0x0806` for ARP.
    pub fn ethertype(&self) -> Option<u16> {
        ethertype(&self.frame)
    }

    /// The IP packet in the frame.
    pub fn packet(&self) -> Option<Packet> {
        Packet::parse(&self.frame)
    }
}

fn ethertype(frame: &[u8]) -> Option<u16> {
    be16(frame, 12)
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ethernet;

    const ECHO: [u8; 8] = [ECHO_REQUEST, 0, 0xf7, 0xff, 0, 0, 0, 0];

    fn ipv4(flags: u16, protocol: u8, payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(20 + payload.len()).unwrap();
        let mut packet = vec![0x45, 0];
        packet.extend(length.to_be_bytes());
        packet.extend([0, 0]);
        packet.extend(flags.to_be_bytes());
        packet.extend([1, protocol, 0, 0, 192, 168, 7, 1, 234, 0, 0, 1]);
        packet.extend(payload);
        ethernet([1; 6], [2; 6], ETHERTYPE_IPV4, &packet)
    }

    fn datagram(payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(8 + payload.len()).unwrap();
        let mut datagram = vec![0x39, 0xc5, 0x39, 0xc6];
        datagram.extend(length.to_be_bytes());
        datagram.extend([0, 0]);
        datagram.extend(payload);
        datagram
    }

    #[test]
    fn a_frame_in_vxlan_over_ipv4() {
        let inside = ipv4(0, ICMP, &ECHO);
        let tunnelled = [&[8, 0, 0, 0, 0, 0, 42, 0][..], &inside].concat();
        let packet = Packet::parse(&ipv4(0x4000, UDP, &datagram(&tunnelled))).unwrap();
        assert_eq!((packet.from.to_string(), packet.to.to_string()), ("192.168.7.1".into(), "234.0.0.1".into()));
        assert!(packet.dont_fragment && !packet.is_fragment && packet.ttl == 1);
        let vxlan = packet.vxlan().unwrap();
        assert_eq!((vxlan.from_port, vxlan.to_port, vxlan.vni), (14789, 14790, 42));
        assert_eq!((vxlan.to_mac(), vxlan.from_mac()), (Some([2; 6]), Some([1; 6])));
        assert_eq!(vxlan.ethertype(), Some(ETHERTYPE_IPV4));
        assert!(vxlan.packet().is_some_and(|inner| inner.is_echo()) && !packet.is_echo());
    }

    #[test]
    fn a_frame_in_vxlan_over_ipv6_and_behind_options() {
        let tunnelled = datagram(&[&[8, 0, 0, 0, 0, 0, 1, 0][..], &ethernet([1; 6], [2; 6], 0x0806, &[])].concat());
        let options = [UDP, 0, 5, 2, 0, 0, 1, 0];
        for (next, before) in [(UDP, &[][..]), (HOP_BY_HOP_OPTIONS, &options)] {
            let length = u16::try_from(before.len() + tunnelled.len()).unwrap();
            let mut packet = vec![0x60, 0, 0, 0];
            packet.extend(length.to_be_bytes());
            packet.extend([next, 9]);
            for address in ["fd00:7::1", "ff05:56de::1"] {
                packet.extend(address.parse::<Ipv6Addr>().unwrap().octets());
            }
            packet.extend([before, &tunnelled[..]].concat());
            let packet = Packet::parse(&ethernet([1; 6], [2; 6], ETHERTYPE_IPV6, &packet)).unwrap();
            assert_eq!((packet.to, packet.ttl), ("ff05:56de::1".parse().unwrap(), 9));
            assert_eq!(packet.vxlan().and_then(|vxlan| vxlan.ethertype()), Some(0x0806));
        }
    }

    #[test]
    fn what_is_no_vxlan() {
        let whole = [&[8, 0, 0, 0, 0, 0, 1, 0][..], &[0; 14]].concat();
        let first_fragment = Packet::parse(&ipv4(0x2000, UDP, &datagram(&whole))).unwrap();
        assert!(first_fragment.is_fragment);
        assert_eq!((first_fragment.udp_ports(), first_fragment.vxlan()), (Some((14789, 14790)), None));
        let other = Packet::parse(&ipv4(0, UDP, &datagram(&[0; 22]))).unwrap();
        assert_eq!(other.vxlan(), None);
        let esp = Packet::parse(&ipv4(0, 50, &datagram(&whole))).unwrap();
        assert_eq!((esp.udp_ports(), esp.vxlan()), (None, None));
    }

    #[test]
    fn no_bytes_are_too_few_or_too_odd() {
        let frame = ipv4(0, UDP, &datagram(&[8, 0, 0, 0, 0, 0, 1, 0]));
        for length in 0..frame.len() {
            assert_eq!(Packet::parse(&frame[..length]), None, "{length} bytes");
        }
        for first in 0..=u8::MAX {
            let mut odd = frame.clone();
            odd[ETHERNET_BYTES] = first;
            let _ = Packet::parse(&odd).map(|packet| packet.vxlan());
        }
    }
}
