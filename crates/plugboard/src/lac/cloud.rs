//! A LAC as the kernel of this host has it, whatever is recorded of its members.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use anyhow::Context;
use attachment::{ClosedLac, Identity, LacId, LacMode, OwnedDevice, Session, Side, closed_lacs, lac_of};
use netlink::Mac;
use netlink::fdb;
use netlink::link::{self, Link};
use netlink::vxlan::Settings;

/// A LAC of this host. Its bridge or its device may be missing: the kernel removes a VXLAN device along with its underlay.
#[derive(Debug, Default)]
pub(super) struct Cloud {
    /// The name of its bridge; empty if there is none.
    pub(super) bridge: String,
    /// Its VXLAN device.
    pub(super) device: Option<Device>,
    /// The name of its underlay; empty if that is no link of this host.
    pub(super) underlay: String,
    /// The ports of the bridge that attachments own.
    pub(super) members: Vec<OwnedDevice>,
    /// The other ports of the bridge, but for the VXLAN device.
    pub(super) foreign_ports: Vec<String>,
    /// Who is heard.
    pub(super) heard: Heard,
}

/// Who is heard in a LAC.
#[derive(Debug, Default)]
pub(super) enum Heard {
    /// Whoever sends.
    #[default]
    All,
    /// These alone.
    Peers(ClosedLac),
    /// Only root may ask.
    Unknown,
}

/// The VXLAN device of a LAC.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) link: Link,
    pub(super) settings: Settings,
    /// What it knows of other hosts.
    pub(super) entries: Vec<fdb::Entry>,
}

impl Cloud {
    /// The LACs of this host by port and VNI: those whose bridge or VXLAN device was made here, and those of an operator's that have a
    /// member.
    ///
    /// # Errors
    /// The kernel does not list its links, or what a device knows.
    pub(super) fn all() -> anyhow::Result<BTreeMap<LacId, Self>> {
        let mut session = Session::looking(None, Vec::new());
        let links = session.host_links().context("cannot list the links of this host")?;
        let ids: BTreeSet<LacId> = links.iter().filter_map(|link| lac_of(link).or_else(|| named_for(link))).collect();
        let mut closed = match closed_lacs(&mut session) {
            Err(error) if error.is_forbidden() => None,
            closed => Some(closed.context("cannot look who is heard")?),
        };
        let mut clouds = BTreeMap::new();
        for id in ids {
            let heard = closed.as_mut().map(|closed| closed.remove(&id).map_or(Heard::All, Heard::Peers));
            let mut cloud = Self { heard: heard.unwrap_or(Heard::Unknown), ..Self::default() };
            if let Some(bridge) = choose(&links, id, |link| link.kind == "bridge", &id.bridge()) {
                cloud.bridge.clone_from(&bridge.name);
                cloud.take_ports(id, bridge, &links);
            }
            if let Some(device) = choose(&links, id, |link| link.vxlan.is_some(), &id.device()) {
                cloud.device = Device::look(device.clone(), &mut session)?;
                let underlay = cloud.device.as_ref().and_then(|device| device.settings.underlay);
                let underlay = links.iter().find(|link| underlay == Some(link.index));
                cloud.underlay = underlay.map(|link| link.name.clone()).unwrap_or_default();
            }
            if !cloud.members.is_empty() || links.iter().any(|link| lac_of(link) == Some(id)) {
                clouds.insert(id, cloud);
            }
        }
        Ok(clouds)
    }

    fn take_ports(&mut self, id: LacId, bridge: &Link, links: &[Link]) {
        let of_another = |link: &&Link| lac_of(link) != Some(id) && named_for(link) != Some(id);
        for port in links.iter().filter(|link| link.master == Some(bridge.index)).filter(of_another) {
            match OwnedDevice::of(port) {
                Some(member) => self.members.push(member),
                None => self.foreign_ports.push(port.name.clone()),
            }
        }
        self.members.sort_by(|one, other| one.owner.cmp(&other.owner));
        self.foreign_ports.sort();
    }

    /// Packets to and from the other hosts are encrypted; `None` where only root may ask.
    pub(super) fn is_encrypted(&self) -> Option<bool> {
        match &self.heard {
            Heard::All => Some(false),
            Heard::Peers(lac) => Some(lac.is_sealed),
            Heard::Unknown => None,
        }
    }

    /// How frames reach the other hosts, as far as the VXLAN device tells.
    pub(super) fn mode(&self) -> Option<LacMode> {
        LacMode::of(&self.device.as_ref()?.settings)
    }

    /// The group by which the hosts find each other.
    pub(super) fn group(&self) -> Option<IpAddr> {
        self.device.as_ref().map(|device| device.settings.remote).filter(IpAddr::is_multicast)
    }

    /// The hosts that get a copy of what is for all.
    pub(super) fn remotes(&self) -> BTreeSet<IpAddr> {
        self.device.as_ref().map(Device::remotes).unwrap_or_default()
    }

    /// The address that the other hosts send to, where it is one of the device's own.
    pub(super) fn local(&self) -> Option<IpAddr> {
        self.device.as_ref().and_then(|device| device.settings.local)
    }

