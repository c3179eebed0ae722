//! The VLANs of a bridge's port.

use std::collections::BTreeMap;

use netlink::bridge_vlan::{self, Of, Vlans};
use netlink::link::Link;

use crate::{Device, Difference, Error, Kind, Object, Session, Side, Stage, Step};

static KIND: Kind = Kind::of_a_link("VLANs of a port");

/// The VLANs of a port of a filtering bridge. It has them before it has a carrier, so that no frame passes in a
/// VLAN that was not asked for.
#[derive(Debug)]
pub struct PortVlans {
    /// The port, a device of the host.
    pub device: String,
    /// Its bridge.
    pub bridge: String,
    /// The VLAN of what comes and goes without a tag.
    pub native: Option<u16>,
    /// What comes and goes with tags: from one VLAN to another. They may overlap; the native one among them stays without.
    pub tagged: Vec<(u16, u16)>,
    /// The port stays in the VLAN that the bridge puts every new port into. `None` where nothing is said: a new port does not, and
    /// one that does is left in it, as earlier releases, and the reference before its 1.8, have made all.
    pub keeps_default: Option<bool>,
}

/// Each VLAN with its flags, which is how the kernel keeps them.
type Membership = BTreeMap<u16, Flags>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Flags {
    is_pvid: bool,
    is_untagged: bool,
}

impl PortVlans {
    /// What is asked for, without the default VLAN.
    fn asked(&self) -> Membership {
        let tagged = self.tagged.iter().flat_map(|(first, last)| *first..=*last);
        let mut all: Membership = tagged.map(|id| (id, Flags { is_pvid: false, is_untagged: false })).collect();
        all.extend(self.native.map(|id| (id, Flags { is_pvid: true, is_untagged: true })));
        all
    }

    /// What the port ends up with on a bridge with that default VLAN.
    fn wanted(&self, default: u16) -> Membership {
        let mut all = self.asked();
        if self.keeps_default == Some(true)
            && let Some((id, flags)) = self.kept(default)
        {
            all.insert(id, flags);
        }
        all
    }

    /// The default VLAN beside those that are asked for. The kernel gives it to a new port as the native one; a native one of the
    /// port's own takes only the direction in.
    fn kept(&self, default: u16) -> Option<(u16, Flags)> {
        let is_beside = default != 0 && !self.asked().contains_key(&default);
        is_beside.then_some((default, Flags { is_pvid: self.native.is_none(), is_untagged: true }))
    }

    /// The default VLAN, if a new port has to be taken out of it.
    fn left(&self, default: u16) -> Option<u16> {
        self.kept(default).filter(|_| self.keeps_default != Some(true)).map(|(id, _)| id)
    }

    /// What is wanted of a port that has these.
    fn wanted_of(&self, have: &Membership, default: u16) -> Membership {
        let mut all = self.wanted(default);
        let kept = self.kept(default).filter(|_| self.keeps_default.is_none());
        all.extend(kept.filter(|(id, flags)| have.get(id) == Some(flags)));
        all
    }

    fn label(&self) -> String {
        format!("port {}", self.device)
    }

    /// The bridge's default VLAN; 0 for none.
    fn default_vlan(&self, bridge: Option<&Link>) -> Result<u16, Error> {
        bridge.and_then(|bridge| bridge.default_pvid).ok_or_else(|| Error::no_vlan_filtering(&self.bridge))
    }
}

impl Object for PortVlans {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn stage(&self) -> Stage {
        Stage::Port
    }

