//! The packet that is followed: one that opens a connection, from one link to another.

use crate::conntrack::{Connection, state};
use crate::{Base, Family, Key, Meta};

/// `IPPROTO_TCP`, `IPPROTO_UDP`.
pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;

/// `NFPROTO_IPV4`, `NFPROTO_IPV6`, with their EtherTypes.
const IPV4: (u8, u16) = (2, 0x0800);
const IPV6: (u8, u16) = (10, 0x86dd);

/// Where IPv4 and IPv6 have the number of the transport protocol in their headers, in bytes.
const PROTOCOL_OF_IPV4: u32 = 9;
const NEXT_HEADER_OF_IPV6: u32 = 6;
/// The ports of TCP and UDP take so many bytes from the beginning of the header.
const PORTS_BYTES: u32 = 4;

/// From one link of the host to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way<'a> {
    /// The name of the link that packets come in by.
    pub from: &'a str,
    /// The name of the one that they leave by.
    pub to: &'a str,
    /// What they are: [`Family::Ip`] or [`Family::Ip6`].
    pub family: Family,
}

/// What a register has been loaded with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    /// These bytes, as they are in a register.
    Known(Vec<u8>),
    /// A port or both.
    Port,
    Unknown,
}

/// It opens a connection (`ct state new`), and no address of it is translated.
#[derive(Debug, Clone, Copy)]
pub(super) struct Packet<'a> {
    pub(super) way: Way<'a>,
    pub(super) protocol: u8,
}

impl Packet<'_> {
    /// `meta KEY`.
    pub(super) fn meta(&self, key: Option<u32>) -> Content {
        let (family, ether_type) = if self.way.family == Family::Ip6 { IPV6 } else { IPV4 };
        let is = |meta: Meta| key == Some(meta as u32);
        Content::Known(if is(Meta::Iifname) {
            Key::link(self.way.from).0
        } else if is(Meta::Oifname) {
            Key::link(self.way.to).0
        } else if is(Meta::L4proto) {
            vec![self.protocol]
        } else if is(Meta::Nfproto) {
            vec![family]
        } else if is(Meta::Protocol) {
            ether_type.to_be_bytes().to_vec()
        } else {
            return Content::Unknown;
        })
    }

    /// `ct KEY`.
    pub(super) fn connection(&self, key: Option<u32>) -> Content {
        let is = |connection: Connection| key == Some(connection as u32);
        Content::Known(if is(Connection::State) {
            state::NEW.to_ne_bytes().to_vec()
        } else if is(Connection::Direction) {
            vec![0]
        } else if is(Connection::Status) {
            vec![0; 4]
        } else {
            return Content::Unknown;
        })
    }

    /// Bytes of its headers.
    pub(super) fn field(&self, base: Option<u32>, offset: Option<u32>, length: Option<u32>) -> Content {
        let (Some(offset), Some(length)) = (offset, length) else { return Content::Unknown };
        let place = if self.way.family == Family::Ip6 { NEXT_HEADER_OF_IPV6 } else { PROTOCOL_OF_IPV4 };
        if base == Some(Base::Network as u32) && (offset, length) == (place, 1) {
            Content::Known(vec![self.protocol])
        } else if base == Some(Base::Transport as u32) && offset.saturating_add(length) <= PORTS_BYTES {
            Content::Port
        } else {
            Content::Unknown
        }
    }
}
