//! What an element of a map holds.

use netlink::attributes::{append, value_of};

use crate::{Key, Verdict};

const NFTA_DATA_VALUE: u16 = 1;

/// What a lookup finds beside the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// A value of one or several parts.
    Value(Key),
    /// What happens to the packet.
    Verdict(Verdict),
}

impl Data {
    pub(crate) fn put(&self, data: &mut Vec<u8>) {
        match self {
            Self::Value(value) => put_value(data, value.bytes()),
            Self::Verdict(verdict) => verdict.put(data),
        }
    }

    pub(crate) fn read(data: &[u8]) -> Option<Self> {
        match read_value(data) {
            Some(value) => Some(Self::Value(value)),
            None => Verdict::read(data).map(Self::Verdict),
        }
    }
}

/// Appends what is in an attribute of data.
pub(crate) fn put_value(data: &mut Vec<u8>, value: &[u8]) {
    append(data, NFTA_DATA_VALUE, value);
}

/// The value in an attribute of data.
pub(crate) fn read_value(data: &[u8]) -> Option<Key> {
    Some(Key(value_of(data, NFTA_DATA_VALUE)?.to_vec()))
}
