//! ipvlan devices: further IP addresses behind the hardware address of another link (`drivers/net/ipvlan`).

use netlink_packet_route::link::{InfoData, InfoIpVlan, IpVlanMode};

use crate::attributes::{read_u16, value_of};

/// The kind of such a link.
pub const KIND: &str = "ipvlan";

const IFLA_IPVLAN_MODE: u16 = 1;

/// How packets are handled. All on one link have the same mode, which is that of the one that was made last
/// (`ipvlan_set_port_mode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// As frames: they have neighbours, and broadcasts.
    L2,
    /// As packets, which the link's own namespace routes.
    L3,
    /// As `L3`, and they pass that namespace's packet filter.
    L3s,
}

impl Mode {
    /// All that there are.
    pub const ALL: [Self; 3] = [Self::L2, Self::L3, Self::L3s];

    /// The word for it, as `ip` and configurations have it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::L2 => "l2",
            Self::L3 => "l3",
            Self::L3s => "l3s",
        }
    }

    fn of_kernel(self) -> IpVlanMode {
        match self {
            Self::L2 => IpVlanMode::L2,
            Self::L3 => IpVlanMode::L3,
            Self::L3s => IpVlanMode::L3S,
        }
    }

    /// Reads the attributes of a device of the kind.
    pub(crate) fn read(attributes: &[u8]) -> Option<Self> {
        let found = value_of(attributes, IFLA_IPVLAN_MODE).and_then(|mode| read_u16(mode, 0))?;
        Self::ALL.into_iter().find(|mode| found == u16::from(mode.of_kernel()))
    }

    /// For a creation.
    pub(crate) fn data(self) -> InfoData {
        InfoData::IpVlan(vec![InfoIpVlan::Mode(self.of_kernel())])
    }
}