    fn create(&self, session: &mut Session) -> Result<(), Error> {
        let port = session.index(&Device::host(&self.device))?;
        let bridge = Device::host(&self.bridge);
        let default = self.default_vlan(session.known(&bridge)?.as_ref())?;
        if let Some(default) = self.left(default) {
            let request = bridge_vlan::delete(Of::Port(port), &[Vlans::tagged(default, default)]);
            let action = format!("take {} out of VLAN {default}", self.label());
            session.queue(Step::change(Side::Host, action, request).tolerating(&[libc::ENOENT]));
        }
        let vlans = joined(&self.asked());
        if !vlans.is_empty() {
            let action = format!("put {} into its VLANs", self.label());
            session.queue(Step::change(Side::Host, action, bridge_vlan::add(Of::Port(port), &vlans)));
        }
        Ok(())
    }

    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        let Some(port) = session.find(&Device::host(&self.device))? else {
            return Ok(vec![Difference::missing(self.label())]);
        };
        let Some(bridge) = session.find(&Device::host(&self.bridge))? else {
            return Ok(vec![Difference::missing(format!("bridge {}", self.bridge))]);
        };
        let default = self.default_vlan(Some(&bridge))?;
        let action = format!("list the VLANs of {}", self.label());
        let have =
            bridge_vlan::list(session.socket(Side::Host)?, Of::Port(port.index)).map_err(Error::refused(action))?;
        let have = each(&have);
        Ok(compared(&self.label(), &self.wanted_of(&have, default), &have))
    }

    /// They go with the port.
    fn remove(&self, _session: &mut Session) -> Result<(), Error> {
        Ok(())
    }

    /// The default VLAN is that of a bridge for which nothing else was set.
    fn commands(&self) -> Vec<String> {
        self.commands_with(1)
    }

    fn missing_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        Ok(match session.known(&Device::host(&self.bridge))? {
            Some(bridge) => self.commands_with(self.default_vlan(Some(&bridge))?),
            None => self.commands(),
        })
    }
}

impl PortVlans {
    /// For a bridge with this default VLAN; 0 for none.
    fn commands_with(&self, default: u16) -> Vec<String> {
        let device = &self.device;
        let mut commands = Vec::new();
        if let Some(default) = self.left(default) {
            commands.push(format!("bridge vlan del dev {device} vid {default}"));
        }
        commands.extend(joined(&self.asked()).into_iter().map(|vlans| {
            let pvid = if vlans.is_pvid { " pvid" } else { "" };
            let untagged = if vlans.is_untagged { " untagged" } else { "" };
            format!("bridge vlan add dev {device} vid {}{pvid}{untagged}", ids(vlans.first, vlans.last))
        }));
        commands
    }
}

/// VLANs in sequence with the same flags as one range. A native one stands alone.
fn joined(membership: &Membership) -> Vec<Vlans> {
    let mut all: Vec<Vlans> = Vec::new();
    for (id, flags) in membership {
        let next = Vlans { first: *id, last: *id, is_pvid: flags.is_pvid, is_untagged: flags.is_untagged };
        match all.last_mut() {
            Some(last) if last.last.checked_add(1) == Some(*id) && same_kind(last, &next) => last.last = *id,
            _ => all.push(next),
        }
    }
    all
}

/// Both are tagged, or both go out without tags.
fn same_kind(one: &Vlans, other: &Vlans) -> bool {
    !one.is_pvid && !other.is_pvid && one.is_untagged == other.is_untagged
}

fn each(vlans: &[Vlans]) -> Membership {
    let flags = |vlans: &Vlans| Flags { is_pvid: vlans.is_pvid, is_untagged: vlans.is_untagged };
    vlans.iter().flat_map(|vlans| (vlans.first..=vlans.last).map(move |id| (id, flags(vlans)))).collect()
}

/// One difference for VLANs in sequence that differ in the same way.
fn compared(label: &str, want: &Membership, have: &Membership) -> Vec<Difference> {
    let mut runs: Vec<(u16, u16, Option<Flags>, Option<Flags>)> = Vec::new();
    for id in bridge_vlan::IDS {
        let (want, have) = (want.get(&id).copied(), have.get(&id).copied());
        if want == have {
            continue;
        }
        match runs.last_mut() {
            Some(run) if run.1.checked_add(1) == Some(id) && (run.2, run.3) == (want, have) => run.1 = id,
            _ => runs.push((id, id, want, have)),
        }
    }
    let difference = |(first, last, want, have): (u16, u16, Option<Flags>, Option<Flags>)| {
        Difference::new(format!("VLAN {} of {label}", ids(first, last)), described(want), described(have))
    };
    runs.into_iter().map(difference).collect()
}

