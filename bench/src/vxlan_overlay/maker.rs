//! Who makes a container's NIC.

use std::fmt;

/// Who makes a NIC, and the LAC that it is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Maker {
    /// `vxlan-overlay`.
    Ours,
    /// The same, where only peers are heard.
    Closed,
    /// `bridge`, on a bridge of one host.
    Bridge,
    /// One process that does the job and nothing else.
    Floor,
}

impl Maker {
    /// In the order in which they take their turns in the first round.
    pub(super) const ALL: [Self; 4] = [Self::Ours, Self::Closed, Self::Bridge, Self::Floor];

    /// Whose figures are divided by whose.
    pub(super) const RATIOS: [(Self, Self); 3] =
        [(Self::Ours, Self::Floor), (Self::Ours, Self::Bridge), (Self::Closed, Self::Ours)];

    /// Tells hosts, networks and containers apart.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Closed => "peers",
            Self::Bridge => "bridge",
            Self::Floor => "floor",
        }
    }
}

impl fmt::Display for Maker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}
