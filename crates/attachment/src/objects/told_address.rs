//! Who on a bridge has an address, set in the bridge's neighbour table.

use std::collections::BTreeSet;
use std::net::IpAddr;

use netlink::link::Link;
use netlink::neighbour_entry::{self, Entry};
use netlink::{Mac, bridge_fdb};

use super::host_links;
use crate::bridge_members;
use crate::commons::{LacId, LacMode, lac_of};
use crate::{
    Device, Difference, Error, Finder, Found, Identity, Item, Kind, Object, Owner, Remedy, Session, Side, Stage, Tag,
};

static KIND: Kind = Kind::found("neighbour entry");
static FINDER: Finder = Finder::new(&KIND, of_attachment, of_network);

/// An address of an attachment as an entry of the neighbour table of its bridge, which has no address itself: who watches the table,
/// as FRR's `zebra` does, can tell other hosts who has the address before anybody asks. It has a protocol of ours, by which it is told
/// from what anybody else has entered.
#[derive(Debug)]
pub struct ToldAddress {
    /// The bridge.
    pub bridge: String,
    /// The address.
    pub address: IpAddr,
    /// Who has it.
    pub mac: Mac,
}

impl ToldAddress {
    /// What finds it without a description.
    pub const FINDER: &'static Finder = &FINDER;

    fn label(&self) -> String {
        format!("neighbour entry {} on {}", self.address, self.bridge)
    }

    fn find(&self, session: &mut Session) -> Result<Option<(u32, Entry)>, Error> {
        let Some(bridge) = session.known(&Device::host(&self.bridge))? else { return Ok(None) };
        let entry = neighbour_entry::get(session.socket(Side::Host)?, bridge.index, self.address)
            .map_err(Error::refused(format!("look up {}", self.label())))?;
        Ok(entry.map(|entry| (bridge.index, entry)))
    }

    /// Whether it must be set; what learned it, or was told that another host has it, is replaced: it is here now.
    ///
    /// # Errors
    /// [`Error::Conflict`] if somebody else on this host has the address.
    fn is_due(&self, session: &mut Session) -> Result<bool, Error> {
        let Some((bridge, entry)) = self.find(session)? else { return Ok(true) };
        if entry.mac == self.mac {
            return Ok(!entry.is_permanent);
        }
        if !entry.is_permanent || entry.is_ours() && is_of_no_port(session, bridge, entry.mac)? {
            return Ok(true);
        }
        Err(match entry.is_ours() {
            true => Error::Conflict {
                object: format!("address {}", self.address),
                want: "it for one container only".to_owned(),
                have: format!("is in use by {}", entry.mac),
                remedy: Remedy::act("give each container an address of its own"),
            },
            false => Error::Conflict {
                object: self.label(),
                want: format!("lladdr {}", self.mac),
                have: format!("is {}, as an operator has set it", entry.mac),
                remedy: Remedy::Act(format!(
                    "remove it with `ip neigh del {} dev {}`, or give the container another address",
                    self.address, self.bridge
                )),
            },
        })
    }
}

impl Object for ToldAddress {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn stage(&self) -> Stage {
        Stage::Detected
    }

    fn create(&self, session: &mut Session) -> Result<(), Error> {
        if !self.is_due(session)? {
            return Ok(());
        }
        let bridge = session.index(&Device::host(&self.bridge))?;
        let action = format!("set {}", self.label());
        let request = neighbour_entry::set(bridge, self.address, self.mac);
        session.queue(crate::Step::make(Side::Host, action, request));
        Ok(())
    }

