//! The MTU where the configuration leaves it to the path.

use attachment::{Device, Error, Session, Side};
use netlink::layer3;

/// The way that the container's packets take.
#[derive(Debug, Clone, Copy, Default)]
pub struct Path {
    /// Its MTU in bytes; `None` leaves it to the kernel.
    pub mtu_bytes: Option<u32>,
    /// The bridge is still to be made, and gets it too.
    pub is_for_the_bridge: bool,
}

impl Path {
    /// Through a device of the host that leads to a physical network.
    #[must_use]
    pub fn of_uplink(mtu_bytes: Option<u32>) -> Self {
        Self { mtu_bytes, is_for_the_bridge: false }
    }

    /// Through the host, which forwards: by the device of its default route.
    ///
    /// # Errors
    /// The kernel cannot be asked.
    pub fn of_the_host(session: &mut Session) -> Result<Self, Error> {
        Ok(Self { mtu_bytes: of_default_route(session)?, is_for_the_bridge: false })
    }

    /// Through a bridge: the existing one, or else, if it is going to be a gateway, the device of the host's default route.
    ///
    /// # Errors
    /// The kernel cannot be asked.
    pub fn by_bridge(name: &str, is_gateway: bool, session: &mut Session) -> Result<Self, Error> {
        Ok(match session.known(&Device::host(name))? {
            Some(bridge) => {
                Self { mtu_bytes: (bridge.kind == "bridge").then_some(bridge.mtu), is_for_the_bridge: false }
            }
            None if is_gateway => Self { mtu_bytes: of_default_route(session)?, is_for_the_bridge: true },
            None => Self::default(),
        })
    }
}

fn of_default_route(session: &mut Session) -> Result<Option<u32>, Error> {
    let found = layer3::default_link(session.socket(Side::Host)?);
    let Some(index) = found.map_err(Error::refused("find the device of the default route"))? else { return Ok(None) };
    let link = session.find_index(Side::Host, index)?;
    Ok(link.filter(|link| !link.is_loopback).map(|link| link.mtu))
}
