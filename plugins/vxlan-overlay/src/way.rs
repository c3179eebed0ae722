//! How the hosts of a LAC reach each other.

use std::collections::BTreeSet;
use std::net::IpAddr;

/// How frames get to the other hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Way {
    /// All hosts by a group.
    Group {
        group: IpAddr,
        /// VDE's clients take part.
        vde: bool,
    },
    /// Every other host by its address. All are of one family, and there is at least one.
    Remotes(BTreeSet<IpAddr>),
    /// A daemon that speaks BGP tells.
    Evpn {
        /// The address of this host that the others send to, if it is named.
        local: Option<IpAddr>,
    },
}

impl Way {
    /// The LAC is over IPv6; `None` where the way alone does not tell.
    pub(crate) fn is_ipv6(&self) -> Option<bool> {
        match self {
            Self::Group { group, .. } => Some(group.is_ipv6()),
            Self::Remotes(remotes) => remotes.first().map(IpAddr::is_ipv6),
            Self::Evpn { local } => local.map(|local| local.is_ipv6()),
        }
    }
}
