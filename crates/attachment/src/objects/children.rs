//! Children of links wherever they are, and whose they are.

use std::path::Path;
use std::rc::Rc;

use netlink::child::Sort;
use netlink::link::{self, Link};
use netlink::{Namespace, macvlan};

use super::host_links::whose;
use crate::everywhere::everywhere;
use crate::{Device, Error, Found, Identity, Owner, Session, Side, Stage, Tag, inside};

/// A child that is neither on the host nor in the session's container; or an ifb that serves one.
pub(crate) struct Elsewhere {
    namespace: Rc<Namespace>,
    /// The link as it is there.
    pub(crate) link: Link,
}

impl Elsewhere {
    /// All children of links of this host that are meant, and behind them the ifbs that serve them, which have the same alias: the
    /// plugin that makes those does not look into other namespaces.
    fn find(is_meant: impl Fn(&Link) -> bool) -> Result<Vec<Self>, Error> {
        let host = Namespace::own().map_err(Error::Namespace)?;
        everywhere(|namespace, socket| {
            let links = link::list(socket).unwrap_or_default();
            if !links.iter().any(|link| is_child(link) && is_meant(link)) {
                return Ok(Vec::new());
            }
            let answer = socket.request(host.number_here()).ok().flatten();
            let number = answer.as_ref().and_then(Namespace::read_number);
            let is_one = |link: &Link| is_child(link) && is_meant(link) && is_of_here(link, &links, number);
            let found: Vec<&Link> = links.iter().filter(|link| is_one(link)).collect();
            let serves =
                |ifb: &Link| ifb.kind == "ifb" && Tag::is_ours(ifb) && found.iter().any(|link| link.alias == ifb.alias);
            let ifbs = links.iter().filter(|link| serves(link));
            let all = found.iter().copied().chain(ifbs);
            Ok(all.map(|link| Self { namespace: Rc::clone(namespace), link: link.clone() }).collect())
        })
    }

    /// Those of all attachments, without what serves them.
    pub(crate) fn all() -> Result<Vec<Self>, Error> {
        let mut all = Self::find(|link| matches!(Tag::of(link), Some(Tag::Attachment { other: None, .. })))?;
        all.retain(|found| is_child(&found.link));
        Ok(all)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.namespace.path()
    }

    fn place(&self) -> String {
        format!("in {}", self.namespace.path().display())
    }

    pub(crate) fn remove(&self) -> Result<(), Error> {
        let mut socket = self.namespace.socket().map_err(Error::Namespace)?;
        match socket.request(link::delete_index(self.link.index)) {
            Err(source) if !source.is_missing() => {
                Err(Error::Refused { action: format!("remove {} {}", self.link.name, self.place()), source })
            }
            _ => Ok(()),
        }
    }

    fn removal_commands(&self) -> Vec<String> {
        let command = format!("{} link delete {}", Device::container("").tool("ip"), self.link.name);
        inside(vec![command], self.namespace.path())
    }
}

/// Whether the link that a child is on is the host's, which has this number there, or leads to it. Containers of another host may be
/// reached from here, such as those of a container that runs containers, and the names of networks are the same there.
pub(super) fn is_of_here(child: &Link, links: &[Link], host: Option<i32>) -> bool {
    let is_host = |number: Option<i32>| number.is_some() && number == host;
    match child.peer_namespace {
        None => links.iter().any(|below| Some(below.index) == child.peer && is_host(below.peer_namespace)),
        number => is_host(number),
    }
}

pub(super) fn is_child(link: &Link) -> bool {
    Sort::KINDS.contains(&&*link.kind)
}

/// Whether a child in the container is the attachment's own. Its alias says so. Without one of ours it is if it has the name under
/// which we make it, or, as somebody may have changed the alias, the address that we give it: anybody's link may have the name of
/// the container interface.
fn is_own(link: &Link, identity: &Identity) -> bool {
    if Tag::is_ours(link) {
        return link.alias.as_deref() == Some(&identity.alias());
    }
    let has_its_address = link.kind == macvlan::KIND && link.mac == Some(identity.container_mac());
    link.name == identity.interim_name() || (link.name == identity.if_name() && has_its_address)
}

