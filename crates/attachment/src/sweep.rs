//! Removing what belongs to no valid attachment.

use netlink::link;

use crate::firewall::owner::Owner;
use crate::firewall::{elements, forward};
use crate::{Bridge, Error, Identity, Kernel, Object, Side, Tag, shared};

/// Removes what `network` has in the packet filter, and the host devices, that belong to none of the `valid` attachments, and
/// then the bridges that they were on if nothing uses them any more. Devices of other networks, and those that are not ours,
/// are left alone.
///
/// Everything else of an attachment (its container interface, addresses, routes, queues) goes with its host interface.
pub fn sweep(kernel: &mut Kernel, network: &str, valid: &[Identity]) -> Vec<Error> {
    let keep: Vec<String> = valid.iter().flat_map(Identity::device_names).collect();
    let links = match kernel
        .socket(Side::Host)
        .and_then(|socket| link::list(socket).map_err(Error::refused("list the links of the host")))
    {
        Ok(links) => links,
        Err(error) => return vec![error],
    };
    let is_stale = |owner: &Owner<'_>| owner.network == network && !keep.iter().any(|name| name == owner.host_name);
    let mut errors: Vec<Error> = elements::remove(kernel, is_stale).err().into_iter().collect();
    let mut served = Vec::new();
    for link in &links {
        match link.alias.as_deref().and_then(Tag::read) {
            Some(Tag::Attachment { network: of }) if of == network && !keep.contains(&link.name) => {
                let removed = kernel.remove(Side::Host, format!("remove {}", link.name), link::delete(&link.name));
                errors.extend(removed.err());
                served.extend(link.master);
            }
            // The bridge itself, or the one below its gateway in a VLAN.
            Some(Tag::Shared { network: of, .. }) if of == network => {
                served.extend([Some(link.index), link.peer].into_iter().flatten());
            }
            _ => {}
        }
    }
    for bridge in links.iter().filter(|link| link.kind == "bridge" && served.contains(&link.index)) {
        errors.extend(Bridge::shared(&bridge.name, network).remove(kernel).err());
    }
    // A rule stays behind where its bridge was removed by somebody else.
    match forward::bridges(kernel) {
        Ok(bridges) => errors.extend(bridges.iter().filter_map(|bridge| shared::tear_down(kernel, bridge).err())),
        Err(error) => errors.push(error),
    }
    errors
}
