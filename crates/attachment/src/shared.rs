//! What the attachments on a bridge share, and its end.
//!
//! The first attachment makes what they share, later ones adopt it, and the last one out removes it. All that has to be known
//! is the bridge's name: what was made here carries a tag.

use netlink::link::{self, Link};

use crate::firewall::forward;
use crate::lock::Mode;
use crate::objects::gateway_vlan;
use crate::{Device, Error, Identity, Kernel, Side, Step, Tag, migration};

/// The bridge that the host interface of an attachment is a port of.
///
/// # Errors
/// The kernel cannot be asked.
pub fn bridge_of(kernel: &mut Kernel, identity: &Identity) -> Result<Option<String>, Error> {
    let host = Device::host(identity.host_name());
    let Some(index) = kernel.find(&host)?.and_then(|link| link.master) else { return Ok(None) };
    let bridge = link::find_index(kernel.socket(Side::Host)?, index)
        .map_err(Error::refused(format!("look up link {index}, of which {host} is a port")))?;
    Ok(bridge.map(|link| link.name))
}

/// Removes what the attachments on a bridge shared, when none of them is left: the bridge itself too, if it was made here and
/// has no port of anybody else.
///
/// # Errors
/// What the kernel refuses.
pub(crate) fn tear_down(kernel: &mut Kernel, bridge: &str) -> Result<(), Error> {
    if matches!(look(kernel, bridge)?, Found::Used) {
        return Ok(());
    }
    kernel.lock(Mode::Change)?;
    let removed = remove_unused(kernel, bridge);
    kernel.unlock();
    removed
}

/// With the lock, because an attachment may have come meanwhile. The steps go out in one send: a kill cannot leave the host
/// without its addresses.
fn remove_unused(kernel: &mut Kernel, bridge: &str) -> Result<(), Error> {
    let (link, ports) = match look(kernel, bridge)? {
        Found::Used => return Ok(()),
        Found::Gone => return forward::remove(kernel, bridge),
        Found::Unused(link, ports) => (link, ports),
    };
    let Some(Tag::Shared { uplink, .. }) = link.alias.as_deref().and_then(Tag::read) else {
        gateway_vlan::tear_down(kernel, &link)?;
        return forward::remove(kernel, bridge);
    };
    let uplink = match uplink {
        Some(name) => kernel.find(&Device::host(name))?,
        None => None,
    };
    let is_uplink = |port: &Link| uplink.as_ref().is_some_and(|uplink| uplink.index == port.index);
    if !ports.iter().all(is_uplink) {
        return Ok(()); // somebody else uses it
    }
    gateway_vlan::tear_down(kernel, &link)?;
    let unruled = forward::remove(kernel, bridge);
    if let Some(uplink) = &uplink {
        migration::back(kernel, &link, uplink)?;
    }
    kernel.queue(removal("bridge", bridge));
    if let Some(vlan) = uplink.filter(is_made_here) {
        kernel.queue(removal("VLAN device", &vlan.name));
    }
    kernel.flush()?;
    unruled
}

fn removal(kind: &str, name: &str) -> Step {
    Step::change(Side::Host, format!("remove {kind} {name}"), link::delete(name)).tolerating(&[libc::ENODEV])
}

/// What has become of a bridge.
enum Found {
    /// There is none.
    Gone,
    /// It has an attachment.
    Used,
    /// It has none, but perhaps ports of others.
    Unused(Box<Link>, Vec<Link>),
}

fn look(kernel: &mut Kernel, bridge: &str) -> Result<Found, Error> {
    let found = kernel.find(&Device::host(bridge))?;
    let Some(link) = found.filter(|link| link.kind == "bridge") else { return Ok(Found::Gone) };
    let ports = link::ports(kernel.socket(Side::Host)?, link.index)
        .map_err(Error::refused(format!("list the ports of bridge {bridge}")))?;
    let is_used = ports.iter().any(is_attachment);
    Ok(if is_used { Found::Used } else { Found::Unused(Box::new(link), ports) })
}

/// Whether a device is one that attachments share and that goes with the last of them.
pub(crate) fn is_made_here(link: &Link) -> bool {
    matches!(link.alias.as_deref().and_then(Tag::read), Some(Tag::Shared { .. }))
}

pub(crate) fn is_attachment(port: &Link) -> bool {
    matches!(port.alias.as_deref().and_then(Tag::read), Some(Tag::Attachment { .. }))
}
