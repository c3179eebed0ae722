//! Waiting until a link hears questions for its address.

use std::net::IpAddr;

use netlink::multicast;

use super::patience;
use crate::{Action, Device, Error, Session, Side, Stage};

/// Waits until a link hears the question for an address of its own.
///
/// For IPv4 it does at once. For IPv6 a worker of the kernel puts the link into the multicast group of the address
/// (`addrconf_dad_begin` in net/ipv6/addrconf.c); until then the question is dropped, and the asker repeats it after a
/// second.
#[derive(Debug)]
pub struct AwaitListening {
    /// The link.
    pub device: Device,
    /// The address.
    pub address: IpAddr,
}

impl AwaitListening {
    fn is_so(&self, session: &mut Session) -> Result<bool, Error> {
        let IpAddr::V6(address) = self.address else { return Ok(true) };
        let index = session.index(&self.device)?;
        let groups = multicast::groups(session.socket(self.device.side)?, index)
            .map_err(Error::refused(format!("list the multicast groups of {}", self.device)))?;
        Ok(groups.contains(&multicast::solicited_node(address)))
    }
}

impl Action for AwaitListening {
    fn stage(&self) -> Stage {
        match self.device.side {
            Side::Host => Stage::Gateway,
            Side::Container => Stage::Announcement,
        }
    }

    fn perform(&self, session: &mut Session) -> Result<(), Error> {
        patience::until(session, |session| self.is_so(session))
    }
}