fn described(flags: Option<Flags>) -> &'static str {
    match flags {
        None => "none",
        Some(Flags { is_pvid: false, is_untagged: false }) => "tagged",
        Some(Flags { is_pvid: false, is_untagged: true }) => "untagged on the way out",
        Some(Flags { is_pvid: true, is_untagged: false }) => "untagged on the way in (pvid)",
        Some(Flags { is_pvid: true, is_untagged: true }) => "untagged (pvid)",
    }
}

fn ids(first: u16, last: u16) -> String {
    if first == last { first.to_string() } else { format!("{first}-{last}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(native: Option<u16>, tagged: &[(u16, u16)], keeps_default: Option<bool>) -> PortVlans {
        PortVlans { device: "p".to_owned(), bridge: "b".to_owned(), native, tagged: tagged.to_vec(), keeps_default }
    }

    #[test]
    fn overlapping_ranges_become_one_and_the_native_vlan_stays_out() {
        let vlans = joined(&port(Some(7), &[(5, 9), (8, 12), (20, 20)], Some(false)).asked());
        let expected = [Vlans::tagged(5, 6), Vlans::native(7), Vlans::tagged(8, 12), Vlans::tagged(20, 20)];
        assert_eq!(vlans, expected);
        assert_eq!(joined(&port(None, &[(1, 4094)], Some(true)).asked()), [Vlans::tagged(1, 4094)]);
    }

    #[test]
    fn a_kept_default_vlan_is_left_as_the_kernel_leaves_it() {
        let flags = |is_pvid, is_untagged| Some(Flags { is_pvid, is_untagged });
        assert_eq!(port(Some(7), &[], Some(true)).wanted(1).get(&1).copied(), flags(false, true));
        assert_eq!(port(None, &[(5, 6)], Some(true)).wanted(1).get(&1).copied(), flags(true, true));
        assert_eq!(port(None, &[(1, 6)], Some(true)).wanted(1).get(&1).copied(), flags(false, false));
        assert_eq!(port(Some(7), &[], Some(true)).wanted(0).len(), 1);
        assert_eq!(port(Some(7), &[], Some(false)).wanted(1).len(), 1);
    }

    #[test]
    fn a_port_of_an_earlier_release_may_be_in_the_default_vlan_unless_that_is_said() {
        let have = each(&[Vlans::native(7), Vlans { first: 1, last: 1, is_pvid: false, is_untagged: true }]);
        for (keeps_default, accepted) in [(None, true), (Some(true), true), (Some(false), false)] {
            let port = port(Some(7), &[], keeps_default);
            assert_eq!(port.wanted_of(&have, 1) == have, accepted, "{keeps_default:?}");
            assert_eq!(port.left(1).is_some(), keeps_default != Some(true), "{keeps_default:?}");
        }
        let tagged = each(&[Vlans::native(7), Vlans::tagged(1, 1)]);
        assert_eq!(port(Some(7), &[], None).wanted_of(&tagged, 1).len(), 1, "not with other flags");
    }

    #[test]
    fn each_difference_is_told_once() {
        let want = port(Some(7), &[(10, 19)], Some(false)).wanted(1);
        let have = each(&[Vlans::native(1), Vlans::tagged(7, 7), Vlans::tagged(10, 14), Vlans::tagged(30, 31)]);
        let told: Vec<String> = compared("port p", &want, &have).iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "VLAN 1 of port p: want none, have untagged (pvid)",
                "VLAN 7 of port p: want untagged (pvid), have tagged",
                "VLAN 15-19 of port p: want tagged, have none",
                "VLAN 30-31 of port p: want none, have tagged",
            ]
        );
    }
}
