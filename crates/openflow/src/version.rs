//! Versions of OpenFlow.

use std::fmt;

use crate::bytes::Reader;

/// A version that is spoken here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// OpenFlow 1.3.
    V1_3,
    /// OpenFlow 1.4.
    V1_4,
}

impl Version {
    /// As in the header of each message.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::V1_3 => 4,
            Self::V1_4 => 5,
        }
    }

    const fn bit(self) -> u32 {
        1 << self.number()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1_3 => "OpenFlow 1.3",
            Self::V1_4 => "OpenFlow 1.4",
        })
    }
}

/// The element with the versions that are spoken here, the body of a HELLO (`OFPHET_VERSIONBITMAP`).
pub(crate) fn hello() -> [u8; 8] {
    let [a, b, c, d] = (Version::V1_3.bit() | Version::V1_4.bit()).to_be_bytes();
    [0, 1, 0, 8, a, b, c, d]
}

/// The versions of the other side's HELLO, a bit for each; without such an element all up to the one in its header.
fn offered(highest: u8, body: &[u8]) -> u32 {
    let mut elements = Reader(body);
    while let (Some(kind), Some(length)) = (elements.u16(), elements.u16()) {
        let length = usize::from(length);
        let Some(mut value) = length.checked_sub(4).and_then(|length| elements.take(length)).map(Reader) else { break };
        if let (1, Some(bits)) = (kind, value.u32()) {
            return bits;
        }
        elements.take(length.next_multiple_of(8) - length);
    }
    u32::MAX.checked_shr(31_u32.saturating_sub(highest.into())).unwrap_or(u32::MAX)
}

/// The highest version that both sides speak.
///
/// # Errors
/// None, and what the other side speaks instead.
pub(crate) fn negotiate(highest: u8, body: &[u8]) -> Result<Version, String> {
    let offered = offered(highest, body);
    let both = |version: &Version| offered & version.bit() != 0;
    [Version::V1_4, Version::V1_3].into_iter().find(both).ok_or_else(|| {
        let names = ["1.0", "1.1", "1.2", "1.3", "1.4", "1.5"].iter().zip(1..);
        let names: Vec<&str> =
            names.filter(|(_, number)| offered & (1 << number) != 0).map(|(name, _)| *name).collect();
        if names.is_empty() { "no version that is known".to_owned() } else { format!("OpenFlow {}", names.join(", ")) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_of_both_is_taken() {
        let only = |bits: u32| [&[0, 1, 0, 8][..], &bits.to_be_bytes()].concat();
        assert_eq!(negotiate(6, &only(0b111_1110)), Ok(Version::V1_4));
        assert_eq!(negotiate(4, &only(0b1_0010)), Ok(Version::V1_3));
        assert_eq!(negotiate(6, &only(0b100_0010)), Err("OpenFlow 1.0, 1.5".to_owned()));
        assert_eq!(negotiate(6, &only(0)), Err("no version that is known".to_owned()));
        // Behind an element that is not known here.
        assert_eq!(negotiate(6, &[&[0, 9, 0, 5, 7, 0, 0, 0][..], &only(1 << 4)].concat()), Ok(Version::V1_3));
        for (highest, version) in
            [(1, None), (4, Some(Version::V1_3)), (5, Some(Version::V1_4)), (255, Some(Version::V1_4))]
        {
            assert_eq!(negotiate(highest, &[]).ok(), version, "{highest}");
            assert_eq!(negotiate(highest, &[0, 1, 0, 2]).ok(), version, "{highest}, with an element that is too short");
        }
    }
}
