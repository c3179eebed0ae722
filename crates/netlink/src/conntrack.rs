//! Connections that the kernel tracks (`net/netfilter/nf_conntrack_netlink.c`).

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::attributes::{append, append_nested, value_of};
use crate::{Error, Object, Request, Socket};

/// `NFNL_SUBSYS_CTNETLINK`, with `IPCTNL_MSG_CT_NEW`, `…_GET` and `…_DELETE`.
const TRACKED: u16 = 1 << 8;
const LIST: u16 = TRACKED | 1;
const DELETE: u16 = TRACKED | 2;

/// `struct nfgenmsg`.
const HEADER_BYTES: usize = 4;

const CTA_TUPLE_ORIG: u16 = 1;
const CTA_ID: u16 = 12;
const CTA_ZONE: u16 = 18;
const CTA_FILTER: u16 = 25;
const CTA_FILTER_ORIG_FLAGS: u16 = 1;
const CTA_TUPLE_IP: u16 = 1;
const CTA_TUPLE_PROTO: u16 = 2;
const CTA_IP_V4_DST: u16 = 2;
const CTA_IP_V6_DST: u16 = 4;
const CTA_PROTO_NUM: u16 = 1;
const CTA_PROTO_DST_PORT: u16 = 3;

/// Which parts of a tuple the kernel compares (`CTA_FILTER_F_*` in `net/netfilter/nf_internals.h`).
const BY_DESTINATION: u32 = 1 << 1;
const BY_PROTOCOL: u32 = 1 << 3;
const BY_DESTINATION_PORT: u32 = 1 << 5;

/// Where connections were opened to, before any translation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenedTo {
    /// The transport protocol (`IPPROTO_*`).
    pub protocol: u8,
    /// The address, or any of its family if it is unspecified.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
}

/// A connection that the kernel tracks.
#[derive(Debug, Clone)]
pub struct Tracked {
    /// The address that it was opened to.
    pub destination: IpAddr,
    deletion: Request,
}

/// The connections that were opened to one of these, whoever opened them. All are of one transport protocol; each family is listed once.
/// The socket is one for netfilter.
///
/// # Errors
/// What the kernel says, `EINVAL` where it has no `nf_conntrack_netlink`.
pub fn find(socket: &mut Socket, all: &[OpenedTo]) -> Result<Vec<Tracked>, Error> {
    let mut found = Vec::new();
    for is_ipv4 in [true, false] {
        let mut of_family: BTreeMap<u16, Vec<&OpenedTo>> = BTreeMap::new();
        for opened in all.iter().filter(|opened| opened.address.is_ipv4() == is_ipv4) {
            of_family.entry(opened.port).or_default().push(opened);
        }
        let Some(first) = of_family.values().flatten().next() else { continue };
        socket.expect_large_objects();
        let question = first.question(of_family.values().map(Vec::len).sum::<usize>() == 1);
        let objects = socket.dump("tracked connections", &Request::list(LIST, question))?;
        let tracked = |object: &Object| {
            let port = destination_port(object)?;
            of_family.get(&port)?.iter().find_map(|opened| opened.tracked(object))
        };
        found.extend(objects.iter().filter_map(tracked));
    }
    Ok(found)
}

/// Has the kernel forget connections (`conntrack -D`): their next packet opens a new one.
///
/// # Errors
/// What the kernel says.
pub fn forget(socket: &mut Socket, connections: Vec<Tracked>) -> Result<(), Error> {
    if connections.is_empty() {
        return Ok(());
    }
    let gone = |answer: Result<Option<Object>, Error>| match answer {
        Err(error) if error.errno() != Some(libc::ENOENT) => Err(error),
        _ => Ok(()),
    };
    socket.batch(connections.into_iter().map(|tracked| tracked.deletion).collect())?.into_iter().try_for_each(gone)
}

/// The port that a connection that the kernel lists was opened to.
fn destination_port(object: &Object) -> Option<u16> {
    let tuple = value_of(object.payload.get(HEADER_BYTES..)?, CTA_TUPLE_ORIG)?;
    let port = value_of(value_of(tuple, CTA_TUPLE_PROTO)?, CTA_PROTO_DST_PORT)?;
    Some(u16::from_be_bytes(port.try_into().ok()?))
}

impl OpenedTo {
    fn header(&self) -> Vec<u8> {
        let family = if self.address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
        vec![u8::try_from(family).unwrap_or_default(), 0, 0, 0]
    }