    /// One that an operator has set to the same is as good.
    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        let Some((_, entry)) = self.find(session)? else { return Ok(vec![Difference::missing(self.label())]) };
        let want = format!("permanent, lladdr {}", self.mac);
        Ok(match (entry.mac == self.mac, entry.is_permanent) {
            (true, true) => Vec::new(),
            (true, false) => {
                vec![Difference::new(self.label(), want, "not permanent: another host is said to have it")]
            }
            (false, _) => vec![Difference::new(self.label(), want, format!("lladdr {}", entry.mac))],
        })
    }

    fn remove(&self, session: &mut Session) -> Result<(), Error> {
        match self.find(session)? {
            Some((bridge, entry)) if entry.is_ours() && entry.mac == self.mac => {
                remove(session, &self.bridge, bridge, &entry)
            }
            _ => Ok(()),
        }
    }

    fn commands(&self) -> Vec<String> {
        let Self { bridge, address, mac } = self;
        vec![format!(
            "ip neigh replace {address} lladdr {mac} dev {bridge} nud permanent protocol {}",
            neighbour_entry::PROTOCOL
        )]
    }
}

/// Entries that an attachment may have left, to be removed.
#[derive(Debug)]
pub struct ToldAddresses {
    bridge: String,
    /// The attachment has had these hardware addresses.
    macs: BTreeSet<Mac>,
    /// It may have had others, of which nothing tells any more: entries whose hardware address is behind no port belong to nobody.
    has_unknown: bool,
}

impl ToldAddresses {
    /// On the bridge that a configuration names, of an attachment whose port has gone, as with its namespace.
    ///
    /// # Errors
    /// The kernel cannot be asked.
    pub fn left_on(bridge: String, identity: &Identity, session: &mut Session) -> Result<Option<Self>, Error> {
        Ok(match session.known(&Device::host(identity.host_name()))? {
            Some(_) => None, // the finder does the rest
            None => Some(Self { bridge, macs: BTreeSet::from([identity.container_mac()]), has_unknown: true }),
        })
    }

    fn left(&self, session: &mut Session) -> Result<Vec<(u32, Entry)>, Error> {
        let found = session.known(&Device::host(&self.bridge))?;
        let Some(bridge) = found.filter(|link| link.kind == "bridge") else { return Ok(Vec::new()) };
        let mut left = Vec::new();
        for entry in ours(session, &bridge)? {
            if self.macs.contains(&entry.mac) || self.has_unknown && is_of_no_port(session, bridge.index, entry.mac)? {
                left.push((bridge.index, entry));
            }
        }
        Ok(left)
    }
}

impl Object for ToldAddresses {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn stage(&self) -> Stage {
        Stage::Detected
    }

    /// Nobody makes it.
    fn create(&self, _session: &mut Session) -> Result<(), Error> {
        Ok(())
    }

    fn differences(&self, _session: &mut Session) -> Result<Vec<Difference>, Error> {
        Ok(Vec::new())
    }

    fn remove(&self, session: &mut Session) -> Result<(), Error> {
        let left = self.left(session)?;
        left.iter().try_for_each(|(index, entry)| remove(session, &self.bridge, *index, entry))
    }

    fn commands(&self) -> Vec<String> {
        Vec::new()
    }

    fn removal_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        Ok(self.left(session)?.iter().map(|(_, entry)| removal_command(&self.bridge, entry)).collect())
    }
}

/// The hardware addresses are those that are set on the port, and the one that follows from the attachment. None is set any more where
/// another host is said to have it, as after a move.
fn of_attachment(session: &mut Session, identity: &Identity) -> Result<Vec<Item>, Error> {
    let port = session.known(&Device::host(identity.host_name()))?;
    let Some(port) = port.filter(|port| !Tag::contradicts(port, &identity.alias())) else { return Ok(Vec::new()) };
    let Some(bridge) = bridge_members::of_attachment(session, identity)? else { return Ok(Vec::new()) };
    if !may_be_told(session, &bridge)? {
        return Ok(Vec::new());
    }
    let mut macs: BTreeSet<Mac> = set_on(session, &port)?.into_iter().collect();
    let has_unknown = macs.is_empty();
    macs.insert(identity.container_mac());
    Ok(vec![Item::Object(Box::new(ToldAddresses { bridge, macs, has_unknown }))])
}

