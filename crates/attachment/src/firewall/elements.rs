//! Elements of our sets: adding, comparing and removing them.

use std::collections::BTreeSet;

use netlink::{Refusal, Request, Socket, link};
use nftables::rule::Place;
use nftables::{Chain, Data, Element, Key, Rule, Set, chain, element, read_uses, set};

use super::owner::Owner;
use super::placed::Placed;
use super::refusal::{check_srcnat, of_addition, of_netfilter};
use super::tables::{GUARDED, IPGUARDED, LATE, Ours, Parts, Stand, examine};
use super::{ATTEMPTS, ports};
use crate::{Difference, Error, Remedy, Session, Side};

/// The most elements that one transaction removes: its message must fit the socket's buffer.
const AT_ONCE: usize = 500;

/// The most elements that one message adds: their list is an attribute, which has at most 64 KiB, and each has a comment of up to
/// 255 bytes.
const IN_ONE_MESSAGE: usize = 150;

/// An element as an attachment asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The table.
    pub(crate) ours: Ours,
    /// The set.
    pub(crate) set: &'static Set,
    /// The key.
    pub(crate) key: Key,
    /// What a map has for it.
    pub(crate) data: Option<Data>,
    /// The key as `nft` writes it.
    pub(crate) text: String,
}

impl Entry {
    fn element(&self, comment: &str) -> Element {
        Element { data: self.data.clone(), ..Element::new(self.key.clone()).with_comment(comment) }
    }

    fn label(&self) -> String {
        format!("{} in set {} of table {}", self.text, self.set.name, self.ours.table())
    }

    /// The command that makes it, for people.
    pub(crate) fn command(&self, comment: &str) -> String {
        let (table, set, key) = (self.ours.table(), self.set.name, &self.text);
        let data = self.data.as_ref().map_or_else(String::new, |data| format!(" : {}", ports::in_words(data)));
        format!("nft 'create element {table} {set} {{ {key} comment {comment:?}{data} }}'")
    }
}

/// A chain of one attachment, to which elements of its own lead.
#[derive(Debug, Clone)]
pub(crate) struct OwnChain {
    /// Its name.
    pub(crate) chain: Chain,
    /// Its rules in order.
    pub(crate) rules: Vec<Rule>,
}

impl OwnChain {
    fn requests(&self) -> Vec<Request> {
        let rules = self.rules.iter().map(|rule| rule.create(&self.chain, Place::Last));
        [self.chain.create()].into_iter().chain(rules).collect()
    }
}

/// Adds elements, the chains that they lead to, and what their tables lack, in one transaction.
///
/// The kernel is asked for the tables first: to have a transaction refused takes it 10 ms (`synchronize_rcu` in
/// `__nf_tables_abort`). If somebody changes a table meanwhile, it starts over.
///
/// # Errors
/// [`Error::Conflict`] for an element that another attachment has; [`Error::Unsupported`].
pub(crate) fn add(session: &mut Session, comment: &str, entries: &[Entry], chains: &[OwnChain]) -> Result<(), Error> {
    let socket = session.netfilter().map_err(of_netfilter)?;
    let Some(first) = entries.first() else { return Ok(()) };
    let action = format!("add {}", first.label());
    let mut entries: Vec<&Entry> = entries.iter().collect();
    let needed: Vec<Ours> =
        Ours::ALL.into_iter().filter(|ours| entries.iter().any(|entry| entry.ours == *ours)).collect();
    let mut stands = glance(socket, &needed)?;
    for _ in 0..ATTEMPTS {
        let (requests, meanings) = addition(comment, &entries, &stands, chains);
        // Only what makes up for something depends on what was seen.
        let generation = stands.iter().find_map(|(_, stand)| match stand {
            Stand::Lacking(generation, _) => *generation,
            _ => None,
        });
        let Err(refusal) = nftables::transaction(socket, generation, requests) else { return Ok(()) };
        let meaning = refusal.place.and_then(|place| meanings.get(place).copied());
        match (refusal.error.errno(), meaning) {
            // A set is missing, or the table has gone.
            (Some(libc::ENOENT), Some(Meaning::Elements))
            // It is there, without its chains or made just now; another one was changed just now.
            | (Some(libc::EEXIST), Some(Meaning::Table(_)))
            | (Some(libc::ERESTART), None) => {
                for (ours, stand) in &mut stands {
                    *stand = look_closely(socket, *ours)?;
                }
            }
            (Some(libc::EEXIST), Some(Meaning::Elements)) => entries = not_ours_yet(socket, comment, &entries)?,
            (_, Some(Meaning::Table(ours) | Meaning::Part(ours))) => {
                return Err(of_addition(refusal, &format!("make table {}", ours.table()), Some(ours)));
            }
            _ => return Err(of_addition(refusal, &action, None)),
        }
    }
    Err(Error::restless_firewall())
}

