//! A number with a unit, as in `1.5Gbit`, `0.1%` or `250us`. Exact: what the unit cannot express in whole base units is
//! refused, not rounded.

use crate::restriction::Unit;

/// Why a quantity was refused. The message shows the accepted form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// No number with one of the units.
    #[error("'{text}' is not a {what}: give a number with a unit, as in {example}")]
    Malformed {
        /// What was found.
        text: String,
        /// What was wanted: a rate, a time.
        what: &'static str,
        /// What is accepted.
        example: &'static str,
    },
    /// A rate in bytes.
    #[error("'{text}' reads as bytes per second, and a rate is in bits: give a number with a unit, as in {example}")]
    Bytes {
        /// What was found.
        text: String,
        /// What is accepted.
        example: &'static str,
    },
    /// Finer than the base unit.
    #[error("'{text}' is finer than {finest}, the least step of a {what}")]
    TooFine {
        /// What was found.
        text: String,
        /// What was wanted.
        what: &'static str,
        /// The base unit.
        finest: &'static str,
    },
    /// More than can be expressed.
    #[error("'{text}' is too large: a {what} is at most {most}")]
    TooLarge {
        /// What was found.
        text: String,
        /// What was wanted.
        what: &'static str,
        /// The largest value.
        most: &'static str,
    },
    /// Zero where that means nothing.
    #[error("'{text}' would let nothing through: leave the {what} out for no limit")]
    Zero {
        /// What was found.
        text: String,
        /// What was wanted.
        what: &'static str,
    },
}

/// A kind of quantity.
pub(crate) struct Quantity {
    pub(crate) what: &'static str,
    pub(crate) units: &'static [Unit],
    pub(crate) example: &'static str,
    pub(crate) finest: &'static str,
    pub(crate) most: &'static str,
}

impl Quantity {
    /// Reads digits, perhaps with a fraction, and a unit (letter case ignored), into the base unit.
    pub(crate) fn parse(&self, text: &str) -> Result<u64, QuantityError> {
        let end = text.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
        let (number, unit) = text.split_at_checked(end).ok_or_else(|| self.malformed(text))?;
        let unit = self.units.iter().find(|known| known.name.eq_ignore_ascii_case(unit.trim_start()));
        let unit = unit.ok_or_else(|| self.malformed(text))?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(whole) || !is_number(fraction) {
            return Err(self.malformed(text));
        }
        let whole = self.scaled(whole, unit.factor).ok_or_else(|| self.too_large(text))?;
        let fraction = fraction.trim_end_matches('0');
        whole.checked_add(self.fraction(fraction, unit.factor, text)?).ok_or_else(|| self.too_large(text))
    }

    /// Only digits are left, so the one way to fail is overflow.
    fn scaled(&self, digits: &str, factor: u64) -> Option<u64> {
        digits.parse::<u64>().ok()?.checked_mul(factor)
    }

    fn fraction(&self, digits: &str, factor: u64, text: &str) -> Result<u64, QuantityError> {
        let too_fine = || QuantityError::TooFine { text: text.to_owned(), what: self.what, finest: self.finest };
        if digits.is_empty() {
            return Ok(0);
        }
        let power = u32::try_from(digits.len()).ok().and_then(|length| 10_u128.checked_pow(length));
        let (Some(power), Ok(number)) = (power, digits.parse::<u128>()) else { return Err(too_fine()) };
        let scaled = number.checked_mul(u128::from(factor)).ok_or_else(too_fine)?;
        if !scaled.is_multiple_of(power) {
            return Err(too_fine());
        }
        u64::try_from(scaled / power).map_err(|_| self.too_large(text))
    }

    fn malformed(&self, text: &str) -> QuantityError {
        QuantityError::Malformed { text: text.to_owned(), what: self.what, example: self.example }
    }

    pub(crate) fn too_large(&self, text: &str) -> QuantityError {
        QuantityError::TooLarge { text: text.to_owned(), what: self.what, most: self.most }
    }

    pub(crate) fn zero(&self, text: &str) -> QuantityError {
        QuantityError::Zero { text: text.to_owned(), what: self.what }
    }
}
