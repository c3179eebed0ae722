//! Checksums that are filled in before a frame leaves its namespace.

use netlink::offload;

use crate::{Device, Difference, Error, Kind, Object, Session, Side, Stage};

static KIND: Kind = Kind::of_a_link("checksums");

/// The kernel fills in the checksums of what a device sends. A veth leaves them to the receiver's kernel, which does not look at them
/// within a host; but a switch in user space gets the frames as they are, and passes on what nobody fills in any more.
#[derive(Debug)]
pub struct Checksums {
    /// The device.
    pub device: Device,
}

impl Checksums {
    fn action(&self) -> String {
        format!("have the kernel fill in the checksums of {}", self.device)
    }
}

impl Object for Checksums {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn stage(&self) -> Stage {
        Stage::Setting
    }

    fn create(&self, session: &mut Session) -> Result<(), Error> {
        let done = session.within(self.device.side, || offload::take_checksums_from(&self.device.name))?;
        done.map_err(Error::refused(self.action()))
    }

    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        if session.find(&self.device)?.is_none() {
            return Ok(Vec::new()); // which others say
        }
        let found = session.within(self.device.side, || offload::fills_in_checksums(&self.device.name))?;
        let is_left = found.map_err(Error::refused(format!("look up the offloads of {}", self.device)))?;
        let label = format!("interface {}, tx checksumming", self.device);
        Ok(if is_left { vec![Difference::new(label, "off", "on")] } else { Vec::new() })
    }

    /// Goes with its link.
    fn remove(&self, _session: &mut Session) -> Result<(), Error> {
        Ok(())
    }

    fn commands(&self) -> Vec<String> {
        let prefix = if self.device.side == Side::Container { "ip netns exec CONTAINER " } else { "" };
        vec![format!("{prefix}ethtool -K {} tx off", self.device.name)]
    }
}
