//! Elements of `inet plugboard-lacs`: who is heard in a LAC.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use ipnetwork::IpNetwork;
use netlink::{Request, Socket};
use nftables::{Count, Element, Key, Set, Span, element, get_generation, read_generation, read_uses, set};

use super::ATTEMPTS;
use super::elements::{glance, look_closely};
use super::refusal::{of_addition, of_netfilter};
use super::tables::lacs::{CLOSED, PEERS4, PEERS6, PORTS, SEALED};
use super::tables::{Ours, Parts, Stand};
use crate::{Difference, Error, LacId, Remedy, Session};

const OURS: Ours = Ours::Lacs;

/// The most elements of one message: their list is an attribute, which has at most 64 KiB.
const IN_ONE_MESSAGE: usize = 500;

/// Hosts that a LAC hears: a range of addresses, as it is in the kernel.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Range {
    is_ipv6: bool,
    /// With port and VNI, as the last.
    first: Key,
    last: Key,
}

/// Who is heard in a LAC.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Hearing {
    /// Only the peers are.
    pub(crate) is_closed: bool,
    /// And only by IPsec.
    pub(crate) is_sealed: bool,
    /// What IPsec takes for the port must be of a VXLAN device.
    pub(crate) has_port: bool,
    /// The peers.
    pub(crate) peers: BTreeSet<Range>,
}

/// A LAC that hears only some hosts, as the packet filter has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClosedLac {
    /// The hosts that are heard: addresses and networks, in order.
    pub peers: Vec<String>,
    /// Packets come and go by IPsec alone.
    pub is_sealed: bool,
    /// How many packets were dropped since it is closed.
    pub dropped_packets: u64,
}

impl Range {
    pub(crate) fn new(id: LacId, network: IpNetwork) -> Self {
        let (is_ipv6, addresses) = match network {
            IpNetwork::V4(v4) => (false, Span::prefix4(v4.ip(), v4.prefix())),
            IpNetwork::V6(v6) => (true, Span::prefix6(v6.ip(), v6.prefix())),
        };
        Self::of(is_ipv6, Element::from(addresses.and(&Span::only(key(id)))))
    }

    fn of(is_ipv6: bool, element: Element) -> Self {
        let last = element.last.unwrap_or_else(|| element.key.clone());
        Self { is_ipv6, first: element.key, last }
    }

    fn set(&self) -> &'static Set {
        if self.is_ipv6 { &PEERS6 } else { &PEERS4 }
    }

    fn element(&self) -> Element {
        let last = (self.last != self.first).then(|| self.last.clone());
        Element { last, ..Element::new(self.first.clone()) }
    }

    fn id(&self) -> Option<LacId> {
        read_key(self.first.bytes().get(self.kind_bytes()..)?)
    }

    fn kind_bytes(&self) -> usize {
        if self.is_ipv6 { 16 } else { 4 }
    }

    /// A host is one of them.
    pub(crate) fn contains(&self, host: IpAddr) -> bool {
        let bytes = match host {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        };
        let end = |key: &Key| key.bytes().get(..self.kind_bytes()).map(<[u8]>::to_vec).unwrap_or_default();
        host.is_ipv6() == self.is_ipv6 && (end(&self.first)..=end(&self.last)).contains(&bytes)
    }

    /// As `nft` writes it.
    fn text(&self) -> String {
        let rest = self.id().map_or_else(String::new, text);
        format!("{self} . {rest}")
    }
}

