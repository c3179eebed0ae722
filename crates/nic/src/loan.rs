//! A device of the host that the previous plugin of the chain made: it becomes the port of the bridge, and no NIC is made.

use attachment::{Description, Device, Identity, Loan, Session, Tag};
use cni::{Call, Command, Error, Interface, Success};
use netlink::link::Link;
use plugin::codes::from_attachment;

/// The device of `prevResult` that is to be the port, or is, once ADD has made it so. `None` where there is none: then a NIC
/// is made.
///
/// # Errors
/// Code 7 when several can be meant; the kernel cannot be asked.
pub fn find_loan(
    call: &Call,
    identity: &Identity,
    bridge: &str,
    session: &mut Session,
) -> Result<Option<String>, Error> {
    let Some(previous) = &call.config.prev_result else { return Ok(None) };
    let mut devices = Vec::new();
    for Interface { name, .. } in of_host(previous, identity, bridge) {
        let found = session.find(&Device::host(name)).map_err(|error| from_attachment(&error))?;
        devices.push((name.clone(), found));
    }
    if call.environment.command == Command::Check {
        return lent(devices, bridge, session);
    }
    let free = |(_, found): &(String, Option<Link>)| {
        found.as_ref().is_some_and(|link| link.kind != "bridge" && link.master.is_none() && !Tag::is_ours(link))
    };
    let mut free: Vec<String> = devices.into_iter().filter(free).map(|(name, _)| name).collect();
    match free.len() {
        0 | 1 => Ok(free.pop()),
        _ => Err(Error::invalid_config(format!(
            "prevResult lists several devices of the host that could be the port of bridge {bridge}: {}; put the plugin \
             after one that leaves one such device, or none",
            free.join(", ")
        ))),
    }
}

/// For CHECK: the port of the bridge among the devices; one that is no longer a port, or that is gone, if there is no other.
fn lent(devices: Vec<(String, Option<Link>)>, bridge: &str, session: &mut Session) -> Result<Option<String>, Error> {
    let bridge = session.find(&Device::host(bridge)).map_err(|error| from_attachment(&error))?;
    let is_port = |found: &Option<Link>| {
        let master = found.as_ref().and_then(|link| link.master);
        master.is_some() && master == bridge.as_ref().map(|bridge| bridge.index)
    };
    let is_none =
        |found: &Option<Link>| found.as_ref().is_some_and(|link| ["bridge", "ifb"].contains(&link.kind.as_str()));
    let mut devices: Vec<_> = devices.into_iter().filter(|(_, found)| !is_none(found)).collect();
    devices.sort_by_key(|(_, found)| (!is_port(found), found.is_none()));
    Ok(devices.into_iter().next().map(|(name, _)| name))
}

/// For DEL: the devices that may have been lent to the bridge, to be given back if they were.
pub fn lent_before(call: &Call, identity: &Identity, bridge: &str, description: &mut Description) {
    let previous = call.config.prev_result.iter();
    for interface in previous.flat_map(|previous| of_host(previous, identity, bridge)) {
        description.own(Loan::new(&interface.name, bridge).with_address(interface.mac.parse().ok()));
    }
}

/// The interfaces of a result that are the host's, but for the bridge. None where a NIC was made here.
fn of_host<'a>(result: &'a Success, identity: &Identity, bridge: &'a str) -> impl Iterator<Item = &'a Interface> {
    let own = identity.host_name();
    let is_made_here = result.interfaces.iter().any(|interface| interface.name == own);
    let of_host = result.interfaces.iter().filter(move |interface| !is_made_here && interface.sandbox.is_empty());
    of_host.filter(move |interface| interface.name != bridge && interface.name != "lo")
}
