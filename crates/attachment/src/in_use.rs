//! The devices that attachments have on the host, and whether somebody uses them: for those who decide what GC keeps. A record
//! of an attachment may be lost or damaged; what its container has is seen by the kernel alone.

use std::path::{Path, PathBuf};

use netlink::link::{self, ALIAS_BYTES, Link};
use netlink::qdisc::redirect;

use crate::firewall::elements;
use crate::firewall::owner::Owner;
use crate::identity::MARK;
use crate::objects::{ChildElsewhere, DeviceElsewhere, internal_ports, rules_behind};
use crate::{Device, Error, Identity, Moved, Session, Side, Tag, give_back};

/// A device of the host whose alias names an attachment: one that is there, or one that a container has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedDevice {
    /// The device.
    pub name: String,
    /// Its index.
    pub index: u32,
    /// Where it is, if not on the host.
    pub namespace: Option<PathBuf>,
    /// The attachment. The container's ID may be cut; see [`OwnedDevice::is_cut`].
    pub owner: Identity,
    /// `owner` is not the whole truth: the alias has no room for the whole ID of the container.
    pub is_cut: bool,
    /// What shows that the interface is in use; `None` if nothing does.
    pub in_use: Option<InUse>,
    alias: String,
    /// The container interface that it serves.
    interface: String,
}

impl OwnedDevice {
    /// Whether it is a device of this attachment: as its name says, which is a hash of the whole identity, and, if somebody has
    /// changed the name, its alias. GC of the plugins goes by the same.
    #[must_use]
    pub fn is_of(&self, attachment: &Identity) -> bool {
        if let Some(moved) = Moved::read(&self.alias) {
            return moved.is_of(attachment); // whatever name the kernel has given it back under
        }
        match Identity::is_device_name(&self.name) {
            true => [attachment.host_name(), attachment.ifb_name(&self.interface)].contains(&self.name),
            false => self.alias == attachment.ifb_alias(&self.interface),
        }
    }

    /// The attachment that it belongs to if that is one of this container. Without its own name and a whole alias nothing tells.
    #[must_use]
    pub fn owner_in(&self, container_id: &str) -> Option<Identity> {
        let owner = Identity::new(self.owner.network(), container_id, self.owner.if_name());
        let is_told = !self.is_cut || Identity::is_device_name(&self.name) || Moved::read(&self.alias).is_some();
        (is_told && self.is_of(&owner)).then_some(owner)
    }

    /// The alias, which tells the owner.
    #[must_use]
    pub fn alias(&self) -> &str {
        &self.alias
    }

    /// Reads whose a link of the host is from its alias; `None` where that names no attachment. Whether somebody uses it is not asked.
    #[must_use]
    pub fn of(link: &Link) -> Option<Self> {
        let alias = link.alias.as_deref()?;
        if let Some(moved) = Moved::read(alias) {
            let owner = Identity::new(moved.network, moved.container_id, moved.interface);
            return Some(Self {
                name: link.name.clone(),
                index: link.index,
                namespace: None,
                is_cut: !moved.is_of(&owner),
                owner,
                in_use: None,
                alias: alias.to_owned(),
                interface: moved.interface.to_owned(),
            });
        }
        let (interface, rest) = alias.strip_prefix(MARK)?.split_once(" on ")?;
        let (network, container_id) = rest.split_once(" of ")?;
        let (interface, if_name) = interface.split_once(" for ").unwrap_or((interface, interface));
        let mut device = Self {
            name: link.name.clone(),
            index: link.index,
            namespace: None,
            owner: Identity::new(network, container_id, if_name),
            is_cut: false,
            in_use: None,
            alias: alias.to_owned(),
            interface: interface.to_owned(),
        };
        // A character that does not fit is left out as a whole.
        let may_be_cut = !Identity::is_device_name(&link.name) && alias.len() + 4 > ALIAS_BYTES;
        device.is_cut = may_be_cut || !device.is_of(&device.owner);
        Some(device)
    }
}

/// What shows that the interface of an attachment is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InUse {
    /// The other end of a veth pair exists: neither end can be there without the other. This is the number of its namespace, if
    /// it is in another one; see [`netlink::Namespace::number_here`].
    OtherEnd(Option<i32>),
    /// A process has the TAP device open: that is what its carrier tells.
    Carrier,
    /// A device of the host sends what it receives through this one.
    Redirection(String),
    /// A container has the device itself, in a namespace that still exists.
    Container(PathBuf),
}

