//! What the attachments on a bridge share, and its end.
//!
//! The first attachment makes what they share, later ones adopt it, and the last one out removes it. All that has to be known
//! is the bridge's name: what was made here carries a tag.

use netlink::link::{self, Link};

use crate::lock::Mode;
use crate::objects::gateway_vlan;
use crate::{Device, Error, Kernel, Side, Tag};

/// Removes what the attachments on a bridge shared, when none of them is left: the bridge itself too, if it was made here and
/// has no port of anybody else.
///
/// # Errors
/// What the kernel refuses.
pub(crate) fn tear_down(kernel: &mut Kernel, bridge: &str) -> Result<(), Error> {
    if unused(kernel, bridge)?.is_none() {
        return Ok(());
    }
    kernel.lock(Mode::Change)?;
    let removed = remove_unused(kernel, bridge);
    kernel.unlock();
    removed
}

/// With the lock, because an attachment may have come meanwhile.
fn remove_unused(kernel: &mut Kernel, bridge: &str) -> Result<(), Error> {
    let Some((link, ports)) = unused(kernel, bridge)? else { return Ok(()) };
    gateway_vlan::tear_down(kernel, &link)?;
    if !is_ours(&link) || !ports.is_empty() {
        return Ok(());
    }
    kernel.remove(Side::Host, format!("remove bridge {bridge}"), link::delete(bridge))
}

/// A bridge without an attachment on it, and its ports.
fn unused(kernel: &mut Kernel, bridge: &str) -> Result<Option<(Link, Vec<Link>)>, Error> {
    let found = kernel.find(&Device::host(bridge))?;
    let Some(link) = found.filter(|link| link.kind == "bridge") else { return Ok(None) };
    let ports = link::ports(kernel.socket(Side::Host)?, link.index)
        .map_err(Error::refused(format!("list the ports of bridge {bridge}")))?;
    let is_used = ports.iter().any(is_attachment);
    Ok((!is_used).then_some((link, ports)))
}

fn is_ours(link: &Link) -> bool {
    matches!(link.alias.as_deref().and_then(Tag::read), Some(Tag::Shared { .. }))
}

fn is_attachment(port: &Link) -> bool {
    matches!(port.alias.as_deref().and_then(Tag::read), Some(Tag::Attachment { .. }))
}
