//! Whether a condition holds.

/// To which packets of a way a rule applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Applies {
    Never,
    /// Such as those to a few ports.
    ToSome,
    Perhaps,
    Always,
}

impl Applies {
    pub(super) fn by(holds: bool) -> Self {
        if holds { Self::Always } else { Self::Never }
    }

    /// For packets to these ports and no others, or from them.
    pub(super) fn to_ports(first: u16, last: u16) -> Self {
        if last.saturating_sub(first) > u16::MAX / 2 { Self::Perhaps } else { Self::ToSome }
    }
}