/// Those of an attachment in its container, under any name if they are searched for.
fn in_container(session: &mut Session, identity: &Identity, is_searched: bool) -> Result<Vec<Link>, Error> {
    if !is_searched {
        let names = [identity.if_name().to_owned(), identity.interim_name()].map(Device::container);
        let mut found = Vec::new();
        for name in names {
            found.extend(session.find(&name)?.filter(|link| is_child(link) && is_own(link, identity)));
        }
        return Ok(found);
    }
    let listed = link::list(session.socket(Side::Container)?);
    let mut links = listed.map_err(Error::refused("list the links in the container"))?;
    links.retain(|link| is_child(link) && is_own(link, identity));
    Ok(links)
}

/// Those of an attachment, for a call that knows no namespace, although it lives.
fn anywhere(identity: &Identity, is_searched: bool) -> Result<Vec<Elsewhere>, Error> {
    if !is_searched {
        return Ok(Vec::new());
    }
    Elsewhere::find(|link| is_own(link, identity))
}

/// Removes those of an attachment.
pub(super) fn remove(session: &mut Session, identity: &Identity, is_searched: bool) -> Result<(), Error> {
    if !session.has_container() {
        return anywhere(identity, is_searched)?.iter().try_for_each(Elsewhere::remove);
    }
    for link in in_container(session, identity, is_searched)? {
        let action = format!("remove {}", Device::container(&link.name));
        session.remove(Side::Container, action, link::delete_index(link.index))?;
    }
    Ok(())
}

/// The commands that would do so.
pub(super) fn removal_commands(
    session: &mut Session,
    identity: &Identity,
    is_searched: bool,
) -> Result<Vec<String>, Error> {
    if !session.has_container() {
        return Ok(anywhere(identity, is_searched)?.iter().flat_map(Elsewhere::removal_commands).collect());
    }
    let tool = Device::container("").tool("ip");
    Ok(in_container(session, identity, is_searched)?
        .iter()
        .map(|link| format!("{tool} link delete {}", link.name))
        .collect())
}

/// Those of a network, wherever they are.
pub(super) fn of_network(network: &str) -> Result<Vec<Found>, Error> {
    let is_one = |link: &Link| match Tag::of(link) {
        Some(tag) => matches!(tag, Tag::Attachment { network: of, other: None } if of == network),
        None => Identity::is_interim_name(&link.name, network),
    };
    let all = Elsewhere::find(is_one)?;
    let found = all.into_iter().map(|child| {
        let (owner, child) = (owner(&child.link), Rc::new(child));
        let printed = Rc::clone(&child);
        Found::own(owner, Stage::Nic, move |_| child.remove())
            .printed_by(move |_| Ok([vec![whose(&printed.link)], printed.removal_commands()].concat()))
    });
    Ok(found.collect())
}

fn owner(link: &Link) -> Owner {
    let (name, alias) = (link.name.clone(), link.alias.clone().filter(|_| Tag::is_ours(link)));
    Owner::Whoever(Box::new(move |identity| match &alias {
        Some(alias) => *alias == identity.alias(),
        None => name == identity.interim_name(),
    }))
}

/// The ipvlans on a link of one side, each with where it is. Those on a link of the host may be in any namespace.
pub(super) fn ipvlans_on(session: &mut Session, side: Side, below: u32) -> Result<Vec<(String, Link)>, Error> {
    let near = link::ipvlans(session.socket(side)?).map_err(Error::refused("list ipvlan devices"))?;
    let is_here = |link: &Link| link.peer == Some(below) && link.peer_namespace.is_none();
    let place = if side == Side::Host { "on the host" } else { "in the container" };
    let mut found: Vec<_> = near.into_iter().filter(is_here).map(|link| (place.to_owned(), link)).collect();
    if side == Side::Host && found.is_empty() {
        let host = Namespace::own().map_err(Error::Namespace)?;
        let far = everywhere(|namespace, socket| {
            let mut on_link = Vec::new();
            for link in link::ipvlans(socket).unwrap_or_default() {
                if link::is_on(socket, &link, below, &host).unwrap_or_default() {
                    on_link.push(Elsewhere { namespace: Rc::clone(namespace), link });
                }
            }
            Ok(on_link)
        })?;
        found.extend(far.into_iter().map(|child| (child.place(), child.link)));
    }
    Ok(found)
}
