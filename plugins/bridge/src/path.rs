//! The MTU where the configuration leaves it to the path.

use attachment::{Bridge, Error, Kernel, Side};
use netlink::{layer3, link};

use crate::config::Keys;

/// The way that the container's packets take.
#[derive(Debug, Default)]
pub(crate) struct Path {
    /// Its MTU in bytes; `None` leaves it to the kernel.
    pub(crate) mtu: Option<u32>,
    /// The bridge is still to be made, and gets it too.
    pub(crate) is_for_the_bridge: bool,
}

/// The uplink, else the bridge that is there, else, for a bridge that is going to be a gateway, the device of the host's
/// default route.
///
/// # Errors
/// The kernel cannot be asked.
pub(crate) fn survey(keys: &Keys, kernel: &mut Kernel) -> Result<Path, Error> {
    if let Some(uplink) = keys.uplink() {
        return Ok(Path { mtu: uplink.mtu(kernel)?, is_for_the_bridge: false });
    }
    Ok(match Bridge::shared(&keys.bridge, "").settled(kernel)? {
        Some(bridge) => Path { mtu: (bridge.kind == "bridge").then_some(bridge.mtu), is_for_the_bridge: false },
        None if keys.is_gateway => Path { mtu: of_default_route(kernel)?, is_for_the_bridge: true },
        None => Path::default(),
    })
}

fn of_default_route(kernel: &mut Kernel) -> Result<Option<u32>, Error> {
    let socket = kernel.socket(Side::Host)?;
    let refused = || Error::refused("find the device of the default route");
    let Some(index) = layer3::default_link(socket).map_err(refused())? else { return Ok(None) };
    let link = link::find_index(socket, index).map_err(refused())?;
    Ok(link.filter(|link| !link.is_loopback).map(|link| link.mtu))
}
