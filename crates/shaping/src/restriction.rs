//! A whole number with a unit, as in `100Mbps` or `10ms`.

/// Why a restriction was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestrictionError {
    /// The text does not have the form of a restriction.
    #[error("'{text}' is not a valid network resource restriction.")]
    Malformed {
        /// What was found.
        text: String,
    },
    /// A bandwidth of zero.
    #[error("'{text}' would let nothing through: give at least 1Mbps, or leave the bandwidth out for no limit.")]
    Zero {
        /// What was found.
        text: String,
    },
    /// A value beyond what 64 bits hold in the unit that the kernel counts in.
    #[error("'{text}' is too large: at most {most} is accepted.")]
    TooLarge {
        /// What was found.
        text: String,
        /// The largest value that is accepted.
        most: &'static str,
    },
}

impl RestrictionError {
    pub(crate) fn malformed(text: &str) -> Self {
        Self::Malformed { text: text.to_owned() }
    }

    /// The same error about `text`, of which the refused value was a part.
    pub(crate) fn about(self, text: &str) -> Self {
        let text = text.to_owned();
        match self {
            Self::Malformed { .. } => Self::Malformed { text },
            Self::Zero { .. } => Self::Zero { text },
            Self::TooLarge { most, .. } => Self::TooLarge { text, most },
        }
    }
}

/// A unit and how many of the base unit it is.
pub(crate) struct Unit {
    pub(crate) name: &'static str,
    pub(crate) factor: u64,
}

/// Reads digits followed by one of `units`, letter case ignored, into the base unit. `most` is the largest value that
/// can be expressed, for the message.
pub(crate) fn parse(text: &str, units: &[Unit], most: &'static str) -> Result<u64, RestrictionError> {
    let digits_end = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, name) = text.split_at_checked(digits_end).ok_or_else(|| RestrictionError::malformed(text))?;
    let unit = units.iter().find(|unit| unit.name.eq_ignore_ascii_case(name));
    let (Some(unit), false) = (unit, digits.is_empty()) else {
        return Err(RestrictionError::malformed(text));
    };
    // Only digits are left, so the one way to fail is overflow.
    let number = digits.parse::<u64>().ok();
    number
        .and_then(|number| number.checked_mul(unit.factor))
        .ok_or_else(|| RestrictionError::TooLarge { text: text.to_owned(), most })
}
