//! A link being up.

use netlink::link;

use crate::{Device, Difference, Error, Kernel, Object, Step};

/// A link that must be up.
#[derive(Debug)]
pub struct Up {
    /// The link.
    pub device: Device,
}

impl Object for Up {
    fn create(&self, kernel: &mut Kernel) -> Result<(), Error> {
        let action = format!("set {} up", self.device);
        kernel.queue(Step::change(self.device.side, action, link::set_up(&self.device.name)));
        Ok(())
    }

    fn differences(&self, kernel: &mut Kernel) -> Result<Vec<Difference>, Error> {
        let what = format!("interface {}", self.device);
        Ok(match kernel.find(&self.device)? {
            None => vec![Difference::missing(what)],
            Some(link) if !link.is_up => vec![Difference::new(what, "up", "down")],
            Some(link) if !link.is_running => vec![Difference::new(what, "carrier", "no carrier")],
            Some(_) => Vec::new(),
        })
    }

    /// Goes with its link.
    fn remove(&self, _kernel: &mut Kernel) -> Result<(), Error> {
        Ok(())
    }

    fn commands(&self) -> Vec<String> {
        vec![format!("{} link set {} up", self.device.tool("ip"), self.device.name)]
    }
}
