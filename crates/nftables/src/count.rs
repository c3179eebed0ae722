//! Counters, of rules and of elements.

use netlink::attributes::{append, append_nested, iterate, read_text, value_of};

use crate::message::{NFTA_EXPR_DATA, NFTA_EXPR_NAME, put_text, read_long};

pub(crate) const NAME: &str = "counter";

const NFTA_COUNTER_BYTES: u16 = 1;
const NFTA_COUNTER_PACKETS: u16 = 2;

/// What a counter has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// Packets.
    pub packets: u64,
    /// Bytes of them, from the network header on; on bridges and devices, from behind the link header.
    pub bytes: u64,
}

impl Count {
    /// Appends what a counter begins with.
    pub(crate) fn put_data(self, data: &mut Vec<u8>) {
        append(data, NFTA_COUNTER_BYTES, &self.bytes.to_be_bytes());
        append(data, NFTA_COUNTER_PACKETS, &self.packets.to_be_bytes());
    }

    /// Appends a counter as an expression of an element.
    pub(crate) fn put(self, element: &mut Vec<u8>, kind: u16) {
        append_nested(element, kind, |expression| {
            put_text(expression, NFTA_EXPR_NAME, NAME);
            append_nested(expression, NFTA_EXPR_DATA, |data| self.put_data(data));
        });
    }

    /// Appends a counter as the expression that each new element of a set gets.
    pub(crate) fn put_template(set: &mut Vec<u8>) {
        put_text(set, NFTA_EXPR_NAME, NAME);
        append_nested(set, NFTA_EXPR_DATA, |_| {});
    }

    /// Reads an expression of an element; `None` for another than a counter.
    pub(crate) fn read(expression: &[u8]) -> Option<Self> {
        if read_text(value_of(expression, NFTA_EXPR_NAME)?) != NAME {
            return None;
        }
        let data = value_of(expression, NFTA_EXPR_DATA)?;
        let number = |kind| value_of(data, kind).and_then(read_long);
        Some(Self { packets: number(NFTA_COUNTER_PACKETS)?, bytes: number(NFTA_COUNTER_BYTES)? })
    }

    /// Reads the counter among several expressions of an element.
    pub(crate) fn read_among(expressions: &[u8]) -> Option<Self> {
        iterate(expressions).find_map(|(_, expression)| Self::read(expression))
    }
}