/// As a person writes it: an address, a network, or what is between two addresses where somebody has changed it.
impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = |key: &Key| {
            let bytes = key.bytes().get(..self.kind_bytes()).unwrap_or_default();
            match <[u8; 4]>::try_from(bytes) {
                Ok(v4) => IpAddr::from(v4),
                Err(_) => <[u8; 16]>::try_from(bytes).map_or(Ipv6Addr::UNSPECIFIED.into(), IpAddr::from),
            }
        };
        let (first, last) = (address(&self.first), address(&self.last));
        let as_number = |address| match address {
            IpAddr::V4(v4) => (u128::from(u32::from(v4)), 32),
            IpAddr::V6(v6) => (u128::from(v6), 128),
        };
        let ((from, bits), (to, _)) = (as_number(first), as_number(last));
        let hosts = from ^ to;
        let length = bits - (u128::BITS - hosts.leading_zeros());
        match hosts {
            0 => write!(f, "{first}"),
            // All of the bits that differ, and only these, are host bits.
            _ if hosts & hosts.wrapping_add(1) == 0 && from & hosts == 0 => write!(f, "{first}/{length}"),
            _ => write!(f, "{first}-{last}"),
        }
    }
}

/// Port and VNI.
fn key(id: LacId) -> Key {
    let [_, vni @ ..] = id.vni.to_be_bytes();
    Key::port(id.port).and(&Key::three_bytes(vni))
}

fn read_key(bytes: &[u8]) -> Option<LacId> {
    match bytes {
        [one, two, _, _, vni @ ..] => {
            let [first, second, third] = vni.get(..3)?.try_into().ok()?;
            let vni = u32::from_be_bytes([0, first, second, third]);
            Some(LacId { port: u16::from_be_bytes([*one, *two]), vni })
        }
        _ => None,
    }
}

fn text(id: LacId) -> String {
    key(id).text(CLOSED.key)
}

/// What has nothing beside port and VNI, or the port alone. The comment is for people: `nft` shows a VNI in hexadecimal.
fn entry(set: &Set, id: LacId) -> Element {
    if *set == PORTS {
        return Element::new(Key::port(id.port));
    }
    Element::new(key(id)).with_comment(id.shared_by())
}

/// The sets of what has no addresses.
const SINGLES: [&Set; 3] = [&CLOSED, &SEALED, &PORTS];

impl Hearing {
    /// Whoever sends is heard.
    fn is_open(&self) -> bool {
        !self.is_closed && !self.is_sealed && self.peers.is_empty()
    }

    /// In words.
    pub(crate) fn words(&self) -> String {
        match self.is_closed {
            false => "none: whoever sends is heard".to_owned(),
            true if self.peers.is_empty() => "nobody".to_owned(),
            true => self.peers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        }
    }

    fn has(&self, set: &Set) -> bool {
        match set {
            _ if *set == CLOSED => self.is_closed,
            _ if *set == SEALED => self.is_sealed,
            _ => self.has_port,
        }
    }

