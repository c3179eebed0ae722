//! The device to shape: the host's end of the container's NIC.

use std::path::Path;

use attachment::{Device, Kernel};
use cni::{Call, Error, Success};
use netlink::link::Link;
use plugin::codes::from_attachment;
use plugin::interface::identity;

/// Finds, among the host's interfaces in `previous`, the one behind the container's NIC: the device that this project made
/// for the attachment, else the veth whose other end is the NIC, else the only TAP device.
///
/// `None` when the result names none that exists. That is an error for ADD and CHECK, and nothing to do for DEL.
///
/// # Errors
/// The kernel cannot be asked.
pub(crate) fn find(call: &Call, previous: &Success, kernel: &mut Kernel) -> Result<Option<Link>, Error> {
    let own_name = identity(call)?.host_name();
    let mut found = Vec::new();
    for interface in previous.interfaces.iter().filter(|interface| interface.sandbox.is_empty()) {
        let device = Device::host(&interface.name);
        if let Some(link) = kernel.find(&device).map_err(|error| from_attachment(&error))? {
            if link.name == own_name {
                return Ok(Some(link));
            }
            found.push(link);
        }
    }
    let peer = container_interface(call, kernel)?.and_then(|link| link.peer);
    if let Some(place) = found.iter().position(|link| link.kind == "veth" && Some(link.index) == peer) {
        return Ok(Some(found.swap_remove(place)));
    }
    found.retain(|link| link.kind == "tun" || (link.kind == "veth" && !kernel.has_container()));
    Ok(if found.len() == 1 { found.pop() } else { None })
}

fn container_interface(call: &Call, kernel: &mut Kernel) -> Result<Option<Link>, Error> {
    if !kernel.has_container() {
        return Ok(None);
    }
    kernel.find(&Device::container(&call.environment.if_name)).map_err(|error| from_attachment(&error))
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
