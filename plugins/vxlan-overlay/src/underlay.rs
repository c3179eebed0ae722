//! The underlay: the device of the host that a LAC's packets leave by.

use std::collections::BTreeSet;
use std::net::IpAddr;

use attachment::{Device, Error, Lac, LacId, Reach, Remedy, Session, Side, Tag};
use netlink::link::Link;
use netlink::{layer3, route, vxlan};

use crate::config::Wanted;
use crate::sealing::Sealing;
use crate::way::Way;

/// How a LAC is reached from this host.
#[derive(Debug)]
pub(crate) struct Underlay {
    /// The device.
    pub(crate) link: Link,
    /// How frames reach the other hosts by it.
    pub(crate) reach: Reach,
}

impl Underlay {
    /// The device that the configuration names; else the one that the LAC has on this host already; else the one that the host's
    /// routes lead through.
    ///
    /// # Errors
    /// [`Error::Unusable`] where it is missing, down, without an address of the family, or not to be told from others.
    pub(crate) fn find(wanted: &Wanted, session: &mut Session) -> Result<Self, Error> {
        let reach = reach(&wanted.way, session)?;
        let id = LacId { port: wanted.port, vni: wanted.vni };
        let link = match &wanted.underlay {
            Some(name) => named(name, session)?,
            None => match Lac::underlay_in_use(id, session)? {
                Some(link) => link,
                None => routed(&reach, session)?,
            },
        };
        refuse_unusable(&link, &reach, session)?;
        Ok(Self { link, reach })
    }
}

/// The address from which an encrypted LAC is sent: its states are for this one alone.
///
/// # Errors
/// [`Error::Unusable`] where the underlay has none of the family that goes beyond the link.
pub(crate) fn local(
    sealing: &Sealing,
    id: LacId,
    link: &Link,
    reach: &Reach,
    session: &mut Session,
) -> Result<IpAddr, Error> {
    let in_use = Lac::local_in_use(id, session)?;
    let own = session.addresses(Side::Host, link.index)?.into_iter().map(|address| address.ip());
    let is_local = |address: &IpAddr| matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
    let own: Vec<IpAddr> = own.filter(|address| address.is_ipv6() == reach.is_ipv6() && !is_local(address)).collect();
    sealing.choose_local(&own, in_use).ok_or_else(|| Error::Unusable {
        problem: format!("the underlay {} has no address that the keys of keyFile could be for", link.name),
        remedy: Remedy::act("give it one that is not link-local, and name that in peers on the other hosts"),
    })
}

/// Without this host's own addresses: a list is the same on all hosts.
fn reach(way: &Way, session: &mut Session) -> Result<Reach, Error> {
    Ok(match way {
        Way::Group { group, vde: false } => Reach::Group(*group),
        Way::Group { group, vde: true } => Reach::Flooded(*group),
        Way::Remotes(remotes) => {
            let mut hosts = BTreeSet::new();
            for host in remotes {
                if !session.is_own(*host)? {
                    hosts.insert(*host);
                }
            }
            Reach::Hosts { hosts, is_ipv6: remotes.iter().any(IpAddr::is_ipv6) }
        }
        Way::Evpn { local } => Reach::Evpn { is_ipv6: local.is_some_and(|local| local.is_ipv6()) },
    })
}

fn named(name: &str, session: &mut Session) -> Result<Link, Error> {
    session.find(&Device::host(name))?.ok_or_else(|| Error::Unusable {
        problem: format!("if: the host has no device {name}"),
        remedy: Remedy::act("name the device that leads to the other hosts, or leave that to the host's routes"),
    })
}

