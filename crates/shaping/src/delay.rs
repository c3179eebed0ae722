//! A latency.

use std::fmt;

use crate::RestrictionError;
use crate::quantity::{Quantity, QuantityError};
use crate::restriction::{self, Unit};

const MICRO: u64 = 1_000;
const MILLI: u64 = 1_000_000;
const UNITS: [Unit; 2] = [Unit { name: "ms", factor: MILLI }, Unit { name: "us", factor: MICRO }];
const MOST: &str = "9223372036854ms";

const TIME: Quantity = Quantity {
    what: "time",
    units: &[
        Unit { name: "ns", factor: 1 },
        Unit { name: "us", factor: MICRO },
        Unit { name: "ms", factor: MILLI },
        Unit { name: "s", factor: 1_000_000_000 },
    ],
    example: "500us, 10ms or 1.5s",
    finest: "1 ns",
    most: "9223372036s",
};

/// A latency in nanoseconds, at most what the kernel's signed 64 bits hold (`TCA_NETEM_LATENCY64`). It may be zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Delay(u64);

impl Delay {
    /// No latency.
    pub const ZERO: Self = Self(0);

    /// The longest.
    pub const MAX: Self = Self(i64::MAX.unsigned_abs());

    /// So many nanoseconds; `None` beyond [`Delay::MAX`].
    pub fn from_nanoseconds(nanoseconds: u64) -> Option<Self> {
        (nanoseconds <= Self::MAX.0).then_some(Self(nanoseconds))
    }

    /// Reads the value of a `lat` restriction: a whole number and `ms` or `us`, letter case ignored. Zero is accepted.
    ///
    /// # Errors
    /// Another form, or more than [`Delay::MAX`].
    pub fn from_restriction(text: &str) -> Result<Self, RestrictionError> {
        let nanoseconds = restriction::parse(text, &UNITS, MOST)?;
        Self::from_nanoseconds(nanoseconds)
            .ok_or_else(|| RestrictionError::TooLarge { text: text.to_owned(), most: MOST })
    }

    /// Reads a time in `ns`, `us`, `ms` or `s`, perhaps with a fraction: `1.5ms`. Zero is accepted.
    ///
    /// # Errors
    /// Another form, less than 1 ns, or more than [`Delay::MAX`].
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        Self::from_nanoseconds(TIME.parse(text)?).ok_or_else(|| TIME.too_large(text))
    }

    /// Nanoseconds.
    pub fn nanoseconds(self) -> u64 {
        self.0
    }

    /// No latency at all.
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }
}

/// The largest unit that states the latency exactly; `ns`, which is no restriction, where neither does.
impl fmt::Display for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_multiple_of(MILLI) {
            write!(f, "{}ms", self.0 / MILLI)
        } else if self.0.is_multiple_of(MICRO) {
            write!(f, "{}us", self.0 / MICRO)
        } else {
            write!(f, "{}ns", self.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letter_case_is_ignored_and_ms_is_1000_us() {
        assert_eq!(Delay::from_restriction("10MS"), Delay::from_restriction("10000us"));
        assert_eq!(Delay::from_restriction("500us").unwrap().nanoseconds(), 500_000);
        assert!(Delay::from_restriction("0ms").unwrap().is_zero());
    }

    #[test]
    fn what_is_no_latency_is_refused() {
        for text in ["", "10", "ms", "1s", "-1ms", "1.5ms", "10ns", "0x1ms", "10µs"] {
            let error = Delay::from_restriction(text).unwrap_err();
            assert_eq!(error.to_string(), format!("'{text}' is not a valid network resource restriction."));
        }
    }

    #[test]
    fn overflow_says_what_is_accepted() {
        assert!(Delay::from_restriction(MOST).is_ok());
        // The second fits 64 bits unsigned, the third no 64 bits at all.
        for text in ["9223372036855ms", "9223372036854775808us", "99999999999999999999ms"] {
            assert_eq!(
                Delay::from_restriction(text).unwrap_err().to_string(),
                format!("'{text}' is too large: at most 9223372036854ms is accepted.")
            );
        }
    }
}
