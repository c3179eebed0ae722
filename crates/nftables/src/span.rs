//! Intervals of keys: ranges and prefixes, part by part.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use crate::{Element, Key};

/// All keys whose parts lie between those of two, which belong to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    first: Key,
    last: Key,
}

impl Span {
    /// The one key.
    #[must_use]
    pub fn only(key: Key) -> Self {
        Self { first: key.clone(), last: key }
    }

    /// The addresses of a prefix of `length` bits; longer than 32 counts as 32.
    #[must_use]
    pub fn prefix4(address: Ipv4Addr, length: u8) -> Self {
        let host = u32::MAX.checked_shr(length.into()).unwrap_or(0);
        let address = u32::from(address);
        Self { first: Key::ipv4((address & !host).into()), last: Key::ipv4((address | host).into()) }
    }

    /// The addresses of a prefix of `length` bits; longer than 128 counts as 128.
    #[must_use]
    pub fn prefix6(address: Ipv6Addr, length: u8) -> Self {
        let host = u128::MAX.checked_shr(length.into()).unwrap_or(0);
        let address = u128::from(address);
        Self { first: Key::ipv6((address & !host).into()), last: Key::ipv6((address | host).into()) }
    }

    /// Ports, the last included.
    #[must_use]
    pub fn ports(ports: RangeInclusive<u16>) -> Self {
        Self { first: Key::port(*ports.start()), last: Key::port(*ports.end()) }
    }

    /// Goes on with the parts of another.
    #[must_use]
    pub fn and(self, other: &Self) -> Self {
        Self { first: self.first.and(&other.first), last: self.last.and(&other.last) }
    }
}

impl From<Span> for Element {
    fn from(span: Span) -> Self {
        let last = (span.last != span.first).then_some(span.last);
        Self { key: span.first, last, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_have_their_bounds() {
        let bounds = |length| {
            let span = Span::prefix4([10, 1, 2, 3].into(), length);
            (span.first.0, span.last.0)
        };
        assert_eq!(bounds(16), (vec![10, 1, 0, 0], vec![10, 1, 255, 255]));
        assert_eq!(bounds(0), (vec![0; 4], vec![255; 4]));
        for length in [32, 33, 255] {
            assert_eq!(bounds(length), (vec![10, 1, 2, 3], vec![10, 1, 2, 3]), "{length}");
        }
        let six = Span::prefix6("fd00:1::5".parse().unwrap(), 64);
        assert_eq!((six.first.0[7], six.first.0[15], six.last.0[8]), (0, 0, 255));
        assert_eq!(Span::prefix6(Ipv6Addr::LOCALHOST, 200).last, Key::ipv6(Ipv6Addr::LOCALHOST));
    }

    #[test]
    fn parts_keep_their_own_bounds() {
        let span = Span::prefix4([10, 1, 0, 0].into(), 16).and(&Span::ports(80..=90));
        assert_eq!(span.first.0, [10, 1, 0, 0, 0, 80, 0, 0]);
        assert_eq!(span.last.0, [10, 1, 255, 255, 0, 90, 0, 0]);
        assert_eq!(Element::from(Span::only(Key::port(22))).last, None);
    }
}
