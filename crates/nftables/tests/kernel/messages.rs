//! Messages of the kernel, whole, cut and changed.

use netlink::{Object, attributes};
use nftables::{Element, Family, Key, chain, element, passage, rule, set};
use proptest::prelude::*;

const NEWCHAIN: u16 = 0x0a03;
const NEWRULE: u16 = 0x0a06;
const NEWSET: u16 = 0x0a09;
const NEWSETELEM: u16 = 0x0a0c;

/// An element as the kernel lists it, in a set of `type ifname . ipv4_addr`.
fn listed() -> Vec<u8> {
    let mut payload = vec![1, 0, 0, 5];
    attributes::append(&mut payload, 1, b"plugboard\0");
    attributes::append(&mut payload, 2, b"masquerade4\0");
    attributes::append_nested(&mut payload, 3, |list| {
        attributes::append_nested(list, 1, |one| {
            attributes::append_nested(one, 1, |key| {
                attributes::append(key, 1, b"br0\0\0\0\0\0\0\0\0\0\0\0\0\0\x0a\x01\0\x02");
            });
            attributes::append(one, 6, b"\0\x07of vn1\0");
        });
    });
    payload
}

fn read_all(payload: &[u8]) {
    for message_type in [NEWCHAIN, NEWRULE, NEWSET, NEWSETELEM, 0] {
        let object = Object { message_type, payload: payload.to_vec() };
        let _ = (chain::Found::read(&object), rule::Found::read(&object), set::Found::read(&object));
        let rules: Vec<rule::Found> = rule::Found::read(&object).into_iter().collect();
        let chain = rules.first().map(|rule| rule.chain.name.clone()).unwrap_or_default();
        let way = passage::Way { from: "br0", to: "br0", family: Family::Ip };
        let _ = passage::fate(&rules, &mut |_| Some(vec![Element::default()]), &chain, None, way);
        let objects = std::slice::from_ref(&object);
        let _ = (element::read(objects), element::read_intervals(objects));
        let _ = nftables::read_dormant(&object);
        let _ = nftables::read_generation(&Ok(Some(object)));
    }
}

#[test]
fn an_element_is_read() {
    let found = element::read(&[Object { message_type: NEWSETELEM, payload: listed() }]);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].key, Key::link("br0").and_ipv4([10, 1, 0, 2].into()));
    assert_eq!(found[0].comment, "of vn1");
}

#[test]
fn no_cut_panics() {
    let payload = listed();
    for end in 0..payload.len() {
        read_all(&payload[..end]);
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(payload in proptest::collection::vec(any::<u8>(), 0..200)) {
        read_all(&payload);
    }

    #[test]
    fn no_change_panics(place in 0usize..200, value in any::<u8>()) {
        let mut payload = listed();
        let length = payload.len();
        payload[place % length] = value;
        read_all(&payload);
    }
}
