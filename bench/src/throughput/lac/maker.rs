//! Who connects two ends of a LAC.

use std::fmt;

/// Who connects the ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Maker {
    /// `vxlan-overlay`: two containers.
    Ours,
    /// `ip`, with the same settings.
    Hand,
    /// `vde_plug`: a TAP device on either host, whose frames that program passes on.
    Vde,
    /// Nobody: the hosts themselves, by the underlay.
    Underlay,
}

impl fmt::Display for Maker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ours => "ours",
            Self::Hand => "by hand",
            Self::Vde => "vde_plug",
            Self::Underlay => "the underlay",
        })
    }
}
