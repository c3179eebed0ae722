//! Links of attachments on the host, by their alias.

use netlink::link::{self, Link};

use super::tap_behind;
use crate::identity::MARK;
use crate::{Device, Error, Found, Identity, Owner, Session, Side, Stage, Tag};

/// The links of a kind that attachments of a network have on the host, but for those that serve another interface than the
/// attachment's own.
pub(super) fn of_network(session: &mut Session, network: &str, kind: &str) -> Result<Vec<Found>, Error> {
    let is_one = |link: &&Link| {
        link.kind == kind
            && matches!(Tag::of(link), Some(Tag::Attachment { network: of, other: None }) if of == network)
    };
    let is_pair = kind == "veth";
    let found = |link: &Link| {
        let (name, printed, whose) = (link.name.clone(), link.name.clone(), whose(link));
        let found = Found::own(owner(link), Stage::Nic, move |session| {
            // Whatever comes of it: the rest goes all the same.
            let behind = if is_pair { tap_behind::remove(session, &name) } else { Ok(()) };
            let removed = session.remove(Side::Host, format!("remove {name}"), link::delete(&name));
            behind.and(removed)
        });
        found.printed_by(move |session| {
            let mut commands = removal(session, &printed)?;
            if !commands.is_empty() {
                commands.insert(0, whose.clone());
            }
            Ok(commands)
        })
    };
    Ok(session.host_links()?.iter().filter(is_one).map(found).collect())
}

/// By its name, which tells the owner by itself; by the alias, if somebody has changed the name.
pub(super) fn owner(link: &Link) -> Owner {
    if Identity::is_host_name(&link.name) {
        return Owner::HostName(link.name.clone());
    }
    let alias = link.alias.clone();
    Owner::Whoever(Box::new(move |identity| alias.as_deref() == Some(&identity.alias())))
}

/// The device of a name that follows from an attachment, if it is there, is of this kind, and no alias says that it is
/// somebody else's: names are hashes, and two may be the same.
pub(super) fn own(session: &mut Session, device: &Device, kind: &str, alias: &str) -> Result<Option<Link>, Error> {
    let found = session.known(device)?;
    Ok(found.filter(|link| link.kind == kind && !Tag::contradicts(link, alias)))
}

/// The command that removes a link of the host, if it is there. Its other end goes with it.
pub(super) fn removal(session: &mut Session, name: &str) -> Result<Vec<String>, Error> {
    if session.find(&Device::host(name))?.is_none() {
        return Ok(Vec::new());
    }
    session.count_as_gone(name);
    Ok(vec![format!("ip link delete {name}")])
}

/// A comment that says whose a link is.
pub(super) fn whose(link: &Link) -> String {
    let alias = link.alias.as_deref().unwrap_or_default();
    // It is a comment of a script, whatever somebody has written there.
    let alias: String = alias.chars().filter(|letter| !letter.is_control()).collect();
    format!("# {} of {}", link.name, alias.strip_prefix(MARK).unwrap_or(&alias))
}
