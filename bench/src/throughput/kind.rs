//! Kinds of NICs.

use std::fmt;

use harness::sh;
use serde_json::{Value, json};

use crate::maker::{INTERFACE, Maker};

/// What a NIC is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A veth pair on a bridge, to another one there.
    Bridged,
    /// A veth pair without a bridge, to another one by way of the host.
    Routed,
    /// Children of a link, to what is beyond the link.
    Macvlan,
    Ipvlan,
    Vlan,
    /// A device of the host, to what is beyond it.
    Device,
    /// A veth pair on a bridge of Open vSwitch, to another one there.
    OvsVeth,
    /// A port of Open vSwitch whose device the switch makes, to another one there.
    OvsInternal,
}

/// The VLAN of [`Kind::Vlan`].
pub(crate) const VLAN: u16 = 10;

impl Kind {
    /// In the order in which they are measured.
    pub(crate) const ALL: [Self; 8] = [
        Self::Bridged,
        Self::Routed,
        Self::Macvlan,
        Self::Ipvlan,
        Self::Vlan,
        Self::Device,
        Self::OvsVeth,
        Self::OvsInternal,
    ];

    /// Whether the kernel can make one.
    pub(crate) fn is_known_to_the_kernel(self) -> bool {
        let Some(arguments) = self.of_a_child() else { return true };
        let probe = format!(
            "ip link add probe type veth peer name beyond; ip link add link probe name child {arguments}; status=$?; \
             ip link delete probe; exit $status"
        );
        sh(&probe).status == 0
    }

    /// What `ip link add` is told of a child, behind the names.
    pub(crate) fn of_a_child(self) -> Option<String> {
        match self {
            Self::Bridged | Self::Routed | Self::Device | Self::OvsVeth | Self::OvsInternal => None,
            Self::Macvlan => Some("type macvlan mode bridge".to_owned()),
            Self::Ipvlan => Some("type ipvlan mode l2".to_owned()),
            Self::Vlan => Some(format!("type vlan id {VLAN}")),
        }
    }

    /// Whether the NIC has to do with a link of the host, beyond which the other end is. Otherwise that is another container.
    pub(crate) fn has_link(self) -> bool {
        !matches!(self, Self::Bridged | Self::Routed | Self::OvsVeth | Self::OvsInternal)
    }

    /// Whether the bridge is one of Open vSwitch.
    pub(crate) fn is_of_switch(self) -> bool {
        matches!(self, Self::OvsVeth | Self::OvsInternal)
    }

    /// The plugin that makes it.
    pub(crate) fn plugin(self) -> &'static str {
        if self.is_of_switch() { "ovs-port" } else { "veth-secondary" }
    }

    /// The interface of one of the containers. Internal ports go by its name in the switch.
    pub(crate) fn interface(self, maker: Maker, number: u8) -> String {
        if self == Self::OvsInternal { format!("{}{number}", maker.link()) } else { INTERFACE.to_owned() }
    }

    /// The keys that ask for it. `link` is the link's name, or the bridge's.
    pub(crate) fn keys(self, link: &str) -> Value {
        match self {
            Self::Bridged => json!({ "bridge": link }),
            Self::Routed => json!({ "mode": "routed" }),
            Self::Macvlan => json!({ "nic": "macvlan", "link": link }),
            Self::Ipvlan => json!({ "nic": "ipvlan", "link": link }),
            Self::Vlan => json!({ "nic": "vlan", "link": link, "vlan": VLAN }),
            Self::Device => json!({ "nic": "host-device", "device": link }),
            Self::OvsVeth => json!({ "bridge": link }),
            Self::OvsInternal => json!({ "bridge": link, "nic": "internal" }),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bridged => "veth",
            Self::Routed => "routed",
            Self::Macvlan => "macvlan",
            Self::Ipvlan => "ipvlan",
            Self::Vlan => "vlan",
            Self::Device => "host-device",
            Self::OvsVeth => "ovs-veth",
            Self::OvsInternal => "ovs-internal",
        })
    }
}
