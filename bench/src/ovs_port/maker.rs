//! Who makes the ports.

use std::fmt;
use std::path::Path;

use anyhow::{Result, bail};

/// The commands' programs. Looking for them in `PATH` would be no part of their work.
pub(super) const VSCTL: &str = "/usr/bin/ovs-vsctl";
pub(super) const IP: &str = "/sbin/ip";

/// Who makes a port and the NIC on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Maker {
    /// This project's executables.
    Ours,
    /// `ovs-vsctl` and `ip`, each command's own time added up.
    Commands,
    /// One process that does the job and nothing else.
    Floor,
}

impl Maker {
    /// In the order in which they take their turns in the first round.
    pub(crate) const ALL: [Self; 3] = [Self::Ours, Self::Commands, Self::Floor];

    /// Whose figures are divided by whose.
    pub(crate) const RATIOS: [(Self, Self); 2] = [(Self::Ours, Self::Floor), (Self::Commands, Self::Ours)];

    /// Tells networks, containers and interfaces apart: names of internal ports are unique in a switch.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Commands => "hand",
            Self::Floor => "floor",
        }
    }

    /// The first half of the addresses.
    pub(super) fn subnet(self) -> &'static str {
        match self {
            Self::Ours => "10.201",
            Self::Commands => "10.202",
            Self::Floor => "10.203",
        }
    }
}

impl fmt::Display for Maker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ours => "ours",
            Self::Commands => "commands",
            Self::Floor => "floor",
        })
    }
}

/// # Errors
/// What is missing, and where to get it.
pub(super) fn require_commands() -> Result<()> {
    for (program, package) in [(VSCTL, "openvswitch-switch"), (IP, "iproute2")] {
        if !Path::new(program).exists() {
            bail!("{program} does not exist: install Debian's {package}");
        }
    }
    Ok(())
}
