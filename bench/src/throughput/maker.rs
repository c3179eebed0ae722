//! Who makes NICs.

/// The interface of both ends, where nothing else depends on its name.
pub(crate) const INTERFACE: &str = "eth1";

/// Who connects the ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Maker {
    /// `veth-secondary`, or `ovs-port`.
    Ours,
    /// `ip`, and `ovs-vsctl`.
    Hand,
}

impl Maker {
    /// In the order in which they take their turns in the first one.
    pub(crate) const ALL: [Self; 2] = [Self::Ours, Self::Hand];

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
