//! Asking who has an address.

use std::net::IpAddr;
use std::thread;
use std::time::Duration;

use netlink::{Mac, neighbour};

use crate::{Action, Device, Error, Note, Remedy, Session, Stage};

/// The answer of a member of a bridge on this host comes within the very system call that asks, or, when the processor is
/// busy, as soon as the kernel's worker runs. This is how long we wait for it.
const ATTEMPTS: u32 = 8;
const PAUSE: Duration = Duration::from_micros(50);

/// Asks on a link who has an address, and refuses an address that somebody answers for.
///
/// A neighbour further away than this host may be slower than we wait, and is then not noticed. Nor is anybody if the question
/// cannot be sent, which is noted.
#[derive(Debug)]
pub struct AskForHolder {
    /// The link on which to ask.
    pub device: Device,
    /// The address.
    pub address: IpAddr,
}

impl AskForHolder {
    /// Who answers for the address, if anybody does.
    fn holder(&self, session: &mut Session) -> Result<Option<Mac>, Error> {
        let index = session.index(&self.device)?;
        let socket = session.socket(self.device.side)?;
        if let Err(error) = socket.request(neighbour::solicit(index, self.address)) {
            let address = format!("{} on {}", self.address, self.device);
            session.note(Note::NotAsked { address, reason: error.to_string() });
            return Ok(None);
        }
        let mut holder = None;
        for _ in 0..ATTEMPTS {
            holder = neighbour::answered_by(&socket.request(neighbour::get(index, self.address)));
            if holder.is_some() {
                break;
            }
            thread::sleep(PAUSE);
        }
        let _ = socket.request(neighbour::delete(index, self.address)); // it goes with the link at the latest
        Ok(holder)
    }
}

impl Action for AskForHolder {
    fn stage(&self) -> Stage {
        Stage::Address
    }

    fn perform(&self, session: &mut Session) -> Result<(), Error> {
        match self.holder(session)? {
            Some(mac) => Err(Error::Conflict {
                object: format!("address {}", self.address),
                want: "it for one container only".to_owned(),
                have: format!("is in use by {mac}"),
                remedy: Remedy::act("give each container an address of its own"),
            }),
            None => Ok(()),
        }
    }

    fn commands(&self) -> Vec<String> {
        if self.address.is_ipv6() {
            return Vec::new();
        }
        vec![format!("ip netns exec CONTAINER arping -D -c 1 -I {} {}", self.device.name, self.address)]
    }
}
