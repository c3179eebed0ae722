//! Modes of a LAC.

use std::fmt;

use serde_json::{Value, json};

use super::maker::Maker;

/// The group of all LACs; VDE's clients have one of their own.
const GROUP: &str = "239.0.0.1";

/// How frames reach the other host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A group, until it is learned who has an address.
    Group,
    /// A list of hosts, until it is learned.
    Remotes,
    /// A group, all of them, as clients of VDE need it.
    Vde,
}

impl Mode {
    /// In the order in which they are measured.
    pub(super) const ALL: [Self; 3] = [Self::Group, Self::Remotes, Self::Vde];

    /// Who is measured, ours first.
    pub(super) fn makers(self) -> &'static [Maker] {
        match self {
            Self::Group => &[Maker::Ours, Maker::Hand, Maker::Vde, Maker::Underlay],
            Self::Remotes => &[Maker::Ours, Maker::Hand],
            Self::Vde => &[Maker::Ours, Maker::Hand, Maker::Vde],
        }
    }

    /// The keys that ask for it, to a host with this address.
    pub(super) fn keys(self, other: &str) -> Value {
        match self {
            Self::Group => json!({ "group": GROUP }),
            Self::Remotes => json!({ "remotes": [other] }),
            Self::Vde => json!({ "group": GROUP, "compat": "vxvde" }),
        }
    }

    /// What `ip link add … type vxlan` is told of it.
    pub(super) fn arguments(self) -> String {
        match self {
            Self::Group => format!("group {GROUP}"),
            Self::Remotes => String::new(),
            Self::Vde => format!("group {GROUP} nolearning srcport 14789 14790"),
        }
    }

    /// What is set by other commands, for a device and a host with this address.
    pub(super) fn further_command(self, device: &str, other: &str) -> String {
        match self {
            Self::Group => "true".to_owned(),
            Self::Remotes => format!("bridge fdb append 00:00:00:00:00:00 dev {device} dst {other} self permanent"),
            Self::Vde => format!("ethtool -K {device} tx off"),
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Group => "multicast",
            Self::Remotes => "remotes",
            Self::Vde => "vxvde",
        })
    }
}
