//! A range set: ranges of one family, out of which an attachment gets one address.

use std::fmt;
use std::net::IpAddr;

use keys::RangeKeys;

use crate::range::{Range, number};

/// A range set. It has one range at least.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RangeSet(Vec<Range>);

/// What is wrong with a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flaw {
    /// The range, if the problem is that of a single one.
    pub(crate) range: Option<usize>,
    /// A sentence; if it is about a range, it begins with its key.
    pub(crate) cause: String,
}

impl RangeSet {
    /// Fills in the defaults of every range.
    ///
    /// # Errors
    /// A range that is invalid, no range, two families, two ranges that overlap.
    pub(crate) fn new(keys: &[RangeKeys]) -> Result<Self, Flaw> {
        let mut ranges: Vec<Range> = Vec::with_capacity(keys.len());
        for (index, keys) in keys.iter().enumerate() {
            let range = Range::new(keys).map_err(|cause| Flaw { range: Some(index), cause })?;
            let of_set = |cause| Err(Flaw { range: None, cause });
            if let Some(other) = ranges.iter().find(|other| other.is_ipv4() != range.is_ipv4()) {
                return of_set(format!(
                    "mixed address families: {other} and {range}; give each family a set of its own"
                ));
            }
            if let Some(other) = ranges.iter().find(|other| other.overlaps(&range)) {
                return of_set(format!("ranges {other} and {range} overlap"));
            }
            ranges.push(range);
        }
        if ranges.is_empty() {
            return Err(Flaw { range: None, cause: "it has no range".to_owned() });
        }
        Ok(Self(ranges))
    }

    /// Its ranges.
    pub(crate) fn ranges(&self) -> &[Range] {
        &self.0
    }

    /// How many addresses it has; `u128::MAX` if there are more.
    pub(crate) fn size(&self) -> u128 {
        let size = |range: &Range| (number(range.last) - number(range.first)).saturating_add(1);
        self.0.iter().map(size).fold(0, u128::saturating_add)
    }

    /// Whether its addresses are of IPv4.
    pub(crate) fn is_ipv4(&self) -> bool {
        self.0.first().is_some_and(Range::is_ipv4)
    }

    /// The range that has this address.
    pub(crate) fn range_of(&self, address: IpAddr) -> Option<&Range> {
        self.0.iter().find(|range| range.contains(address))
    }

    /// Whether the two have an address in common.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.0.iter().any(|range| other.0.iter().any(|theirs| range.overlaps(theirs)))
    }

    /// The set in the order of allocation, every address once: from the one after `last_reserved` on, around the set, up
    /// to `last_reserved`; from the start if that is none of the set's. So a container that crashes in a loop does not
    /// see the same address again before the others were used.
    pub(crate) fn spans(&self, last_reserved: Option<IpAddr>) -> impl Iterator<Item = Span<'_>> {
        let position = last_reserved.and_then(|last| {
            let index = self.0.iter().position(|range| range.contains(last))?;
            Some((index, number(last)))
        });
        let (before, after) = self.0.split_at(position.map_or(0, |(index, _)| index));
        let (middle, after) = after.split_at(usize::from(position.is_some()));
        let cut = position.map(|(_, last)| last);

        let behind_cut =
            middle.iter().filter_map(move |range| Span::new(range, cut?.checked_add(1)?, number(range.last)));
        let others = after.iter().chain(before);
        let others = others.filter_map(|range| Span::new(range, number(range.first), number(range.last)));
        let up_to_cut = middle.iter().filter_map(move |range| Span::new(range, number(range.first), cut?));
        behind_cut.chain(others).chain(up_to_cut)
    }
}

/// Consecutive addresses of a range, as [numbers](number).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span<'a> {
    /// The range.
    pub(crate) range: &'a Range,
    /// The first address.
    pub(crate) from: u128,
    /// The last address, not below the first.
    pub(crate) to: u128,
}

impl<'a> Span<'a> {
    /// `None` without an address.
    fn new(range: &'a Range, from: u128, to: u128) -> Option<Self> {
        (from <= to).then_some(Self { range, from, to })
    }

    /// What is left of it after `number`.
    pub(crate) fn behind(self, number: u128) -> Option<Self> {
        Self::new(self.range, number.checked_add(1)?, self.to)
    }
}