/// How these tables stand, as far as the number of rules in their chains tells. A set that is missing is noticed when elements are
/// added to it.
pub(crate) fn glance(socket: &mut Socket, needed: &[Ours]) -> Result<Vec<(Ours, Stand)>, Error> {
    let needed = || needed.iter().copied();
    let questions = needed().flat_map(Ours::questions).collect();
    let mut answers = socket.batch(questions).map_err(of_netfilter)?.into_iter();
    let mut stands = Vec::new();
    for ours in needed() {
        let (mut missing, mut short) = (0, 0);
        for ((_, rules), answer) in ours.outline().iter().zip(answers.by_ref()) {
            match answer {
                Ok(object) => {
                    let found = object.as_ref().and_then(chain::Found::read);
                    short += usize::from(found.is_none_or(|found| found.uses < *rules));
                }
                Err(error) if error.errno() == Some(libc::ENOENT) => missing += 1,
                Err(error) => return Err(of_netfilter(error)),
            }
        }
        stands.push((ours, (missing, short)));
    }
    let close = |(ours, (missing, short)): (Ours, (usize, usize))| {
        let stand = if missing == ours.outline().len() {
            check_table(ours)?;
            Stand::Absent
        } else if missing + short > 0 {
            look_closely(socket, ours)?
        } else {
            Stand::Complete
        };
        Ok((ours, stand))
    };
    stands.into_iter().map(close).collect()
}

/// The same, part by part.
pub(crate) fn look_closely(socket: &mut Socket, ours: Ours) -> Result<Stand, Error> {
    let stand = examine(socket, ours)?;
    if !matches!(stand, Stand::Complete) {
        check_table(ours)?;
    }
    Ok(stand)
}

/// What a request of an addition is about.
#[derive(Debug, Clone, Copy)]
enum Meaning {
    Table(Ours),
    Part(Ours),
    Elements,
}

/// The requests that make what the tables lack, then chains, and then the elements.
fn addition(
    comment: &str,
    entries: &[&Entry],
    stands: &[(Ours, Stand)],
    chains: &[OwnChain],
) -> (Vec<Request>, Vec<Meaning>) {
    let mut requests = Vec::new();
    let mut meanings = Vec::new();
    for (ours, stand) in stands {
        match stand {
            Stand::Absent => {
                let parts = ours.create();
                meanings.push(Meaning::Table(*ours));
                meanings.resize(meanings.len() + parts.len().saturating_sub(1), Meaning::Part(*ours));
                requests.extend(parts);
            }
            Stand::Complete => {}
            Stand::Lacking(_, parts) => {
                meanings.resize(meanings.len() + parts.len(), Meaning::Part(*ours));
                requests.extend(parts.iter().cloned());
            }
        }
    }
    requests.extend(chains.iter().flat_map(OwnChain::requests));
    meanings.resize(requests.len(), Meaning::Elements);
    for ours in Ours::ALL {
        for set in ours.sets() {
            let of_set = entries.iter().filter(|entry| entry.ours == ours && entry.set == set);
            let elements: Vec<Element> = of_set.map(|entry| entry.element(comment)).collect();
            for some in elements.chunks(IN_ONE_MESSAGE) {
                requests.push(element::create(&ours.table(), set, some));
                meanings.push(Meaning::Elements);
            }
        }
    }
    (requests, meanings)
}

