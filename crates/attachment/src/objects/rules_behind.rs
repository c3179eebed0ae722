//! The rules that lead to the tables of NICs, in the namespaces of containers: found behind the NIC, for a call that knows no
//! namespace. A rule does not tell whose it is. The routes of its table do: they go through the NIC, whose alias, or that of its
//! other end on the host, names the attachment.

use std::rc::Rc;

use netlink::link::{self, Link};
use netlink::route;
use netlink::rule::{self, Rule};
use netlink::{Namespace, Socket};

use super::rule_words::{command, label};
use super::{children, host_links, ovs_internal};
use crate::everywhere::everywhere;
use crate::{Error, Found, Identity, Moved, Owner, Session, Side, Stage, Tag, inside};

/// Rules in a namespace.
struct Behind {
    namespace: Rc<Namespace>,
    rules: Vec<Rule>,
}

/// A link of a namespace that belongs to an attachment.
struct Nic {
    /// Its index there.
    index: u32,
    /// The link with the alias, which may be its other end.
    tagged: Link,
    /// That is the other end, on the host.
    is_end: bool,
}

impl Nic {
    fn owner(&self) -> Owner {
        if self.is_end {
            return host_links::owner(&self.tagged);
        }
        if let Some(moved) = Moved::of(&self.tagged) {
            return Owner::HostName(moved.host_name.to_owned());
        }
        let alias = self.tagged.alias.clone();
        Owner::Whoever(Box::new(move |identity| alias.as_deref() == Some(&identity.alias())))
    }

    /// The attachment, unless its container's ID has been cut.
    fn identity(&self) -> Option<Identity> {
        match Moved::of(&self.tagged) {
            Some(moved) => Some(Identity::new(moved.network, moved.container_id, moved.interface)),
            None => self.tagged.alias.as_deref().and_then(Identity::named_by),
        }
    }
}

/// Those of a network's attachments, in all namespaces that can be entered from here, but for those behind internal ports of Open
/// vSwitch.
pub(super) fn of_network(session: &mut Session, network: &str) -> Result<Vec<Found>, Error> {
    in_network(session, network, |_| false)
}

/// The same with those behind internal ports that the switch of this session has.
pub(super) fn of_network_on_switch(session: &mut Session, network: &str) -> Result<Vec<Found>, Error> {
    let attached = session.attached_ports().unwrap_or_default(); // who looks for the ports reports what is wrong
    let is_known = |link: &Link| attached.iter().any(|one| link.alias.as_deref() == Some(&one.alias()));
    in_network(session, network, is_known)
}

fn in_network(
    session: &mut Session,
    network: &str,
    is_port_of_here: impl Fn(&Link) -> bool,
) -> Result<Vec<Found>, Error> {
    let is_of_network = |link: &Link| match Tag::of(link) {
        Some(Tag::Attachment { network: of, other: None } | Tag::Moved { network: of }) => of == network,
        _ => false,
    };
    let mut ends = session.host_links()?;
    ends.retain(is_of_network);
    let found = search(session, &ends, is_of_network, is_port_of_here)?.into_iter().map(|(nic, behind)| {
        let (whose, commands) = (host_links::whose(&nic.tagged), behind.removal_commands());
        let found = Found::own(nic.owner(), Stage::Setting, move |_| behind.delete());
        found.printed_by(move |_| Ok([vec![whose.clone()], commands.clone()].concat()))
    });
    Ok(found.collect())
}

/// Removes those of an attachment, for a call that knows no namespace, although it lives. `host` is its host interface, if it has
/// one.
pub(crate) fn remove(session: &mut Session, identity: &Identity, host: Option<Link>) -> Result<(), Error> {
    of_attachment(session, identity, host)?.iter().try_for_each(Behind::delete)
}

/// The commands that would do so.
pub(super) fn removal_commands(
    session: &mut Session,
    identity: &Identity,
    host: Option<Link>,
) -> Result<Vec<String>, Error> {
    Ok(of_attachment(session, identity, host)?.iter().flat_map(Behind::removal_commands).collect())
}

fn of_attachment(session: &mut Session, identity: &Identity, host: Option<Link>) -> Result<Vec<Behind>, Error> {
    let alias = identity.alias();
    let is_its_own = |link: &Link| match Moved::of(link) {
        Some(moved) => moved.is_of(identity),
        None => link.alias.as_ref() == Some(&alias),
    };
    let ends: Vec<Link> = host.into_iter().collect();
    Ok(search(session, &ends, is_its_own, |_| true)?.into_iter().map(|(_, behind)| behind).collect())
}

