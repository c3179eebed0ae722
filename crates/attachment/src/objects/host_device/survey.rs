//! Whether a device of the host may move into a container, and what it has to become again when it comes back.

use std::fs;
use std::path::Path;

use netlink::link::Link;
use netlink::{Namespace, address, layer3};

use super::elsewhere::Elsewhere;
use crate::identity::MARK;
use crate::seal::{BLANK, Key};
use crate::{Device, Error, Identity, Moved, Origin, Remedy, Session, Side, Tag};

/// A device of the host that may move into a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SurveyedDevice {
    /// Its index on the host.
    pub index: u32,
    /// Its kind; empty for a physical device.
    pub kind: String,
    /// What it is there.
    pub origin: Origin,
    /// The least and the largest MTU in bytes that it can have, as far as is known.
    pub mtu_range: (Option<u32>, Option<u32>),
}

impl SurveyedDevice {
    /// Looks at a device of the host, for `identity` to take it over. With `force` it may have addresses.
    ///
    /// # Errors
    /// [`Error::Unusable`] where it may not move, which says whose it is and what to do; the kernel cannot be asked.
    pub fn of(session: &mut Session, name: &str, identity: &Identity, force: bool) -> Result<Self, Error> {
        let Some(link) = session.find(&Device::host(name))? else {
            return Err(missing(name));
        };
        refuse_owned(&link, identity)?;
        refuse_needed(session, &link)?;
        let addresses = addresses(session, &link, force)?;
        let alias = link.alias.clone().filter(|alias| !alias.is_empty());
        if alias.as_ref().is_some_and(|alias| alias.contains(char::REPLACEMENT_CHARACTER)) {
            return Err(unusable(
                &link,
                "has an alias that is no text",
                format!("set another one (`ip link set {} alias …`)", link.name),
            ));
        }
        let origin = Origin {
            name: link.name.clone(),
            namespace: Namespace::own_inode(),
            mtu: link.mtu,
            mac: link.mac,
            is_up: link.is_up,
            addresses,
            alias,
        };
        match identity.moved_alias(&origin, BLANK) {
            Some(_) => Ok(Self { index: link.index, kind: link.kind, origin, mtu_range: link.mtu_range }),
            None => Err(no_room(&link, &origin)),
        }
    }

    /// The alias that carries what it is while the attachment has it.
    pub(super) fn alias(&self, identity: &Identity, key: &Key) -> String {
        let seal = key.seal(&identity.host_name(), &self.origin.to_string(), &self.kind);
        identity.moved_alias(&self.origin, &seal).unwrap_or_default()
    }
}

/// An attachment may have it.
fn missing(name: &str) -> Error {
    let lent = Elsewhere::find(|moved| moved.origin.name == name).unwrap_or_default();
    match lent.first() {
        Some(device) => unusable(
            &Link { name: name.to_owned(), ..Link::default() },
            &format!("is another attachment's ({})", whose(&device.link)),
            "run DEL for that one, or name another device",
        ),
        None => Error::Unusable {
            problem: format!("there is no device {name} on the host"),
            remedy: Remedy::act("name one that `ip link` shows there"),
        },
    }
}

/// The alias of a device without what it was.
fn whose(link: &Link) -> &str {
    let text = link.alias.as_deref().and_then(|alias| alias.strip_prefix(MARK)).unwrap_or_default();
    text.split_once(" as ").map_or(text, |(owner, _)| owner)
}

fn unusable(link: &Link, problem: &str, remedy: impl Into<String>) -> Error {
    Error::Unusable { problem: format!("device {} {problem}", link.name), remedy: Remedy::act(remedy) }
}

