//! The VLANs of a bridge's ports, and of the bridge itself as the port of its host (`net/bridge/br_vlan.c`).

use crate::attributes::{append, iterate, read_u16, read_u32, value_of};
use crate::{Error, Object, Request, Socket};

/// The lowest and the highest VLAN that a frame can be in (IEEE 802.1Q: 0 and 4095 are reserved).
pub const IDS: std::ops::RangeInclusive<u16> = 1..=4094;

// `rtnetlink.h`, `if_link.h` and `if_bridge.h`.
const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
const RTM_SETLINK: u16 = 19;
const NLM_F_DUMP: u16 = 0x300;
const AF_BRIDGE: u8 = 7;
const INDEX_OFFSET: usize = 4;
const HEADER_BYTES: usize = 16;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_EXT_MASK: u16 = 29;
const NLA_F_NESTED: u16 = 0x8000;
const IFLA_BRIDGE_FLAGS: u16 = 0;
const IFLA_BRIDGE_VLAN_INFO: u16 = 2;
const BRIDGE_FLAGS_SELF: u16 = 2;
const RTEXT_FILTER_BRVLAN_COMPRESSED: u32 = 4;
const BRIDGE_VLAN_INFO_PVID: u16 = 2;
const BRIDGE_VLAN_INFO_UNTAGGED: u16 = 4;
const BRIDGE_VLAN_INFO_RANGE_BEGIN: u16 = 8;
const BRIDGE_VLAN_INFO_RANGE_END: u16 = 16;

/// VLANs of a port, from the first to the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vlans {
    /// The first.
    pub first: u16,
    /// The last; the first one for a single VLAN.
    pub last: u16,
    /// What comes in without a tag is in this VLAN. Only one VLAN of a port can be that.
    pub is_pvid: bool,
    /// What goes out loses its tag.
    pub is_untagged: bool,
}

impl Vlans {
    /// Tagged in both directions.
    #[must_use]
    pub fn tagged(first: u16, last: u16) -> Self {
        Self { first, last, is_pvid: false, is_untagged: false }
    }

    /// Without tags in both directions.
    #[must_use]
    pub fn native(id: u16) -> Self {
        Self { first: id, last: id, is_pvid: true, is_untagged: true }
    }

    fn flags(self) -> u16 {
        let flag = |is_set, flag| if is_set { flag } else { 0 };
        flag(self.is_pvid, BRIDGE_VLAN_INFO_PVID) | flag(self.is_untagged, BRIDGE_VLAN_INFO_UNTAGGED)
    }

    fn append_to(self, spec: &mut Vec<u8>) {
        let mut add = |id: u16, range: u16| {
            let value = (self.flags() | range).to_ne_bytes().into_iter().chain(id.to_ne_bytes());
            append(spec, IFLA_BRIDGE_VLAN_INFO, &value.collect::<Vec<u8>>());
        };
        if self.first == self.last {
            add(self.first, 0);
        } else {
            add(self.first, BRIDGE_VLAN_INFO_RANGE_BEGIN);
            add(self.last, BRIDGE_VLAN_INFO_RANGE_END);
        }
    }
}

/// Whose VLANs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// The port with this index.
    Port(u32),
    /// The bridge with this index: what its host receives.
    Bridge(u32),
}

/// `bridge vlan add dev DEV vid FIRST-LAST [pvid] [untagged] [self]` for each of `vlans`. A VLAN that is there gets the
/// flags of this call.
#[must_use]
pub fn add(of: Of, vlans: &[Vlans]) -> Request {
    change(RTM_SETLINK, of, vlans)
}

/// `bridge vlan del dev DEV vid FIRST-LAST [self]` for each of `vlans`.
#[must_use]
pub fn delete(of: Of, vlans: &[Vlans]) -> Request {
    change(RTM_DELLINK, of, vlans)
}

/// `bridge vlan show dev DEV`, ordered by VLAN. VLANs in sequence with the same flags may come as one range or as several.
///
/// The kernel knows no question for one port alone here, so that this reads those of all.
///
/// # Errors
/// Those of [`Socket::dump`].
pub fn list(socket: &mut Socket, of: Of) -> Result<Vec<Vlans>, Error> {
    let (Of::Port(index) | Of::Bridge(index)) = of;
    let mut payload = header(0);
    append(&mut payload, IFLA_EXT_MASK, &RTEXT_FILTER_BRVLAN_COMPRESSED.to_ne_bytes());
    socket.expect_large_objects();
    let ports = socket.dump("VLANs of bridges", &Request::raw(RTM_GETLINK, NLM_F_DUMP, payload))?;
    let mut vlans: Vec<Vlans> = ports.iter().filter_map(|port| read(port, index)).flatten().collect();
    vlans.sort_by_key(|vlans| vlans.first);
    Ok(vlans)
}

