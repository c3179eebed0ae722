//! Fields of frames, as flows match on them.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use netlink::Mac;

use crate::bytes::Reader;
use crate::{Ipv4Prefix, Ipv6Prefix};

/// Types of Ethernet frames (IEEE 802 numbers).
pub mod ethertype {
    /// IPv4.
    pub const IPV4: u16 = 0x0800;
    /// ARP.
    pub const ARP: u16 = 0x0806;
    /// IPv6.
    pub const IPV6: u16 = 0x86dd;
}

/// Protocols above IP (IANA's protocol numbers).
pub mod protocol {
    /// ICMP.
    pub const ICMP: u8 = 1;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// `ICMPv6`.
    pub const ICMPV6: u8 = 58;
}

/// One condition on a frame. A flow needs the conditions under which the field exists as well, such as the type of frames
/// (section 7.2.3.8 of OpenFlow 1.4); the order of variants is that in which the switch wants them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Match {
    /// The port by which it comes in: `ofport` of the interface.
    InPort(u32),
    /// Its destination.
    EthDst(Mac),
    /// Its source.
    EthSrc(Mac),
    /// What it carries, behind its VLAN tags as far as the switch reads them (`other_config:vlan-limit`).
    EthType(u16),
    /// It has no VLAN tag.
    Untagged,
    /// Its outer VLAN, 0 to 4095. Without this and [`Match::Untagged`] tagged and untagged frames are meant.
    Vlan(u16),
    /// What an IP packet carries, behind the extension headers of IPv6.
    IpProto(u8),
    /// The source of an IPv4 packet.
    Ipv4Src(Ipv4Prefix),
    /// Its destination.
    Ipv4Dst(Ipv4Prefix),
    /// The source port of TCP.
    TcpSrc(u16),
    /// Its destination port.
    TcpDst(u16),
    /// The source port of UDP.
    UdpSrc(u16),
    /// Its destination port.
    UdpDst(u16),
    /// The type of an ICMP message.
    IcmpV4Type(u8),
    /// The operation of ARP: 1 is a question, 2 an answer.
    ArpOp(u16),
    /// The IP address of ARP's sender.
    ArpSpa(Ipv4Addr),
    /// The IP address that ARP is about.
    ArpTpa(Ipv4Addr),
    /// The hardware address of ARP's sender.
    ArpSha(Mac),
    /// The hardware address of ARP's target.
    ArpTha(Mac),
    /// The source of an IPv6 packet.
    Ipv6Src(Ipv6Prefix),
    /// Its destination.
    Ipv6Dst(Ipv6Prefix),
    /// The type of an `ICMPv6` message.
    IcmpV6Type(u8),
    /// Its code.
    IcmpV6Code(u8),
    /// The address that a neighbour solicitation or advertisement is about; `::` for one that is malformed.
    NdTarget(Ipv6Addr),
    /// The source link-layer address option of a neighbour solicitation; zero if there is none.
    NdSll(Mac),
    /// The target link-layer address option of a neighbour advertisement; zero if there is none.
    NdTll(Mac),
}

/// The class of OpenFlow's own fields (`OFPXMC_OPENFLOW_BASIC`), and the bit that says that a VLAN's number stands for a tag.
const BASIC: u16 = 0x8000;
const VLAN_PRESENT: u16 = 0x1000;
const VLAN_BITS: u16 = 0x0fff;

impl Match {
    /// Appends the field with its header of four bytes (OXM, section 7.2.3.2).
    pub(crate) fn write(self, bytes: &mut Vec<u8>) {
        match self {
            Self::InPort(port) => put(bytes, 0, &port.to_be_bytes(), None),
            Self::EthDst(mac) => put(bytes, 3, &mac.0, None),
            Self::EthSrc(mac) => put(bytes, 4, &mac.0, None),
            Self::EthType(kind) => put(bytes, 5, &kind.to_be_bytes(), None),
            Self::Untagged => put(bytes, 6, &[0, 0], None),
            Self::Vlan(id) => put(bytes, 6, &(id & VLAN_BITS | VLAN_PRESENT).to_be_bytes(), None),
            Self::IpProto(number) => put(bytes, 10, &[number], None),
            Self::Ipv4Src(net) => put_ipv4(bytes, 11, net),
            Self::Ipv4Dst(net) => put_ipv4(bytes, 12, net),
            Self::TcpSrc(port) => put(bytes, 13, &port.to_be_bytes(), None),
            Self::TcpDst(port) => put(bytes, 14, &port.to_be_bytes(), None),
            Self::UdpSrc(port) => put(bytes, 15, &port.to_be_bytes(), None),
            Self::UdpDst(port) => put(bytes, 16, &port.to_be_bytes(), None),
            Self::IcmpV4Type(kind) => put(bytes, 19, &[kind], None),
            Self::ArpOp(operation) => put(bytes, 21, &operation.to_be_bytes(), None),
            Self::ArpSpa(address) => put(bytes, 22, &address.octets(), None),
            Self::ArpTpa(address) => put(bytes, 23, &address.octets(), None),
            Self::ArpSha(mac) => put(bytes, 24, &mac.0, None),
            Self::ArpTha(mac) => put(bytes, 25, &mac.0, None),
            Self::Ipv6Src(net) => put_ipv6(bytes, 26, net),
            Self::Ipv6Dst(net) => put_ipv6(bytes, 27, net),
            Self::IcmpV6Type(kind) => put(bytes, 29, &[kind], None),
            Self::IcmpV6Code(code) => put(bytes, 30, &[code], None),
            Self::NdTarget(address) => put(bytes, 31, &address.octets(), None),
            Self::NdSll(mac) => put(bytes, 32, &mac.0, None),
            Self::NdTll(mac) => put(bytes, 33, &mac.0, None),
        }
    }