/// The bridge is of a cloud whose device, if it is there, is told of the others.
fn may_be_told(session: &mut Session, bridge: &str) -> Result<bool, Error> {
    let id = session.known(&Device::host(bridge))?.as_ref().and_then(lac_of);
    let device = match id {
        Some(id) => session.known(&Device::host(LacId::device(id)))?,
        None => return Ok(false),
    };
    let settings = device.and_then(|device| device.vxlan);
    Ok(settings.is_none_or(|settings| LacMode::of(&settings) == Some(LacMode::Evpn)))
}

/// Those behind ports of the network's attachments, each its owner's; those behind no port are nobody's.
fn of_network(session: &mut Session, network: &str) -> Result<Vec<Found>, Error> {
    let links = session.host_links()?;
    let mut found = Vec::new();
    for name in bridge_members::of_network(session, network)? {
        let Some(bridge) = links.iter().find(|link| link.name == name) else { continue };
        if !may_be_told(session, &name)? {
            continue;
        }
        for entry in ours(session, bridge)? {
            let port = bridge_fdb::port_of(session.socket(Side::Host)?, bridge.index, entry.mac)
                .map_err(Error::refused(format!("look up {} in bridge {name}", entry.mac)))?;
            let port = links.iter().find(|link| port == Some(link.index) && link.vxlan.is_none());
            found.extend(match port {
                Some(port) => match Tag::of(port) {
                    Some(Tag::Attachment { network: of, .. }) if of == network => {
                        Some(collected(host_links::owner(port), bridge, entry, false))
                    }
                    _ => None,
                },
                None => Some(collected(Owner::Whoever(Box::new(|_| false)), bridge, entry, true)),
            });
        }
    }
    Ok(found)
}

/// One of nobody is looked at again: its port may have come meanwhile.
fn collected(owner: Owner, bridge: &Link, entry: Entry, is_nobodys: bool) -> Found {
    let (name, index) = (bridge.name.clone(), bridge.index);
    let found = Found::own(owner, Stage::Detected, move |session| {
        match is_nobodys && !is_of_no_port(session, index, entry.mac)? {
            true => Ok(()),
            false => remove(session, &name, index, &entry),
        }
    });
    let name = bridge.name.clone();
    found.printed_by(move |_| Ok(vec![removal_command(&name, &entry)]))
}

fn ours(session: &mut Session, bridge: &Link) -> Result<Vec<Entry>, Error> {
    let mut entries = neighbour_entry::list(session.socket(Side::Host)?, bridge.index)
        .map_err(Error::refused(format!("list the neighbour entries of {}", bridge.name)))?;
    entries.retain(Entry::is_ours);
    Ok(entries)
}

fn set_on(session: &mut Session, port: &Link) -> Result<Vec<Mac>, Error> {
    bridge_fdb::set_on(session.socket(Side::Host)?, port.index)
        .map_err(Error::refused(format!("list the hardware addresses behind {}", port.name)))
}

/// Behind no port of the bridge, as things are at this moment; what is behind a VXLAN device is on another host.
fn is_of_no_port(session: &mut Session, bridge: u32, mac: Mac) -> Result<bool, Error> {
    let port = bridge_fdb::port_of(session.socket(Side::Host)?, bridge, mac)
        .map_err(Error::refused(format!("look up the port of {mac}")))?;
    let port = port.map(|index| session.known_index(Side::Host, index)).transpose()?.flatten();
    Ok(port.is_none_or(|port| port.vxlan.is_some()))
}

fn remove(session: &mut Session, bridge: &str, index: u32, entry: &Entry) -> Result<(), Error> {
    let action = format!("remove neighbour entry {} from {bridge}", entry.address);
    session.remove(Side::Host, action, neighbour_entry::delete(index, entry.address))
}

fn removal_command(bridge: &str, entry: &Entry) -> String {
    format!("ip neigh del {} dev {bridge}", entry.address)
}
