//! The device to shape: the host's end of the container's NIC.

use std::path::Path;

use attachment::{Device, Kernel, Side};
use cni::{Call, Error, Success};
use netlink::link::{self, Link};
use plugin::codes::from_attachment;
use plugin::interface::identity;

/// Finds the device of the host behind the container's NIC, whoever made it: the one that this project names after the
/// attachment; else the other end of the NIC's veth; else the one device of the host in `previous` that can be it.
///
/// `None` when there is none. That is an error for ADD and CHECK, and nothing to do for DEL.
///
/// # Errors
/// The kernel cannot be asked.
pub(crate) fn find(call: &Call, previous: &Success, kernel: &mut Kernel) -> Result<Option<Link>, Error> {
    let refused = |error| from_attachment(&error);
    let own = Device::host(identity(call).host_name());
    if let Some(link) = kernel.find(&own).map_err(refused)? {
        return Ok(Some(link));
    }
    if let Some(link) = veth_peer(call, kernel).map_err(refused)? {
        return Ok(Some(link));
    }
    let mut candidates = Vec::new();
    for interface in previous.interfaces.iter().filter(|interface| interface.sandbox.is_empty()) {
        candidates.extend(kernel.find(&Device::host(&interface.name)).map_err(refused)?);
    }
    candidates.retain(|link| link.kind == "tun" || (link.kind == "veth" && !kernel.has_container()));
    Ok(if candidates.len() == 1 { candidates.pop() } else { None })
}

/// The host's end of the veth whose other end is the container interface.
fn veth_peer(call: &Call, kernel: &mut Kernel) -> Result<Option<Link>, attachment::Error> {
    if !kernel.has_container() {
        return Ok(None);
    }
    let Some(inside) = kernel.find(&Device::container(&call.environment.if_name))? else {
        return Ok(None);
    };
    let Some(peer) = inside.peer.filter(|_| inside.kind == "veth" && inside.is_peer_elsewhere) else {
        return Ok(None);
    };
    let found = link::find_index(kernel.socket(Side::Host)?, peer)
        .map_err(attachment::Error::refused(format!("look up link {peer}")))?;
    let is_other_end =
        |outside: &Link| outside.kind == "veth" && outside.is_peer_elsewhere && outside.peer == Some(inside.index);
    Ok(found.filter(is_other_end))
}

/// The error of a call that needs the device.
pub(crate) fn missing(call: &Call, previous: &Success) -> Error {
    let on_host: Vec<&str> = previous
        .interfaces
        .iter()
        .filter(|interface| interface.sandbox.is_empty())
        .map(|interface| interface.name.as_str())
        .collect();
    Error::invalid_config(format!(
        "prevResult names no host interface for {} in {}: it lists {}, none of which is the other end of its veth or a TAP \
         device; put this plugin behind one that leaves a device on the host, such as bridge",
        call.environment.if_name,
        call.environment.netns.as_deref().unwrap_or(Path::new("")).display(),
        if on_host.is_empty() { "none".to_owned() } else { on_host.join(", ") },
    ))
}
