//! The VLANs of a port of Open vSwitch: the columns `vlan_mode`, `tag`, `trunks` and `cvlans` of `Port` in
//! `ovs-vswitchd.conf.db(5)`.

use super::columns::Wanted;

/// What becomes of the VLAN tags of a port's frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VlanMode {
    /// Frames have no tag outside, and are in one VLAN inside.
    Access,
    /// Frames keep the tags that they have.
    Trunk,
    /// As a trunk, and frames without a tag are in the native VLAN, whose frames leave with a tag.
    NativeTagged,
    /// The same, and those of the native VLAN leave without a tag.
    NativeUntagged,
    /// Frames with tags of their own are in one outer VLAN inside (IEEE 802.1ad).
    Tunnel,
}

impl VlanMode {
    /// As the database calls it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Trunk => "trunk",
            Self::NativeTagged => "native-tagged",
            Self::NativeUntagged => "native-untagged",
            Self::Tunnel => "dot1q-tunnel",
        }
    }
}

/// The VLANs of a port.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SwitchVlans {
    /// Without one it is a trunk.
    pub mode: Option<VlanMode>,
    /// The VLAN of an access port, the native VLAN of a trunk, the outer one of a tunnel.
    pub tag: Option<u16>,
    /// Those of a trunk; all if there are none.
    pub trunks: Vec<u16>,
    /// The inner ones that a tunnel lets pass; all if there are none.
    pub cvlans: Vec<u16>,
    /// The Ethertype of the outer tag of a tunnel, `802.1ad` or `802.1q`; the former if it is not given.
    pub ethertype: Option<&'static str>,
}

impl SwitchVlans {
    pub(crate) fn columns(&self) -> Vec<(&'static str, Wanted)> {
        let numbers = |vlans: &[u16]| match vlans {
            [] => Wanted::Nothing,
            vlans => Wanted::Numbers(vlans.iter().map(|vlan| i64::from(*vlan)).collect()),
        };
        let mut columns = vec![
            ("vlan_mode", self.mode.map_or(Wanted::Nothing, |mode| Wanted::Text(mode.word().to_owned()))),
            ("tag", self.tag.map_or(Wanted::Nothing, |tag| Wanted::Number(i64::from(tag)))),
            ("trunks", numbers(&self.trunks)),
            ("cvlans", numbers(&self.cvlans)),
        ];
        if let Some(ethertype) = self.ethertype {
            columns.push(("other_config", Wanted::Entries(vec![("qinq-ethtype", ethertype.to_owned())])));
        }
        columns
    }
}
