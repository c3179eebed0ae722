//! Who holds a published port, and who waits for it.
//!
//! A port of the host leads into one container. Runtimes ask for the same ports in each network of a container, though: the first one to
//! ask holds them, the others wait, and one of these takes over when the holder goes, in the transaction that removes it.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use netlink::Request;
use nftables::{Chain, Data, Element, Key, Set, Verdict, element};

use super::owner::Owner;
use super::placed::Placed;
use super::tables::Ours;
use super::tables::ports::{CONDITIONAL, HOSTPORTS4, HOSTPORTS6, PORTS4, PORTS6, WAITING};

/// A place at the host that connections come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// The transport protocol (`IPPROTO_*`).
    pub(crate) protocol: u8,
    /// The address of the host; unspecified for all of its family.
    pub(crate) address: IpAddr,
    /// The port.
    pub(crate) port: u16,
    /// Conditions decide, in a chain of the attachment: the address is that of `::`, for both families.
    pub(crate) is_conditional: bool,
}

/// Where the parts of a key of [`WAITING`] begin.
const WAITING_ADDRESS: usize = 4;
const WAITING_PORT: usize = 20;
const WAITING_TO: usize = 24;
const WAITING_TO_PORT: usize = 40;

impl Place {
    /// The sets in which there are places, and those who wait for one.
    pub(crate) const SETS: [&'static Set; 6] = [&HOSTPORTS4, &HOSTPORTS6, &PORTS4, &PORTS6, &CONDITIONAL, &WAITING];

    /// Where it is looked up.
    pub(crate) fn set(&self) -> &'static Set {
        match (self.is_conditional, self.address, self.address.is_unspecified()) {
            (true, ..) => &CONDITIONAL,
            (_, IpAddr::V4(_), true) => &PORTS4,
            (_, IpAddr::V4(_), false) => &HOSTPORTS4,
            (_, IpAddr::V6(_), true) => &PORTS6,
            (_, IpAddr::V6(_), false) => &HOSTPORTS6,
        }
    }

    /// Its key there.
    pub(crate) fn key(&self) -> Key {
        let protocol = Key::protocol(self.protocol);
        let addressed = match self.address {
            _ if self.address.is_unspecified() => protocol,
            IpAddr::V4(v4) => protocol.and_ipv4(v4),
            IpAddr::V6(v6) => protocol.and_ipv6(v6),
        };
        addressed.and_port(self.port)
    }

    /// The place of an element of one of the sets that have places.
    pub(crate) fn read(set: &Set, key: &Key) -> Option<Self> {
        let bytes = key.bytes();
        let (is_conditional, length, is_ipv4) = match set {
            _ if *set == HOSTPORTS4 => (false, 4, true),
            _ if *set == HOSTPORTS6 => (false, 16, false),
            _ if *set == PORTS4 => (false, 0, true),
            _ if *set == PORTS6 => (false, 0, false),
            _ if *set == CONDITIONAL => (true, 0, false),
            _ => return None,
        };
        let address = match (length, is_ipv4) {
            (0, true) => IpAddr::from([0; 4]),
            (0, false) => IpAddr::from([0; 16]),
            (_, true) => IpAddr::from(<[u8; 4]>::try_from(bytes.get(4..8)?).ok()?),
            (_, false) => IpAddr::from(<[u8; 16]>::try_from(bytes.get(4..20)?).ok()?),
        };
        Some(Self { protocol: *bytes.first()?, address, port: port_at(bytes, 4 + length)?, is_conditional })
    }

