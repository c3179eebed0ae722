//! The addresses between which to measure.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use ipnetwork::IpNetwork;
use meter::Place;
use netlink::address::{self, State};
use netlink::link::{self, Link};

/// How long duplicate detection takes at most, with a second to spare.
const DETECTION: Duration = Duration::from_secs(4);

/// How often to look.
const LOOK: Duration = Duration::from_millis(20);

/// An interface in a namespace.
#[derive(Debug, Clone)]
pub(super) struct End {
    pub(super) path: PathBuf,
    pub(super) link: Link,
    /// What it can be reached at.
    addresses: Vec<IpNetwork>,
}

/// Two places with addresses of one subnet.
#[derive(Debug, Clone)]
pub(super) struct Pair {
    pub(super) from: Place,
    pub(super) to: Place,
}

/// Finds an interface; `None` if there is none of that name.
pub(super) fn find_link(path: &Path, name: &str) -> anyhow::Result<Option<Link>> {
    let mut socket = netlink::Namespace::open(path)?.socket()?;
    link::find(&mut socket, name).with_context(|| format!("cannot look up interface {name} in {}", path.display()))
}

impl End {
    /// Looks at an interface, and waits until its addresses can be used.
    pub(super) fn open(path: &Path, name: &str) -> anyhow::Result<Self> {
        let Some(link) = find_link(path, name)? else { bail!("there is no interface {name} in {}", path.display()) };
        if !link.is_up {
            bail!("interface {name} in {} is down: set it up first", path.display());
        }
        let mut socket = netlink::Namespace::open(path)?.socket()?;
        let begin = Instant::now();
        loop {
            let states = address::states(&mut socket, link.index)
                .with_context(|| format!("cannot list the addresses of {name} in {}", path.display()))?;
            let is_settled = states.iter().all(|(_, state)| *state != State::Tentative);
            if is_settled || begin.elapsed() > DETECTION {
                let usable = states.iter().filter(|(_, state)| *state == State::Usable);
                let addresses = usable.map(|(address, _)| *address).collect();
                return Ok(Self { path: path.to_owned(), link, addresses });
            }
            thread::sleep(LOOK);
        }
    }

    /// Gives it an address.
    pub(super) fn add(&mut self, address: IpNetwork) -> anyhow::Result<()> {
        let mut socket = netlink::Namespace::open(&self.path)?.socket()?;
        socket
            .request(address::add(self.link.index, address))
            .with_context(|| format!("cannot give the measuring container the address {address}"))?;
        self.addresses.push(address);
        Ok(())
    }

    pub(super) fn place(&self, address: IpAddr) -> anyhow::Result<Place> {
        Ok(Place::open(&self.path, address)?.on(&self.link.name))
    }

    /// The pairs of addresses over which the two can reach each other, link-local ones first: they are there without
    /// anybody's doing.
    pub(super) fn pairs(&self, other: &Self) -> anyhow::Result<Vec<Pair>> {
        let mut pairs = common(&self.addresses, &other.addresses);
        pairs.sort_by_key(|(from, _)| !is_link_local(*from));
        pairs.into_iter().map(|(from, to)| Ok(Pair { from: self.place(from)?, to: other.place(to)? })).collect()
    }

    /// The address to use towards another one.
    pub(super) fn towards(&self, to: IpAddr) -> Option<IpAddr> {
        if is_link_local(to) {
            return self.addresses.iter().map(IpNetwork::ip).find(|own| is_link_local(*own));
        }
        self.addresses.iter().find(|own| own.contains(to)).map(IpNetwork::ip)
    }

    /// What there is, for people.
    pub(super) fn describe(&self) -> String {
        match self.addresses.as_slice() {
            [] => "none".to_owned(),
            some => some.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        }
    }
}

fn common(from: &[IpNetwork], to: &[IpNetwork]) -> Vec<(IpAddr, IpAddr)> {
    let pairs = from.iter().flat_map(|from| to.iter().map(move |to| (*from, *to)));
    pairs
        .filter(|(from, to)| from.contains(to.ip()) && to.contains(from.ip()) && from.ip() != to.ip())
        .map(|(from, to)| (from.ip(), to.ip()))
        .collect()
}

/// IPv6 only: IPv4 link-local addresses were configured by somebody.
fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

/// Bytes of the headers of IP and UDP.
pub(super) fn ip_and_udp(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(_) => 28,
        IpAddr::V6(_) => 48,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(list: &[&str]) -> Vec<IpNetwork> {
        list.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn pairs_are_of_one_subnet() {
        let from = networks(&["10.1.0.5/24", "fe80::1/64", "10.9.0.7/24"]);
        let to = networks(&["fd00::2/64", "10.9.0.2/24", "fe80::2/64", "10.1.0.5/16"]);
        let found: Vec<String> = common(&from, &to).iter().map(|(from, to)| format!("{from} {to}")).collect();
        assert_eq!(found, ["fe80::1 fe80::2", "10.9.0.7 10.9.0.2"]);
    }

    #[test]
    fn of_a_machine_the_addresss_scope_decides() {
        let end =
            End { path: PathBuf::new(), link: Link::default(), addresses: networks(&["10.1.0.5/24", "fe80::1/64"]) };
        assert_eq!(end.towards("10.1.0.9".parse().unwrap()), "10.1.0.5".parse().ok());
        assert_eq!(end.towards("fe80::9".parse().unwrap()), "fe80::1".parse().ok());
        assert_eq!(end.towards("10.2.0.9".parse().unwrap()), None);
    }
}
