//! What is measured, and what comes of it.

use std::collections::BTreeMap;
use std::fmt;

use super::maker::Maker;
use crate::attachment::Verb;
use crate::timing::Figures;

/// From so many on, a round takes seconds.
pub(crate) const MANY: usize = 500;

/// What the NIC is, and the ports that are there beforehand are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Nic {
    /// A veth pair.
    Veth,
    /// A device of the switch's own.
    Internal,
}

impl fmt::Display for Nic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Veth => "veth",
            Self::Internal => "internal",
        })
    }
}

/// What a call does, and beside how many ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Job {
    pub(crate) verb: Verb,
    pub(crate) nic: Nic,
    pub(crate) ports: usize,
}

/// The figures of each. The switch's processes are not counted.
pub(crate) type Measured = BTreeMap<(Job, Maker), Figures>;
