//! The published ports of an attachment.

mod condition;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

pub use condition::{Condition, Looked};
use ipnetwork::IpNetwork;
use netlink::conntrack::{self, OpenedTo};
use netlink::route;
use nftables::{Chain, Comparison, Expression, Field, Key, Meta, Rule, rule};

use crate::firewall::elements::{self, Entry, OwnChain, add, host_names, removal_commands, remove};
use crate::firewall::owner::Owner as Commented;
use crate::firewall::placed::Placed;
use crate::firewall::ports::{Place, target};
use crate::firewall::refusal::of_netfilter;
use crate::firewall::tables::Ours;
use crate::firewall::tables::ports::{
    ALL4, ALL6, HAIRPIN4, HAIRPIN6, OWN4, OWN6, PUBLISHED4, PUBLISHED6, WAITING, led_to,
};
use crate::{
    Difference, Error, Finder, Found, Identity, Item, Kind, Note, Object, Owner, Remedy, Session, Side, Stage,
};

static KIND: Kind = Kind::found("published ports");
static FINDER: Finder = Finder::new(&KIND, of_attachment, of_network).collected_by(collect);

/// UDP (`IPPROTO_UDP`): without an end of a connection that packets would tell, the kernel goes on doing what it did for the first.
const UDP: u8 = 17;

/// A port of the host that leads into a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishedPort {
    /// The transport protocol (`IPPROTO_*`), and its name.
    pub protocol: (u8, &'static str),
    /// The address of the host, of the family of `to`; unspecified for all.
    pub address: IpAddr,
    /// The port of the host.
    pub port: u16,
    /// Where it leads.
    pub to: SocketAddr,
}

/// Which connections to published ports get an address of the host as their source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sources {
    /// None.
    Kept,
    /// Those whose answers would not come back by the host: the container's own and its neighbours', and those from 127.0.0.1.
    Near,
    /// All.
    All,
}

/// The published ports of an attachment, over one family.
#[derive(Debug, Clone, Default)]
pub struct PublishedFamily {
    /// The container's address, and the link of the host that it is directly behind.
    pub container: Option<(IpAddr, Option<String>)>,
    /// What connections must be like.
    pub conditions: Vec<Condition>,
}

/// The published ports of an attachment: elements of our table. Where another attachment of the same container holds a port, this one
/// waits for it.
#[derive(Debug, Clone)]
pub struct PublishedPorts {
    /// The attachment.
    pub identity: Identity,
    /// The ports.
    pub ports: Vec<PublishedPort>,
    /// What gets another source.
    pub sources: Sources,
    /// IPv4 and IPv6.
    pub families: [PublishedFamily; 2],
}

impl PublishedPorts {
    /// What finds them without a description.
    pub const FINDER: &'static Finder = &FINDER;

    /// Whatever there is, to be removed.
    #[must_use]
    pub fn none(identity: Identity) -> Self {
        Self { identity, ports: Vec::new(), sources: Sources::Kept, families: Default::default() }
    }

    /// Whether the attachment has any, published or waiting.
    ///
    /// # Errors
    /// What the kernel says; a kernel without nf_tables has none.
    pub fn are_there(session: &mut Session, identity: &Identity) -> Result<bool, Error> {
        Self::are_of(session, &identity.host_name())
    }

    /// The same for the attachment with this host interface.
    pub(crate) fn are_of(session: &mut Session, host_name: &str) -> Result<bool, Error> {
        let all = elements::of_sets(session, Ours::Ports, &Place::SETS)?;
        Ok(all.iter().any(|placed| placed.is_of(|owner| owner.host_name == host_name)))
    }

    fn family(&self, is_ipv4: bool) -> &PublishedFamily {
        let [v4, v6] = &self.families;
        if is_ipv4 { v4 } else { v6 }
    }

    /// The places, each with what it leads to: several ports with conditions may be one place.
    fn places(&self) -> Vec<(Place, Option<SocketAddr>, &PublishedPort)> {
        let mut places = Vec::new();
        let mut seen = BTreeSet::new();
        for port in &self.ports {
            let is_conditional = !self.family(port.address.is_ipv4()).conditions.is_empty();
            let address = if is_conditional { IpAddr::from([0; 16]) } else { port.address };
            let place = Place { protocol: port.protocol.0, address, port: port.port, is_conditional };
            if seen.insert(place) {
                places.push((place, (!is_conditional).then_some(port.to), port));
            }
        }
        places
    }