/// Lists the devices that attachments have on the host, whatever their names are now, in one dump of the links, and those of the
/// host that are in containers.
///
/// # Errors
/// The kernel does not list its links or filters.
pub fn owned_devices(session: &mut Session) -> Result<Vec<OwnedDevice>, Error> {
    let links = session.host_links()?;
    let mut devices = Vec::new();
    for link in &links {
        let Some(mut device) = OwnedDevice::of(link) else { continue };
        device.in_use = match link.kind.as_str() {
            _ if Tag::is_moved(link) => None,                     // a container that uses it has it
            "veth" if Identity::is_line_name(&link.name) => None, // its TAP device tells
            "veth" => Some(InUse::OtherEnd(link.peer_namespace)),
            "tun" => link.is_running.then_some(InUse::Carrier),
            _ => None,
        };
        devices.push(device);
    }
    for place in 0..devices.len() {
        let Some(device) = devices.get(place) else { break };
        let is_ifb = links.iter().any(|link| link.index == device.index && link.kind == "ifb");
        if is_ifb && let Some(by) = used_by(session, &links, device, &devices)? {
            devices.get_mut(place).into_iter().for_each(|device| device.in_use = Some(InUse::Redirection(by.clone())));
        }
    }
    let in_container = |link: &Link, path: &Path| {
        let (namespace, in_use) = (Some(path.to_owned()), Some(InUse::Container(path.to_owned())));
        OwnedDevice::of(link).map(|device| OwnedDevice { namespace, in_use, ..device })
    };
    devices.extend(DeviceElsewhere::find(|_| true)?.iter().filter_map(|found| in_container(&found.link, found.path())));
    devices.extend(ChildElsewhere::all()?.iter().filter_map(|found| in_container(&found.link, found.path())));
    let ports = internal_ports()?;
    if !ports.is_empty() {
        // A container can write any alias, and have a switch of its own: the host's database knows better. Where that does not answer,
        // nothing of its ports can be removed either.
        let attached = session.attached_ports().ok();
        let is_known = |link: &Link| attached.iter().flatten().any(|one| link.alias.as_deref() == Some(&one.alias()));
        devices.extend(
            ports.iter().filter(|(_, link)| is_known(link)).filter_map(|(path, link)| in_container(link, path)),
        );
    }
    Ok(devices)
}

/// The device that sends what it receives through an ifb, unless that is one of an attachment that nobody uses.
fn used_by(
    session: &mut Session,
    links: &[Link],
    ifb: &OwnedDevice,
    devices: &[OwnedDevice],
) -> Result<Option<String>, Error> {
    let is_unused = |link: &Link| devices.iter().any(|other| other.index == link.index && other.in_use.is_none());
    let candidates = links.iter().filter(|link| !["ifb", "bridge"].contains(&link.kind.as_str()) && !is_unused(link));
    for link in candidates {
        let filters = match redirect::filters(session.socket(Side::Host)?, link.index) {
            Err(error) if error.is_missing() => continue, // it has gone meanwhile
            filters => filters.map_err(Error::refused(format!("list the filters of {}", Device::host(&link.name))))?,
        };
        if filters.iter().any(|filter| filter.target == Some(ifb.index)) {
            return Ok(Some(link.name.clone()));
        }
    }
    Ok(None)
}

/// An attachment that has elements of the packet filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElementOwner {
    /// [`Identity::host_name`] of the attachment.
    pub host_name: String,
    /// The attachment. The container's ID may be cut; see [`ElementOwner::is_cut`].
    pub owner: Identity,
    /// `owner` is not the whole truth: the comment has no room for the whole ID of the container.
    pub is_cut: bool,
}

/// Lists the attachments that have elements of the packet filter, as the comments tell.
///
/// # Errors
/// What the kernel says; a kernel without nf_tables has none.
pub fn owners_of_elements(session: &mut Session) -> Result<Vec<ElementOwner>, Error> {
    let comments = elements::comments(session)?;
    Ok(comments.iter().filter_map(|comment| commented(comment)).collect())
}

/// The attachment in a comment such as `pbvd4zojfh5w7vp eth1 on home-net of vn1`.
fn commented(comment: &str) -> Option<ElementOwner> {
    let Owner { host_name, if_name, network, container } = Owner::read(comment)?;
    let owner = Identity::new(network, container, if_name);
    let is_cut = owner.host_name() != host_name;
    Some(ElementOwner { host_name: host_name.to_owned(), owner, is_cut })
}