    /// `None` for a field that is not known here, or one with a mask that is not.
    fn read(field: u8, value: &[u8], mask: Option<&[u8]>) -> Option<Self> {
        let whole = mask.is_none();
        Some(match field {
            0 if whole => Self::InPort(octets(value).map(u32::from_be_bytes)?),
            3 if whole => Self::EthDst(Mac(octets(value)?)),
            4 if whole => Self::EthSrc(Mac(octets(value)?)),
            5 if whole => Self::EthType(number(value)?),
            6 if whole => match number(value)? {
                0 => Self::Untagged,
                id if id & !VLAN_BITS == VLAN_PRESENT => Self::Vlan(id & VLAN_BITS),
                _ => return None,
            },
            10 if whole => Self::IpProto(byte(value)?),
            11 => Self::Ipv4Src(ipv4(value, mask)?),
            12 => Self::Ipv4Dst(ipv4(value, mask)?),
            13 if whole => Self::TcpSrc(number(value)?),
            14 if whole => Self::TcpDst(number(value)?),
            15 if whole => Self::UdpSrc(number(value)?),
            16 if whole => Self::UdpDst(number(value)?),
            19 if whole => Self::IcmpV4Type(byte(value)?),
            21 if whole => Self::ArpOp(number(value)?),
            22 if whole => Self::ArpSpa(address(value)?),
            23 if whole => Self::ArpTpa(address(value)?),
            24 if whole => Self::ArpSha(Mac(octets(value)?)),
            25 if whole => Self::ArpTha(Mac(octets(value)?)),
            26 => Self::Ipv6Src(ipv6(value, mask)?),
            27 => Self::Ipv6Dst(ipv6(value, mask)?),
            29 if whole => Self::IcmpV6Type(byte(value)?),
            30 if whole => Self::IcmpV6Code(byte(value)?),
            31 if whole => Self::NdTarget(address(value)?),
            32 if whole => Self::NdSll(Mac(octets(value)?)),
            33 if whole => Self::NdTll(Mac(octets(value)?)),
            _ => return None,
        })
    }
}

fn put(bytes: &mut Vec<u8>, field: u8, value: &[u8], mask: Option<&[u8]>) {
    let mask = mask.unwrap_or_default();
    // No field here has more than 16 bytes.
    let length = u8::try_from(value.len() + mask.len()).unwrap_or_default();
    bytes.extend(BASIC.to_be_bytes());
    bytes.extend([field << 1 | u8::from(!mask.is_empty()), length]);
    bytes.extend(value);
    bytes.extend(mask);
}

fn put_ipv4(bytes: &mut Vec<u8>, field: u8, net: Ipv4Prefix) {
    put(bytes, field, &net.address().octets(), net.mask().map(u32::to_be_bytes).as_ref().map(<[u8; 4]>::as_slice));
}

fn put_ipv6(bytes: &mut Vec<u8>, field: u8, net: Ipv6Prefix) {
    put(bytes, field, &net.address().octets(), net.mask().map(u128::to_be_bytes).as_ref().map(<[u8; 16]>::as_slice));
}

fn octets<const N: usize>(value: &[u8]) -> Option<[u8; N]> {
    value.try_into().ok()
}

fn address<T: From<[u8; N]>, const N: usize>(value: &[u8]) -> Option<T> {
    octets(value).map(T::from)
}

fn byte(value: &[u8]) -> Option<u8> {
    octets(value).map(u8::from_be_bytes)
}

fn number(value: &[u8]) -> Option<u16> {
    octets(value).map(u16::from_be_bytes)
}

