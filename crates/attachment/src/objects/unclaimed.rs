//! Nobody else having an address.

use std::net::IpAddr;
use std::thread;
use std::time::Duration;

use netlink::neighbour;

use crate::{Device, Difference, Error, Kernel, Object};

/// A link that was just set up gets its carrier from a worker of the kernel, within microseconds as a rule.
const CARRIER_ATTEMPTS: u32 = 50;
const CARRIER_PAUSE: Duration = Duration::from_millis(1);

/// An address that nobody on the link answers for yet. It stands before the address itself in a description.
///
/// Members of a bridge on this host answer at once; a neighbour further away may be slower than we wait, and is then not
/// noticed.
#[derive(Debug)]
pub struct Unclaimed {
    /// The link on which to ask.
    pub device: Device,
    /// The address.
    pub address: IpAddr,
}

impl Unclaimed {
    fn wait_for_carrier(&self, kernel: &mut Kernel) -> Result<Option<u32>, Error> {
        for _ in 0..CARRIER_ATTEMPTS {
            match kernel.find(&self.device)? {
                Some(link) if link.is_running => return Ok(Some(link.index)),
                _ => thread::sleep(CARRIER_PAUSE),
            }
        }
        Ok(None)
    }
}

impl Object for Unclaimed {
    fn create(&self, kernel: &mut Kernel) -> Result<(), Error> {
        let Some(index) = self.wait_for_carrier(kernel)? else {
            return Ok(()); // a bridge whose other ports are down: nobody can answer
        };
        let (address, action) = (self.address, format!("ask who has {} on {}", self.address, self.device));
        let ask =
            vec![neighbour::solicit(index, address), neighbour::get(index, address), neighbour::delete(index, address)];
        let answers = kernel.socket(self.device.side)?.batch(ask).map_err(Error::refused(action))?;
        match answers.get(1).and_then(neighbour::answered_by) {
            Some(mac) => Err(Error::Conflict {
                object: format!("address {address}"),
                want: "it for one container only".to_owned(),
                have: format!("is in use by {mac}"),
                remedy: "give each container an address of its own".to_owned(),
            }),
            None => Ok(()),
        }
    }

    /// The address is the container's own by now.
    fn differences(&self, _kernel: &mut Kernel) -> Result<Vec<Difference>, Error> {
        Ok(Vec::new())
    }

    fn remove(&self, _kernel: &mut Kernel) -> Result<(), Error> {
        Ok(())
    }

    fn commands(&self) -> Vec<String> {
        vec![format!("ip netns exec CONTAINER arping -D -c 1 -I {} {}", self.device.name, self.address)]
    }
}