    /// Whether a member has a port of the bridge at this moment.
    ///
    /// # Errors
    /// The kernel does not list the ports.
    pub(super) fn has_still(&self, member: &Identity) -> anyhow::Result<bool> {
        let mut session = Session::looking(None, Vec::new());
        let socket = session.socket(Side::Host)?;
        let context = || format!("cannot list the ports of {}", self.bridge);
        let Some(bridge) = link::find(socket, &self.bridge).with_context(context)? else { return Ok(false) };
        let ports = link::ports(socket, bridge.index).with_context(context)?;
        Ok(ports.iter().filter_map(OwnedDevice::of).any(|port| port.is_of(member)))
    }

    /// The hosts from which frames have come of late, each with the hardware addresses in them.
    pub(super) fn learned(&self) -> BTreeMap<IpAddr, BTreeSet<Mac>> {
        let mut hosts: BTreeMap<IpAddr, BTreeSet<Mac>> = BTreeMap::new();
        for entry in self.entries().iter().filter(|entry| !entry.is_permanent) {
            if let Some(mac) = entry.mac {
                hosts.entry(entry.host).or_default().insert(mac);
            }
        }
        hosts
    }

    fn entries(&self) -> &[fdb::Entry] {
        self.device.as_ref().map(|device| device.entries.as_slice()).unwrap_or_default()
    }
}

/// The LAC that a VXLAN device serves by its settings and its name, whoever has made it.
fn named_for(link: &Link) -> Option<LacId> {
    let settings = link.vxlan.as_ref()?;
    let id = LacId { port: settings.port, vni: settings.vni };
    (id.device() == link.name).then_some(id)
}

/// The link of a kind that was made for a LAC, or else an operator's of this name.
fn choose<'a>(links: &'a [Link], id: LacId, is_one: impl Fn(&Link) -> bool, name: &str) -> Option<&'a Link> {
    let of_kind = || links.iter().filter(|link| is_one(link));
    of_kind().find(|link| lac_of(link) == Some(id)).or_else(|| of_kind().find(|link| link.name == name))
}

impl Device {
    /// The VXLAN device of a name as it is at this moment; no other link is looked at.
    ///
    /// # Errors
    /// The kernel does not tell of the link, or what it knows.
    pub(super) fn named(name: &str) -> anyhow::Result<Option<Self>> {
        let mut session = Session::looking(None, Vec::new());
        let found = link::find(session.socket(Side::Host)?, name).with_context(|| format!("cannot look for {name}"))?;
        found.map_or(Ok(None), |link| Self::look(link, &mut session))
    }

    /// `None` if it has just gone, or is none.
    fn look(link: Link, session: &mut Session) -> anyhow::Result<Option<Self>> {
        let Some(settings) = &link.vxlan else { return Ok(None) };
        let settings = Settings::clone(settings);
        let entries = match fdb::list(session.socket(Side::Host)?, link.index) {
            Err(error) if error.is_missing() => return Ok(None),
            entries => entries.with_context(|| format!("cannot list the forwarding database of {}", link.name))?,
        };
        Ok(Some(Self { link, settings, entries }))
    }

    /// The hosts that get a copy of what is for all.
    pub(super) fn remotes(&self) -> BTreeSet<IpAddr> {
        let is_for_all = |entry: &&fdb::Entry| entry.mac.is_none() && !entry.host.is_multicast();
        self.entries.iter().filter(is_for_all).map(|entry| entry.host).collect()
    }
}

/// A member as a person reads it, as in the alias of its device.
pub(super) fn words(member: &OwnedDevice) -> String {
    let owner = &member.owner;
    format!("{} on {} of {}", owner.if_name(), owner.network(), container_id(member))
}

/// The ID of its container, with `…` for what its alias has no room for.
pub(super) fn container_id(member: &OwnedDevice) -> String {
    format!("{}{}", member.owner.container_id(), if member.is_cut { "…" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_for_all_is_no_learned_host() {
        let entry = |mac: Option<[u8; 6]>, host: &str, is_permanent| fdb::Entry {
            mac: mac.map(Mac),
            host: host.parse().unwrap(),
            by: None,
            is_permanent,
        };
        let (one, two) = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
        let device = Device {
            link: Link::default(),
            settings: Settings {
                vni: 1,
                port: 14789,
                remote: "239.0.0.1".parse().unwrap(),
                local: None,
                underlay: None,
                ttl: 0,
                learning: true,
                source_ports: (0, 0),
                is_external: false,
            },
            entries: vec![
                entry(None, "239.0.0.1", true),
                entry(None, "192.0.2.2", true),
                entry(Some(two), "192.0.2.3", false),
                entry(Some(one), "192.0.2.3", false),
                entry(Some([2, 0, 0, 0, 0, 3]), "192.0.2.4", true),
            ],
        };
        let cloud = Cloud { device: Some(device), ..Cloud::default() };
        assert_eq!(cloud.remotes(), BTreeSet::from(["192.0.2.2".parse().unwrap()]));
        assert_eq!(
            cloud.learned(),
            BTreeMap::from([("192.0.2.3".parse().unwrap(), BTreeSet::from([Mac(one), Mac(two)]))])
        );
        assert_eq!(cloud.group(), Some("239.0.0.1".parse().unwrap()));
    }
}