    /// Connections to this place may be meant by that one, too.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let is_met = |one: IpAddr, other: IpAddr| {
            one == other || one.is_ipv4() == other.is_ipv4() && (one.is_unspecified() || other.is_unspecified())
        };
        let is_either = self.is_conditional || other.is_conditional;
        self.protocol == other.protocol && self.port == other.port && (is_either || is_met(self.address, other.address))
    }

    /// The element of [`WAITING`] for it, and for what it would lead to: an address and a port, or the chain of the attachment with this
    /// host interface, whose name stands in the place of an address then.
    pub(crate) fn waiting(&self, to: Option<SocketAddr>, host_name: &str) -> Key {
        let mapped = |address: IpAddr| match address {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        let named = || {
            let mut bytes = [0; 16];
            bytes.iter_mut().zip(host_name.bytes()).for_each(|(byte, letter)| *byte = letter);
            Ipv6Addr::from(bytes)
        };
        let (address, port) = to.map_or_else(|| (named(), 0), |to| (mapped(to.ip()), to.port()));
        let place = Key::protocol(self.protocol).and_ipv6(mapped(self.address)).and_port(self.port);
        place.and_ipv6(address).and_port(port)
    }

    /// The place that an element of [`WAITING`] waits for, and what it would lead to.
    fn read_waiting(key: &Key) -> Option<(Self, Option<SocketAddr>)> {
        let bytes = key.bytes();
        let address = |at: usize| {
            let bytes = <[u8; 16]>::try_from(bytes.get(at..at + 16)?).ok()?;
            let v6 = Ipv6Addr::from(bytes);
            Some(v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4))
        };
        let (to, port) = (address(WAITING_TO)?, port_at(bytes, WAITING_TO_PORT)?);
        let to = (port != 0).then(|| SocketAddr::new(to, port));
        let place = Self {
            protocol: *bytes.first()?,
            address: address(WAITING_ADDRESS)?,
            port: port_at(bytes, WAITING_PORT)?,
            is_conditional: to.is_none(),
        };
        Some((place, to))
    }
}

fn port_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

/// What an element of a place has: an address and a port, or the chain of the attachment with this host interface.
pub(crate) fn target(to: Option<SocketAddr>, host_name: &str) -> Data {
    match to {
        Some(to) => Data::Value(match to.ip() {
            IpAddr::V4(v4) => Key::ipv4(v4).and_port(to.port()),
            IpAddr::V6(v6) => Key::ipv6(v6).and_port(to.port()),
        }),
        None => Data::Verdict(Verdict::Jump(host_name.to_owned())),
    }
}

/// What a map has for a key, as `nft` writes it.
pub(super) fn in_words(data: &Data) -> String {
    let value = |key: &Key| {
        let (address, port) = key.bytes().split_at_checked(key.bytes().len().saturating_sub(4)).unwrap_or_default();
        let v4 = <[u8; 4]>::try_from(address).map(IpAddr::from);
        let address = v4.or_else(|_| <[u8; 16]>::try_from(address).map(IpAddr::from));
        Some(format!("{} . {}", address.ok()?, port_at(port, 0)?))
    };
    match data {
        Data::Value(key) => value(key).unwrap_or_default(),
        Data::Verdict(Verdict::Jump(chain)) => format!("jump {chain}"),
        Data::Verdict(other) => format!("{other:?}"),
    }
}

/// The attachment of the element has a chain, to which the element leads or would lead.
pub(super) fn leads_to_a_chain(placed: &Placed) -> bool {
    matches!(placed.element.data, Some(Data::Verdict(_)))
        || *placed.set == WAITING && Place::read_waiting(&placed.element.key).is_some_and(|(_, to)| to.is_none())
}

/// One that has waited for a place that is freed, and takes it over.
pub(super) struct Heir<'a> {
    waiting: &'a Placed,
    place: Place,
    to: Option<SocketAddr>,
}

impl Heir<'_> {
    fn host_name(&self) -> &str {
        Owner::read(&self.waiting.element.comment).map_or("", |owner| owner.host_name)
    }

    fn requests(&self) -> [Request; 2] {
        let (table, comment) = (Ours::Ports.table(), self.waiting.element.comment.as_str());
        let element = Element::new(self.place.key()).with_data(target(self.to, self.host_name())).with_comment(comment);
        [
            element::create(&table, self.place.set(), &[element]),
            element::delete(&table, &WAITING, [&self.waiting.element]),
        ]
    }

    /// The same for people.
    pub(super) fn commands(&self) -> [String; 2] {
        let (table, comment) = (Ours::Ports.table(), &self.waiting.element.comment);
        let (set, key) = (self.place.set(), self.place.key());
        let (key, data) = (key.text(set.key), in_words(&target(self.to, self.host_name())));
        let waiting = self.waiting.element.key.text(WAITING.key);
        [
            format!("nft 'create element {table} {} {{ {key} comment {comment:?} : {data} }}'", set.name),
            format!("nft 'delete element {table} {} {{ {waiting} }}'", WAITING.name),
        ]
    }
}

