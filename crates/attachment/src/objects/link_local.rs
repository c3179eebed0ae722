//! The IPv6 link-local address of a container's interface.

use ipnetwork::{IpNetwork, Ipv6Network};
use netlink::{Mac, address};

use super::sysctl::has_ipv6;
use crate::{Device, Difference, Error, Kind, Object, Session, Stage, Step};

static KIND: Kind = Kind::of_a_link("link-local address");

/// What a kernel without IPv6, or with IPv6 off for the link, says to an address; or one whose link has an MTU below 1280.
const NO_IPV6: &[i32] = &[libc::EAFNOSUPPORT, libc::EOPNOTSUPP, libc::EACCES, libc::EINVAL];

/// The link-local address that the kernel would give the link, usable at once. It stands before what sets the link up: the
/// kernel then finds the address there, and does not spend a second in duplicate detection on one of its own.
#[derive(Debug)]
pub struct LinkLocal {
    /// The link.
    pub device: Device,
    /// Its hardware address.
    pub mac: Mac,
    /// It goes through duplicate detection all the same.
    pub is_detected: bool,
}

impl LinkLocal {
    fn address(&self) -> Option<IpNetwork> {
        Ipv6Network::new(self.mac.link_local(), 64).ok().map(IpNetwork::V6)
    }
}

impl Object for LinkLocal {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn stage(&self) -> Stage {
        Stage::Setting
    }

    fn create(&self, session: &mut Session) -> Result<(), Error> {
        let Some(address) = self.address() else { return Ok(()) };
        let index = session.index(&self.device)?;
        let action = format!("add address {address} on {}", self.device);
        let request = match self.is_detected {
            true => address::add_with_detection(index, address),
            false => address::add(index, address),
        };
        session.queue(Step::change(self.device.side, action, request).tolerating(NO_IPV6));
        Ok(())
    }

    /// The container may do with it as it likes.
    fn differences(&self, _session: &mut Session) -> Result<Vec<Difference>, Error> {
        Ok(Vec::new())
    }

    /// Goes with its link.
    fn remove(&self, _session: &mut Session) -> Result<(), Error> {
        Ok(())
    }

    fn commands(&self) -> Vec<String> {
        let Some(address) = self.address() else { return Vec::new() };
        let (tool, name) = (self.device.tool("ip"), &self.device.name);
        let option = if self.is_detected { "" } else { " nodad" };
        vec![format!("{tool} address add {address} dev {name}{option}")]
    }

    fn missing_commands(&self, _session: &mut Session) -> Result<Vec<String>, Error> {
        Ok(if has_ipv6() { self.commands() } else { Vec::new() })
    }
}
