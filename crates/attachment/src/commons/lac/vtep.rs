//! This host in a LAC of EVPN: the address that the others send to, and the MTU of the way there.

use std::net::IpAddr;

use netlink::link::Link;
use netlink::{address, layer3, vxlan};

use super::{Lac, LacId};
use crate::{Device, Error, Remedy, Session, Side, Tag};

/// This host in a LAC.
#[derive(Debug)]
pub struct Vtep {
    /// The address that the others send to.
    pub local: IpAddr,
    /// The device whose MTU counts.
    pub path: Link,
}

impl Vtep {
    /// With the address (local); else the first one of the device that is named, or the one that the LAC has on this host already, or the
    /// first one of the device of the default route.
    ///
    /// # Errors
    /// [`Error::Unusable`] where there is no such address, or no device that tells the MTU.
    pub fn find(id: LacId, device: Option<&str>, local: Option<IpAddr>, session: &mut Session) -> Result<Self, Error> {
        let named = device.map(|name| named(name, session)).transpose()?;
        let local = match (local, &named) {
            (Some(local), _) => local,
            (None, Some(link)) => of_link(link, session)?,
            (None, None) => match Lac::local_in_use(id, session)? {
                Some(local) if session.is_own(local)? => local,
                _ => of_default_route(session)?,
            },
        };
        refuse_foreign(local, session)?;
        let path = match named.filter(|link| !is_for_addresses(link)) {
            Some(link) => link,
            None => path(local, session)?,
        };
        refuse_unusable(&path, local)?;
        Ok(Self { local, path })
    }
}

fn named(name: &str, session: &mut Session) -> Result<Link, Error> {
    session.find(&Device::host(name))?.ok_or_else(|| Error::Unusable {
        problem: format!("the host has no device {name}"),
        remedy: Remedy::act("name the device with the address that the other hosts send to, or that address (local)"),
    })
}

/// Other hosts can send to an address from beyond its link.
#[must_use]
pub fn is_wide(address: IpAddr) -> bool {
    let is_of_the_link = match address {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_broadcast() || matches!(v4.octets(), [0 | 240..=254, ..]),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    !is_of_the_link && !address.is_loopback() && !address.is_unspecified() && !address.is_multicast()
}

/// It is up whatever becomes of the network, and leads nowhere: an address may be on it, but packets leave by others.
fn is_for_addresses(link: &Link) -> bool {
    link.is_loopback || link.kind == "dummy"
}

fn of_link(link: &Link, session: &mut Session) -> Result<IpAddr, Error> {
    let addresses = session.addresses(Side::Host, link.index)?;
    let mut wide: Vec<IpAddr> = addresses.iter().map(|address| address.ip()).filter(|ip| is_wide(*ip)).collect();
    wide.sort_by_key(IpAddr::is_ipv6); // stable: the first of its family stays so
    wide.first().copied().ok_or_else(|| Error::Unusable {
        problem: format!("the device {} has no address that the other hosts could send to", link.name),
        remedy: Remedy::act("give it one, or name this host's address (local)"),
    })
}

fn of_default_route(session: &mut Session) -> Result<IpAddr, Error> {
    let found = layer3::default_link(session.socket(Side::Host)?);
    let index = found.map_err(Error::refused("find the device of the default route"))?;
    match index.map(|index| session.known_index(Side::Host, index)).transpose()?.flatten() {
        Some(link) => of_link(&link, session),
        None => Err(Error::Unusable {
            problem: "there is no default route that would tell this host's address for the others".to_owned(),
            remedy: Remedy::act("name the address (local), or the device that has it (if)"),
        }),
    }
}

fn refuse_foreign(local: IpAddr, session: &mut Session) -> Result<(), Error> {
    match session.is_own(local)? {
        true => Ok(()),
        false => Err(Error::Unusable {
            problem: format!("{local} is no address of this host"),
            remedy: Remedy::Act(format!(
                "add it, as with `ip address add {local}/{} dev lo`, or name another one (local)",
                if local.is_ipv4() { 32 } else { 128 }
            )),
        }),
    }
}

/// The device of the default route of the address's family; without one the device with the least MTU of those that have another
/// address, or, where none has, of those with a link-local one, by which hosts may reach each other, too.
fn path(local: IpAddr, session: &mut Session) -> Result<Link, Error> {
    let default = layer3::default_link_of(session.socket(Side::Host)?, local.is_ipv6());
    let default = default.map_err(Error::refused("find the device of the default route"))?;
    if let Some(link) = default.map(|index| session.known_index(Side::Host, index)).transpose()?.flatten()
        && !is_for_addresses(&link)
    {
        return Ok(link);
    }
    let all = address::list_all(session.socket(Side::Host)?).map_err(Error::refused("list addresses"))?;
    let is_of_its_family = |ip: IpAddr| ip.is_ipv6() == local.is_ipv6() && !ip.is_loopback();
    let mut least: Option<Link> = None;
    for wide in [true, false] {
        let is_one = |ip: IpAddr| if wide { is_of_its_family(ip) && is_wide(ip) } else { !ip.is_loopback() };
        for (index, _) in all.iter().filter(|(_, address)| is_one(address.ip())) {
            let found = session.known_index(Side::Host, *index)?;
            let found = found.filter(|link| link.is_up && !is_for_addresses(link) && !Tag::is_ours(link));
            least = found.into_iter().chain(least).min_by_key(|link| link.mtu);
        }
        if least.is_some() {
            break;
        }
    }
    least.ok_or_else(|| Error::Unusable {
        problem: format!(
            "no device of this host is known to lead to the other hosts, and {local} is on none that does"
        ),
        remedy: Remedy::act("name the device (if), and the address (local)"),
    })
}

fn refuse_unusable(path: &Link, local: IpAddr) -> Result<(), Error> {
    let unusable = |reason: String, remedy: String| {
        Err(Error::Unusable { problem: format!("the underlay {} {reason}", path.name), remedy: Remedy::Act(remedy) })
    };
    if !path.is_up {
        return unusable("is down".to_owned(), format!("set it up first: `ip link set {} up`", path.name));
    }
    if vxlan::mtu_over(path.mtu, local.is_ipv6()) < vxlan::LEAST_MTU_BYTES {
        return unusable(
            format!("has an MTU of {} bytes, into which no frame fits", path.mtu),
            "raise it, on all hosts".to_owned(),
        );
    }
    Ok(())
}