/// Removes a device of an attachment, whose plugin cannot be called, if it still has the attachment's alias. One that was taken over
/// becomes again what it was on the host. That it is gone already is no error. The rules of its container that lead to it go first:
/// nobody finds them without it.
///
/// # Errors
/// The kernel does not remove it, or change it back.
pub fn remove_device(session: &mut Session, device: &OwnedDevice) -> Result<(), Error> {
    if let Some(path) = &device.namespace {
        let Some(found) = DeviceElsewhere::again(path, device.index, &device.alias)? else {
            let mut all = ChildElsewhere::all()?.into_iter();
            let is_it = |found: &ChildElsewhere| {
                let link = &found.link;
                found.path() == path && link.index == device.index && link.alias.as_ref() == Some(&device.alias)
            };
            let Some(child) = all.find(is_it) else { return Ok(()) };
            let behind = rules_behind::remove(session, &device.owner, None);
            return child.remove().and(behind);
        };
        let behind = rules_behind::remove(session, &device.owner, None);
        return found.give_back(session).and(behind);
    }
    let found = session.find(&Device::host(&device.name))?;
    match found.filter(|link| link.index == device.index && link.alias.as_ref() == Some(&device.alias)) {
        Some(link) if Tag::is_moved(&link) => give_back::restore(session, &link)?,
        Some(link) => {
            // Whatever comes of it: the rest goes all the same.
            let behind = match link.kind.as_str() {
                "veth" => rules_behind::remove(session, &device.owner, Some(link)),
                _ => Ok(()),
            };
            session.remove(Side::Host, format!("remove {}", device.name), link::delete(&device.name)).and(behind)?;
        }
        None => {}
    }
    session.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Origin;

    fn named(name: String, alias: String) -> Link {
        Link { name, alias: Some(alias), ..Link::default() }
    }

    #[test]
    fn a_device_is_known_by_its_name_and_by_its_alias() {
        let read = |name: String, alias: String| OwnedDevice::of(&named(name, alias));
        let one = Identity::new("home-net", "vn1", "eth1");
        for (name, alias) in [
            (one.host_name(), one.alias()),
            (one.ifb_name("eth2"), one.ifb_alias("eth2")),
            ("renamed".to_owned(), one.alias()),
            ("pbrenamed".to_owned(), one.ifb_alias("eth2")),
        ] {
            let device = read(name, alias).unwrap();
            assert!(!device.is_cut && device.is_of(&one) && device.owner == one, "{device:?}");
            assert!(device.owner_in("vn1") == Some(one.clone()) && device.owner_in("vn2").is_none(), "{device:?}");
        }
        assert_eq!(read(one.host_name(), "somebody's".to_owned()), None);
        // Its name is that of another attachment.
        let device = read(Identity::new("home-net", "vn2", "eth1").host_name(), one.alias()).unwrap();
        assert!(device.is_cut && !device.is_of(&one));
        let origin = Origin { name: "enp3s0".to_owned(), mtu: 1500, ..Origin::default() };
        for name in [one.host_name(), "eth1".to_owned(), "dev7".to_owned()] {
            let device = read(name, one.moved_alias(&origin, "SEAL").unwrap()).unwrap();
            assert!(!device.is_cut && device.is_of(&one) && device.owner == one, "{device:?}");
            assert!(device.owner_in("vn1") == Some(one.clone()) && device.owner_in("vn2").is_none(), "{device:?}");
        }

        let found = commented(&one.comment()).unwrap();
        assert_eq!((found.owner, found.is_cut), (one, false));
        let long = Identity::new("home-net", "c".repeat(300), "eth1");
        let found = commented(&long.comment()).unwrap();
        assert!(found.is_cut && found.host_name == long.host_name() && found.owner.network() == "home-net");
        for (name, owner) in [(long.host_name(), Some(long.clone())), ("renamed".to_owned(), None)] {
            let device = read(name, long.alias()).unwrap();
            assert!(device.is_cut && device.is_of(&long) && device.owner.network() == "home-net");
            assert_eq!(device.owner_in(long.container_id()), owner);
        }
        let device = read("eth1".to_owned(), long.moved_alias(&origin, "SEAL").unwrap()).unwrap();
        assert!(device.is_cut && device.owner_in(long.container_id()) == Some(long), "{device:?}");
    }
}