fn ipv4(value: &[u8], mask: Option<&[u8]>) -> Option<Ipv4Prefix> {
    let address: Ipv4Addr = address(value)?;
    match mask {
        None => Some(address.into()),
        Some(mask) => Ipv4Prefix::with_mask(address, octets(mask).map(u32::from_be_bytes)?),
    }
}

fn ipv6(value: &[u8], mask: Option<&[u8]>) -> Option<Ipv6Prefix> {
    let address: Ipv6Addr = address(value)?;
    match mask {
        None => Some(address.into()),
        Some(mask) => Ipv6Prefix::with_mask(address, octets(mask).map(u128::from_be_bytes)?),
    }
}

/// In the words of `ovs-ofctl`.
impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InPort(port) => write!(f, "in_port={port}"),
            Self::EthDst(mac) => write!(f, "dl_dst={mac}"),
            Self::EthSrc(mac) => write!(f, "dl_src={mac}"),
            Self::EthType(ethertype::IPV4) => f.write_str("ip"),
            Self::EthType(ethertype::ARP) => f.write_str("arp"),
            Self::EthType(ethertype::IPV6) => f.write_str("ipv6"),
            Self::EthType(kind) => write!(f, "dl_type={kind:#06x}"),
            Self::Untagged => f.write_str("vlan_vid=0"),
            Self::Vlan(id) => write!(f, "dl_vlan={id}"),
            Self::IpProto(number) => write!(f, "nw_proto={number}"),
            Self::Ipv4Src(net) => write!(f, "nw_src={net}"),
            Self::Ipv4Dst(net) => write!(f, "nw_dst={net}"),
            Self::TcpSrc(port) => write!(f, "tcp_src={port}"),
            Self::TcpDst(port) => write!(f, "tcp_dst={port}"),
            Self::UdpSrc(port) => write!(f, "udp_src={port}"),
            Self::UdpDst(port) => write!(f, "udp_dst={port}"),
            Self::IcmpV4Type(kind) => write!(f, "icmp_type={kind}"),
            Self::ArpOp(operation) => write!(f, "arp_op={operation}"),
            Self::ArpSpa(address) => write!(f, "arp_spa={address}"),
            Self::ArpTpa(address) => write!(f, "arp_tpa={address}"),
            Self::ArpSha(mac) => write!(f, "arp_sha={mac}"),
            Self::ArpTha(mac) => write!(f, "arp_tha={mac}"),
            Self::Ipv6Src(net) => write!(f, "ipv6_src={net}"),
            Self::Ipv6Dst(net) => write!(f, "ipv6_dst={net}"),
            Self::IcmpV6Type(kind) => write!(f, "icmpv6_type={kind}"),
            Self::IcmpV6Code(code) => write!(f, "icmpv6_code={code}"),
            Self::NdTarget(address) => write!(f, "nd_target={address}"),
            Self::NdSll(mac) => write!(f, "nd_sll={mac}"),
            Self::NdTll(mac) => write!(f, "nd_tll={mac}"),
        }
    }
}

/// Appends a match as messages have it (`struct ofp_match`), with its padding. The fields must be sorted.
pub(crate) fn write_all(bytes: &mut Vec<u8>, matches: &[Match]) {
    let begin = bytes.len();
    bytes.extend([0, 1, 0, 0]);
    matches.iter().for_each(|field| field.write(bytes));
    // If it is too long, so is the message, which is noticed there.
    let length = u16::try_from(bytes.len() - begin).unwrap_or(u16::MAX);
    if let Some(place) = bytes.get_mut(begin + 2..begin + 4) {
        place.copy_from_slice(&length.to_be_bytes());
    }
    crate::bytes::pad(bytes, begin);
}

/// The fields of a match, sorted, and how many more it has that are not known here. `None` if it is malformed.
pub(crate) fn read_all(reader: &mut Reader<'_>) -> Option<(Vec<Match>, usize)> {
    let (1, length) = (reader.u16()?, usize::from(reader.u16()?)) else { return None };
    let mut fields = Reader(reader.take(length.checked_sub(4)?)?);
    reader.take(length.next_multiple_of(8) - length)?;
    let (mut known, mut unknown) = (Vec::new(), 0);
    while !fields.0.is_empty() {
        let (class, [kind, length]) = (fields.u16()?, fields.array()?);
        let body = fields.take(length.into())?;
        let (value, mask) = if kind & 1 == 0 {
            (body, None)
        } else {
            body.split_at_checked(body.len() / 2).map(|(v, m)| (v, Some(m)))?
        };
        match Match::read(kind >> 1, value, mask) {
            Some(field) if class == BASIC => known.push(field),
            _ => unknown += 1,
        }
    }
    known.sort_unstable();
    Some((known, unknown))
}
