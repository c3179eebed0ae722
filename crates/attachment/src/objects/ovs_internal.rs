//! The device of an internal port of Open vSwitch: `ovs-vswitchd` makes it on the host, and it is moved into the container under the
//! name by which the switch knows it.

use std::path::PathBuf;

use netlink::link::{self, Link};
use netlink::{LinkChange, Mac};

use super::occupied::{described, occupied};
use crate::everywhere::everywhere;
use crate::{Device, Difference, Error, Identity, Note, Remedy, Session, Side, Tag};

/// Its kind with the kernel's datapath, and with that of `ovs-vswitchd` itself.
const KINDS: [&str; 2] = ["openvswitch", TAP];
const TAP: &str = "tun";

/// The names of internal ports are those of the container interfaces.
pub(super) fn name_is_taken(what: String) -> Error {
    Error::Conflict {
        object: what,
        want: "an internal port of that name, which is unique in the switch and on the host".to_owned(),
        have: "exists already".to_owned(),
        remedy: Remedy::InternalName,
    }
}

/// Fails where the name is taken on the host or in the container.
pub(super) fn refuse_existing(session: &mut Session, name: &str) -> Result<(), Error> {
    if let Some(link) = session.find(&Device::host(name))? {
        return Err(name_is_taken(format!("link {name} on the host, {},", described(&link))));
    }
    if let Some(link) = session.find(&Device::container(name))? {
        let place = session.container()?.path().display();
        return Err(occupied(format_args!("interface {name} in {place}"), &link));
    }
    Ok(())
}

/// Moves it from the host, and tags it in the same message. `false` if it is not there.
pub(super) fn move_in(session: &mut Session, identity: &Identity, mac: Mac) -> Result<bool, Error> {
    let device = Device::host(identity.if_name());
    let Some(link) = session.find(&device)?.filter(is_of_a_switch) else { return Ok(false) };
    let change = LinkChange::of(link.index).namespace(session.container()?).mac(mac).alias(&identity.alias());
    let action = format!("move {device} into {}", session.container()?.path().display());
    let moved = session.socket(Side::Host)?.request(change.request()).map_err(Error::refused(action));
    session.forget_link(&device);
    if link.kind == TAP {
        session.note(Note::MortalPort { port: device.name });
    }
    moved.map(|_| true)
}

/// Whether it may be such a device, by its kind.
pub(super) fn is_of_a_switch(link: &Link) -> bool {
    KINDS.contains(&link.kind.as_str())
}

/// What differs in the container from an address and from an MTU in bytes, if that is known.
pub(super) fn differences(
    session: &mut Session,
    identity: &Identity,
    (mac, mtu): (Mac, Option<u32>),
    label: &str,
) -> Result<Vec<Difference>, Error> {
    let Some(link) = session.find(&Device::container(identity.if_name()))? else {
        return Ok(vec![Difference::missing(label)]);
    };
    if !is_of_a_switch(&link) {
        return Ok(vec![Difference::new(label, "a device of Open vSwitch", link.kind)]);
    }
    let mut differences = Vec::new();
    if link.mac != Some(mac) {
        let have = link.mac.map_or_else(|| "none".to_owned(), |mac| mac.to_string());
        differences.push(Difference::new(format!("{label} address"), mac, have));
    }
    if let Some(want) = mtu.filter(|want| *want != link.mtu) {
        differences.push(Difference::new(format!("{label} mtu"), want, link.mtu));
    }
    Ok(differences)
}

/// Removes what `ovs-vswitchd` has left in the container: one that has been restarted knows nothing of the TAP devices of its
/// predecessor, which have no carrier then. All others go with their port.
pub(super) fn remove_orphan(session: &mut Session, identity: &Identity) -> Result<(), Error> {
    if !session.has_container() {
        return Ok(());
    }
    let device = Device::container(identity.if_name());
    let is_it =
        |link: &Link| link.kind == "tun" && !link.has_carrier && link.alias.as_deref() == Some(&identity.alias());
    match session.find(&device)?.filter(|link| is_it(link) && !Tag::contradicts(link, &identity.alias())) {
        Some(_) => session.remove(Side::Container, format!("remove {device}"), link::delete(&device.name)),
        None => Ok(()),
    }
}

/// Those of all attachments in containers, each with the path of its namespace. A TAP device that a plugin has made there has the same
/// alias as the veth that it is joined to.
pub(crate) fn in_containers() -> Result<Vec<(PathBuf, Link)>, Error> {
    everywhere(|namespace, socket| {
        let links = link::list(socket).unwrap_or_default();
        let is_joined = |device: &Link| links.iter().any(|link| link.kind == "veth" && link.alias == device.alias);
        let is_one = |link: &&Link| {
            is_of_a_switch(link)
                && matches!(Tag::of(link), Some(Tag::Attachment { other: None, .. }))
                && !is_joined(link)
        };
        Ok(links.iter().filter(is_one).map(|link| (namespace.path().to_owned(), link.clone())).collect())
    })
}

/// The commands that move it.
pub(super) fn commands(identity: &Identity) -> [String; 2] {
    let name = identity.if_name();
    [
        format!("ip link set {name} netns CONTAINER"),
        format!("ip -n CONTAINER link set {name} alias '{}'", identity.alias()),
    ]
}
