//! The forwarding database of a VXLAN device: which host has which hardware address (`bridge fdb show dev DEVICE self`).

use std::net::IpAddr;

use netlink_packet_core::{NLM_F_APPEND, NLM_F_CREATE};

use crate::attributes::{append, iterate, read_u32};
use crate::ndmsg::{
    AF_BRIDGE, HEADER_BYTES, Header, NDA_DST, NDA_IFINDEX, NDA_LLADDR, NTF_SELF, NUD_PERMANENT, RTM_DELNEIGH,
    RTM_GETNEIGH, RTM_NEWNEIGH, append_address, read_address, read_mac,
};
use crate::{Error, Mac, Object, Request, Socket};

/// What stands for all addresses that are not known.
const ANY: [u8; 6] = [0; 6];

/// A host that has a hardware address, or gets what nobody is known to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The hardware address; `None` for frames to all and to those that are not known.
    pub mac: Option<Mac>,
    /// The host, or a group of hosts.
    pub host: IpAddr,
    /// The index of the link that packets leave by, where that is not left to the routes.
    pub by: Option<u32>,
    /// It was set, not learned.
    pub is_permanent: bool,
}

/// `bridge fdb append 00:00:00:00:00:00 dev INDEX dst HOST [via BY] self permanent`: frames to all, and to those that are not known, go there
/// too. One that is there already is no error.
#[must_use]
pub fn append_remote(index: u32, host: IpAddr, by: Option<u32>) -> Request {
    Request::raw(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_APPEND, of_remote(index, host, by))
}

/// `bridge fdb delete 00:00:00:00:00:00 dev INDEX dst HOST [via BY] self`.
#[must_use]
pub fn delete_remote(index: u32, host: IpAddr, by: Option<u32>) -> Request {
    Request::raw(RTM_DELNEIGH, 0, of_remote(index, host, by))
}

/// `bridge fdb delete MAC dev INDEX dst HOST self`: it is forgotten that the host has this hardware address.
#[must_use]
pub fn forget(index: u32, mac: Mac, host: IpAddr) -> Request {
    Request::raw(RTM_DELNEIGH, 0, of(index, mac.0, host))
}

fn of_remote(index: u32, host: IpAddr, by: Option<u32>) -> Vec<u8> {
    let mut payload = of(index, ANY, host);
    if let Some(by) = by {
        append(&mut payload, NDA_IFINDEX, &by.to_ne_bytes());
    }
    payload
}

fn of(index: u32, mac: [u8; 6], host: IpAddr) -> Vec<u8> {
    let mut payload = Header { family: AF_BRIDGE, index, state: NUD_PERMANENT, flags: NTF_SELF }.write();
    append(&mut payload, NDA_LLADDR, &mac);
    append_address(&mut payload, NDA_DST, host);
    payload
}

/// What a VXLAN device knows of other hosts: `bridge fdb show dev INDEX self`. The kernel looks at this device alone.
///
/// # Errors
/// Those of [`Socket::dump`].
pub fn list(socket: &mut Socket, index: u32) -> Result<Vec<Entry>, Error> {
    let objects = socket.dump("the forwarding database", &Request::list(RTM_GETNEIGH, question(index)))?;
    Ok(objects.iter().filter_map(|object| read(object, index)).collect())
}

fn question(index: u32) -> Vec<u8> {
    Header { family: AF_BRIDGE, index, state: 0, flags: 0 }.write()
}

fn read(object: &Object, index: u32) -> Option<Entry> {
    let header = Header::read(object).filter(|header| header.index == index && header.flags & NTF_SELF != 0)?;
    let (mut mac, mut host, mut by) = (None, None, None);
    for (kind, value) in iterate(object.payload.get(HEADER_BYTES..)?) {
        match kind {
            NDA_IFINDEX => by = read_u32(value, 0).filter(|index| *index != 0),
            NDA_LLADDR => mac = read_mac(value),
            NDA_DST => host = read_address(value),
            _ => {}
        }
    }
    let is_permanent = header.state & NUD_PERMANENT != 0;
    Some(Entry { mac: mac.filter(|mac| mac.0 != ANY), host: host?, by, is_permanent })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let host: IpAddr = "2001:db8::1".parse().unwrap();
        let object = |payload| Object { message_type: RTM_NEWNEIGH, payload };
        let read_back = read(&object(of_remote(7, host, Some(2))), 7);
        assert_eq!(read_back, Some(Entry { mac: None, host, by: Some(2), is_permanent: true }));
        assert_eq!(read(&object(of_remote(7, host, Some(2))), 8), None);
        let mac = Mac([2, 0, 0, 0, 0, 1]);
        assert_eq!(
            read(&object(of(7, mac.0, host)), 7),
            Some(Entry { mac: Some(mac), host, by: None, is_permanent: true })
        );
        let bytes = of_remote(7, [192, 0, 2, 1].into(), None);
        for cut in 0..bytes.len() {
            read(&object(bytes.get(..cut).unwrap_or_default().to_vec()), 7); // no bytes panic
        }
    }
}