    /// The elements that this has and `other` has not, by set.
    fn beyond(&self, other: &Self, id: LacId) -> Vec<(&'static Set, Vec<Element>)> {
        let single = SINGLES.into_iter().filter(|set| self.has(set) && !other.has(set));
        let mut beyond: Vec<(&'static Set, Vec<Element>)> = single.map(|set| (set, vec![entry(set, id)])).collect();
        for set in [&PEERS4, &PEERS6] {
            let of_set = self.peers.difference(&other.peers).filter(|range| range.set() == set);
            let elements: Vec<Element> = of_set.map(Range::element).collect();
            if !elements.is_empty() {
                beyond.push((set, elements));
            }
        }
        beyond
    }

    /// The same for people: what follows `nft 'add` or `nft 'delete`.
    fn words_beyond(&self, other: &Self, id: LacId, is_addition: bool) -> Vec<String> {
        let verb = if is_addition { "add" } else { "delete" };
        let words_of = |set: &Set| {
            let Element { key, comment, .. } = entry(set, id);
            let comment = match is_addition && !comment.is_empty() {
                true => format!(" comment {comment:?}"),
                false => String::new(),
            };
            format!("{}{comment}", key.text(set.key))
        };
        let single = SINGLES.into_iter().filter(|set| self.has(set) && !other.has(set));
        let mut words: Vec<(&str, String)> = single.map(|set| (set.name, words_of(set))).collect();
        for set in [&PEERS4, &PEERS6] {
            let of_set = self.peers.difference(&other.peers).filter(|range| range.set() == set);
            let all: Vec<String> = of_set.map(Range::text).collect();
            if !all.is_empty() {
                words.push((set.name, all.join(", ")));
            }
        }
        let table = OURS.table();
        words.into_iter().map(|(set, keys)| format!("{verb} element {table} {set} {{ {keys} }}")).collect()
    }
}

/// Whether a LAC is closed and sealed, without its peers, which costs one question.
///
/// # Errors
/// What the kernel says; on a kernel without nf_tables none is.
pub(crate) fn stance_of(session: &mut Session, id: LacId) -> Result<Hearing, Error> {
    Ok(listening(session, id)?.map(|(hearing, _)| hearing).unwrap_or_default())
}

/// Who is heard in a LAC.
///
/// # Errors
/// What the kernel says; a kernel without nf_tables drops nothing.
pub(crate) fn read(session: &mut Session, id: LacId) -> Result<Hearing, Error> {
    let Some((mut hearing, _)) = listening(session, id)? else { return Ok(Hearing::default()) };
    let socket = session.netfilter().map_err(of_netfilter)?;
    hearing.peers = ranges(socket)?.into_iter().filter(|range| range.id() == Some(id)).collect();
    Ok(hearing)
}

/// A LAC that hears only some hosts, as the packet filter has it; `None` if whoever sends is heard.
///
/// # Errors
/// What the kernel says; a kernel without nf_tables drops nothing.
pub fn closed_lac(session: &mut Session, id: LacId) -> Result<Option<ClosedLac>, Error> {
    let Some((hearing, count)) = listening(session, id)?.filter(|(hearing, _)| hearing.is_closed) else {
        return Ok(None);
    };
    let socket = session.netfilter().map_err(of_netfilter)?;
    let peers = ranges(socket)?.into_iter().filter(|range| range.id() == Some(id));
    Ok(Some(ClosedLac {
        peers: peers.map(|range| range.to_string()).collect(),
        is_sealed: hearing.is_sealed,
        dropped_packets: count.packets,
    }))
}

/// All of them.
///
/// # Errors
/// What the kernel says; a kernel without nf_tables drops nothing.
pub fn closed_lacs(session: &mut Session) -> Result<BTreeMap<LacId, ClosedLac>, Error> {
    let mut all: BTreeMap<LacId, ClosedLac> = BTreeMap::new();
    let Some(socket) = socket(session)? else { return Ok(all) };
    for (id, count) in singles(socket, &CLOSED)? {
        all.insert(id, ClosedLac { dropped_packets: count.packets, ..ClosedLac::default() });
    }
    if all.is_empty() {
        return Ok(all);
    }
    for (id, _) in singles(socket, &SEALED)? {
        if let Some(lac) = all.get_mut(&id) {
            lac.is_sealed = true;
        }
    }
    for range in ranges(socket)? {
        if let Some(lac) = range.id().and_then(|id| all.get_mut(&id)) {
            lac.peers.push(range.to_string());
        }
    }
    Ok(all)
}

/// The LACs of a port whose packets come and go by IPsec alone. What IPsec transforms is told by ports, and not by VNIs.
///
/// # Errors
/// What the kernel says; on a kernel without nf_tables none does.
pub fn sealed_lacs_of_port(session: &mut Session, port: u16) -> Result<BTreeSet<LacId>, Error> {
    let Some(socket) = socket(session)? else { return Ok(BTreeSet::new()) };
    Ok(singles(socket, &SEALED)?.into_iter().map(|(id, _)| id).filter(|id| id.port == port).collect())
}

/// The peers of all LACs of a port.
///
/// # Errors
/// What the kernel says; a kernel without nf_tables has none.
pub(crate) fn of_port(session: &mut Session, port: u16) -> Result<Vec<Range>, Error> {
    let Some(socket) = socket(session)? else { return Ok(Vec::new()) };
    Ok(ranges(socket)?.into_iter().filter(|range| range.id().is_some_and(|id| id.port == port)).collect())
}

/// The LACs that have any element.
///
/// # Errors
/// What the kernel says; a kernel without nf_tables has none.
pub(crate) fn all(session: &mut Session) -> Result<BTreeSet<LacId>, Error> {
    let Some(socket) = socket(session)? else { return Ok(BTreeSet::new()) };
    let mut all: BTreeSet<LacId> = ranges(socket)?.iter().filter_map(Range::id).collect();
    for set in [&CLOSED, &SEALED] {
        all.extend(singles(socket, set)?.into_iter().map(|(id, _)| id));
    }
    Ok(all)
}

/// Has a LAC hear these, and nobody else, whoever was heard before: the elements that it lacks are added, and others removed, with what
/// the table lacks, in one transaction. What stays is not touched, and goes on counting. The table is made with its first element, and
/// goes with its last.
///
/// # Errors
/// What the kernel says; [`Error::Unsupported`].
pub(crate) fn replace(session: &mut Session, id: LacId, wanted: &Hearing) -> Result<(), Error> {
    replace_by(session, id, wanted).map_err(|error| match error {
        Error::Unsupported { feature, .. } if feature == "nf_tables" => no_nf_tables(),
        error => error,
    })
}

fn replace_by(session: &mut Session, id: LacId, wanted: &Hearing) -> Result<(), Error> {
    let socket = match socket(session)? {
        Some(socket) => socket,
        None if wanted.is_open() => return Ok(()),
        None => return Err(no_nf_tables()),
    };
    for attempt in 1..=ATTEMPTS {
        let change = match wanted.is_open() {
            true => match Change::removing(socket, id, attempt < ATTEMPTS) {
                Err(Error::Unsupported { .. }) => return Ok(()),
                change => change?,
            },
            false => Change::making(socket, id, wanted, attempt > 1)?,
        };
        let Change { generation, parts, requests } = change;
        if requests.is_empty() {
            return Ok(());
        }
        let Err(refusal) = nftables::transaction(socket, generation, requests) else { return Ok(()) };
        let is_part = refusal.place.is_some_and(|place| place < parts);
        match refusal.error.errno() {
            // Somebody else was faster, or a set is missing.
            Some(libc::ERESTART | libc::EEXIST) => {}
            Some(libc::ENOENT) if !is_part && refusal.place.is_some() => {}
            _ if is_part => return Err(of_addition(refusal, &format!("make table {}", OURS.table()), Some(OURS))),
            _ => {
                let action = format!("change who is heard in {}", id.shared_by());
                return Err(of_addition(refusal, &action, None));
            }
        }
    }
    Err(Error::restless_firewall())
}

/// What differs, and what our table lacks.
///
/// # Errors
/// What the kernel says.
pub(crate) fn differences(session: &mut Session, id: LacId, wanted: &Hearing) -> Result<Vec<Difference>, Error> {
    let found = read(session, id)?;
    let lac = id.shared_by();
    let mut differences = Vec::new();
    if (found.is_closed, &found.peers) != (wanted.is_closed, &wanted.peers) {
        differences.push(Difference::new(format!("peers of {lac}"), wanted.words(), found.words()));
    }
    if found.is_sealed != wanted.is_sealed {
        let words = |is_sealed| if is_sealed { "sealed" } else { "in clear" };
        let what = format!("packets of {lac}");
        differences.push(Difference::new(what, words(wanted.is_sealed), words(found.is_sealed)));
    } else if wanted.has_port && !found.has_port {
        let what = format!("UDP port {} in set {} of table {}", id.port, PORTS.name, OURS.table());
        differences.push(Difference::missing(what));
    }
    if wanted.is_closed {
        let socket = session.netfilter().map_err(of_netfilter)?;
        differences.extend(Parts::of(socket, OURS)?.differences());
    }
    Ok(differences)
}

/// Whether the chains of the table have their rules, as far as their number tells.
///
/// # Errors
/// What the kernel says.
pub(crate) fn is_in_force(session: &mut Session) -> Result<bool, Error> {
    let Some(socket) = socket(session)? else { return Ok(false) };
    let stands = glance(socket, &[OURS])?;
    Ok(stands.iter().all(|(_, stand)| matches!(stand, Stand::Complete)))
}

/// The commands that make what is missing, for people.
pub(crate) fn commands(id: LacId, wanted: &Hearing, found: &Hearing) -> Vec<String> {
    let table = OURS.table();
    let removed = found.words_beyond(wanted, id, false);
    let added = wanted.words_beyond(found, id, true);
    let all: Vec<String> = removed.into_iter().chain(added).collect();
    let mut commands = Vec::new();
    if wanted.is_closed {
        commands.push(format!("nft list table {table} > /dev/null 2>&1 || nft '{}'", OURS.text()));
    }
    if !all.is_empty() {
        commands.push(format!("nft '{}'", all.join("; ")));
    }
    commands
}

/// The commands that have a LAC hear whoever sends, and remove the table if it was the last that did not, for people.
///
/// # Errors
/// What the kernel says; a kernel without nf_tables has nothing to remove.
pub(crate) fn removal_commands(session: &mut Session, id: LacId) -> Result<Vec<String>, Error> {
    let mut found = read(session, id)?;
    found.has_port &= found.is_sealed && sealed_lacs_of_port(session, id.port)?.len() < 2;
    let mut commands = commands(id, &Hearing::default(), &found);
    if !commands.is_empty() {
        let table = OURS.table();
        commands.push(format!("nft list table {table} | grep -q 'elements = ' || nft delete table {table}"));
    }
    Ok(commands)
}

/// A transaction.
#[derive(Debug, Default)]
struct Change {
    /// It depends on what was seen in this one.
    generation: Option<u32>,
    /// How many of the requests make the table or what it lacks; they come first.
    parts: usize,
    requests: Vec<Request>,
}

impl Change {
    fn making(socket: &mut Socket, id: LacId, wanted: &Hearing, is_close: bool) -> Result<Self, Error> {
        let stand = match is_close {
            true => look_closely(socket, OURS)?,
            false => glance(socket, &[OURS])?.pop().map_or(Stand::Absent, |(_, stand)| stand),
        };
        let is_absent = matches!(stand, Stand::Absent);
        let (generation, mut requests) = match stand {
            Stand::Absent => (None, OURS.create()),
            Stand::Complete => (None, Vec::new()),
            Stand::Lacking(generation, parts) => (generation, parts),
        };
        let parts = requests.len();
        let found = if is_absent { Hearing::default() } else { hearing(socket, id)? };
        requests.extend(removed(socket, id, &found, wanted)?);
        let table = OURS.table();
        for (set, elements) in wanted.beyond(&found, id) {
            requests.extend(elements.chunks(IN_ONE_MESSAGE).map(|some| element::create(&table, set, some)));
        }
        Ok(Self { generation, parts, requests })
    }

