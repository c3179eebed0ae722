//! The devices that attachments have on the host, and whether somebody uses them: for those who decide what GC keeps. A record
//! of an attachment may be lost or damaged; what its container has is seen by the kernel alone.

use netlink::link::{self, ALIAS_BYTES, Link};
use netlink::qdisc::redirect;

use crate::firewall::elements;
use crate::identity::MARK;
use crate::{Device, Error, Identity, Session, Side};

/// A device of the host whose alias names an attachment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedDevice {
    /// The device.
    pub name: String,
    /// Its index.
    pub index: u32,
    /// The attachment. The container's ID may be cut; see [`OwnedDevice::is_cut`].
    pub owner: Identity,
    /// The alias has no room for the whole ID of the container.
    pub is_cut: bool,
    /// What shows that the interface is in use; `None` if nothing does.
    pub in_use: Option<InUse>,
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
}

/// Lists the devices that attachments have on the host, in one dump of the links. Devices with the alias of an attachment whose
/// name is not that of one are left out: they are somebody else's.
///
/// # Errors
/// The kernel does not list its links or filters.
pub fn owned_devices(session: &mut Session) -> Result<Vec<OwnedDevice>, Error> {
    let links = session.host_links()?;
    let mut devices = Vec::new();
    for link in &links {
        let Some((owner, is_cut)) = owner(link) else { continue };
        let in_use = match link.kind.as_str() {
            "veth" => Some(InUse::OtherEnd(link.peer_namespace)),
            "tun" => link.is_running.then_some(InUse::Carrier),
            _ => None,
        };
        devices.push(OwnedDevice { name: link.name.clone(), index: link.index, owner, is_cut, in_use });
    }
    for place in 0..devices.len() {
        let Some(device) = devices.get(place) else { break };
        let is_ifb = links.iter().any(|link| link.index == device.index && link.kind == "ifb");
        if is_ifb && let Some(by) = used_by(session, &links, device, &devices)? {
            devices.get_mut(place).into_iter().for_each(|device| device.in_use = Some(InUse::Redirection(by.clone())));
        }
    }
    Ok(devices)
}

/// The attachment that an alias names, and whether the alias is cut. The device's name must be that of this attachment, unless the
/// alias is cut.
fn owner(link: &Link) -> Option<(Identity, bool)> {
    let alias = link.alias.as_deref()?;
    let (interface, rest) = alias.strip_prefix(MARK)?.split_once(" on ")?;
    let (network, container_id) = rest.split_once(" of ")?;
    let (served, if_name) = interface.split_once(" for ").unwrap_or((interface, interface));
    let owner = Identity::new(network, container_id, if_name);
    let names = [owner.host_name(), owner.ifb_name(served)];
    if names.contains(&link.name) {
        return Some((owner, false));
    }
    // A character that does not fit is left out as a whole.
    let is_cut = alias.len() + 4 > ALIAS_BYTES && ["pb", "pi"].iter().any(|prefix| link.name.starts_with(prefix));
    is_cut.then_some((owner, true))
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

/// The attachments that have elements of the packet filter, as the comments tell. Those whose container's ID is cut there are left
/// out.
///
/// # Errors
/// What the kernel says; a kernel without nf_tables has none.
pub fn owners_of_elements(session: &mut Session) -> Result<Vec<Identity>, Error> {
    let comments = elements::comments(session)?;
    Ok(comments.iter().filter_map(|comment| commented(comment)).collect())
}

/// The attachment in a comment such as `pbvd4zojfh5w7vp eth1 on home-net of vn1`.
fn commented(comment: &str) -> Option<Identity> {
    let (host_name, rest) = comment.split_once(' ')?;
    let (if_name, rest) = rest.split_once(" on ")?;
    let (network, container_id) = rest.split_once(" of ")?;
    let owner = Identity::new(network, container_id, if_name);
    (owner.host_name() == host_name).then_some(owner)
}

/// Removes a device of an attachment, whose plugin cannot be called, if it still has the attachment's alias. That it is gone
/// already is no error.
///
/// # Errors
/// The kernel does not remove it.
pub fn remove_device(session: &mut Session, device: &OwnedDevice) -> Result<(), Error> {
    let found = session.find(&Device::host(&device.name))?;
    if found.as_ref().and_then(owner) == Some((device.owner.clone(), device.is_cut)) {
        session.remove(Side::Host, format!("remove {}", device.name), link::delete(&device.name))?;
    }
    session.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: String, alias: String) -> Link {
        Link { name, alias: Some(alias), ..Link::default() }
    }

    #[test]
    fn an_alias_names_the_attachment_whose_name_the_device_has() {
        let one = Identity::new("home-net", "vn1", "eth1");
        assert_eq!(owner(&named(one.host_name(), one.alias())), Some((one.clone(), false)));
        assert_eq!(owner(&named(one.ifb_name("eth2"), one.ifb_alias("eth2"))), Some((one.clone(), false)));
        assert_eq!(owner(&named("pbsomebody".to_owned(), one.alias())), None);
        assert_eq!(owner(&named(one.host_name(), "somebody's".to_owned())), None);
        assert_eq!(commented(&one.comment()), Some(one));
        let long = Identity::new("home-net", "c".repeat(300), "eth1");
        assert_eq!(commented(&long.comment()), None);
        let (cut, is_cut) = owner(&named(long.host_name(), long.alias())).unwrap();
        assert!(is_cut && long.container_id().starts_with(cut.container_id()) && cut.network() == "home-net");
    }
}