    /// Of the places those that another attachment of the same container holds, or a part of them.
    fn held(&self, elements: &[Placed]) -> Result<BTreeSet<Place>, Error> {
        let own = self.identity.host_name();
        let mut by_port: BTreeMap<(u8, u16), Vec<(Place, &PublishedPort)>> = BTreeMap::new();
        for (place, _, port) in self.places() {
            by_port.entry((place.protocol, place.port)).or_default().push((place, port));
        }
        let mut held = BTreeSet::new();
        for placed in elements {
            let Some(there) = Place::read(placed.set, &placed.element.key) else { continue };
            let Some(places) = by_port.get(&(there.protocol, there.port)) else { continue };
            let mut met = places.iter().filter(|(place, _)| place.overlaps(&there)).peekable();
            if met.peek().is_none() || placed.is_of(|owner| owner.host_name == own) {
                continue;
            }
            match met.peek() {
                Some((_, port)) if !self.identity.is_beside(&placed.element.comment) => {
                    return Err(taken(port, placed));
                }
                _ => held.extend(met.map(|(place, _)| *place)),
            }
        }
        Ok(held)
    }

    /// The elements, of which those in `held` wait.
    fn entries(&self, held: &BTreeSet<Place>) -> Vec<Entry> {
        let mut entries = Vec::new();
        let mut push = |set, key: Key, data, text| entries.push(Entry { ours: Ours::Ports, set, key, data, text });
        for (place, to, port) in self.places() {
            match held.contains(&place) {
                true => {
                    let key = place.waiting(to, &self.identity.host_name());
                    let text = key.text(WAITING.key);
                    push(&WAITING, key, None, text);
                }
                false => {
                    let data = target(to, &self.identity.host_name());
                    push(place.set(), place.key(), Some(data), in_words(&place, port.protocol.1));
                }
            }
        }
        for (address, link) in self.families.iter().filter_map(|family| family.container.as_ref()) {
            let (own, hairpin, all, published) = match address {
                IpAddr::V4(_) => (&OWN4, &HAIRPIN4, &ALL4, &PUBLISHED4),
                IpAddr::V6(_) => (&OWN6, &HAIRPIN6, &ALL6, &PUBLISHED6),
            };
            let key = match address {
                IpAddr::V4(v4) => Key::ipv4(*v4),
                IpAddr::V6(v6) => Key::ipv6(*v6),
            };
            if !self.ports.iter().any(|port| port.address.is_ipv4() == address.is_ipv4()) {
                continue;
            }
            if let Some(link) = link {
                push(published, Key::link(link).and(&key), None, format!("{link:?} . {address}"));
            }
            if self.sources != Sources::Kept {
                push(own, key.clone().and(&key), None, format!("{address} . {address}"));
            }
            if let Some(link) = link.as_ref().filter(|_| self.sources != Sources::Kept) {
                let twice = Key::link(link).and(&Key::link(link)).and(&key);
                push(hairpin, twice, None, format!("{link:?} . {link:?} . {address}"));
            }
            if self.sources == Sources::All {
                push(all, key, None, address.to_string());
            }
        }
        entries
    }

    /// Those ports that have conditions. One address comes before all.
    fn conditional(&self) -> impl Iterator<Item = &PublishedPort> {
        let is_conditional = |port: &&PublishedPort| !self.family(port.address.is_ipv4()).conditions.is_empty();
        let at = |is_at_all: bool| self.ports.iter().filter(move |port| port.address.is_unspecified() == is_at_all);
        at(false).chain(at(true)).filter(is_conditional)
    }

    /// The chain of those ports that have conditions.
    fn chain(&self) -> Option<OwnChain> {
        let chain = Chain { table: Ours::Ports.table(), name: self.identity.host_name() };
        let rules: Vec<Rule> = self.conditional().map(|port| self.rule(port)).collect();
        (!rules.is_empty()).then_some(OwnChain { chain, rules })
    }

