//! macvlan devices: a hardware address of its own on the wire of another link (`drivers/net/macvlan.c`).

use netlink_packet_route::link::{InfoData, InfoMacVlan, MacVlanMode};

use crate::attributes::{iterate, read_u32};

/// The kind of such a link.
pub const KIND: &str = "macvlan";

const IFLA_MACVLAN_MODE: u16 = 1;
const IFLA_MACVLAN_BC_QUEUE_LEN: u16 = 7;

/// How those on one link reach each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// They do not, not even by way of a switch outside.
    Private,
    /// By way of a switch outside that sends frames back (IEEE 802.1Qbg).
    Vepa,
    /// Directly.
    Bridge,
    /// There is only one, which has the link's own address.
    Passthru,
}

impl Mode {
    /// All that there are.
    pub const ALL: [Self; 4] = [Self::Bridge, Self::Private, Self::Vepa, Self::Passthru];

    /// The word for it, as `ip` and configurations have it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Vepa => "vepa",
            Self::Bridge => "bridge",
            Self::Passthru => "passthru",
        }
    }

    fn of_kernel(self) -> MacVlanMode {
        match self {
            Self::Private => MacVlanMode::Private,
            Self::Vepa => MacVlanMode::Vepa,
            Self::Bridge => MacVlanMode::Bridge,
            Self::Passthru => MacVlanMode::Passthrough,
        }
    }
}

/// The settings of a macvlan device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settings {
    /// Its mode; as read, `None` for one that is not here (`source`).
    pub mode: Option<Mode>,
    /// How many broadcast frames may wait for delivery to the devices on the link, of which the greatest number counts (Linux 5.11).
    pub broadcast_queue_length: Option<u32>,
}

impl Settings {
    /// Reads the attributes of a device of the kind.
    pub(crate) fn read(attributes: &[u8]) -> Self {
        let mut settings = Self::default();
        for (kind, value) in iterate(attributes) {
            match kind {
                IFLA_MACVLAN_MODE => {
                    let found = read_u32(value, 0);
                    settings.mode = Mode::ALL.into_iter().find(|mode| found == Some(u32::from(mode.of_kernel())));
                }
                IFLA_MACVLAN_BC_QUEUE_LEN => settings.broadcast_queue_length = read_u32(value, 0),
                _ => {}
            }
        }
        settings
    }

    /// For a creation.
    pub(crate) fn data(self) -> InfoData {
        let mode = self.mode.map(|mode| InfoMacVlan::Mode(mode.of_kernel()));
        let length = self.broadcast_queue_length.map(InfoMacVlan::BcQueueLen);
        InfoData::MacVlan(mode.into_iter().chain(length).collect())
    }
}