fn change(message_type: u16, of: Of, vlans: &[Vlans]) -> Request {
    let mut spec = Vec::new();
    let index = match of {
        Of::Port(index) => index,
        Of::Bridge(index) => {
            append(&mut spec, IFLA_BRIDGE_FLAGS, &BRIDGE_FLAGS_SELF.to_ne_bytes());
            index
        }
    };
    vlans.iter().for_each(|vlans| vlans.append_to(&mut spec));
    let mut payload = header(index);
    append(&mut payload, IFLA_AF_SPEC | NLA_F_NESTED, &spec);
    Request::raw(message_type, 0, payload)
}

/// A `struct ifinfomsg`.
fn header(index: u32) -> Vec<u8> {
    let mut header = vec![AF_BRIDGE, 0, 0, 0];
    header.extend(index.to_ne_bytes());
    header.resize(HEADER_BYTES, 0);
    header
}

/// The VLANs of the port with `index`; `None` for another port.
fn read(port: &Object, index: u32) -> Option<Vec<Vlans>> {
    if port.message_type != RTM_NEWLINK || read_u32(&port.payload, INDEX_OFFSET)? != index {
        return None;
    }
    let spec = value_of(port.payload.get(HEADER_BYTES..)?, IFLA_AF_SPEC)?;
    let mut begin = None;
    let mut vlans = Vec::new();
    for (_, info) in iterate(spec).filter(|(kind, _)| *kind == IFLA_BRIDGE_VLAN_INFO) {
        let (flags, id) = (read_u16(info, 0)?, read_u16(info, 2)?);
        if flags & BRIDGE_VLAN_INFO_RANGE_BEGIN != 0 {
            begin = Some(id);
            continue;
        }
        vlans.push(Vlans {
            first: begin.take().filter(|_| flags & BRIDGE_VLAN_INFO_RANGE_END != 0).unwrap_or(id),
            last: id,
            is_pvid: flags & BRIDGE_VLAN_INFO_PVID != 0,
            is_untagged: flags & BRIDGE_VLAN_INFO_UNTAGGED != 0,
        });
    }
    Some(vlans)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The attributes of a request as the kernel would send them back.
    fn echoed(of: Of, vlans: &[Vlans]) -> Object {
        let mut bytes = Vec::new();
        add(of, vlans).append(1, &mut bytes);
        Object { message_type: RTM_NEWLINK, payload: bytes[16..].to_vec() }
    }

    #[test]
    fn what_is_written_reads_back() {
        let vlans = [Vlans::native(10), Vlans::tagged(20, 29), Vlans::tagged(4094, 4094)];
        assert_eq!(read(&echoed(Of::Port(7), &vlans), 7).unwrap(), vlans);
        assert_eq!(read(&echoed(Of::Bridge(7), &vlans), 7).unwrap(), vlans);
        assert_eq!(read(&echoed(Of::Port(7), &vlans), 8), None);
    }

    /// As `bridge vlan add dev DEV vid 5 pvid untagged` and `bridge vlan add dev DEV vid 6-7 self` send them.
    #[test]
    fn messages_are_those_of_the_bridge_tool() {
        let spec = |of, vlans: &[Vlans]| echoed(of, vlans).payload[HEADER_BYTES..].to_vec();
        assert_eq!(spec(Of::Port(7), &[Vlans::native(5)]), [12, 0, 26, 0x80, 8, 0, 2, 0, 6, 0, 5, 0]);
        assert_eq!(
            spec(Of::Bridge(7), &[Vlans::tagged(6, 7)]),
            [28, 0, 26, 0x80, 6, 0, 0, 0, 2, 0, 0, 0, 8, 0, 2, 0, 8, 0, 6, 0, 8, 0, 2, 0, 16, 0, 7, 0]
        );
    }

    #[test]
    fn no_cut_of_an_answer_panics() {
        let whole = echoed(Of::Bridge(7), &[Vlans::native(10), Vlans::tagged(20, 29)]);
        for end in 0..whole.payload.len() {
            let cut = Object { message_type: RTM_NEWLINK, payload: whole.payload[..end].to_vec() };
            let _ = read(&cut, 7);
        }
    }
}
