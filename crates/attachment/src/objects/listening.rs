//! A link that hears who asks for an address.

use std::net::IpAddr;

use netlink::multicast;

use crate::{Device, Difference, Error, Kernel, Object, patience};

/// A link that hears the question for an address of its own. It stands behind the address.
///
/// For IPv4 it does at once. For IPv6 a worker of the kernel puts the link into the multicast group of the address
/// (`addrconf_dad_begin` in net/ipv6/addrconf.c); until then the question is dropped, and whoever asked asks again after a
/// second.
#[derive(Debug)]
pub struct Listening {
    /// The link.
    pub device: Device,
    /// The address.
    pub address: IpAddr,
}

impl Listening {
    fn is_so(&self, kernel: &mut Kernel) -> Result<bool, Error> {
        let IpAddr::V6(address) = self.address else { return Ok(true) };
        let index = kernel.index(&self.device)?;
        let groups = multicast::groups(kernel.socket(self.device.side)?, index)
            .map_err(Error::refused(format!("list the multicast groups of {}", self.device)))?;
        Ok(groups.contains(&multicast::solicited_node(address)))
    }
}

impl Object for Listening {
    fn create(&self, kernel: &mut Kernel) -> Result<(), Error> {
        patience::until(kernel, |kernel| self.is_so(kernel))
    }

    /// The address itself is compared.
    fn differences(&self, _kernel: &mut Kernel) -> Result<Vec<Difference>, Error> {
        Ok(Vec::new())
    }

    /// Goes with the address.
    fn remove(&self, _kernel: &mut Kernel) -> Result<(), Error> {
        Ok(())
    }

    fn commands(&self) -> Vec<String> {
        Vec::new()
    }
}