    fn rule(&self, port: &PublishedPort) -> Rule {
        let is = |value: &[u8]| Expression::Compare(Comparison::Equal, value.to_vec());
        let family = if port.address.is_ipv4() { 2 } else { 10 };
        let mut steps = vec![Expression::Meta(Meta::Nfproto), is(&[family])];
        steps.extend(self.family(port.address.is_ipv4()).conditions.iter().flat_map(Condition::steps));
        if !port.address.is_unspecified() {
            let network = IpNetwork::from(port.address);
            steps.extend(Condition { what: Looked::Destination(network), is_not: false }.steps());
        }
        steps.extend([Expression::Meta(Meta::L4proto), is(&[port.protocol.0])]);
        steps.extend([Expression::Field(Field::DESTINATION_PORT), is(&port.port.to_be_bytes())]);
        steps.extend(led_to(port.to));
        Rule { expressions: steps, comment: self.identity.comment() }
    }

    /// The rules of the chain as `nft` writes them.
    fn chain_commands(&self) -> Vec<String> {
        let Some(own) = self.chain() else { return Vec::new() };
        let mut commands = vec![format!("nft add chain {}", own.chain)];
        for port in self.conditional() {
            let conditions: Vec<String> =
                self.family(port.address.is_ipv4()).conditions.iter().map(Condition::text).collect();
            let (ip, family) = if port.address.is_ipv4() { ("ip", "ipv4") } else { ("ip6", "ipv6") };
            let at =
                if port.address.is_unspecified() { String::new() } else { format!(" {ip} daddr {}", port.address) };
            commands.push(format!(
                "nft 'add rule {} meta nfproto {family} {}{at} {} dport {} dnat {ip} to {} comment {:?}'",
                own.chain,
                conditions.join(" "),
                port.protocol.1,
                port.port,
                port.to,
                self.identity.comment()
            ));
        }
        commands
    }

    fn differences_of_chain(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        let Some(own) = self.chain() else { return Ok(Vec::new()) };
        let socket = session.netfilter().map_err(of_netfilter)?;
        let listed = rule::list(socket, &own.chain.table, Some(&own.chain.name));
        let found = listed.map_err(Error::refused(format!("list chain {}", own.chain)))?;
        let is_whole = found.len() == own.rules.len()
            && found.iter().zip(&own.rules).all(|(found, rule)| found.does(&rule.expressions));
        let what = format!("rules in chain {}", own.chain);
        let have = format!("{} others", found.len());
        Ok(if is_whole { Vec::new() } else { vec![Difference::new(what, own.rules.len(), have)] })
    }

    fn remove_own(&self, session: &mut Session) -> Result<Vec<Placed>, Error> {
        let name = self.identity.host_name();
        remove(session, Ours::OF_PORTS, |placed| placed.is_of(|owner| owner.host_name == name))
    }
}

/// A place as `nft` writes its key.
fn in_words(place: &Place, protocol: &str) -> String {
    match place.address.is_unspecified() {
        true => format!("{protocol} . {}", place.port),
        false => format!("{protocol} . {} . {}", place.address, place.port),
    }
}

fn taken(port: &PublishedPort, by: &Placed) -> Error {
    // Without the name of the host interface, which tells people nothing.
    let (holder, container) = match Commented::read(&by.element.comment) {
        Some(Commented { if_name, network, container, .. }) => {
            (format!("{if_name} on {network} of {container}"), container)
        }
        None => ("somebody else".to_owned(), "CONTAINER"),
    };
    let at = if port.address.is_unspecified() { String::new() } else { format!(" at {}", port.address) };
    Error::Conflict {
        object: format!("port {}/{}{at} of the host", port.port, port.protocol.1),
        want: "it for this attachment".to_owned(),
        have: format!("is published by {holder}"),
        remedy: Remedy::act(format!(
            "detach {container} first, or publish another port; if {container} is gone, GC of its network frees the port"
        )),
    }
}

