//! What the reference plugin has left of an attachment: it made the NIC, and our executable has taken the place of its.

use std::fs;
use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use attachment::{Device, Error, Identity, ReferenceNic, Session, Side, Tag};
use cni::{Call, Interface, Success};
use netlink::Mac;
use netlink::link::Link;

/// Where `host-local` keeps its allocations.
const ALLOCATIONS: &str = "/var/lib/cni/networks";

/// More than the file of an address has.
const LIMIT_BYTES: u64 = 4096;

/// What the result says of the NIC: the reference lists the bridge, the host interface and the container interface, in this order.
/// A device that another plugin made and that was lent to the bridge stands before it.
struct Told<'a> {
    host: &'a Interface,
    inside: &'a Interface,
}

impl<'a> Told<'a> {
    fn read(result: &'a Success, bridge: &str, identity: &Identity) -> Option<Self> {
        result.interfaces.windows(3).find_map(|three| match three {
            [first, host, inside]
                if first.name == bridge
                    && first.sandbox.is_empty()
                    && host.sandbox.is_empty()
                    && host.name != identity.host_name()
                    && inside.name == identity.if_name()
                    && !inside.sandbox.is_empty() =>
            {
                Some(Self { host, inside })
            }
            _ => None,
        })
    }
}

/// Whether the result is one of the reference's.
pub(crate) fn is_its_result(call: &Call, bridge: &str, identity: &Identity) -> bool {
    call.config.prev_result.as_ref().is_some_and(|result| Told::read(result, bridge, identity).is_some())
}

/// What DEL has to remove of it; nothing where a NIC of ours is there, or the result is not the reference's.
///
/// # Errors
/// The kernel cannot be asked.
pub(crate) fn left(
    call: &Call,
    bridge: &str,
    identity: &Identity,
    session: &mut Session,
) -> Result<Option<ReferenceNic>, Error> {
    let none = Success::default();
    let result = call.config.prev_result.as_ref().unwrap_or(&none);
    let told = Told::read(result, bridge, identity);
    if told.is_none() && !result.interfaces.is_empty() {
        return Ok(None);
    }
    if session.known(&Device::host(identity.host_name()))?.is_some() {
        return Ok(None);
    }
    let bridge = session.known(&Device::host(bridge))?.filter(|link| link.kind == "bridge");
    let mut addresses: Vec<IpAddr> = result.ips.iter().map(|ip| ip.address.ip()).collect();
    let host = match (bridge, &told) {
        (None, None) => None,
        (bridge, Some(told)) => of_result(told, bridge.as_ref(), session)?,
        (Some(bridge), None) => match of_allocation(call, identity, &bridge, session)? {
            Some((link, held)) => {
                addresses.extend(held);
                Some(link)
            }
            None => None,
        },
    };
    let is_certain = told.is_some() || host.is_some();
    Ok(Some(ReferenceNic { identity: identity.clone(), host: host.map(|link| link.name), addresses, is_certain }))
}

fn may_be_its(link: &Link, bridge: &Link) -> bool {
    is_foreign_pair(link) && link.master == Some(bridge.index)
}

fn is_foreign_pair(link: &Link) -> bool {
    link.kind == "veth" && !Tag::is_ours(link)
}

fn has_address(link: &Link, interface: &Interface) -> bool {
    interface.mac.parse::<Mac>().is_ok_and(|mac| link.mac == Some(mac))
}

/// The host interface of the result, if one of the two ends has the address that the result tells: by now another plugin may have
/// made one of that name. If the bridge has another name by now, or is gone, the address of the host's end decides.
fn of_result(told: &Told<'_>, bridge: Option<&Link>, session: &mut Session) -> Result<Option<Link>, Error> {
    let Some(host) = session.find(&Device::host(&told.host.name))?.filter(is_foreign_pair) else { return Ok(None) };
    let Some(bridge) = bridge else { return Ok(Some(host).filter(|host| has_address(host, told.host))) };
    if !may_be_its(&host, bridge) {
        return Ok(None);
    }
    if has_address(&host, told.host) {
        return Ok(Some(host));
    }
    let pair = inside(&told.inside.name, session)?;
    Ok(pair.filter(|(inside, outside)| outside.index == host.index && has_address(inside, told.inside)).map(|_| host))
}

/// The other end of the container's interface, if that has addresses that IPAM holds for this attachment; and these.
fn of_allocation(
    call: &Call,
    identity: &Identity,
    bridge: &Link,
    session: &mut Session,
) -> Result<Option<(Link, Vec<IpAddr>)>, Error> {
    if call.config.ipam.as_deref() != Some("host-local") {
        return Ok(None);
    }
    let Some((inside, host)) = inside(identity.if_name(), session)?.filter(|(_, host)| may_be_its(host, bridge)) else {
        return Ok(None);
    };
    let directory = directory(call);
    let addresses = session.addresses(Side::Container, inside.index)?.into_iter().map(|address| address.ip());
    let held: Vec<IpAddr> =
        addresses.filter(|address| is_held(&directory.join(address.to_string()), identity)).collect();
    Ok((!held.is_empty()).then_some((host, held)))
}

/// The container's veth of this name and its other end.
fn inside(name: &str, session: &mut Session) -> Result<Option<(Link, Link)>, Error> {
    if !session.has_container() {
        return Ok(None);
    }
    let Some(inside) = session.find(&Device::container(name))? else { return Ok(None) };
    Ok(session.find_other_end(&inside)?.map(|outside| (inside, outside)))
}

fn directory(call: &Call) -> PathBuf {
    let ipam = keys::find(&call.config.object, "ipam").and_then(|ipam| ipam.as_object());
    let named = ipam.and_then(|ipam| keys::find(ipam, "dataDir")).and_then(|directory| directory.as_str());
    Path::new(named.filter(|path| !path.is_empty()).unwrap_or(ALLOCATIONS)).join(&call.config.name)
}

/// The file says `CONTAINER`, CR, LF, `INTERFACE`; before 0.8 of the reference the container alone.
fn is_held(file: &Path, identity: &Identity) -> bool {
    let mut text = String::new();
    let read = |file: fs::File| file.take(LIMIT_BYTES).read_to_string(&mut text);
    let is_read =
        fs::symlink_metadata(file).is_ok_and(|found| found.is_file()) && fs::File::open(file).and_then(read).is_ok();
    let (container, interface) = text.trim().split_once("\r\n").unwrap_or((text.trim(), identity.if_name()));
    is_read && container == identity.container_id() && interface == identity.if_name()
}
