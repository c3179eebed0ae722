//! A port of a bridge letting frames through.

use std::thread;
use std::time::Duration;

use netlink::link::PortState;

use crate::{Device, Difference, Error, Kernel, Object};

/// A port forwards as soon as a worker of the kernel has seen its carrier: within microseconds as a rule. A bridge with
/// spanning tree takes half a minute, for which nobody should wait.
const ATTEMPTS: u32 = 200;
const PAUSE: Duration = Duration::from_micros(100);

/// A port that lets frames through, so that the first packet after ADD arrives. It stands behind what gives it carrier.
#[derive(Debug)]
pub struct Forwarding {
    /// The port.
    pub device: String,
}

impl Object for Forwarding {
    fn create(&self, kernel: &mut Kernel) -> Result<(), Error> {
        for _ in 0..ATTEMPTS {
            match kernel.find(&Device::host(&self.device))?.and_then(|link| link.port_state) {
                Some(PortState::Disabled) => thread::sleep(PAUSE),
                _ => break,
            }
        }
        Ok(())
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
