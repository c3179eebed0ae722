//! Who makes NICs.

/// The interface of both ends.
pub(crate) const INTERFACE: &str = "eth1";

/// Who connects the ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Maker {
    /// `veth-secondary`.
    Ours,
    /// `ip`.
    Hand,
}

impl Maker {
    /// Names of what is on the host, and its addresses.
    pub(crate) fn link(self) -> &'static str {
        match self {
            Self::Ours => "of-ours",
            Self::Hand => "of-hand",
        }
    }

    /// The first half of the addresses.
    pub(crate) fn subnet(self) -> &'static str {
        match self {
            Self::Ours => "10.9",
            Self::Hand => "10.10",
        }
    }
}
