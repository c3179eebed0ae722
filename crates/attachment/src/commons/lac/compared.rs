//! A VXLAN device as it is, compared with what is wanted.

use std::net::IpAddr;

use netlink::link::{Link, PortState};

use super::{Lac, LacMode, Remotes};
use crate::{Difference, Error, Object, Session, Side};

impl Lac {
    /// What cannot be changed in a device that members use: they are on another LAC then.
    pub(super) fn fixed_differences(&self, link: &Link, session: &mut Session) -> Result<Vec<Difference>, Error> {
        let label = self.label();
        let Some(have) = &link.vxlan else {
            return Ok(vec![Difference::new(label, "a VXLAN device", words_of_kind(&link.kind))]);
        };
        let want = self.settings(session)?;
        let have_underlay = match have.underlay {
            Some(index) if want.underlay != Some(index) => session.known_index(Side::Host, index)?,
            _ => None,
        };
        // One that the host has lost can be replaced.
        let is_same_address = match (want.local, have.local) {
            (Some(wanted), Some(found)) => wanted == found || !session.is_own(found)?,
            (wanted, found) => wanted == found,
        };
        let mut differences = Vec::new();
        let mut note = |is_met: bool, property: &str, want: String, have: String| {
            if !is_met {
                differences.push(Difference::new(format!("{label} {property}"), want, have));
            }
        };
        note(want.vni == have.vni, "vni", want.vni.to_string(), have.vni.to_string());
        note(want.port == have.port, "port", want.port.to_string(), have.port.to_string());
        if let Some(mode) = LacMode::of(have) {
            note(mode == self.reach.mode(), "mode", self.reach.mode().word().to_owned(), mode.word().to_owned());
        }
        // Without a remote the kernel does not tell the family.
        let is_same = want.remote == have.remote || [want.remote, have.remote].iter().all(IpAddr::is_unspecified);
        note(is_same, "group", words_of_remote(want.remote), words_of_remote(have.remote));
        note(
            want.underlay == have.underlay && link.peer_namespace.is_none(),
            "underlay",
            if self.is_evpn() { "none".to_owned() } else { self.underlay.clone() },
            match (link.peer_namespace, have_underlay) {
                (Some(_), _) => "one of another namespace".to_owned(),
                (None, Some(link)) => link.name,
                (None, None) => "none".to_owned(),
            },
        );
        note(is_same_address, "local address", words_of_local(want.local), words_of_local(have.local));
        note(want.ttl == have.ttl, "ttl", words_of_ttl(want.ttl), words_of_ttl(have.ttl));
        note(want.learning == have.learning, "learning", on_or_off(want.learning), on_or_off(have.learning));
        note(
            want.source_ports == have.source_ports,
            "source ports",
            words_of_range(want.source_ports),
            words_of_range(have.source_ports),
        );
        note(!have.is_external, "external", on_or_off(false), on_or_off(true));
        Ok(differences)
    }

    /// What can be changed in a device in use.
    pub(super) fn changeable_differences(&self, link: &Link, session: &mut Session) -> Result<Vec<Difference>, Error> {
        let label = self.label();
        let mut differences = Vec::new();
        if !link.is_up {
            differences.push(Difference::new(&label, "up", "down"));
        }
        let local = link.vxlan.as_ref().and_then(|settings| settings.local);
        if local.is_some() && self.local.is_some() && local != self.local {
            let what = format!("{label} local address");
            differences.push(Difference::new(what, words_of_local(self.local), words_of_local(local)));
        }
        if link.mtu != self.mtu {
            differences.push(Difference::new(format!("{label} mtu"), self.mtu, link.mtu));
        }
        if link.master.is_none() || link.master != self.bridge(session)? {
            let have = match link.master {
                None => "a port of no bridge".to_owned(),
                Some(index) => match session.known_index(Side::Host, index)? {
                    Some(master) => format!("a port of {}", master.name),
                    None => format!("a port of link {index}"),
                },
            };
            differences.push(Difference::new(&label, format!("a port of bridge {}", self.id.bridge()), have));
        }
        differences.extend(self.told_differences(link));
        if let Some(checksums) = self.checksums() {
            differences.extend(checksums.differences(session)?);
        }
        let (want, have) = (self.remotes(session)?, self.remotes_of(link, session)?);
        if want != have {
            let what = format!("{label} remotes");
            differences.push(Difference::new(what, words_of_remotes(&want), words_of_remotes(&have)));
        }
        Ok(differences)
    }

    /// What keeps frames from passing between the bridge and the device.
    pub(super) fn port_differences(&self, link: &Link) -> Vec<Difference> {
        let port = format!("bridge port {}", self.device);
        let has_port = link.is_up && link.master.is_some();
        let is_forwarding = link.port_state == Some(PortState::Forwarding);
        let as_made = [
            (is_forwarding, "forwarding", "in another state"),
            (!link.isolated, "not isolated", "isolated"),
            (
                link.floods && (link.learns || self.is_evpn()),
                "learning, with unknown, multicast and broadcast frames",
                "without some of that",
            ),
        ];
        let differs = as_made.into_iter().filter(|(is_met, ..)| has_port && !is_met);
        differs.map(|(_, want, have)| Difference::new(&port, want, have)).collect()
    }
}

fn words_of_kind(kind: &str) -> String {
    if kind.is_empty() { "a physical device".to_owned() } else { format!("a device of kind {kind}") }
}

fn words_of_remote(remote: IpAddr) -> String {
    if remote.is_unspecified() { "none".to_owned() } else { remote.to_string() }
}

fn words_of_local(local: Option<IpAddr>) -> String {
    local.map_or_else(|| "the route's".to_owned(), |local| local.to_string())
}

fn words_of_ttl(ttl: u8) -> String {
    if ttl == 0 { "of the host's own".to_owned() } else { ttl.to_string() }
}

fn words_of_range((first, end): (u16, u16)) -> String {
    match (first, end) {
        (0, 0) => "any".to_owned(),
        _ => format!("{first} to {}", end.saturating_sub(1)),
    }
}

fn words_of_remotes(remotes: &Remotes) -> String {
    if remotes.is_empty() {
        return "none".to_owned();
    }
    remotes.iter().map(|(host, _)| host.to_string()).collect::<Vec<_>>().join(", ")
}

fn on_or_off(is_on: bool) -> String {
    if is_on { "on" } else { "off" }.to_owned()
}
