//! A device that somebody else made, as the port of a bridge.

use std::cell::Cell;

use netlink::link;

use crate::{Device, Difference, Error, Kernel, Object, Side, Step};

/// A device of the host that is lent to a bridge. It stands before the port in a description. At the end it is taken out of
/// the bridge; it is never removed, renamed or tagged.
#[derive(Debug)]
pub struct Borrowed {
    device: String,
    bridge: String,
    was_down: Cell<bool>,
}

impl Borrowed {
    /// The device and the bridge by their names.
    pub fn new(device: impl Into<String>, bridge: impl Into<String>) -> Self {
        Self { device: device.into(), bridge: bridge.into(), was_down: Cell::new(false) }
    }
}

impl Object for Borrowed {
    fn create(&self, kernel: &mut Kernel) -> Result<(), Error> {
        let device = Device::host(&self.device);
        let Some(link) = kernel.find(&device)? else { return Err(Error::Missing(format!("interface {device}"))) };
        if let Some(master) = link.master {
            return Err(Error::Conflict {
                object: format!("interface {device}"),
                want: format!("a port of bridge {}", self.bridge),
                have: format!("has become a port of link {master} meanwhile"),
                remedy: "let one plugin at a time attach it".to_owned(),
            });
        }
        if !link.is_up {
            self.was_down.set(true);
            kernel.queue(Step::change(Side::Host, format!("set {device} up"), link::set_up(&self.device)));
        }
        kernel.mark_made();
        Ok(())
    }

    fn differences(&self, kernel: &mut Kernel) -> Result<Vec<Difference>, Error> {
        Ok(match kernel.find(&Device::host(&self.device))? {
            Some(link) if !link.is_up => vec![Difference::new(format!("interface {}", self.device), "up", "down")],
            _ => Vec::new(), // one that is gone is missed as the port
        })
    }

    /// Takes it out of the bridge, if it is a port of this one.
    fn remove(&self, kernel: &mut Kernel) -> Result<(), Error> {
        let Some(device) = kernel.find(&Device::host(&self.device))? else { return Ok(()) };
        let bridge = kernel.find(&Device::host(&self.bridge))?.filter(|link| link.kind == "bridge");
        if device.master.is_some() && device.master == bridge.map(|bridge| bridge.index) {
            let action = format!("take {} out of bridge {}", self.device, self.bridge);
            kernel.remove(Side::Host, action, link::unset_master(&self.device))?;
        }
        if self.was_down.get() {
            kernel.remove(Side::Host, format!("set {} down", self.device), link::set_down(&self.device))?;
        }
        Ok(())
    }

    fn commands(&self) -> Vec<String> {
        vec![format!("ip link set {} up", self.device)]
    }
}
