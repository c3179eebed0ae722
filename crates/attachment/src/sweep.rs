//! Removing what belongs to no valid attachment.

use netlink::link::{self, Link};

use crate::firewall::owner::Owner;
use crate::firewall::{elements, forward};
use crate::{Bridge, Device, Error, Identity, Kernel, Object, Redirect, Side, Tag, shared};

/// Takes back the redirections to an ifb of the host that is about to go: with them alone, what the devices receive would be
/// lost. For devices that are not known; the others have a [`Redirect`].
///
/// # Errors
/// What the kernel says.
pub fn unhook_ifb(kernel: &mut Kernel, ifb: &Device) -> Result<(), Error> {
    match kernel.find(ifb)? {
        Some(link) if link.kind == "ifb" => {
            let links = list(kernel)?;
            unhook(kernel, &links, &link)
        }
        _ => Ok(()),
    }
}

fn unhook(kernel: &mut Kernel, links: &[Link], ifb: &Link) -> Result<(), Error> {
    let redirects = |link: &&Link| !["ifb", "bridge"].contains(&link.kind.as_str());
    links.iter().filter(redirects).try_for_each(|link| {
        Redirect { from: Device::host(&link.name), to: Device::host(&ifb.name) }
            .remove_from(link.index, ifb.index, kernel)
    })
}

fn list(kernel: &mut Kernel) -> Result<Vec<Link>, Error> {
    link::list(kernel.socket(Side::Host)?).map_err(Error::refused("list the links of the host"))
}

/// Removes what `network` has in the packet filter, and the host devices, that belong to none of the `valid` attachments, and
/// then the bridges that they were on if nothing uses them any more. Devices of other networks, and those that are not ours,
/// are left alone.
///
/// Everything else of an attachment (its container interface, addresses, routes, queues) goes with its host interface.
pub fn sweep(kernel: &mut Kernel, network: &str, valid: &[Identity]) -> Vec<Error> {
    let keep: Vec<String> = valid.iter().flat_map(Identity::device_names).collect();
    let is_kept = |name: &String, other: Option<&str>| {
        keep.contains(name) || other.is_some_and(|other| valid.iter().any(|owner| owner.ifb_name(other) == *name))
    };
    let links = match list(kernel) {
        Ok(links) => links,
        Err(error) => return vec![error],
    };
    let is_stale = |owner: &Owner<'_>| owner.network == network && !keep.iter().any(|name| name == owner.host_name);
    let mut errors: Vec<Error> = elements::remove(kernel, is_stale).err().into_iter().collect();
    let mut served = Vec::new();
    for link in &links {
        match link.alias.as_deref().and_then(Tag::read) {
            Some(Tag::Attachment { network: of, other }) if of == network && !is_kept(&link.name, other) => {
                if link.kind == "ifb" {
                    errors.extend(unhook(kernel, &links, link).err());
                }
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
