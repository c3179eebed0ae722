//! A port of a bridge letting frames through.

use netlink::link::{self, PortState};

use crate::{Device, Difference, Error, Kernel, Object, Side, patience};

/// A port that lets frames through, so that the first packet after ADD arrives. It stands behind what gives it carrier.
///
/// A port forwards as soon as a worker of the kernel has seen its carrier, and the bridge itself sends as soon as the worker
/// has seen that it has such a port. With spanning tree a port listens and learns for half a minute, for which nobody should
/// wait.
#[derive(Debug)]
pub struct Forwarding {
    /// The port.
    pub device: String,
}

impl Forwarding {
    fn is_ready(&self, kernel: &mut Kernel) -> Result<bool, Error> {
        let Some(port) = kernel.find(&Device::host(&self.device))? else { return Ok(true) };
        let bridge = match (port.port_state, port.master) {
            (Some(PortState::Disabled), _) => return Ok(false),
            (Some(PortState::Forwarding), Some(bridge)) => bridge,
            _ => return Ok(true),
        };
        if kernel.seen_index(bridge).is_some_and(|bridge| bridge.is_running) {
            return Ok(true); // it has sent before
        }
        let bridge = link::find_index(kernel.socket(Side::Host)?, bridge)
            .map_err(Error::refused(format!("look up link {bridge}")))?;
        Ok(bridge.is_none_or(|bridge| bridge.is_running || !bridge.is_up))
    }
}

impl Object for Forwarding {
    fn create(&self, kernel: &mut Kernel) -> Result<(), Error> {
        patience::until(kernel, |kernel| self.is_ready(kernel))
    }

    fn differences(&self, kernel: &mut Kernel) -> Result<Vec<Difference>, Error> {
        let link = kernel.find(&Device::host(&self.device))?;
        Ok(match link.and_then(|link| link.port_state) {
            Some(PortState::Disabled) => {
                vec![Difference::new(format!("port {}", self.device), "forwarding", "disabled: it has no carrier")]
            }
            _ => Vec::new(),
        })
    }

    /// Goes with its port.
    fn remove(&self, _kernel: &mut Kernel) -> Result<(), Error> {
        Ok(())
    }

    fn commands(&self) -> Vec<String> {
        Vec::new()
    }
}
