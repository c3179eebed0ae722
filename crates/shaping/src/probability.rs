//! A share of all packets.

use std::fmt;

use crate::quantity::{Quantity, QuantityError};
use crate::restriction::Unit;

/// One percent in the steps in which a share is read: a billionth of the whole.
const PERCENT: u64 = 10_000_000;
const WHOLE: u64 = 100 * PERCENT;

const SHARE: Quantity = Quantity {
    what: "share",
    units: &[Unit { name: "%", factor: PERCENT }],
    example: "1%, 0.1% or 25%",
    finest: "0.0000001%",
    most: "100%",
};

/// A share of all packets, or a correlation: 0 to 100 %, in the kernel's steps of 1 / (2^32 - 1) (`pkt_sched.h`:
/// "0=none ~0=100%").
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Probability(u32);

impl Probability {
    /// None at all.
    pub const NEVER: Self = Self(0);
    /// All of them.
    pub const ALWAYS: Self = Self(u32::MAX);

    /// Reads a percentage: `1%`, `0.1%`.
    ///
    /// # Errors
    /// Another form, more than 100 %, or finer than a billionth.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        let billionths = SHARE.parse(text)?;
        if billionths > WHOLE {
            return Err(SHARE.too_large(text));
        }
        // To the nearest step of the kernel.
        let steps = (u128::from(billionths) * u128::from(u32::MAX) + u128::from(WHOLE) / 2) / u128::from(WHOLE);
        Ok(Self(u32::try_from(steps).unwrap_or(u32::MAX)))
    }

    /// From the kernel's number.
    #[must_use]
    pub fn from_steps(steps: u32) -> Self {
        Self(steps)
    }

    /// The kernel's number: 0 is never, 2^32 - 1 is always.
    #[must_use]
    pub fn steps(self) -> u32 {
        self.0
    }

    /// It never happens.
    #[must_use]
    pub fn is_never(self) -> bool {
        self.0 == 0
    }

    /// As a fraction of one, for comparison with what was measured.
    #[must_use]
    pub fn fraction(self) -> f64 {
        f64::from(self.0) / f64::from(u32::MAX)
    }
}

/// In percent, to a ten-millionth of one: what was read is what is shown.
impl fmt::Display for Probability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let billionths = (u128::from(self.0) * u128::from(WHOLE) + u128::from(u32::MAX) / 2) / u128::from(u32::MAX);
        let percent = u128::from(PERCENT);
        let fraction = format!("{:07}", billionths % percent);
        match fraction.trim_end_matches('0') {
            "" => write!(f, "{}%", billionths / percent),
            digits => write!(f, "{}.{digits}%", billionths / percent),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_is_the_nearest_step_and_reads_back() {
        for (text, steps) in
            [("0%", 0), ("100%", u32::MAX), ("50%", 0x8000_0000), ("1%", 42_949_673), ("0.0000001%", 4)]
        {
            let share = Probability::parse(text).unwrap();
            assert_eq!(share.steps(), steps, "{text}");
            assert_eq!(share.to_string(), text);
        }
        assert_eq!(Probability::parse("12.5 %").unwrap().to_string(), "12.5%");
    }

    #[test]
    fn what_is_no_share_is_refused() {
        for text in ["", "%", "1", "-1%", "1.%", ".5%", "1e3%", "0x1%", "1,5%"] {
            let error = Probability::parse(text).unwrap_err().to_string();
            assert_eq!(error, format!("'{text}' is not a share: give a number with a unit, as in 1%, 0.1% or 25%"));
        }
        assert_eq!(
            Probability::parse("100.1%").unwrap_err().to_string(),
            "'100.1%' is too large: a share is at most 100%"
        );
        assert!(Probability::parse("99999999999999999999%").is_err());
        assert!(Probability::parse("0.00000001%").unwrap_err().to_string().contains("finer than 0.0000001%"));
    }
}