/// The device of the routes to the group, or to the other hosts.
fn routed(reach: &Reach, session: &mut Session) -> Result<Link, Error> {
    let mut links: BTreeSet<u32> = BTreeSet::new();
    let destination = match reach {
        Reach::Group(IpAddr::V6(group)) | Reach::Flooded(IpAddr::V6(group)) => {
            links.extend(to_ipv6_group(*group, session)?);
            format!("the group {group}")
        }
        Reach::Group(group) | Reach::Flooded(group) => {
            links.extend(through(*group, session)?);
            format!("the group {group}")
        }
        Reach::Evpn { .. } => return Err(no_route("the other hosts")),
        Reach::Hosts { hosts, .. } if hosts.is_empty() => {
            return Err(Error::Unusable {
                problem: "the remotes are this host alone, and no route tells the underlay".to_owned(),
                remedy: Remedy::act("name the device that leads to the other hosts in `if`, or add the other hosts"),
            });
        }
        Reach::Hosts { hosts, .. } => {
            for host in hosts {
                match through(*host, session)? {
                    found if found.is_empty() => return Err(no_route(&host.to_string())),
                    found => links.extend(found),
                }
            }
            "the other hosts".to_owned()
        }
    };
    let mut found = Vec::new();
    for index in &links {
        found.extend(session.known_index(Side::Host, *index)?);
    }
    match found.len() {
        0 => Err(no_route(&destination)),
        1 => found.pop().ok_or_else(|| no_route(&destination)),
        _ => Err(Error::Unusable {
            problem: format!(
                "the routes to {destination} lead through several devices: {}",
                found.iter().map(|link| link.name.as_str()).collect::<Vec<_>>().join(", ")
            ),
            remedy: Remedy::act("name one of them in `if`"),
        }),
    }
}

fn through(address: IpAddr, session: &mut Session) -> Result<Vec<u32>, Error> {
    route::through(session.socket(Side::Host)?, address)
        .map_err(Error::refused(format!("look up the route to {address}")))
}

/// The kernel has a route to all groups through each link. Those of this project, and loopback, lead to no other host; of the rest the
/// one with the default route is meant, or the only one that has an address beyond its link.
fn to_ipv6_group(group: std::net::Ipv6Addr, session: &mut Session) -> Result<Vec<u32>, Error> {
    let found = route::to_groups(session.socket(Side::Host)?, group);
    let found = found.map_err(Error::refused(format!("look up the routes to {group}")))?;
    let mut links = Vec::new();
    for index in found {
        let link = session.known_index(Side::Host, index)?;
        links.extend(link.filter(|link| !link.is_loopback && !Tag::is_ours(link)).map(|link| link.index));
    }
    if links.len() < 2 {
        return Ok(links);
    }
    let default = layer3::default_link_of(session.socket(Side::Host)?, true);
    let default = default.map_err(Error::refused("find the device of the default route"))?;
    if let Some(link) = default.filter(|link| links.contains(link)) {
        return Ok(vec![link]);
    }
    let mut wide = Vec::new();
    for link in &links {
        let addresses = session.addresses(Side::Host, *link)?;
        let is_wide = |address: IpAddr| matches!(address, IpAddr::V6(v6) if !v6.is_unicast_link_local());
        if addresses.iter().any(|address| is_wide(address.ip())) {
            wide.push(*link);
        }
    }
    Ok(if wide.is_empty() { links } else { wide })
}

fn no_route(destination: &str) -> Error {
    Error::Unusable {
        problem: format!("there is no route to {destination} that would tell the underlay"),
        remedy: Remedy::act("name the device that leads to the other hosts in `if`"),
    }
}

fn refuse_unusable(link: &Link, reach: &Reach, session: &mut Session) -> Result<(), Error> {
    let unusable = |reason: String, remedy: String| {
        Err(Error::Unusable { problem: format!("the underlay {} {reason}", link.name), remedy: Remedy::Act(remedy) })
    };
    if link.is_loopback {
        return unusable(
            "is the loopback device".to_owned(),
            "name the device that leads to the other hosts in `if`".to_owned(),
        );
    }
    if !link.is_up {
        return unusable("is down".to_owned(), format!("set it up first: `ip link set {} up`", link.name));
    }
    let is_ipv6 = reach.is_ipv6();
    if vxlan::mtu_over(link.mtu, is_ipv6) < vxlan::LEAST_MTU_BYTES {
        return unusable(
            format!("has an MTU of {} bytes, into which no frame fits", link.mtu),
            "raise it, on all hosts".to_owned(),
        );
    }
    if session.addresses(Side::Host, link.index)?.iter().any(|address| address.is_ipv6() == is_ipv6) {
        return Ok(());
    }
    let family = if is_ipv6 { "IPv6" } else { "IPv4" };
    let master = match link.master {
        Some(index) => session.known_index(Side::Host, index)?,
        None => None,
    };
    match master {
        Some(master) => unusable(
            format!("has no {family} address, because it is a port of {}", master.name),
            format!("name {} in `if`", master.name),
        ),
        None => unusable(
            format!("has no {family} address to send from"),
            "give it one, or name another device in `if`".to_owned(),
        ),
    }
}
