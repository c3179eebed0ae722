//! Modes of a LAC.

use std::fmt;

use harness::Host;
use serde_json::{Value, json};

use super::maker::Maker;

/// The group of all LACs; VDE's clients have one of their own.
const GROUP: &str = "239.0.0.1";

/// The file with the key of both hosts.
pub(super) const KEY: &str = "/etc/cni/bench.key";

/// How frames reach the other host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A group, until it is learned who has an address.
    Group,
    /// A list of hosts, until it is learned.
    Remotes,
    /// A group, all of them, as clients of VDE need it.
    Vde,
    /// A group and a key: ESP.
    Sealed,
}

impl Mode {
    /// In the order in which they are measured.
    pub(super) const ALL: [Self; 4] = [Self::Group, Self::Remotes, Self::Vde, Self::Sealed];

    /// Who is measured, ours first.
    pub(super) fn makers(self) -> &'static [Maker] {
        match self {
            Self::Group => &[Maker::Ours, Maker::Hand, Maker::Vde, Maker::Underlay],
            Self::Remotes | Self::Sealed => &[Maker::Ours, Maker::Hand],
            Self::Vde => &[Maker::Ours, Maker::Hand, Maker::Vde],
        }
    }

    /// The keys that ask for it, to a host with this address.
    pub(super) fn keys(self, other: &str) -> Value {
        match self {
            Self::Group => json!({ "group": GROUP }),
            Self::Remotes => json!({ "remotes": [other] }),
            Self::Vde => json!({ "group": GROUP, "compat": "vxvde" }),
            Self::Sealed => json!({ "group": GROUP, "peers": [other], "keyFile": KEY }),
        }
    }

    /// What `ip link add … type vxlan` is told of it.
    pub(super) fn arguments(self) -> String {
        match self {
            Self::Group | Self::Sealed => format!("group {GROUP}"),
            Self::Remotes => String::new(),
            Self::Vde => format!("group {GROUP} nolearning srcport 14789 14790"),
        }
    }

    /// The UDP port of the LAC that is made by hand. All LACs of a port are sealed, or none is, and by one key.
    pub(super) fn port_by_hand(self) -> u16 {
        if self == Self::Sealed { 14791 } else { 14789 }
    }

    /// What the underlay leaves of its 1500 bytes.
    pub(super) fn mtu(self) -> u16 {
        if self == Self::Sealed { 1408 } else { 1450 }
    }

    /// What has the packets of a host with this address to another one and to the group pass by ESP, and only by that.
    pub(super) fn sealing_by_hand(self, own: &str, other: &str) -> Option<String> {
        let port = self.port_by_hand();
        let state = |spi: u32, from: &str, to: &str| {
            let key = format!("0x{}", format!("{spi:08x}").repeat(8));
            format!(
                "xfrm state add src {from} dst {to} proto esp spi {spi} mode transport reqid 1 extra-flag oseq-may-wrap \
                 auth-trunc hmac(sha256) {key} 128 enc cbc(aes) {key}"
            )
        };
        let policy = |direction: &str, from: &str| {
            format!(
                "xfrm policy add dir {direction} src {from} dst 0.0.0.0/0 proto udp dport {port} priority 0 \
                 tmpl proto esp mode transport reqid 1"
            )
        };
        // The SPI is the sender's own at each destination.
        let spi = |from: &str| from.bytes().map(u32::from).fold(1000, |sum, byte| sum * 3 % 1_000_003 + byte);
        let lines = [
            state(spi(own), own, other),
            state(spi(own), own, GROUP),
            state(spi(other), other, own),
            state(spi(other), other, GROUP),
            policy("in", "0.0.0.0/0"),
            policy("out", &format!("{own}/32")),
        ];
        (self == Self::Sealed).then(|| lines.join("\n"))
    }

    /// What is set by other commands, for a device and a host with this address.
    pub(super) fn further_command(self, device: &str, other: &str) -> String {
        match self {
            Self::Group | Self::Sealed => "true".to_owned(),
            Self::Remotes => format!("bridge fdb append 00:00:00:00:00:00 dev {device} dst {other} self permanent"),
            Self::Vde => format!("ethtool -K {device} tx off"),
        }
    }
}

/// Whether the kernel has what a key needs.
pub(super) fn has_esp(owner: &Host) -> bool {
    let probe = owner.namespace("esp-probe");
    let state = Mode::Sealed.sealing_by_hand("192.0.2.1", "192.0.2.2").unwrap_or_default();
    let has_esp = probe.sh(&format!("ip -batch - <<'END'\n{state}\nEND")).status == 0;
    probe.delete();
    has_esp
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Group => "multicast",
            Self::Remotes => "remotes",
            Self::Vde => "vxvde",
            Self::Sealed => "key",
        })
    }
}
