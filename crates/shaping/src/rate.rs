//! A bandwidth.

use std::fmt;
use std::num::NonZeroU64;

use crate::RestrictionError;
use crate::quantity::{Quantity, QuantityError};
use crate::restriction::{self, Unit};

const KILO: u64 = 1_000;
const MEGA: u64 = 1_000_000;
const GIGA: u64 = 1_000_000_000;
const UNITS: [Unit; 2] = [Unit { name: "Mbps", factor: MEGA }, Unit { name: "Gbps", factor: GIGA }];
const MOST: &str = "18446744073Gbps";

const TERA: u64 = 1_000_000_000_000;

/// Bits as iproute2 and the reference write them, and WALT's two.
const RATE: Quantity = Quantity {
    what: "rate",
    units: &[
        Unit { name: "bit", factor: 1 },
        Unit { name: "kbit", factor: KILO },
        Unit { name: "Mbit", factor: MEGA },
        Unit { name: "Gbit", factor: GIGA },
        Unit { name: "Tbit", factor: TERA },
        Unit { name: "bit/s", factor: 1 },
        Unit { name: "kbit/s", factor: KILO },
        Unit { name: "Mbit/s", factor: MEGA },
        Unit { name: "Gbit/s", factor: GIGA },
        Unit { name: "Tbit/s", factor: TERA },
        Unit { name: "Mbps", factor: MEGA },
        Unit { name: "Gbps", factor: GIGA },
    ],
    example: "64kbit, 100Mbit or 1.5Gbit",
    finest: "1 bit/s",
    most: "18446744073Gbit",
};

/// A bandwidth in bits per second, never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(NonZeroU64);

impl Rate {
    /// So many bits per second; `None` for zero.
    pub fn from_bits_per_second(bits: u64) -> Option<Self> {
        NonZeroU64::new(bits).map(Self)
    }

    /// Reads the value of a `bw` restriction: a whole number and `Mbps` or `Gbps`, letter case ignored. Gbps is
    /// 1000 Mbps.
    ///
    /// # Errors
    /// Another form, zero, or more than 64 bits hold.
    pub fn from_restriction(text: &str) -> Result<Self, RestrictionError> {
        let bits = restriction::parse(text, &UNITS, MOST)?;
        Self::from_bits_per_second(bits).ok_or_else(|| RestrictionError::Zero { text: text.to_owned() })
    }

    /// Reads a rate in bit/s with `k`, `M`, `G` or `T` (of 1000 each): `64kbit`, `1.5Gbit/s`, `100Mbps`. What others read as bytes
    /// is not read as bits: `B` is a byte, and so is the `b` of tc(8)'s `kbps`.
    ///
    /// # Errors
    /// Bytes, another form, zero, less than 1 bit/s, or more than 64 bits hold.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        if is_in_bytes(text) {
            return Err(QuantityError::Bytes { text: text.to_owned(), example: RATE.example });
        }
        Self::from_bits_per_second(RATE.parse(text)?).ok_or_else(|| RATE.zero(text))
    }

    /// Bits per second.
    pub fn bits_per_second(self) -> u64 {
        self.0.get()
    }

    /// Bytes per second as the kernel counts them, rounded up so that it is never zero.
    pub fn bytes_per_second(self) -> u64 {
        self.0.get().div_ceil(8)
    }
}

/// A number with `B`, `Bps`, `B/s` or `bps`, perhaps with a prefix, and not one of WALT's two units, which are bits.
fn is_in_bytes(text: &str) -> bool {
    let unit = text.trim_start_matches(|digit: char| digit.is_ascii_digit() || digit == '.').trim_start();
    let is_number = unit.len() < text.len();
    let base = unit.trim_start_matches(|prefix: char| "kKmMgGtT".contains(prefix)).trim_start_matches('i');
    let is_walt = UNITS.iter().any(|known| known.name.eq_ignore_ascii_case(unit)) && base.starts_with('b');
    let is_bytes = ["B", "B/s", "B/S"].contains(&base) || base.eq_ignore_ascii_case("bps");
    is_number && is_bytes && !is_walt
}

/// The largest unit that states the rate exactly; `bit`, which is no restriction, where neither does.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = self.0.get();
        if bits.is_multiple_of(GIGA) {
            write!(f, "{}Gbps", bits / GIGA)
        } else if bits.is_multiple_of(MEGA) {
            write!(f, "{}Mbps", bits / MEGA)
        } else {
            write!(f, "{bits}bit")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letter_case_is_ignored_and_gbps_is_1000_mbps() {
        assert_eq!(Rate::from_restriction("2GBPS"), Rate::from_restriction("2000mbps"));
        assert_eq!(Rate::from_restriction("100Mbps").unwrap().bytes_per_second(), 12_500_000);
    }

    #[test]
    fn what_is_no_bandwidth_is_refused() {
        for text in ["", "100", "Mbps", "1.5Gbps", "100kbps", "-1Mbps", "+1Mbps", " 1Mbps", "1Mbps ", "1 Mbps", "١Mbps"]
        {
            let error = Rate::from_restriction(text).unwrap_err();
            assert_eq!(error.to_string(), format!("'{text}' is not a valid network resource restriction."));
        }
    }

    #[test]
    fn what_others_read_as_bytes_is_not_read_as_bits() {
        for text in [
            "10MBps", "10MBPS", "1.5GBps", "10 MBps", "10MB/s", "10kB/s", "10B", "10MiBps", "10kbps", "10Kbps", "8bps",
            "1tbps",
        ] {
            assert_eq!(
                Rate::parse(text).unwrap_err().to_string(),
                format!(
                    "'{text}' reads as bytes per second, and a rate is in bits: give a number with a unit, as in 64kbit, 100Mbit or 1.5Gbit"
                )
            );
        }
        for (text, bits) in [
            ("10Mbps", 10_000_000),
            ("10mbps", 10_000_000),
            ("2Gbps", 2_000_000_000),
            ("8kbit", 8000),
            ("8KBIT", 8000),
            ("1MBit/s", 1_000_000),
        ] {
            assert_eq!(Rate::parse(text).unwrap().bits_per_second(), bits, "{text}");
        }
        for text in ["", "MBps", "10", "10Mb", "B", "10bytes"] {
            assert!(Rate::parse(text).unwrap_err().to_string().contains("is not a rate"), "{text}");
        }
    }

    #[test]
    fn a_rate_that_is_shown_can_be_typed() {
        for bits in [8, 1_500, 64_000, 10_000_000, 2_000_000_000] {
            let rate = Rate::from_bits_per_second(bits).unwrap();
            assert_eq!(Rate::parse(&rate.to_string()), Ok(rate));
        }
    }

    #[test]
    fn zero_and_overflow_say_what_is_accepted() {
        assert_eq!(
            Rate::from_restriction("0Mbps").unwrap_err().to_string(),
            "'0Mbps' would let nothing through: give at least 1Mbps, or leave the bandwidth out for no limit."
        );
        assert!(Rate::from_restriction(MOST).is_ok());
        for text in ["18446744074Gbps", "99999999999999999999999999Mbps"] {
            assert_eq!(
                Rate::from_restriction(text).unwrap_err().to_string(),
                format!("'{text}' is too large: at most 18446744073Gbps is accepted.")
            );
        }
    }
}
