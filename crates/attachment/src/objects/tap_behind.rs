//! The TAP device in a container's namespace, reached through the veth pair that it is joined to.

use netlink::elsewhere::Elsewhere;
use netlink::link::Link;

use crate::identity::MARK;
use crate::{Device, Error, Session, Side};

/// Removes the TAP device that has the alias of this host interface, in the namespace of its other end: for a call that knows no
/// namespace, although it lives. Once the pair is gone, nothing leads there any more.
///
/// # Errors
/// What the kernel says.
pub(super) fn remove(session: &mut Session, host: &str) -> Result<(), Error> {
    let Some(link) = session.known(&Device::host(host))? else { return Ok(()) };
    let Some(interface) = interface_of(&link) else { return Ok(()) };
    let Some(there) = Elsewhere::of_peer(&link) else { return Ok(()) };
    let action = format!("remove TAP device {interface} behind {host}");
    let socket = session.socket(Side::Host)?;
    match there.find(socket, interface).map_err(Error::refused(&action))? {
        Some(tap) if tap.kind == "tun" && tap.alias == link.alias => {
            there.delete(socket, &tap).map_err(Error::refused(action))
        }
        _ => Ok(()),
    }
}

/// The container interface that an alias of an attachment names.
fn interface_of(link: &Link) -> Option<&str> {
    let (interface, _) = link.alias.as_deref()?.strip_prefix(MARK)?.split_once(" on ")?;
    (!interface.contains(' ')).then_some(interface)
}