    /// If `may_end`, with the table if no other LAC has an element.
    fn removing(socket: &mut Socket, id: LacId, may_end: bool) -> Result<Self, Error> {
        let refused = |source| Error::Refused { action: format!("list table {}", OURS.table()), source };
        let questions = vec![get_generation(), OURS.table().get()];
        let mut answers = socket.batch(questions).map_err(refused)?.into_iter();
        let generation = answers.next().and_then(|answer| read_generation(&answer));
        let uses = match answers.next() {
            Some(Err(error)) if error.errno() == Some(libc::ENOENT) => return Ok(Self::default()),
            Some(Err(error)) => return Err(of_netfilter(error)),
            Some(Ok(object)) => object.as_ref().and_then(read_uses).unwrap_or(0),
            None => 0,
        };
        let found = hearing(socket, id)?;
        if found.is_open() {
            return Ok(Self::default());
        }
        if may_end && generation.is_some() && !is_used_by_others(socket, id, uses)? {
            return Ok(Self { generation, parts: 0, requests: vec![OURS.table().delete()] });
        }
        Ok(Self { generation: None, parts: 0, requests: removed(socket, id, &found, &Hearing::default())? })
    }
}

/// The last sealed LAC of a port takes that along.
fn removed(socket: &mut Socket, id: LacId, found: &Hearing, wanted: &Hearing) -> Result<Vec<Request>, Error> {
    let table = OURS.table();
    let mut requests = Vec::new();
    for (set, elements) in found.beyond(wanted, id) {
        let is_others = |(other, _): &(LacId, Count)| other.port == id.port && *other != id;
        if *set == PORTS && singles(socket, &SEALED)?.iter().any(is_others) {
            continue;
        }
        requests.extend(elements.chunks(IN_ONE_MESSAGE).map(|some| element::delete(&table, set, some)));
    }
    Ok(requests)
}

/// Whether the table has an element of another LAC, or one in a set that is not known here: a later release may need it.
fn is_used_by_others(socket: &mut Socket, id: LacId, uses: u32) -> Result<bool, Error> {
    for set in [&CLOSED, &SEALED] {
        if singles(socket, set)?.iter().any(|(of, _)| *of != id) {
            return Ok(true);
        }
    }
    if ranges(socket)?.iter().any(|range| range.id() != Some(id)) {
        return Ok(true);
    }
    let known = OURS.sets();
    if usize::try_from(uses).is_ok_and(|uses| uses <= known.len() + OURS.outline().len()) {
        return Ok(false);
    }
    let refused = |source| Error::Refused { action: format!("list table {}", OURS.table()), source };
    for found in set::list(socket, &OURS.table()).map_err(refused)? {
        let is_strange = !found.is_anonymous && !known.iter().any(|set| set.name == found.name);
        if is_strange && !element::list_found(socket, &found).map_err(refused)?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The socket of the packet filter; `None` on a kernel without nf_tables.
fn socket(session: &mut Session) -> Result<Option<&mut Socket>, Error> {
    match session.netfilter() {
        Ok(socket) => Ok(Some(socket)),
        Err(error) => match of_netfilter(error) {
            Error::Unsupported { .. } => Ok(None),
            error => Err(error),
        },
    }
}

fn no_nf_tables() -> Error {
    Error::Unsupported {
        feature: "nf_tables, by which hosts that are no peers are kept out".to_owned(),
        remedy: Remedy::act("load the module nf_tables (modprobe nf_tables), or use a kernel with CONFIG_NF_TABLES"),
    }
}

/// Without the peers: whether it is closed and sealed, and what it has counted. `None` on a kernel without nf_tables, and for neither.
fn listening(session: &mut Session, id: LacId) -> Result<Option<(Hearing, Count)>, Error> {
    let Some(socket) = socket(session)? else { return Ok(None) };
    match stance(socket, id) {
        Err(Error::Unsupported { .. }) => Ok(None),
        found => found.map(|(hearing, count)| (!hearing.is_open()).then_some((hearing, count))),
    }
}

fn stance(socket: &mut Socket, id: LacId) -> Result<(Hearing, Count), Error> {
    let table = OURS.table();
    let questions = SINGLES.map(|set| element::get(&table, set, &entry(set, id)));
    let mut found = Vec::new();
    for answer in socket.batch(questions.to_vec()).map_err(of_netfilter)? {
        found.push(match answer {
            Ok(object) => object.and_then(|object| element::read(&[object]).pop()),
            Err(error) if error.errno() == Some(libc::ENOENT) => None,
            Err(error) => return Err(of_netfilter(error)),
        });
    }
    let [closed, sealed, port] = found.as_slice() else { return Ok((Hearing::default(), Count::default())) };
    let count = closed.as_ref().and_then(|element| element.count).unwrap_or_default();
    let hearing = Hearing {
        is_closed: closed.is_some(),
        is_sealed: sealed.is_some(),
        has_port: port.is_some(),
        peers: BTreeSet::new(),
    };
    Ok((hearing, count))
}

/// All that a LAC has.
fn hearing(socket: &mut Socket, id: LacId) -> Result<Hearing, Error> {
    let (hearing, _) = stance(socket, id)?;
    let peers = ranges(socket)?.into_iter().filter(|range| range.id() == Some(id));
    Ok(Hearing { peers: peers.collect(), ..hearing })
}

/// The LACs in a set without addresses.
fn singles(socket: &mut Socket, set: &Set) -> Result<Vec<(LacId, Count)>, Error> {
    let elements = list(socket, set)?;
    let named =
        elements.iter().filter_map(|element| Some((read_key(element.key.bytes())?, element.count.unwrap_or_default())));
    Ok(named.collect())
}

/// The peers of all LACs, in order.
fn ranges(socket: &mut Socket) -> Result<BTreeSet<Range>, Error> {
    let mut ranges = BTreeSet::new();
    for (is_ipv6, set) in [(false, &PEERS4), (true, &PEERS6)] {
        ranges.extend(list(socket, set)?.into_iter().map(|element| Range::of(is_ipv6, element)));
    }
    Ok(ranges)
}

fn list(socket: &mut Socket, set: &Set) -> Result<Vec<Element>, Error> {
    let action = || format!("list set {} of table {}", set.name, OURS.table());
    match element::list(socket, &OURS.table(), set) {
        Err(source) => match of_netfilter(source) {
            Error::Refused { source, .. } => Err(Error::Refused { action: action(), source }),
            _ => Ok(Vec::new()),
        },
        Ok(elements) => Ok(elements),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAC: LacId = LacId { port: 14789, vni: 0x01_02_03 };

    fn range(network: &str) -> Range {
        Range::new(LAC, network.parse().unwrap())
    }

    #[test]
    fn ranges_read_as_they_were_written() {
        for network in
            ["192.0.2.1", "192.0.2.0/24", "0.0.0.0/1", "128.0.0.0/1", "2001:db8::1", "2001:db8::/33", "8000::/1"]
        {
            let range = range(network);
            assert_eq!(range.to_string(), network);
            assert_eq!(range.id(), Some(LAC));
            assert_eq!(range.text(), format!("{network} . 14789 . 0x010203"));
            assert_eq!(Range::of(range.is_ipv6, range.element()), range);
        }
        let contains = |network: &str, host: &str| range(network).contains(host.parse().unwrap());
        assert!(contains("192.0.2.0/24", "192.0.2.255") && contains("2001:db8::1", "2001:db8::1"));
        assert!(!contains("192.0.2.0/24", "192.0.3.0") && !contains("192.0.2.0/24", "2001:db8::1"));
        let odd = Range { last: range("192.0.2.6").last, ..range("192.0.2.1") };
        assert_eq!(odd.to_string(), "192.0.2.1-192.0.2.6");
        let odd = Range { last: range("192.0.2.4").last, ..range("192.0.2.3") };
        assert_eq!(odd.to_string(), "192.0.2.3-192.0.2.4");
    }

    #[test]
    fn keys_of_others_are_no_lac() {
        assert_eq!(read_key(key(LAC).bytes()), Some(LAC));
        for bytes in [&[][..], &[1, 2, 0, 0], &[1, 2, 0, 0, 0, 0]] {
            assert_eq!(read_key(bytes), None);
        }
    }

    #[test]
    fn only_what_differs_is_changed() {
        let of = |networks: &[&str]| Hearing {
            is_closed: true,
            is_sealed: false,
            has_port: false,
            peers: networks.iter().map(|network| range(network)).collect(),
        };
        let (one, other) = (of(&["192.0.2.1", "192.0.2.2"]), of(&["192.0.2.2", "2001:db8::/64"]));
        assert_eq!(one.words(), "192.0.2.1, 192.0.2.2");
        assert_eq!(
            commands(LAC, &other, &one).last().unwrap(),
            "nft 'delete element inet plugboard-lacs peers4 { 192.0.2.1 . 14789 . 0x010203 }; \
             add element inet plugboard-lacs peers6 { 2001:db8::/64 . 14789 . 0x010203 }'"
        );
        assert_eq!(commands(LAC, &one, &one).len(), 1, "the table is made where it is missing");
        assert_eq!(commands(LAC, &Hearing::default(), &Hearing::default()), Vec::<String>::new());
    }
}
