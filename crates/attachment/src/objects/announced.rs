//! An address made known to the neighbours.

use std::net::IpAddr;

use netlink::{Mac, neighbour};

use crate::advertisement;
use crate::{Device, Difference, Error, Kernel, Object, Step};

/// An address that the neighbours learn at once: whoever still has the hardware address of an earlier holder would send to
/// that one for up to a minute. It stands behind the address itself, on a port that forwards.
///
/// For IPv4 the kernel is made to ask who has the link's own address, and its question is an ARP announcement (RFC 5227,
/// 2.3). A packet socket would do as well, but to close one takes 16 ms. For IPv6 a raw socket sends the advertisement.
#[derive(Debug)]
pub struct Announced {
    /// The link.
    pub device: Device,
    /// The address.
    pub address: IpAddr,
    /// The link's hardware address.
    pub mac: Mac,
}

impl Object for Announced {
    fn create(&self, kernel: &mut Kernel) -> Result<(), Error> {
        let index = kernel.index(&self.device)?;
        let action = format!("announce {} on {}", self.address, self.device);
        if let IpAddr::V6(address) = self.address {
            let sent = kernel.within(self.device.side, || advertisement::send(index, address, self.mac))?;
            return sent.map_err(|source| Error::System { action, source });
        }
        for request in [neighbour::solicit(index, self.address), neighbour::delete(index, self.address)] {
            kernel.queue(Step::change(self.device.side, &action, request).tolerating(&[libc::ENOENT, libc::EEXIST]));
        }
        Ok(())
    }

    fn differences(&self, _kernel: &mut Kernel) -> Result<Vec<Difference>, Error> {
        Ok(Vec::new())
    }

    fn remove(&self, _kernel: &mut Kernel) -> Result<(), Error> {
        Ok(())
    }

    fn commands(&self) -> Vec<String> {
        if self.address.is_ipv6() {
            return Vec::new();
        }
        vec![format!("ip netns exec CONTAINER arping -U -c 1 -I {} {}", self.device.name, self.address)]
    }
}
