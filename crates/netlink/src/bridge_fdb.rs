//! The forwarding database of a bridge: which port has which hardware address (`bridge fdb show br BRIDGE`).

use netlink_packet_core::{NLM_F_CREATE, NLM_F_REPLACE};

use crate::attributes::{append, iterate};
use crate::ndmsg::{
    AF_BRIDGE, HEADER_BYTES, Header, NDA_LLADDR, NDA_MASTER, NDA_VLAN, NTF_MASTER, NTF_SELF, NUD_NOARP, NUD_PERMANENT,
    RTM_DELNEIGH, RTM_GETNEIGH, RTM_NEWNEIGH, read_mac,
};
use crate::{Error, Mac, Object, Request, Socket};

/// `bridge fdb replace MAC dev PORT master static`: the port has the address, whatever the bridge has learned or was told of it.
#[must_use]
pub fn set_static(port: u32, mac: Mac) -> Request {
    Request::raw(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, of(port, mac))
}

/// `bridge fdb delete MAC dev PORT master`.
#[must_use]
pub fn delete(port: u32, mac: Mac) -> Request {
    Request::raw(RTM_DELNEIGH, 0, of(port, mac))
}

fn of(port: u32, mac: Mac) -> Vec<u8> {
    let mut payload = Header { family: AF_BRIDGE, index: port, state: NUD_NOARP, flags: NTF_MASTER }.write();
    append(&mut payload, NDA_LLADDR, &mac.0);
    payload
}

/// The addresses that were set on a port of a bridge (`static`): neither learned ones nor those of the port itself.
///
/// # Errors
/// Those of [`Socket::dump`].
pub fn set_on(socket: &mut Socket, port: u32) -> Result<Vec<Mac>, Error> {
    let question = Header { family: AF_BRIDGE, index: port, state: 0, flags: 0 }.write();
    let objects = socket.dump("the forwarding database", &Request::list(RTM_GETNEIGH, question))?;
    Ok(objects.iter().filter_map(|object| read(object, port)).collect())
}

/// The index of the port that an address was set on: `bridge fdb get MAC br BRIDGE`. `None` also from a kernel before 5.0.
///
/// # Errors
/// What the kernel says other than that there is none.
pub fn port_of(socket: &mut Socket, bridge: u32, mac: Mac) -> Result<Option<u32>, Error> {
    let mut question = Header { family: AF_BRIDGE, index: 0, state: 0, flags: 0 }.write();
    append(&mut question, NDA_LLADDR, &mac.0);
    append(&mut question, NDA_MASTER, &bridge.to_ne_bytes());
    match socket.request(Request::question(RTM_GETNEIGH, question)) {
        Ok(answer) => Ok(answer.as_ref().and_then(Header::read).filter(is_set).map(|header| header.index)),
        Err(error) if error.is_missing() || error.errno() == Some(libc::EOPNOTSUPP) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_set(header: &Header) -> bool {
    header.state & NUD_NOARP != 0 && header.state & NUD_PERMANENT == 0
}

fn read(object: &Object, port: u32) -> Option<Mac> {
    let header = Header::read(object).filter(|header| header.index == port && header.flags & NTF_SELF == 0)?;
    let attributes = object.payload.get(HEADER_BYTES..).filter(|_| is_set(&header))?;
    if iterate(attributes).any(|(kind, _)| kind == NDA_VLAN) {
        return None;
    }
    iterate(attributes).find_map(|(kind, value)| (kind == NDA_LLADDR).then(|| read_mac(value)).flatten())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let mac = Mac([2, 0, 0, 0, 0, 1]);
        let object = |payload| Object { message_type: RTM_NEWNEIGH, payload };
        let bytes = of(7, mac);
        assert_eq!((read(&object(bytes.clone()), 7), read(&object(bytes.clone()), 8)), (Some(mac), None));
        for cut in 0..bytes.len() {
            read(&object(bytes.get(..cut).unwrap_or_default().to_vec()), 7); // no bytes panic
        }
    }
}
