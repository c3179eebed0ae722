//! What identifies a LAC on one host.

use crate::identity::network_link;

/// A Local Area Cloud as a host knows it: the kernel has one VXLAN device for each port and VNI, whatever its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LacId {
    /// The UDP port.
    pub port: u16,
    /// The VXLAN network identifier, less than 2^24.
    pub vni: u32,
}

impl LacId {
    /// The name of its bridge, as in `lac14789-1`; with a hash where that is too long.
    #[must_use]
    pub fn bridge(self) -> String {
        network_link("lac", &format!("{}-{}", self.port, self.vni))
    }

    /// The name of its VXLAN device, as in `vx14789-1`; with a hash where that is too long.
    #[must_use]
    pub fn device(self) -> String {
        network_link(Self::DEVICE_PREFIX, &format!("{}-{}", self.port, self.vni))
    }

    /// How the names of VXLAN devices begin.
    pub(super) const DEVICE_PREFIX: &'static str = "vx";

    /// A link of this name may be the VXLAN device of a LAC of this port: whether it is, its settings say.
    pub(crate) fn may_be_device(name: &str, port: u16) -> bool {
        let Some(rest) = name.strip_prefix(Self::DEVICE_PREFIX) else { return false };
        match rest.split_once('-') {
            Some((of, _)) => of.parse() == Ok(port),
            None => true, // a hash
        }
    }

    /// What its members have in common, as the tags of its bridge and its device say: `lac 14789/1`.
    #[must_use]
    pub fn shared_by(self) -> String {
        format!("lac {}/{}", self.port, self.vni)
    }

    /// Reads what [`LacId::shared_by`] has written.
    #[must_use]
    pub fn read(shared_by: &str) -> Option<Self> {
        let (port, vni) = shared_by.strip_prefix("lac ")?.split_once('/')?;
        Some(Self { port: port.parse().ok()?, vni: vni.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// DEL and GC of a later release find what an earlier one made by them.
    #[test]
    fn names_never_change() {
        let lac = LacId { port: 14789, vni: 1 };
        assert_eq!((lac.bridge(), lac.device()), ("lac14789-1".to_owned(), "vx14789-1".to_owned()));
        assert_eq!(lac.shared_by(), "lac 14789/1");
        assert_eq!(LacId::read(&lac.shared_by()), Some(lac));
        let long = LacId { port: 14789, vni: (1 << 24) - 1 };
        assert_eq!((long.bridge(), long.device()), ("lacfqn63o4255fv".to_owned(), "vxfqn63o4255fve".to_owned()));
        assert_eq!(LacId::read("home-net"), None);
    }
}
