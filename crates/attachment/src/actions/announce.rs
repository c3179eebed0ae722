//! Announcing an address to the neighbours.

use std::net::IpAddr;

use netlink::{Mac, neighbour};

use super::advertisement;
use crate::{Action, Device, Error, Note, Session, Stage, Step};

/// Tells the neighbours where an address is: a neighbour that still has the hardware address of an earlier holder would send to
/// that one for up to a minute.
///
/// For IPv4 the kernel is made to ask who has the link's own address, and its question is an ARP announcement (RFC 5227,
/// 2.3). A packet socket would do as well, but to close one takes 16 ms. For IPv6 a raw socket sends the advertisement.
///
/// Nothing depends on it, so what prevents it is noted: for IPv6, that the neighbour table of the machine is full, in which the
/// group of all nodes needs an entry like anybody.
#[derive(Debug)]
pub struct Announce {
    /// The link.
    pub device: Device,
    /// The address.
    pub address: IpAddr,
    /// The link's hardware address.
    pub mac: Mac,
}

impl Announce {
    fn label(&self) -> String {
        format!("{} on {}", self.address, self.device)
    }
}

fn not_announced(address: String, reason: &dyn std::fmt::Display) -> Note {
    Note::NotAnnounced { address, reason: reason.to_string() }
}

impl Action for Announce {
    fn stage(&self) -> Stage {
        Stage::Announcement
    }

    fn perform(&self, session: &mut Session) -> Result<(), Error> {
        let index = session.index(&self.device)?;
        let action = format!("announce {}", self.label());
        if let IpAddr::V6(address) = self.address {
            let sent = session.within(self.device.side, || advertisement::send(index, address, self.mac))?;
            if let Err(reason) = sent {
                session.note(not_announced(self.label(), &reason));
            }
            return Ok(());
        }
        for request in [neighbour::solicit(index, self.address), neighbour::delete(index, self.address)] {
            let label = self.label();
            let step = Step::change(self.device.side, &action, request).tolerating(&[libc::ENOENT, libc::EEXIST]);
            session.queue(step.noting(move |error| not_announced(label, error)));
        }
        Ok(())
    }

    fn commands(&self) -> Vec<String> {
        if self.address.is_ipv6() {
            return Vec::new();
        }
        vec![format!("ip netns exec CONTAINER arping -U -c 1 -I {} {}", self.device.name, self.address)]
    }
}