/// Has clients of UDP that have come to these places before begin anew. What goes elsewhere through the host is nobody's published port.
fn forget(session: &mut Session, places: &[Place]) -> Result<(), Error> {
    let opened = opened_to(places.iter());
    let Some(first) = opened.first() else { return Ok(()) };
    let found = conntrack::find(session.netfilter().map_err(of_netfilter)?, &opened);
    let mut known: BTreeMap<IpAddr, bool> = BTreeMap::new();
    let mut of_host = Vec::new();
    let result = found.and_then(|found| {
        for tracked in found {
            let is_of_host = match known.get(&tracked.destination) {
                Some(known) => *known,
                None => {
                    let socket = session.socket(Side::Host).map_err(|_| netlink::Error::Interrupted("routes"))?;
                    route::is_local(socket, tracked.destination)?
                }
            };
            known.insert(tracked.destination, is_of_host);
            of_host.extend(is_of_host.then_some(tracked));
        }
        Ok(())
    });
    let forgotten = match result {
        Ok(()) => conntrack::forget(session.netfilter().map_err(of_netfilter)?, of_host),
        Err(error) => Err(error),
    };
    if let Err(reason) = forgotten {
        let port = if opened.len() == 1 { format!("port {}/udp", first.port) } else { "ports of UDP".to_owned() };
        session.note(Note::NotForgotten { port, reason: reason.to_string() });
    }
    Ok(())
}

fn opened_to<'a>(places: impl Iterator<Item = &'a Place>) -> Vec<OpenedTo> {
    let mut opened = Vec::new();
    for place in places.filter(|place| place.protocol == UDP) {
        let both = [IpAddr::from([0; 4]), IpAddr::from([0; 16])];
        let addresses = if place.is_conditional { both.to_vec() } else { vec![place.address] };
        opened.extend(addresses.into_iter().map(|address| OpenedTo { protocol: UDP, address, port: place.port }));
    }
    opened
}

/// What [`forget`] does, for people, whatever the address of the host is.
fn forgetting_commands<'a>(places: impl Iterator<Item = &'a Place>) -> Vec<String> {
    let command = |opened: &OpenedTo| {
        let family = if opened.address.is_ipv4() { "ipv4" } else { "ipv6" };
        let at =
            if opened.address.is_unspecified() { String::new() } else { format!(" --orig-dst {}", opened.address) };
        format!("conntrack -D -f {family} -p udp{at} --dport {} 2> /dev/null || true", opened.port)
    };
    opened_to(places).iter().map(command).collect()
}

fn places_of(removed: &[Placed]) -> Vec<Place> {
    removed.iter().filter_map(|placed| Place::read(placed.set, &placed.element.key)).collect()
}

fn of_attachment(_: &mut Session, identity: &Identity) -> Result<Vec<Item>, Error> {
    Ok(vec![Item::Object(Box::new(PublishedPorts::none(identity.clone())))])
}

fn of_network(session: &mut Session, network: &str) -> Result<Vec<Found>, Error> {
    let found = |host_name: String| {
        let (name, printed) = (host_name.clone(), host_name.clone());
        let found = Found::own(Owner::HostName(host_name), Stage::Translation, move |session| {
            let removed = remove(session, Ours::OF_PORTS, |placed| placed.is_of(|owner| owner.host_name == name))?;
            forget(session, &places_of(&removed))
        });
        found.printed_by(move |session| {
            let mut removed = elements::all(session, Ours::OF_PORTS)?;
            removed.retain(|placed| placed.is_of(|owner| owner.host_name == printed));
            let mut commands = removal_commands(session, Ours::OF_PORTS, &printed)?;
            if !commands.is_empty() {
                commands.insert(0, format!("# published ports of {printed}"));
                commands.extend(forgetting_commands(places_of(&removed).iter()));
            }
            Ok(commands)
        })
    };
    Ok(host_names(session, Ours::OF_PORTS, network)?.into_iter().map(found).collect())
}

/// All in one transaction.
fn collect(session: &mut Session, found: &[Found]) -> Vec<Error> {
    let mut names = BTreeSet::new();
    found.iter().filter_map(Found::host_name).for_each(|name| _ = names.insert(name));
    let doomed = |placed: &Placed| placed.is_of(|owner| names.contains(owner.host_name));
    let removed = remove(session, Ours::OF_PORTS, doomed);
    removed.and_then(|removed| forget(session, &places_of(&removed))).err().into_iter().collect()
}

