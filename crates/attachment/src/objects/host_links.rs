//! Links of attachments on the host, by their alias.

use netlink::link::{self, Link};

use crate::{Error, Found, Owner, Session, Side, Stage, Tag};

/// The links of a kind that attachments of a network have on the host, but for those that serve another interface than the
/// attachment's own.
pub(super) fn of_network(session: &mut Session, network: &str, kind: &str) -> Result<Vec<Found>, Error> {
    let is_one = |link: &&Link| {
        link.kind == kind
            && matches!(Tag::of(link), Some(Tag::Attachment { network: of, other: None }) if of == network)
    };
    let found = |link: &Link| {
        let name = link.name.clone();
        Found::own(Owner::HostName(link.name.clone()), Stage::Nic, move |session| {
            session.remove(Side::Host, format!("remove {name}"), link::delete(&name))
        })
    };
    Ok(session.host_links()?.iter().filter(is_one).map(found).collect())
}
