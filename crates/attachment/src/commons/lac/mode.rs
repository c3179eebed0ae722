//! How frames reach the other hosts, as the settings of a VXLAN device tell.

use netlink::vxlan::Settings;

/// How frames reach the other hosts of a LAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LacMode {
    /// By a group, until it is learned who has a hardware address.
    Multicast,
    /// All by a group, from the port that they are sent to: clients of VDE take part.
    Vxvde,
    /// By a copy for each host of a list.
    Remotes,
    /// By what a daemon that speaks BGP has told.
    Evpn,
}

impl LacMode {
    /// As the key `mode` has it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Multicast => "multicast",
            Self::Vxvde => "vxvde",
            Self::Remotes => "remotes",
            Self::Evpn => "evpn",
        }
    }

    /// `None` for a device that somebody has made in another way under our name.
    #[must_use]
    pub fn of(settings: &Settings) -> Option<Self> {
        let is_from_its_port = settings.source_ports.0 == settings.port;
        match settings.remote {
            remote if remote.is_unspecified() && settings.learning => Some(Self::Remotes),
            remote if remote.is_unspecified() => settings.local.map(|_| Self::Evpn),
            remote if !remote.is_multicast() => None,
            _ if settings.learning => Some(Self::Multicast),
            _ => is_from_its_port.then_some(Self::Vxvde),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mode_is_told_by_the_device() {
        let settings = |remote: &str, learning, source_ports| Settings {
            vni: 1,
            port: 14789,
            remote: remote.parse().unwrap(),
            local: None,
            underlay: Some(2),
            ttl: 1,
            learning,
            source_ports,
            is_external: false,
        };
        for (mode, settings) in [
            (Some(LacMode::Multicast), settings("239.0.0.1", true, (0, 0))),
            (Some(LacMode::Multicast), settings("ff05::1", true, (0, 0))),
            (Some(LacMode::Vxvde), settings("239.0.0.1", false, (14789, 14790))),
            (Some(LacMode::Remotes), settings("0.0.0.0", true, (0, 0))),
            (Some(LacMode::Remotes), settings("::", true, (0, 0))),
            (None, settings("0.0.0.0", false, (0, 0))),
            (None, settings("192.0.2.1", true, (0, 0))),
            (None, settings("239.0.0.1", false, (0, 0))),
        ] {
            assert_eq!(LacMode::of(&settings), mode, "{settings:?}");
        }
        let told = Settings { local: Some([192, 0, 2, 1].into()), ..settings("0.0.0.0", false, (0, 0)) };
        assert_eq!(LacMode::of(&told), Some(LacMode::Evpn));
        assert_eq!(LacMode::of(&Settings { learning: true, ..told }), Some(LacMode::Remotes));
    }
}