impl fmt::Display for RangeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, range) in self.0.iter().enumerate() {
            write!(f, "{}{range}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::range::address;

    fn range(subnet: &str, start: &str, end: &str) -> RangeKeys {
        RangeKeys {
            subnet: Some(subnet.into()),
            range_start: Some(start.into()),
            range_end: Some(end.into()),
            gateway: None,
        }
    }

    fn addresses(set: &RangeSet, last: Option<IpAddr>) -> impl Iterator<Item = IpAddr> {
        set.spans(last).flat_map(|span| (span.from..=span.to).map(move |n| address(n, span.range.is_ipv4())))
    }

    fn order(set: &RangeSet, last: &str) -> String {
        let last = (!last.is_empty()).then(|| last.parse().unwrap());
        let texts: Vec<String> = addresses(set, last).take(9).map(|address| address.to_string()).collect();
        texts.join(" ")
    }

    #[test]
    fn the_order_goes_around_the_set() {
        let set = RangeSet::new(&[
            range("10.1.0.0/24", "10.1.0.7", "10.1.0.9"),
            range("10.2.0.0/24", "10.2.0.4", "10.2.0.4"),
            range("10.3.0.0/24", "10.3.0.254", "10.3.0.255"),
        ])
        .unwrap();
        for (last, expected) in [
            ("", "10.1.0.7 10.1.0.8 10.1.0.9 10.2.0.4 10.3.0.254 10.3.0.255"),
            ("192.0.2.1", "10.1.0.7 10.1.0.8 10.1.0.9 10.2.0.4 10.3.0.254 10.3.0.255"),
            ("10.1.0.7", "10.1.0.8 10.1.0.9 10.2.0.4 10.3.0.254 10.3.0.255 10.1.0.7"),
            ("10.1.0.9", "10.2.0.4 10.3.0.254 10.3.0.255 10.1.0.7 10.1.0.8 10.1.0.9"),
            ("10.2.0.4", "10.3.0.254 10.3.0.255 10.1.0.7 10.1.0.8 10.1.0.9 10.2.0.4"),
            ("10.3.0.255", "10.1.0.7 10.1.0.8 10.1.0.9 10.2.0.4 10.3.0.254 10.3.0.255"),
        ] {
            assert_eq!(order(&set, last), expected, "after {last}");
        }
    }

    #[test]
    fn the_order_stops_at_the_ends_of_the_address_space() {
        let all = RangeSet::new(&[RangeKeys { subnet: Some("::/0".into()), ..RangeKeys::default() }]).unwrap();
        assert!(order(&all, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff").starts_with("::1 ::2 ::3 "));
        assert!(
            order(&all, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe")
                .starts_with("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ::1 ")
        );
        let top = RangeSet::new(&[range("255.255.255.252/30", "255.255.255.255", "255.255.255.255")]).unwrap();
        assert_eq!(order(&top, "255.255.255.255"), "255.255.255.255");
    }

    #[test]
    fn refusals() {
        let v6 = range("fd00::/64", "fd00::2", "fd00::9");
        let v4 = range("10.1.0.0/24", "10.1.0.7", "10.1.0.9");
        let touching = range("10.1.0.0/16", "10.1.0.9", "10.1.0.20");
        for (ranges, expected) in [
            (vec![], "it has no range"),
            (vec![v4.clone(), v6], "mixed address families"),
            (vec![v4.clone(), touching], "ranges 10.1.0.7-10.1.0.9 and 10.1.0.9-10.1.0.20 overlap"),
            (vec![v4, range("10.2.0.0/24", "10.1.0.1", "")], "rangeStart 10.1.0.1 is not in"),
        ] {
            let flaw = RangeSet::new(&ranges).unwrap_err();
            assert!(flaw.cause.contains(expected), "{flaw:?}");
            assert_eq!(flaw.range, expected.starts_with("rangeStart").then_some(1));
        }
    }

    proptest! {
        /// Whatever was reserved last, every address comes once, and the last one reserved comes last.
        #[test]
        fn every_address_once(
            parts in prop::collection::btree_map(0u128..8, (0u128..200, 0u128..50), 1..5),
            is_v4: bool,
            chosen: prop::sample::Index,
        ) {
            // Each part is a range within a block of 256 addresses of its own.
            let base = if is_v4 { 0xffff_f800 } else { u128::MAX - 0x7ff };
            let length = if is_v4 { 24 } else { 120 };
            let keys: Vec<RangeKeys> = parts.iter().map(|(block, (first, more))| {
                let network = base + block * 256;
                let text = |number| address(number, is_v4).to_string();
                range(&format!("{}/{length}", text(network)), &text(network + first), &text(network + first + more))
            }).collect();
            let set = RangeSet::new(&keys).unwrap();
            let expected: BTreeSet<IpAddr> = parts.iter().flat_map(|(block, (first, more))| {
                let start = base + block * 256 + first;
                (start..=start + more).map(|number| address(number, is_v4))
            }).collect();
            let last = *expected.iter().nth(chosen.index(expected.len())).unwrap();

            let seen: Vec<IpAddr> = addresses(&set, Some(last)).collect();
            prop_assert_eq!(seen.last(), Some(&last));
            prop_assert_eq!(seen.len(), expected.len());
            prop_assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), expected);
        }
    }
}