/// Who takes over what is freed: the next interface of the container, for all that wait for a place are of one. What still meets a place
/// that somebody holds goes on waiting.
pub(super) fn heirs<'a>(
    going: impl Iterator<Item = &'a Placed>,
    staying: impl Iterator<Item = &'a Placed>,
) -> Vec<Heir<'a>> {
    let (mut waiting, mut held) = (Vec::new(), Vec::new());
    for placed in staying {
        match Place::read_waiting(&placed.element.key).filter(|_| *placed.set == WAITING) {
            Some((place, to)) => waiting.push(Heir { waiting: placed, place, to }),
            None => held.extend(Place::read(placed.set, &placed.element.key)),
        }
    }
    if waiting.is_empty() {
        return Vec::new();
    }
    waiting.sort_by_cached_key(|heir| heir.waiting.element.comment.split_once(' ').map(|(_, rest)| rest.to_owned()));
    let freed: Vec<Place> = going.filter_map(|placed| Place::read(placed.set, &placed.element.key)).collect();
    let mut heirs: Vec<Heir<'_>> = Vec::new();
    for heir in waiting {
        let is_freed = freed.iter().any(|place| place.overlaps(&heir.place));
        let is_held = held.iter().any(|place| place.overlaps(&heir.place));
        let is_another = |other: &Heir<'_>| other.host_name() != heir.host_name() && other.place.overlaps(&heir.place);
        if is_freed && !is_held && !heirs.iter().any(is_another) {
            heirs.push(heir);
        }
    }
    heirs
}

/// The requests, beside those that delete the elements, of a removal of some of our table: who waits takes over, and the chains of
/// those who had conditions go.
///
/// Those in `rest` go later.
pub(super) fn aftermath(going: &[Placed], rest: &[Placed], staying: &[Placed]) -> Vec<Request> {
    let table = Ours::Ports.table();
    let mut requests: Vec<Request> =
        heirs(going.iter(), staying.iter()).iter().flat_map(|heir| heir.requests()).collect();
    let mut chains: Vec<String> = Vec::new();
    for placed in going.iter().filter(|placed| leads_to_a_chain(placed)) {
        let owner = Owner::read(&placed.element.comment).filter(|_| {
            let is_same = |other: &Placed| other.element.comment == placed.element.comment && leads_to_a_chain(other);
            !rest.iter().any(is_same)
        });
        if let Some(owner) = owner.filter(|owner| !chains.iter().any(|chain| chain == owner.host_name)) {
            chains.push(owner.host_name.to_owned());
        }
    }
    requests.extend(chains.into_iter().map(|name| Chain { table: table.clone(), name }.delete()));
    requests
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Vec<Place> {
        let addresses = ["0.0.0.0", "192.0.2.7", "::", "2001:db8::7"];
        let mut all: Vec<Place> = addresses
            .iter()
            .map(|address| Place { protocol: 17, address: address.parse().unwrap(), port: 53, is_conditional: false })
            .collect();
        all.push(Place { protocol: 6, address: IpAddr::from([0; 16]), port: 80, is_conditional: true });
        all
    }

    #[test]
    fn places_are_read_back() {
        for place in places() {
            assert_eq!(Place::read(place.set(), &place.key()), Some(place), "{place:?}");
            let to = (!place.is_conditional).then(|| SocketAddr::new(place.address, 5353));
            assert_eq!(Place::read_waiting(&place.waiting(to, "pbvd4zojfh5w7vp")), Some((place, to)));
        }
        assert_eq!(Place::read(&WAITING, &Key::port(1)), None);
        assert_eq!(Place::read_waiting(&Key::port(1)), None);
    }

    #[test]
    fn an_address_is_among_all_of_its_family() {
        let all = places();
        let overlaps = |one: usize, other: usize| {
            let (one, mut other) = (all[one], all[other]);
            let there = one.overlaps(&other);
            assert_eq!(there, other.overlaps(&one));
            other.port += 1;
            assert!(!one.overlaps(&other));
            there
        };
        assert!(overlaps(0, 1) && overlaps(2, 3) && overlaps(0, 0));
        assert!(!overlaps(0, 2) && !overlaps(1, 3) && !overlaps(0, 4));
    }
}