    /// Asks for connections to it, or for all of its protocol. Kernels before 5.8 list all of the family.
    fn question(&self, is_only: bool) -> Vec<u8> {
        let mut payload = self.header();
        let mut compared = BY_PROTOCOL;
        append_nested(&mut payload, CTA_TUPLE_ORIG, |tuple| {
            if is_only && !self.address.is_unspecified() {
                compared |= BY_DESTINATION;
                let (kind, address) = self.destination();
                append_nested(tuple, CTA_TUPLE_IP, |ip| append(ip, kind, &address));
            }
            append_nested(tuple, CTA_TUPLE_PROTO, |proto| {
                append(proto, CTA_PROTO_NUM, &[self.protocol]);
                if is_only {
                    compared |= BY_DESTINATION_PORT;
                    append(proto, CTA_PROTO_DST_PORT, &self.port.to_be_bytes());
                }
            });
        });
        append_nested(&mut payload, CTA_FILTER, |filter| {
            append(filter, CTA_FILTER_ORIG_FLAGS, &compared.to_ne_bytes());
        });
        payload
    }

    fn destination(&self) -> (u16, Vec<u8>) {
        match self.address {
            IpAddr::V4(v4) => (CTA_IP_V4_DST, v4.octets().to_vec()),
            IpAddr::V6(v6) => (CTA_IP_V6_DST, v6.octets().to_vec()),
        }
    }

    /// A connection that the kernel lists; `None` if it was opened to something else.
    fn tracked(&self, object: &Object) -> Option<Tracked> {
        let attributes = object.payload.get(HEADER_BYTES..).filter(|_| object.message_type == TRACKED)?;
        let tuple = value_of(attributes, CTA_TUPLE_ORIG)?;
        let protocol = value_of(tuple, CTA_TUPLE_PROTO)?;
        let is_protocol = value_of(protocol, CTA_PROTO_NUM) == Some(&[self.protocol]);
        let is_port = value_of(protocol, CTA_PROTO_DST_PORT) == Some(&self.port.to_be_bytes());
        let found = value_of(value_of(tuple, CTA_TUPLE_IP)?, self.destination().0)?;
        let v4 = <[u8; 4]>::try_from(found).map(IpAddr::from);
        let destination = v4.or_else(|_| <[u8; 16]>::try_from(found).map(IpAddr::from)).ok()?;
        let is_address = self.address.is_unspecified() || destination == self.address;
        if !(is_protocol && is_port && is_address) {
            return None;
        }
        let mut payload = self.header();
        append_nested(&mut payload, CTA_TUPLE_ORIG, |bytes| bytes.extend(tuple));
        for kind in [CTA_ZONE, CTA_ID] {
            if let Some(value) = value_of(attributes, kind) {
                append(&mut payload, kind, value);
            }
        }
        Some(Tracked { destination, deletion: Request::raw(DELETE, 0, payload) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tracked(protocol: u8, address: [u8; 4], port: u16) -> Object {
        let mut payload = vec![2, 0, 0, 0];
        append_nested(&mut payload, CTA_TUPLE_ORIG, |tuple| {
            append_nested(tuple, CTA_TUPLE_IP, |ip| append(ip, CTA_IP_V4_DST, &address));
            append_nested(tuple, CTA_TUPLE_PROTO, |proto| {
                append(proto, CTA_PROTO_NUM, &[protocol]);
                append(proto, CTA_PROTO_DST_PORT, &port.to_be_bytes());
            });
        });
        append(&mut payload, CTA_ID, &[0, 0, 0, 7]);
        Object { message_type: TRACKED, payload }
    }

    #[test]
    fn only_what_was_opened_there_is_deleted() {
        let any = OpenedTo { protocol: 17, address: [0, 0, 0, 0].into(), port: 53 };
        let one = OpenedTo { address: [10, 0, 0, 1].into(), ..any };
        for (object, is_any, is_one) in [
            (tracked(17, [10, 0, 0, 1], 53), true, true),
            (tracked(17, [10, 0, 0, 2], 53), true, false),
            (tracked(6, [10, 0, 0, 1], 53), false, false),
            (tracked(17, [10, 0, 0, 1], 54), false, false),
        ] {
            assert_eq!(
                (any.tracked(&object).is_some(), one.tracked(&object).is_some()),
                (is_any, is_one),
                "{object:?}"
            );
            for end in 0..object.payload.len() {
                let cut = Object { message_type: TRACKED, payload: object.payload[..end].to_vec() };
                let _ = any.tracked(&cut);
            }
        }
    }
}
