//! `struct ndmsg`, with which messages about neighbours and forwarding databases begin (`include/uapi/linux/neighbour.h`).

use std::net::IpAddr;

use crate::attributes::{append, read_u16, read_u32};
use crate::{Mac, Object};

pub(crate) const RTM_NEWNEIGH: u16 = 28;
pub(crate) const RTM_DELNEIGH: u16 = 29;
pub(crate) const RTM_GETNEIGH: u16 = 30;

/// Family, three bytes of padding, index, state, flags, type.
pub(crate) const HEADER_BYTES: usize = 12;
const INDEX_OFFSET: usize = 4;
const STATE_OFFSET: usize = 8;
const FLAGS_OFFSET: usize = 10;

pub(crate) const AF_INET: u8 = 2;
pub(crate) const AF_INET6: u8 = 10;
pub(crate) const AF_BRIDGE: u8 = 7;

/// It does not age, and nobody is asked.
pub(crate) const NUD_NOARP: u16 = 0x40;
pub(crate) const NUD_PERMANENT: u16 = 0x80;

/// The device's own database, not that of its bridge.
pub(crate) const NTF_SELF: u8 = 0x02;
/// The database of the bridge that the device is a port of.
pub(crate) const NTF_MASTER: u8 = 0x04;

pub(crate) const NDA_DST: u16 = 1;
pub(crate) const NDA_LLADDR: u16 = 2;
pub(crate) const NDA_VLAN: u16 = 5;
pub(crate) const NDA_IFINDEX: u16 = 8;
pub(crate) const NDA_MASTER: u16 = 9;
pub(crate) const NDA_PROTOCOL: u16 = 12;

/// The header of a message about the link of this index.
pub(crate) struct Header {
    pub(crate) family: u8,
    pub(crate) index: u32,
    /// `NUD_…`.
    pub(crate) state: u16,
    /// `NTF_…`.
    pub(crate) flags: u8,
}

impl Header {
    /// Of an entry for an address, which tells the family.
    pub(crate) fn of(address: IpAddr, index: u32, state: u16) -> Self {
        Self { family: if address.is_ipv4() { AF_INET } else { AF_INET6 }, index, state, flags: 0 }
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        let mut payload = vec![self.family, 0, 0, 0];
        payload.extend(self.index.to_ne_bytes());
        payload.extend(self.state.to_ne_bytes());
        payload.extend([self.flags, 0]);
        payload
    }

    /// `None` for an object that is no entry.
    pub(crate) fn read(object: &Object) -> Option<Self> {
        let payload = Some(&object.payload).filter(|_| object.message_type == RTM_NEWNEIGH)?;
        Some(Self {
            family: *payload.first()?,
            index: read_u32(payload, INDEX_OFFSET)?,
            state: read_u16(payload, STATE_OFFSET)?,
            flags: *payload.get(FLAGS_OFFSET)?,
        })
    }
}

/// Appends an IP address as an attribute.
pub(crate) fn append_address(payload: &mut Vec<u8>, kind: u16, address: IpAddr) {
    match address {
        IpAddr::V4(v4) => append(payload, kind, &v4.octets()),
        IpAddr::V6(v6) => append(payload, kind, &v6.octets()),
    }
}

/// Reads an IP address, whose length tells the family.
pub(crate) fn read_address(value: &[u8]) -> Option<IpAddr> {
    match value.len() {
        4 => <[u8; 4]>::try_from(value).ok().map(IpAddr::from),
        _ => <[u8; 16]>::try_from(value).ok().map(IpAddr::from),
    }
}

/// Reads a hardware address.
pub(crate) fn read_mac(value: &[u8]) -> Option<Mac> {
    value.try_into().ok().map(Mac)
}
