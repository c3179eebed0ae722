//! Children of links that are an attachment's, by their alias or their names.

use netlink::child::Sort;
use netlink::link::{self, Link};
use netlink::macvlan;

use crate::{Device, Error, Found, Identity, Session, Side, Tag};

/// Whether a link in the container is the attachment's own. Its alias says so. Without one of ours it is if it has the name under
/// which we make it, or, as somebody may have changed the alias, the address that we give it: anybody's link may have the name of
/// the container interface.
fn is_of(link: &Link, identity: &Identity) -> bool {
    if !Sort::KINDS.contains(&&*link.kind) {
        return false;
    }
    if Tag::is_ours(link) {
        return link.alias.as_deref() == Some(&identity.alias());
    }
    let has_its_address = link.kind == macvlan::KIND && link.mac == Some(identity.container_mac());
    link.name == identity.interim_name() || (link.name == identity.if_name() && has_its_address)
}

/// Those of an attachment in its container.
fn inside(session: &mut Session, identity: &Identity) -> Result<Vec<Link>, Error> {
    let mut links = link::list(session.socket(Side::Container)?)
        .map_err(Error::refused("list the links in the container"))?;
    links.retain(|link| is_of(link, identity));
    Ok(links)
}

/// Removes those of an attachment.
pub(super) fn remove(session: &mut Session, identity: &Identity) -> Result<(), Error> {
    if !session.has_container() {
        return Ok(());
    }
    for link in inside(session, identity)? {
        let action = format!("remove {}", Device::container(&link.name));
        session.remove(Side::Container, action, link::delete(&link.name))?;
    }
    Ok(())
}

/// The commands that would do so.
pub(super) fn removal_commands(session: &mut Session, identity: &Identity) -> Result<Vec<String>, Error> {
    if !session.has_container() {
        return Ok(Vec::new());
    }
    let tool = Device::container("").tool("ip");
    Ok(inside(session, identity)?.iter().map(|link| format!("{tool} link delete {}", link.name)).collect())
}

/// Those of a network, wherever they are.
pub(super) fn of_network(_session: &mut Session, _network: &str) -> Result<Vec<Found>, Error> {
    Ok(Vec::new())
}