fn check_table(ours: Ours) -> Result<(), Error> {
    if matches!(ours, Ours::Filter | Ours::Lacs) {
        return Ok(());
    }
    let kernel = nix::sys::utsname::uname().ok();
    kernel.as_ref().and_then(|kernel| kernel.release().to_str()).map_or(Ok(()), check_srcnat)
}

/// The entries that are not there yet; those of an earlier call for the same attachment stay.
///
/// # Errors
/// [`Error::Conflict`] for the first that is somebody else's.
fn not_ours_yet<'a>(socket: &mut Socket, comment: &str, entries: &[&'a Entry]) -> Result<Vec<&'a Entry>, Error> {
    let mut missing = Vec::new();
    for entry in entries {
        match find(socket, entry)? {
            None => missing.push(*entry),
            Some(found) if found.comment == comment => {}
            Some(found) => {
                return Err(Error::Conflict {
                    object: entry.label(),
                    want: "it for this attachment".to_owned(),
                    have: format!("exists already, with the comment {:?}", found.comment),
                    remedy: Remedy::act("detach the other one first, or give each its own address"),
                });
            }
        }
    }
    Ok(missing)
}

fn find(socket: &mut Socket, entry: &Entry) -> Result<Option<Element>, Error> {
    let found = list(socket, entry.ours, entry.set)?;
    Ok(found.into_iter().find(|element| element.key == entry.key))
}

fn list(socket: &mut Socket, ours: Ours, set: &Set) -> Result<Vec<Element>, Error> {
    let action = || format!("list set {} of table {}", set.name, ours.table());
    element::list(socket, &ours.table(), set).map_err(|source| Error::Refused { action: action(), source })
}

/// What differs: elements that are missing or somebody else's, and what our tables lack.
pub(crate) fn differences(session: &mut Session, comment: &str, entries: &[Entry]) -> Result<Vec<Difference>, Error> {
    let socket = session.netfilter().map_err(of_netfilter)?;
    let mut differences = Vec::new();
    let mut listed: Vec<(Ours, &Set, Vec<Element>)> = Vec::new();
    let mut late = Vec::new();
    let mut has_late = false;
    for entry in entries {
        let is_its = |(ours, set, _): &&(Ours, &Set, Vec<Element>)| *ours == entry.ours && *set == entry.set;
        if listed.iter().find(is_its).is_none() {
            listed.push((entry.ours, entry.set, list(socket, entry.ours, entry.set)?));
        }
        let elements = listed.iter().find(is_its).map(|(.., elements)| elements);
        let is_late = LATE.contains(&entry.set);
        match elements.into_iter().flatten().find(|element| element.key == entry.key) {
            None if is_late => late.push(Difference::missing(entry.label())),
            None => differences.push(Difference::missing(entry.label())),
            Some(found) if found.comment != comment => {
                let what = format!("comment of {}", entry.label());
                differences.push(Difference::new(what, comment, found.comment.as_str()));
            }
            Some(found) if found.data != entry.data => {
                let words = |data: &Option<Data>| data.as_ref().map_or_else(String::new, ports::in_words);
                differences.push(Difference::new(entry.label(), words(&entry.data), words(&found.data)));
            }
            Some(_) => has_late |= is_late,
        }
    }
    if has_late {
        differences.extend(late);
    } // and otherwise an older release has attached it
    for ours in Ours::ALL {
        if entries.iter().any(|entry| entry.ours == ours) {
            differences.extend(Parts::of(socket, ours)?.differences());
        }
    }
    Ok(differences)
}