/// The rules behind the NICs that are meant, or whose other ends are `ends`, in all namespaces that can be entered from here. One
/// that cannot be entered is another user's, or is going.
fn search(
    session: &mut Session,
    ends: &[Link],
    is_meant: impl Fn(&Link) -> bool,
    is_port_of_here: impl Fn(&Link) -> bool,
) -> Result<Vec<(Nic, Behind)>, Error> {
    everywhere(|namespace, socket| {
        let mut found = Vec::new();
        let rules = ours(socket)?;
        if rules.is_empty() {
            return Ok(found);
        }
        let routes = tables(socket)?;
        for nic in nics(session, namespace, socket, ends, (&is_meant, &is_port_of_here))? {
            // A link that is down has no routes.
            let derived = nic.identity().map(|identity| identity.table());
            let is_of_it = |rule: &&Rule| routes.contains(&(nic.index, rule.table)) || derived == Some(rule.table);
            let rules: Vec<Rule> = rules.iter().filter(is_of_it).cloned().collect();
            if !rules.is_empty() {
                found.push((nic, Behind { namespace: Rc::clone(namespace), rules }));
            }
        }
        Ok(found)
    })
}

/// The links of a namespace that are meant, by their own alias, or as the other ends of those of the host. Containers of another host
/// may be reached from here, such as those of a container that runs containers, and the names of networks are the same there. A port of
/// a switch does not tell its host.
fn nics(
    session: &mut Session,
    namespace: &Namespace,
    socket: &mut Socket,
    ends: &[Link],
    (is_meant, is_port_of_here): (impl Fn(&Link) -> bool, impl Fn(&Link) -> bool),
) -> Result<Vec<Nic>, Error> {
    let (here, host) = (Namespace::own_inode(), Namespace::own().map_err(Error::Namespace)?);
    let all = link::list(socket).map_err(Error::refused("list the links of a container"))?;
    let answer = socket.request(host.number_here()).ok().flatten();
    let host = answer.as_ref().and_then(Namespace::read_number);
    let is_of_here = |link: &Link| match Moved::of(link) {
        Some(moved) => here.is_some() && moved.origin.namespace == here,
        None if children::is_child(link) => children::is_of_here(link, &all, host),
        None => ovs_internal::is_of_a_switch(link) && is_port_of_here(link),
    };
    let there = all.iter().filter(|link| is_meant(link) && is_of_here(link)).cloned();
    let mut nics: Vec<Nic> = there.map(|link| Nic { index: link.index, tagged: link, is_end: false }).collect();
    if let Some(number) = number_of(session, namespace)? {
        let ends = ends.iter().filter(|link| link.kind == "veth" && link.peer_namespace == Some(number));
        nics.extend(ends.filter_map(|link| Some(Nic { index: link.peer?, tagged: link.clone(), is_end: true })));
    }
    Ok(nics)
}

/// The number of the namespace on the host, if it has one.
fn number_of(session: &mut Session, namespace: &Namespace) -> Result<Option<i32>, Error> {
    let answer = session.socket(Side::Host)?.request(namespace.number_here());
    let answer = answer.map_err(Error::refused(format!("ask for the number of {}", namespace.path().display())))?;
    Ok(answer.as_ref().and_then(Namespace::read_number))
}

fn ours(socket: &mut Socket) -> Result<Vec<Rule>, Error> {
    let mut rules = rule::list(socket).map_err(Error::refused("list the rules of a container"))?;
    rules.retain(Rule::is_ours);
    Ok(rules)
}

/// Each link with the table of a route through it.
fn tables(socket: &mut Socket) -> Result<Vec<(u32, u32)>, Error> {
    let routes = route::list(socket).map_err(Error::refused("list the routes of a container"))?;
    Ok(routes.into_iter().filter_map(|(link, route)| Some((link?, route.table?))).collect())
}

impl Behind {
    fn removal_commands(&self) -> Vec<String> {
        inside(self.rules.iter().map(|rule| command("del", rule)).collect(), self.namespace.path())
    }

    /// Removes them; those that are not there are removed already.
    fn delete(&self) -> Result<(), Error> {
        let mut socket = self.namespace.socket().map_err(Error::Namespace)?;
        let answers = socket.batch(self.rules.iter().map(Rule::delete).collect());
        let answers = answers.map_err(Error::refused("remove rules of a container"))?;
        for (rule, answer) in self.rules.iter().zip(answers) {
            match answer {
                Err(source) if !source.is_missing() => {
                    return Err(Error::Refused { action: format!("remove {}", label(rule)), source });
                }
                _ => {}
            }
        }
        Ok(())
    }
}
