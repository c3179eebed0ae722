//! Entries of the neighbour table that somebody has set: who has an address on a link, without anybody being asked.

use std::net::IpAddr;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_REPLACE};

use crate::attributes::{append, iterate};
use crate::ndmsg::{
    HEADER_BYTES, Header, NDA_DST, NDA_IFINDEX, NDA_LLADDR, NDA_PROTOCOL, NUD_PERMANENT, RTM_DELNEIGH, RTM_GETNEIGH,
    RTM_NEWNEIGH, append_address, read_address, read_mac,
};
use crate::{Error, Mac, Object, Request, Socket, rule};

/// Who has set an entry: our number, as that of our rules. FRR's are of another one.
pub const PROTOCOL: u8 = rule::PROTOCOL;

/// An entry of a link's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The address.
    pub address: IpAddr,
    /// Who has it.
    pub mac: Mac,
    /// Who has set it; 0 where nobody tells. None from a kernel before 5.0.
    pub protocol: Option<u8>,
    /// It neither ages nor is subject to the limit on the table (`gc_thresh3`).
    pub is_permanent: bool,
}

impl Entry {
    /// We have set it.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.protocol == Some(PROTOCOL)
    }
}

/// `ip neighbour replace ADDRESS lladdr MAC dev INDEX nud permanent protocol PROTOCOL`.
#[must_use]
pub fn set(index: u32, address: IpAddr, mac: Mac) -> Request {
    let mut payload = Header::of(address, index, NUD_PERMANENT).write();
    append_address(&mut payload, NDA_DST, address);
    append(&mut payload, NDA_LLADDR, &mac.0);
    append(&mut payload, NDA_PROTOCOL, &[PROTOCOL]);
    Request::raw(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, payload)
}

/// `ip neighbour delete ADDRESS dev INDEX`.
#[must_use]
pub fn delete(index: u32, address: IpAddr) -> Request {
    let mut payload = Header::of(address, index, 0).write();
    append_address(&mut payload, NDA_DST, address);
    Request::raw(RTM_DELNEIGH, 0, payload)
}

/// The entry for an address: `ip neighbour get ADDRESS dev INDEX`.
///
/// # Errors
/// What the kernel says other than that there is none.
pub fn get(socket: &mut Socket, index: u32, address: IpAddr) -> Result<Option<Entry>, Error> {
    let mut payload = Header::of(address, index, 0).write();
    append_address(&mut payload, NDA_DST, address);
    match socket.request(Request::question(RTM_GETNEIGH, payload)) {
        Ok(answer) => Ok(answer.as_ref().and_then(|object| read(object, index))),
        Err(error) if error.is_missing() => Ok(None),
        Err(error) => Err(error),
    }
}

/// All entries of a link: `ip neighbour show dev INDEX nud all`.
///
/// # Errors
/// Those of [`Socket::dump`].
pub fn list(socket: &mut Socket, index: u32) -> Result<Vec<Entry>, Error> {
    let mut question = Header { family: 0, index: 0, state: 0, flags: 0 }.write();
    append(&mut question, NDA_IFINDEX, &index.to_ne_bytes());
    let objects = socket.dump("the neighbour table", &Request::list(RTM_GETNEIGH, question))?;
    Ok(objects.iter().filter_map(|object| read(object, index)).collect())
}

/// `None` for one of another link, or without a hardware address.
fn read(object: &Object, index: u32) -> Option<Entry> {
    let header = Header::read(object).filter(|header| header.index == index)?;
    let (mut address, mut mac, mut protocol) = (None, None, None);
    for (kind, value) in iterate(object.payload.get(HEADER_BYTES..)?) {
        match kind {
            NDA_DST => address = read_address(value),
            NDA_LLADDR => mac = read_mac(value),
            NDA_PROTOCOL => protocol = value.first().copied(),
            _ => {}
        }
    }
    Some(Entry { address: address?, mac: mac?, protocol, is_permanent: header.state & NUD_PERMANENT != 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let object = |payload| Object { message_type: RTM_NEWNEIGH, payload };
        for address in ["10.0.0.1", "2001:db8::1"] {
            let address: IpAddr = address.parse().unwrap();
            let mut payload = Header::of(address, 7, NUD_PERMANENT).write();
            append_address(&mut payload, NDA_DST, address);
            append(&mut payload, NDA_LLADDR, &[2, 0, 0, 0, 0, 1]);
            append(&mut payload, NDA_PROTOCOL, &[PROTOCOL]);
            let entry = Entry { address, mac: Mac([2, 0, 0, 0, 0, 1]), protocol: Some(PROTOCOL), is_permanent: true };
            assert_eq!(read(&object(payload.clone()), 7), Some(entry));
            assert!(entry.is_ours());
            assert_eq!(read(&object(payload.clone()), 8), None);
            for cut in 0..payload.len() {
                read(&object(payload.get(..cut).unwrap_or_default().to_vec()), 7); // no bytes panic
            }
        }
    }
}
