//! The rules that lead to the tables of NICs, in the namespaces of containers: found behind the NIC, for a call that knows no
//! namespace. A rule does not tell whose it is. The routes of its table do: they go through the NIC, whose alias, or that of its
//! other end on the host, names the attachment.

use std::rc::Rc;

use netlink::link::{self, Link};
use netlink::route;
use netlink::rule::{self, Rule};
use netlink::{Namespace, Socket};

use super::host_links;
use super::rule_words::{command, label};
use crate::{Error, Found, Identity, Moved, Owner, Session, Side, Stage, Tag, inside};

/// A link of a namespace that belongs to an attachment.
struct Nic {
    /// Its index there.
    index: u32,
    /// The link with the alias, which may be its other end.
    tagged: Link,
    owner: Owner,
}

/// Those of a network's attachments, in all namespaces that can be entered from here.
pub(super) fn of_network(session: &mut Session, network: &str) -> Result<Vec<Found>, Error> {
    let mut found = Vec::new();
    for namespace in Namespace::reachable().into_iter().map(Rc::new) {
        let mut socket = match namespace.socket().map_err(Error::Namespace) {
            Ok(socket) => socket,
            Err(error) if session.is_looking() && error.is_forbidden() => return Err(error),
            Err(_) => continue, // another user's
        };
        let rules = ours(&mut socket)?;
        if rules.is_empty() {
            continue;
        }
        let routes = tables(&mut socket)?;
        for nic in nics(session, &namespace, &mut socket, network)? {
            let rules = behind(&rules, &routes, nic.index, nic.tagged.alias.as_deref());
            if !rules.is_empty() {
                found.push(as_found(&namespace, rules, nic));
            }
        }
    }
    Ok(found)
}

/// Removes those of the attachment whose host interface this is, in the namespace that it leads to.
pub(crate) fn remove(session: &mut Session, host: &Link) -> Result<(), Error> {
    let (Some(index), Some(number)) = (host.peer, host.peer_namespace) else { return Ok(()) };
    for namespace in Namespace::reachable() {
        if number_of(session, &namespace)? == Some(number) {
            let mut socket = namespace.socket().map_err(Error::Namespace)?;
            let (rules, routes) = (ours(&mut socket)?, tables(&mut socket)?);
            return delete(&mut socket, &behind(&rules, &routes, index, host.alias.as_deref()));
        }
    }
    Ok(())
}

/// Removes those behind a device of the host, before it leaves the namespace of `socket`.
pub(super) fn remove_behind(socket: &mut Socket, device: &Link) -> Result<(), Error> {
    let rules = ours(socket)?;
    if rules.is_empty() {
        return Ok(());
    }
    let routes = tables(socket)?;
    delete(socket, &behind(&rules, &routes, device.index, device.alias.as_deref()))
}

/// The rules to tables whose routes go through a link, or whose number follows from the attachment that the alias names: a link
/// that is down has no routes.
fn behind(rules: &[Rule], routes: &[(u32, u32)], index: u32, alias: Option<&str>) -> Vec<Rule> {
    let derived = alias.and_then(Identity::named_by).map(|identity| identity.table());
    let is_of_it = |rule: &&Rule| routes.contains(&(index, rule.table)) || derived == Some(rule.table);
    rules.iter().filter(is_of_it).cloned().collect()
}

/// The links of a namespace that belong to attachments of a network: by their own alias, or by that of the other end on the host.
fn nics(session: &mut Session, namespace: &Namespace, socket: &mut Socket, network: &str) -> Result<Vec<Nic>, Error> {
    let is_of_network =
        |link: &Link| matches!(Tag::of(link), Some(Tag::Attachment { network: of, other: None }) if of == network);
    let here = Namespace::own_inode();
    let there = link::list(socket).map_err(Error::refused("list the links of a container"))?;
    let mut nics: Vec<Nic> = there
        .into_iter()
        .filter_map(|link| {
            let owner = match Moved::of(&link) {
                Some(moved) if moved.network == network && moved.origin.namespace == here => {
                    Owner::HostName(moved.host_name.to_owned())
                }
                None if is_of_network(&link) => {
                    let alias = link.alias.clone();
                    Owner::Whoever(Box::new(move |identity| alias.as_deref() == Some(&identity.alias())))
                }
                _ => return None,
            };
            Some(Nic { index: link.index, tagged: link, owner })
        })
        .collect();
    if let Some(number) = number_of(session, namespace)? {
        let ends = session.host_links()?.into_iter();
        let ends =
            ends.filter(|link| link.kind == "veth" && link.peer_namespace == Some(number) && is_of_network(link));
        nics.extend(ends.filter_map(|link| {
            let owner = host_links::owner(&link);
            Some(Nic { index: link.peer?, tagged: link, owner })
        }));
    }
    Ok(nics)
}

fn as_found(namespace: &Rc<Namespace>, rules: Vec<Rule>, nic: Nic) -> Found {
    let (whose, path) = (host_links::whose(&nic.tagged), namespace.path().to_owned());
    let commands: Vec<String> = rules.iter().map(|rule| command("del", rule)).collect();
    let namespace = Rc::clone(namespace);
    let found = Found::own(nic.owner, Stage::Setting, move |_| {
        delete(&mut namespace.socket().map_err(Error::Namespace)?, &rules)
    });
    found.printed_by(move |_| {
        let mut printed = vec![whose.clone()];
        printed.extend(inside(commands.clone(), &path));
        Ok(printed)
    })
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
    Ok(routes.into_iter().filter_map(|(link, route)| Some((link, route.table?))).collect())
}

/// Removes rules; those that are not there are removed already.
fn delete(socket: &mut Socket, rules: &[Rule]) -> Result<(), Error> {
    let answers = socket.batch(rules.iter().map(Rule::delete).collect());
    let answers = answers.map_err(Error::refused("remove rules of a container"))?;
    for (rule, answer) in rules.iter().zip(answers) {
        match answer {
            Err(source) if !source.is_missing() => {
                return Err(Error::Refused { action: format!("remove {}", label(rule)), source });
            }
            _ => {}
        }
    }
    Ok(())
}
