//! The VXLAN device of a cloud whose hosts tell each other by BGP what they have (EVPN), as FRR's `zebra` wants it.

use netlink::bridge_port;
use netlink::link::{self, Link};

use super::{Lac, Reach};
use crate::{Difference, Error, Need, Object, Remedy, Session, Side, Stage, Step, Sysctl};

impl Lac {
    /// What the other hosts have is told by a daemon.
    #[must_use]
    pub fn is_evpn(&self) -> bool {
        matches!(self.reach, Reach::Evpn { .. })
    }

    /// What of the device's port would have the bridge learn what the daemon tells, or ask what it knows.
    pub(super) fn told_differences(&self, link: &Link) -> Vec<Difference> {
        if !self.is_evpn() || link.master.is_none() {
            return Vec::new();
        }
        let on_or_off = |is_on| if is_on { "on" } else { "off" };
        let settings = [("learning", false, link.learns), ("neigh_suppress", true, link.suppresses_neighbours)];
        let differs = settings.into_iter().filter(|(_, want, have)| want != have);
        differs
            .map(|(setting, want, have)| {
                let what = format!("{setting} of bridge port {}", self.device);
                Difference::new(what, on_or_off(want), on_or_off(have))
            })
            .collect()
    }

    /// Makes the device, which is down or of another bridge, a port that is told.
    pub(super) fn join_told(&self, bridge: u32, session: &mut Session) {
        let action = format!("make {} a port of bridge {}", self.label(), self.id.bridge());
        session.queue(Step::change(Side::Host, action, link::set_master(&self.device, bridge)));
        self.tell(session);
    }

    /// Has the port be told.
    pub(super) fn tell(&self, session: &mut Session) {
        let action = format!("set learning off and neigh_suppress on for bridge port {}", self.device);
        session.queue(Step::change(Side::Host, action, bridge_port::set_told(&self.device)));
    }

    /// # Errors
    /// [`Error::Unsupported`] from a kernel before 4.15, which has acknowledged the setting and done nothing.
    pub(super) fn refuse_untold(&self, session: &mut Session) -> Result<(), Error> {
        if !self.is_evpn() {
            return Ok(());
        }
        match session.find(&self.device())? {
            Some(link) if !link.suppresses_neighbours => Err(Error::Unsupported {
                feature: format!("neigh_suppress of bridge ports, which {} needs", self.label()),
                remedy: Remedy::act("use Linux 4.15 or later"),
            }),
            _ => Ok(()),
        }
    }

    /// The bridge is none of the host's ways to anybody.
    fn bridge_settings(&self) -> [Sysctl; 2] {
        ["ipv4", "ipv6"].map(|family| Sysctl {
            side: Side::Host,
            path: format!("net/{family}/conf/{}/forwarding", self.id.bridge()),
            value: "0",
            need: Need::Precaution {
                otherwise: "the host may forward what containers send to the bridge's own address",
            },
            stage: Stage::Common,
        })
    }

    pub(super) fn keep_bridge_from_forwarding(&self, session: &mut Session) -> Result<(), Error> {
        self.bridge_settings().iter().try_for_each(|setting| setting.create(session))
    }

    pub(super) fn told_commands(&self) -> Vec<String> {
        let mut commands: Vec<String> = self.bridge_settings().iter().flat_map(Object::commands).collect();
        commands.push(format!("ip link set {} master {}", self.device, self.id.bridge()));
        commands.push(self.told_command());
        commands.push(format!("ip link set {} up", self.device));
        commands
    }

    pub(super) fn told_command(&self) -> String {
        format!("bridge link set dev {} learning off neigh_suppress on", self.device)
    }
}