/// The elements of these sets of a table, which need not be there.
///
/// # Errors
/// What the kernel says; a kernel without nf_tables has none.
pub(crate) fn of_sets(session: &mut Session, ours: Ours, sets: &[&'static Set]) -> Result<Vec<Placed>, Error> {
    let socket = match session.netfilter() {
        Ok(socket) => socket,
        Err(error) => return unless_unsupported(of_netfilter(error)).map(|_| Vec::new()),
    };
    let mut elements = Vec::new();
    for &set in sets {
        match list(socket, ours, set) {
            Ok(listed) => elements.extend(listed.into_iter().map(|element| Placed { ours, set, element })),
            Err(Error::Refused { source, .. }) => {
                return unless_unsupported(of_netfilter(source)).map(|_| Vec::new());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(elements)
}

/// The elements of the given tables.
///
/// # Errors
/// What the kernel says; a kernel without nf_tables has none.
pub(crate) fn all(session: &mut Session, tables: &[Ours]) -> Result<Vec<Placed>, Error> {
    Ok(look(session, tables)?.map(|seen| seen.elements).unwrap_or_default())
}

/// Removes the elements of these tables that are `doomed`, with what leads only to them; then those of the tables that have no element
/// left. Returns what it has removed.
///
/// # Errors
/// What the kernel says; a kernel without nf_tables has nothing to remove.
pub(crate) fn remove(
    session: &mut Session,
    tables: &[Ours],
    doomed: impl Fn(&Placed) -> bool,
) -> Result<Vec<Placed>, Error> {
    let mut foreign = Vec::new();
    let mut removed = Vec::new();
    for attempt in 1..=ATTEMPTS {
        let Some(mut seen) = look(session, tables)? else { return Ok(removed) };
        seen.tables.retain(|ours| !foreign.contains(ours));
        let (mut going, staying): (Vec<Placed>, Vec<Placed>) = seen.elements.into_iter().partition(&doomed);
        silence(session, &going)?;
        let is_more = going.len() > AT_ONCE;
        let rest = going.split_off(going.len().min(AT_ONCE));
        // In the last attempt without the tables, and regardless of other changes: somebody keeps changing things.
        let generation = seen.generation.filter(|_| attempt < ATTEMPTS);
        let is_empty = |ours: Ours| {
            let is_held = seen.held.contains(&ours) || staying.iter().any(|left| left.ours == ours);
            generation.is_some() && !is_more && !is_held
        };
        let (requests, tables) = removal(&seen.tables, (&going, &rest), &staying, is_empty);
        if requests.is_empty() {
            return Ok(removed);
        }
        let done = nftables::transaction(session.netfilter().map_err(of_netfilter)?, generation, requests);
        match done {
            Ok(()) => {
                removed.append(&mut going);
                if !is_more {
                    return Ok(removed);
                }
            }
            Err(refusal) if is_stale(&refusal) => {}
            Err(refusal) => match (refusal.error.errno(), refusal.place.and_then(|place| tables.get(place))) {
                // Another program has made a table of that name for itself alone (`flags owner`): nothing in it is ours.
                (Some(libc::EPERM), Some(ours)) if !foreign.contains(ours) => foreign.push(*ours),
                _ => {
                    return Err(Error::Refused {
                        action: "remove elements of our tables".to_owned(),
                        source: refusal.error,
                    });
                }
            },
        }
    }
    Err(Error::restless_firewall())
}

/// The commands of [`remove`] for the attachment with this host interface, for people.
///
/// # Errors
/// What the kernel says; a kernel without nf_tables has nothing to remove.
pub(crate) fn removal_commands(session: &mut Session, tables: &[Ours], host_name: &str) -> Result<Vec<String>, Error> {
    let Some(seen) = look(session, tables)? else { return Ok(Vec::new()) };
    // For attachments whose devices' removal has been printed already, that of their elements has been, too, if these are the same
    // plugin's; a device may have gone before its elements.
    let is_gone = |owner: &str| {
        let is_it = |gone: &String| gone == owner && tables == Ours::OF_NICS || *gone == elements_of(tables, owner);
        session.gone().iter().any(is_it)
    };
    let mut commands = Vec::new();
    if is_gone(host_name) {
        return Ok(commands);
    }
    let mut is_guarded = false;
    for ours in seen.tables {
        let mut deletions = Vec::new();
        let mut chains = Vec::new();
        let mut is_held = seen.held.contains(&ours);
        for placed in seen.elements.iter().filter(|placed| placed.ours == ours) {
            let owner = Owner::read(&placed.element.comment).map(|owner| owner.host_name);
            if owner == Some(host_name) {
                let (set, key) = (placed.set.name, placed.element.key.text(placed.set.key));
                deletions.push(format!("nft 'delete element {} {set} {{ {key} }}'", ours.table()));
                is_guarded |= [&GUARDED, &IPGUARDED].contains(&placed.set);
                if ports::leads_to_a_chain(placed) && chains.is_empty() {
                    chains.push(format!("nft delete chain {} {host_name}", ours.table()));
                }
            } else {
                is_held |= !owner.is_some_and(is_gone);
            }
        }
        if !deletions.is_empty() && !is_held {
            deletions = vec![format!("nft delete table {}", ours.table())];
        }
        let is_whole = deletions.iter().any(|deletion| deletion.starts_with("nft delete table"));
        let is_own = |placed: &&Placed| placed.is_of(|owner| owner.host_name == host_name);
        if ours == Ours::Ports && !deletions.is_empty() && !is_whole {
            let stays = |placed: &&Placed| !is_own(placed) && !placed.is_of(|owner| is_gone(owner.host_name));
            let heirs = ports::heirs(seen.elements.iter().filter(is_own), seen.elements.iter().filter(stays));
            deletions.extend(heirs.iter().flat_map(ports::Heir::commands));
        }
        commands.extend(deletions);
        commands.extend(chains.into_iter().filter(|_| !is_whole));
    }
    if is_guarded {
        commands.insert(0, format!("ip link set {host_name} down"));
    }
    if !commands.is_empty() {
        session.count_as_gone(elements_of(tables, host_name));
    }
    Ok(commands)
}

/// The commands that remove the elements of the attachment with this host interface have been printed: they count as gone.
pub(crate) fn count_as_gone(session: &Session, tables: &[Ours], host_name: &str) -> bool {
    session.gone().contains(&elements_of(tables, host_name))
}

/// What stands for the elements of an attachment among the links that count as gone. No link has such a name.
fn elements_of(tables: &[Ours], host_name: &str) -> String {
    let what = if tables == Ours::OF_NICS { "elements" } else { "ports" };
    format!("{host_name}:{what}")
}

/// The host interfaces of the attachments of a network that have elements.
///
/// # Errors
/// What the kernel says; a kernel without nf_tables has none.
pub(crate) fn host_names(session: &mut Session, tables: &[Ours], network: &str) -> Result<BTreeSet<String>, Error> {
    let elements = all(session, tables)?;
    let owners = elements.iter().filter_map(|placed| Owner::read(&placed.element.comment));
    let mut names = BTreeSet::new();
    for owner in owners.filter(|owner| owner.network == network) {
        names.insert(owner.host_name.to_owned());
    }
    Ok(names)
}

/// The comments of all elements that attachments have.
///
/// # Errors
/// What the kernel says; a kernel without nf_tables has none.
pub(crate) fn comments(session: &mut Session) -> Result<BTreeSet<String>, Error> {
    Ok(all(session, Ours::OF_ATTACHMENTS)?.into_iter().map(|placed| placed.element.comment).collect())
}

/// Somebody else was faster.
fn is_stale(refusal: &Refusal) -> bool {
    matches!(refusal.error.errno(), Some(libc::ERESTART | libc::ENOENT))
}

/// Our tables as they are at one generation of the rule set.
struct Seen {
    generation: Option<u32>,
    tables: Vec<Ours>,
    elements: Vec<Placed>,
    /// Those that attachments of a later release need, for sets that are not known here.
    held: Vec<Ours>,
}

/// Looks at these tables; `None` where there is none of them, or no nf_tables.
fn look(session: &mut Session, asked: &[Ours]) -> Result<Option<Seen>, Error> {
    let socket = match session.netfilter() {
        Ok(socket) => socket,
        Err(error) => return unless_unsupported(of_netfilter(error)),
    };
    let mut questions = vec![nftables::get_generation()];
    questions.extend(asked.iter().map(|ours| ours.table().get()));
    let mut answers = match socket.batch(questions) {
        Ok(answers) => answers.into_iter(),
        Err(error) => return unless_unsupported(of_netfilter(error)),
    };
    let generation = answers.next().and_then(|answer| nftables::read_generation(&answer));
    let mut tables = Vec::new();
    let mut strange = Vec::new();
    for (&ours, answer) in asked.iter().zip(answers) {
        match answer {
            Ok(object) => {
                tables.push(ours);
                let own = ours.sets().len() + ours.outline().len();
                if object.as_ref().and_then(read_uses).is_some_and(|uses| usize::try_from(uses).is_ok_and(|u| u > own))
                {
                    strange.push(ours);
                }
            }
            Err(error) if error.errno() == Some(libc::ENOENT) => {}
            Err(error) => return unless_unsupported(of_netfilter(error)),
        }
    }
    if tables.is_empty() {
        return Ok(None);
    }
    let mut elements = Vec::new();
    for &ours in &tables {
        for set in ours.sets() {
            elements.extend(list(socket, ours, set)?.into_iter().map(|element| Placed { ours, set, element }));
        }
    }
    let mut held = Vec::new();
    for ours in strange {
        if is_held(socket, ours)? {
            held.push(ours);
        }
    }
    Ok(Some(Seen { generation, tables, elements, held }))
}

/// Whether a set that is not known here has an element of an attachment.
fn is_held(socket: &mut Socket, ours: Ours) -> Result<bool, Error> {
    let refused = |source| Error::Refused { action: format!("list table {}", ours.table()), source };
    let known = ours.sets();
    for found in set::list(socket, &ours.table()).map_err(refused)? {
        if found.is_anonymous || known.iter().any(|set| set.name == found.name) {
            continue;
        }
        let elements = element::list_found(socket, &found).map_err(refused)?;
        if elements.iter().any(|element| Owner::read(&element.comment).is_some()) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn unless_unsupported(error: Error) -> Result<Option<Seen>, Error> {
    if matches!(error, Error::Unsupported { .. }) { Ok(None) } else { Err(error) }
}

/// The requests that remove the elements, and the tables that have none left; and which table each is about.
fn removal(
    tables: &[Ours],
    (going, rest): (&[Placed], &[Placed]),
    staying: &[Placed],
    is_empty: impl Fn(Ours) -> bool,
) -> (Vec<Request>, Vec<Ours>) {
    let mut requests = Vec::new();
    let mut about = Vec::new();
    for &ours in tables {
        if is_empty(ours) {
            requests.push(ours.table().delete());
            about.push(ours);
            continue;
        }
        for set in ours.sets() {
            let of_set = going.iter().filter(|placed| placed.ours == ours && placed.set == set);
            let elements: Vec<&Element> = of_set.map(|placed| &placed.element).collect();
            if !elements.is_empty() {
                requests.push(element::delete(&ours.table(), set, elements));
                about.push(ours);
            }
        }
        if ours == Ours::Ports {
            requests.extend(ports::aftermath(going, rest, staying));
            about.resize(requests.len(), ours);
        }
    }
    (requests, about)
}

/// Sets ports down that are about to lose their guard, so that nothing gets past it at the end. It costs nothing: removing a
/// link that is down takes less.
///
/// A port whose state is disabled would not do: when the kernel hears of its carrier, it lets frames pass again.
fn silence(session: &mut Session, going: &[Placed]) -> Result<(), Error> {
    let guards = going.iter().filter(|placed| [&GUARDED, &IPGUARDED].contains(&placed.set));
    let mut ports: Vec<&str> =
        guards.filter_map(|placed| Owner::read(&placed.element.comment)).map(|owner| owner.host_name).collect();
    ports.sort_unstable();
    ports.dedup();
    if ports.is_empty() {
        return Ok(());
    }
    let requests = ports.iter().map(|port| link::set_down(port)).collect();
    let answers = session.socket(Side::Host)?.batch(requests).map_err(Error::refused("talk to the kernel"))?;
    for (port, answer) in ports.iter().zip(answers) {
        match answer {
            Err(source) if !source.is_missing() => {
                return Err(Error::Refused { action: format!("set {port} down"), source });
            }
            _ => {}
        }
    }
    Ok(())
}
