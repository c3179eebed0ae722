//! Giving a device of the host back: it leaves the container, and becomes what it was.
//!
//! Each step can be repeated, and the alias, which tells what there is to do, goes last: a call that was killed is continued by the
//! next, wherever it ended.

use netlink::link::{self, Link};
use netlink::{LinkChange, Namespace, Socket, address};

use crate::seal::is_sealed;
use crate::{Device, Error, Moved, Note, Remedy, Session, Side, Step};

/// It was unplugged: there is nothing to give back.
const GONE: &[i32] = &[libc::ENODEV];

/// Moves a device from the namespace of `socket` to that of the calling thread, where it gets the attachment's derived name. One
/// that has vanished meanwhile is no error.
pub(crate) fn fetch(socket: &mut Socket, link: &Link, name: &str) -> Result<(), Error> {
    let action = || format!("give {} back to the host as {name}", Device::container(&link.name));
    let here = Namespace::own().map_err(Error::Namespace)?;
    match socket.request(LinkChange::of(link.index).namespace(&here).name(name).request()) {
        Err(source) if source.errno() != Some(libc::ENODEV) => Err(Error::Refused { action: action(), source }),
        _ => Ok(()),
    }
}

/// The device on the host of the attachment with this [`Identity::host_name`](crate::Identity::host_name), which is its name if a
/// call of ours was broken off, and any name if the kernel has given it back.
pub(crate) fn find_back(session: &mut Session, host_name: &str, is_searched: bool) -> Result<Option<Link>, Error> {
    let is_it = |link: &Link| Moved::of(link).is_some_and(|moved| moved.host_name == host_name);
    let found = session.find(&Device::host(host_name))?.filter(is_it);
    if found.is_some() || !is_searched {
        return Ok(found);
    }
    let links = link::list(session.socket(Side::Host)?).map_err(Error::refused("list the links of the host"))?;
    Ok(links.into_iter().find(|link| is_it(link) && !session.gone().contains(&link.name)))
}

/// Makes a device on the host, which an attachment had taken over, what it was there.
///
/// One whose alias was changed, by whoever ruled the container, keeps the name that it has, is set down, and loses the alias; a note
/// says so.
///
/// # Errors
/// Its name is taken by now, or the kernel refuses something: then it keeps the alias.
pub(crate) fn restore(session: &mut Session, link: &Link) -> Result<(), Error> {
    let Some(moved) = Moved::of(link).filter(|moved| is_sealed(moved, &link.kind)) else {
        session.note(Note::UnknownOrigin { device: link.name.clone() });
        let change = LinkChange::of(link.index).up(false).alias("");
        let step = Step::change(Side::Host, format!("take down {}", link.name), change.request());
        session.queue(step.tolerating(GONE));
        return session.flush();
    };
    let origin = moved.origin;
    let has_own_mac = origin.mac.is_none_or(|mac| link.mac == Some(mac));
    let change = LinkChange::of(link.index);
    let mut queue = |what: &str, change: LinkChange| {
        let step = Step::change(Side::Host, format!("{what} {}", link.name), change.request());
        session.queue(step.tolerating(GONE));
    };
    if link.is_up && !(has_own_mac && link.name == origin.name && origin.is_up) {
        queue("take down", change.clone().up(false));
    }
    if let Some(mac) = origin.mac.filter(|_| !has_own_mac) {
        queue("restore the address of", change.clone().mac(mac));
    }
    if link.mtu != origin.mtu {
        queue("restore the MTU of", change.clone().mtu(origin.mtu));
    }
    if link.name != origin.name {
        let (name, wanted) = (link.name.clone(), origin.name.clone());
        let action = format!("rename {name} to {wanted}");
        let step = Step::change(Side::Host, action, change.clone().name(&wanted).request());
        session.queue(step.tolerating(GONE).explained(move |error| explain_name(error, &name, &wanted)));
    }
    session.flush()?;
    for address in &origin.addresses {
        let action = format!("restore address {address} of {}", origin.name);
        let step = Step::change(Side::Host, action, address::add(link.index, *address));
        session.queue(step.tolerating(&[libc::EEXIST, libc::ENODEV]));
    }
    if origin.is_up {
        let step = Step::change(Side::Host, format!("set {} up", origin.name), change.clone().up(true).request());
        session.queue(step.tolerating(GONE));
    }
    session.flush()?;
    let change = change.alias(origin.alias.as_deref().unwrap_or_default());
    let step = Step::change(Side::Host, format!("restore the alias of {}", origin.name), change.request());
    session.queue(step.tolerating(GONE));
    session.flush()
}

/// The commands that do the same, for people.
pub(crate) fn restore_commands(link: &Link) -> Vec<String> {
    let Some(Moved { origin, .. }) = Moved::of(link) else {
        return vec![format!("# nobody can tell what {} was, because its alias was changed", link.name)];
    };
    let name = &origin.name;
    let mut commands = Vec::new();
    if link.is_up {
        commands.push(format!("ip link set {} down", link.name));
    }
    if link.name != *name {
        commands.push(format!("ip link set {} name {name}", link.name));
    }
    let mac = origin.mac.map(|mac| format!(" address {mac}")).unwrap_or_default();
    commands.push(format!("ip link set {name}{mac} mtu {}", origin.mtu));
    commands.extend(origin.addresses.iter().map(|address| {
        let option = if address.is_ipv6() { " nodad" } else { " brd +" };
        format!("ip address add {address} dev {name}{option}")
    }));
    if origin.is_up {
        commands.push(format!("ip link set {name} up"));
    }
    let alias = origin.alias.as_deref().unwrap_or_default().replace('\'', r"'\''");
    commands.push(format!("ip link set {name} alias '{alias}'"));
    commands
}

fn explain_name(error: Error, name: &str, wanted: &str) -> Error {
    match error {
        Error::Refused { source, .. } if source.is_existing() => Error::Unusable {
            problem: format!(
                "another device has the name {wanted} by now, so what had it before stays {name}, down, with its alias"
            ),
            remedy: Remedy::act("rename the other one, and run DEL or GC again"),
        },
        error => error,
    }
}
