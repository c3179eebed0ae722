//! Elements of sets, each with a comment.

use std::net::{Ipv4Addr, Ipv6Addr};

use netlink::attributes::{append, append_nested, iterate, value_of};
use netlink::{Error, Mac, Object, Request, Socket};

use crate::message::{NLM_F_CREATE, NLM_F_EXCL, Verb, open};
use crate::userdata::{comment, read_comment};
use crate::{Set, Table, Type};

const NFTA_SET_ELEM_LIST_ELEMENTS: u16 = 3;
const NFTA_LIST_ELEM: u16 = 1;
const NFTA_SET_ELEM_KEY: u16 = 1;
const NFTA_SET_ELEM_USERDATA: u16 = 6;
const NFTA_DATA_VALUE: u16 = 1;

/// The key of an element: the bytes of its parts, in order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Key(Vec<u8>);

impl Key {
    /// Begins with the name of a link, of which 15 bytes count.
    #[must_use]
    pub fn link(name: &str) -> Self {
        Self(Vec::new()).with(Type::Ifname, name.as_bytes())
    }

    /// Goes on with an address of IPv4.
    #[must_use]
    pub fn and_ipv4(self, address: Ipv4Addr) -> Self {
        self.with(Type::Ipv4, &address.octets())
    }

    /// Goes on with an address of IPv6.
    #[must_use]
    pub fn and_ipv6(self, address: Ipv6Addr) -> Self {
        self.with(Type::Ipv6, &address.octets())
    }

    /// Goes on with a hardware address.
    #[must_use]
    pub fn and_mac(self, mac: Mac) -> Self {
        self.with(Type::Ether, &mac.0)
    }

    fn with(mut self, kind: Type, value: &[u8]) -> Self {
        let end = self.0.len() + kind.length();
        self.0.extend(value.iter().take(kind.length()));
        self.0.resize(end, 0);
        self
    }
}

/// An element of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// Its key.
    pub key: Key,
    /// Its comment; empty for none.
    pub comment: String,
}

impl Element {
    fn put(&self, list: &mut Vec<u8>) {
        append_nested(list, NFTA_LIST_ELEM, |element| {
            put_key(element, &self.key);
            if !self.comment.is_empty() {
                append(element, NFTA_SET_ELEM_USERDATA, &comment(&self.comment));
            }
        });
    }

    fn read(attributes: &[u8]) -> Option<Self> {
        let key = value_of(value_of(attributes, NFTA_SET_ELEM_KEY)?, NFTA_DATA_VALUE)?.to_vec();
        let comment = value_of(attributes, NFTA_SET_ELEM_USERDATA).and_then(read_comment).unwrap_or_default();
        Some(Self { key: Key(key), comment })
    }
}

fn put_key(element: &mut Vec<u8>, key: &Key) {
    append_nested(element, NFTA_SET_ELEM_KEY, |data| append(data, NFTA_DATA_VALUE, &key.0));
}

/// `nft create element TABLE SET { … }`; one whose key is there already is refused with `EEXIST`, whatever its comment.
#[must_use]
pub fn create(table: &Table, set: &Set, elements: &[Element]) -> Request {
    let body = set.body(table).nested(NFTA_SET_ELEM_LIST_ELEMENTS, |list| {
        elements.iter().for_each(|element| element.put(list));
    });
    body.change(Verb::NewElement, NLM_F_CREATE | NLM_F_EXCL)
}

/// `nft delete element TABLE SET { … }`; one that is not there is refused with `ENOENT`.
#[must_use]
pub fn delete<'a>(table: &Table, set: &Set, keys: impl IntoIterator<Item = &'a Key>) -> Request {
    let body = set.body(table).nested(NFTA_SET_ELEM_LIST_ELEMENTS, |list| {
        for key in keys {
            append_nested(list, NFTA_LIST_ELEM, |element| put_key(element, key));
        }
    });
    body.change(Verb::DelElement, 0)
}

/// The elements of a set: `nft list set TABLE SET`. None where there is no such set.
///
/// # Errors
/// Those of [`Socket::dump`].
pub fn list(socket: &mut Socket, table: &Table, set: &Set) -> Result<Vec<Element>, Error> {
    socket.expect_large_objects();
    match socket.dump("set elements", &set.body(table).list(Verb::GetElement)) {
        Ok(objects) => Ok(objects.iter().flat_map(read).collect()),
        Err(error) if error.errno() == Some(libc::ENOENT) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// The elements in one message of the kernel.
#[must_use]
pub fn read(object: &Object) -> Vec<Element> {
    let Some((_, attributes)) = open(object, Verb::NewElement) else { return Vec::new() };
    let elements = value_of(attributes, NFTA_SET_ELEM_LIST_ELEMENTS).unwrap_or_default();
    iterate(elements).filter_map(|(_, element)| Element::read(element)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_key_fill_whole_registers() {
        let key = Key::link("br0").and_mac(Mac([2, 0, 0, 0, 0, 9]));
        assert_eq!(key.0, *b"br0\0\0\0\0\0\0\0\0\0\0\0\0\0\x02\0\0\0\0\x09\0\0");
        assert_eq!(Key::link("br0").and_ipv4([10, 1, 0, 2].into()).0.len(), 20);
        assert_eq!(Key::link("br0").and_ipv6(Ipv6Addr::LOCALHOST).0.len(), 32);
    }
}
