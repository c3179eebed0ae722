//! Waiting for a port to let frames through.

use netlink::link::PortState;

use super::patience;
use crate::{Action, Device, Difference, Error, Session, Side, Stage};

/// Waits until a port lets frames through, so that the first packet after ADD arrives.
///
/// A port forwards as soon as a worker of the kernel has seen its carrier, and the bridge itself sends as soon as the worker
/// has seen that it has such a port. With spanning tree a port listens and learns for half a minute, for which nobody should
/// wait.
#[derive(Debug)]
pub struct AwaitForwarding {
    /// The port.
    pub device: String,
}

impl AwaitForwarding {
    fn is_ready(&self, session: &mut Session) -> Result<bool, Error> {
        let Some(port) = session.find(&Device::host(&self.device))? else { return Ok(true) };
        let bridge = match (port.port_state, port.master) {
            (Some(PortState::Disabled), _) => return Ok(false),
            (Some(PortState::Forwarding), Some(bridge)) => bridge,
            _ => return Ok(true),
        };
        if session.known_index(Side::Host, bridge)?.is_some_and(|bridge| bridge.is_running) {
            return Ok(true); // it has sent before
        }
        let bridge = session.find_index(Side::Host, bridge)?;
        Ok(bridge.is_none_or(|bridge| bridge.is_running || !bridge.is_up))
    }
}

impl Action for AwaitForwarding {
    fn stage(&self) -> Stage {
        Stage::Ready
    }

    fn perform(&self, session: &mut Session) -> Result<(), Error> {
        patience::until(session, |session| self.is_ready(session))
    }

    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        let link = session.find(&Device::host(&self.device))?;
        Ok(match link.and_then(|link| link.port_state) {
            Some(PortState::Disabled) => {
                vec![Difference::new(format!("port {}", self.device), "forwarding", "disabled: it has no carrier")]
            }
            _ => Vec::new(),
        })
    }
}