impl Object for PublishedPorts {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn stage(&self) -> Stage {
        Stage::Translation
    }

    /// A port that another container has.
    fn refuse_existing(&self, session: &mut Session) -> Result<(), Error> {
        let elements = elements::of_sets(session, Ours::Ports, &Place::SETS)?;
        self.held(&elements).map(drop)
    }

    /// What an ADD of the same attachment has left that was killed, perhaps with other addresses, goes first.
    fn create(&self, session: &mut Session) -> Result<(), Error> {
        if self.ports.is_empty() {
            return Ok(());
        }
        let mut elements = elements::of_sets(session, Ours::Ports, &Place::SETS)?;
        let own = self.identity.host_name();
        if elements.iter().any(|placed| placed.is_of(|owner| owner.host_name == own)) {
            self.remove_own(session)?;
            elements = elements::of_sets(session, Ours::Ports, &Place::SETS)?; // somebody may have taken over
        }
        let held = self.held(&elements)?;
        let chains: Vec<OwnChain> = self.chain().into_iter().collect();
        session.make(|session| add(session, &self.identity.comment(), &self.entries(&held), &chains))?;
        let places: Vec<Place> = self.places().into_iter().map(|(place, ..)| place).collect();
        forget(session, &places)
    }

    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        if self.ports.is_empty() {
            return Ok(Vec::new());
        }
        let elements = elements::of_sets(session, Ours::Ports, &Place::SETS)?;
        let held = match self.held(&elements) {
            Ok(held) => held,
            Err(Error::Conflict { object, have, .. }) => {
                return Ok(vec![Difference::new(object, "published by this attachment", have)]);
            }
            Err(error) => return Err(error),
        };
        let mut differences = elements::differences(session, &self.identity.comment(), &self.entries(&held))?;
        differences.extend(self.differences_of_chain(session)?);
        Ok(differences)
    }

    /// All of the attachment's, whichever these are.
    fn remove(&self, session: &mut Session) -> Result<(), Error> {
        let removed = self.remove_own(session)?;
        forget(session, &places_of(&removed))
    }

    fn commands(&self) -> Vec<String> {
        self.printed(&BTreeSet::new())
    }

    fn missing_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        if self.ports.is_empty() {
            return Ok(Vec::new());
        }
        let held = match elements::of_sets(session, Ours::Ports, &Place::SETS) {
            Ok(elements) => self.held(&elements)?,
            Err(error) if error.is_forbidden() => return Ok([vec![error.as_unseen()], self.commands()].concat()),
            Err(error) => return Err(error),
        };
        let left = removal_commands(session, Ours::OF_PORTS, &self.identity.host_name())?;
        Ok([left, self.printed(&held)].concat())
    }

    fn removal_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        let own = self.identity.host_name();
        let all = elements::of_sets(session, Ours::Ports, &Place::SETS).unwrap_or_default();
        let removed: Vec<Placed> =
            all.into_iter().filter(|placed| placed.is_of(|owner| owner.host_name == own)).collect();
        let mut commands = removal_commands(session, Ours::OF_PORTS, &own)?;
        if !commands.is_empty() {
            commands.extend(forgetting_commands(places_of(&removed).iter()));
        }
        Ok(commands)
    }
}

impl PublishedPorts {
    fn printed(&self, held: &BTreeSet<Place>) -> Vec<String> {
        if self.ports.is_empty() {
            return Vec::new();
        }
        let table = Ours::Ports.table();
        let mut commands = vec![format!("nft list table {table} > /dev/null 2>&1 || nft '{}'", Ours::Ports.text())];
        commands.extend(self.chain_commands());
        let comment = self.identity.comment();
        commands.extend(self.entries(held).iter().map(|entry| entry.command(&comment)));
        let places: Vec<Place> = self.places().into_iter().map(|(place, ..)| place).collect();
        commands.extend(forgetting_commands(places.iter()));
        commands
    }
}