fn refuse_owned(link: &Link, identity: &Identity) -> Result<(), Error> {
    Err(match Tag::of(link) {
        _ if link.is_loopback => unusable(link, "is the loopback device", "name another one"),
        Some(Tag::Moved { .. }) if Moved::of(link).is_some_and(|moved| moved.is_of(identity)) => {
            unusable(link, "is left of an earlier ADD of this attachment", "run DEL or GC, which make it what it was")
        }
        Some(Tag::Moved { .. }) => {
            let problem = format!("is another attachment's ({})", whose(link));
            unusable(link, &problem, "run DEL for that one, or GC if it is gone")
        }
        Some(Tag::Attachment { .. }) => {
            unusable(link, &format!("is an attachment's own ({})", whose(link)), "name a device that nobody uses")
        }
        Some(Tag::Shared { .. }) => {
            unusable(link, &format!("serves attachments ({})", whose(link)), "name a device that nobody uses")
        }
        None => return Ok(()),
    })
}

/// The host needs it.
fn refuse_needed(session: &mut Session, link: &Link) -> Result<(), Error> {
    let name = &link.name;
    if let Some(index) = link.master {
        let master = session.known_index(Side::Host, index)?;
        let master =
            master.map_or_else(|| format!("link {index}"), |master| format!("{} {}", master.kind, master.name));
        let remedy = format!("take it out with `ip link set {name} nomaster`, or name another one");
        return Err(unusable(link, &format!("is a port of {master}"), remedy));
    }
    let above = stacked_on(session, link)?;
    if !above.is_empty() {
        let problem = format!("has other devices on it ({})", above.join(", "));
        return Err(unusable(link, &problem, "remove them, or name another one"));
    }
    if link.is_up {
        let through = layer3::default_link(session.socket(Side::Host)?);
        if through.map_err(Error::refused("list the routes of the host"))? == Some(link.index) {
            return Err(unusable(link, "is the way of the host's default route", "name another one"));
        }
    }
    Ok(())
}

/// The links on top of one, such as VLAN devices. The kernel's list is shown by a `sysfs` of the same namespace.
fn stacked_on(session: &mut Session, link: &Link) -> Result<Vec<String>, Error> {
    let place = Path::new("/sys/class/net").join(&link.name);
    let is_it = fs::read_to_string(place.join("ifindex")).is_ok_and(|index| index.trim().parse() == Ok(link.index));
    match fs::read_dir(place).ok().filter(|_| is_it) {
        Some(entries) => {
            let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
            Ok(names.filter_map(|name| name.strip_prefix("upper_").map(str::to_owned)).collect())
        }
        None => {
            let is_on = |other: &&Link| {
                other.peer == Some(link.index) && other.peer_namespace.is_none() && other.kind != "veth"
            };
            Ok(session.host_links()?.iter().filter(is_on).map(|other| other.name.clone()).collect())
        }
    }
}

/// The addresses that it is to get back. Those of IPv6 with a lifetime come by themselves, from a router.
fn addresses(session: &mut Session, link: &Link, force: bool) -> Result<Vec<ipnetwork::IpNetwork>, Error> {
    let held = address::held(session.socket(Side::Host)?, link.index)
        .map_err(Error::refused(format!("list the addresses of {}", link.name)))?;
    if held.is_empty() {
        return Ok(Vec::new());
    }
    let all: Vec<String> = held.iter().map(|held| held.address.to_string()).collect();
    if !force {
        let problem = format!("device {} has addresses of the host ({})", link.name, all.join(", "));
        return Err(Error::Unusable { problem, remedy: Remedy::TakeAddresses });
    }
    if let Some(held) = held.iter().find(|held| held.peer.is_some()) {
        let problem = format!("has the point-to-point address {}, which would not come back", held.address);
        return Err(unusable(link, &problem, "remove it"));
    }
    let stays = held.iter().filter(|held| held.is_permanent || held.address.is_ipv4());
    Ok(stays.map(|held| held.address).collect())
}

fn no_room(link: &Link, origin: &Origin) -> Error {
    let (what, remedy) = match (origin.addresses.len(), &origin.alias) {
        (0, None) => ("what is kept of it", "give the network a shorter name"),
        (0, _) => ("its alias", "make its alias shorter"),
        (_, None) => ("its addresses", "remove some of them"),
        (_, Some(_)) => ("its addresses and its alias", "remove some of them"),
    };
    let problem = format!(
        "cannot be given back with {what}: that is kept in the alias of the device, which has no room for all of it"
    );
    unusable(link, &problem, remedy)
}
