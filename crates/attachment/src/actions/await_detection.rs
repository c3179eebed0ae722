//! Waiting for duplicate address detection.

use std::io::{Error as IoError, ErrorKind};
use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};

use netlink::address::{self, State};

use crate::{Action, Device, Difference, Error, Remedy, Session, Stage};

/// The kernel takes one to two seconds (RFC 4862, 5.4: a random delay of one, and one to wait for an answer). The reference
/// waits as long.
const LIMIT: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(5);

/// Waits until all IPv6 addresses of a link have gone through duplicate address detection.
#[derive(Debug)]
pub struct AwaitDetection {
    /// The link.
    pub device: Device,
}

impl AwaitDetection {
    fn addresses(&self, session: &mut Session, state: State) -> Result<Vec<IpAddr>, Error> {
        let index = session.index(&self.device)?;
        let all = address::states(session.socket(self.device.side)?, index)
            .map_err(Error::refused(format!("list the addresses of {}", self.device)))?;
        Ok(all.into_iter().filter(|(_, have)| *have == state).map(|(address, _)| address.ip()).collect())
    }

    fn label(&self, address: IpAddr) -> String {
        format!("address {address} on {}", self.device)
    }
}

impl Action for AwaitDetection {
    fn stage(&self) -> Stage {
        Stage::Detected
    }

    fn perform(&self, session: &mut Session) -> Result<(), Error> {
        let end = Instant::now() + LIMIT;
        loop {
            if let Some(duplicate) = self.addresses(session, State::Duplicate)?.first() {
                return Err(Error::Conflict {
                    object: self.label(*duplicate),
                    want: "it for one container only".to_owned(),
                    have: "is in use by another host there (duplicate address detection failed)".to_owned(),
                    remedy: Remedy::act("give each container an address of its own"),
                });
            }
            let tentative = self.addresses(session, State::Tentative)?;
            let Some(first) = tentative.first() else { return Ok(()) };
            if Instant::now() >= end {
                return Err(Error::System {
                    action: format!("wait for duplicate address detection of {}", self.label(*first)),
                    source: IoError::new(ErrorKind::TimedOut, format!("not over after {} s", LIMIT.as_secs())),
                });
            }
            thread::sleep(PAUSE);
        }
    }

    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        if session.find(&self.device)?.is_none() {
            return Ok(Vec::new()); // the link's own object says so
        }
        let duplicates = self.addresses(session, State::Duplicate)?;
        Ok(duplicates
            .into_iter()
            .map(|address| Difference::new(self.label(address), "unique", "a duplicate"))
            .collect())
    }

    fn commands(&self) -> Vec<String> {
        let list = format!("{} -6 address show dev {} tentative", self.device.tool("ip"), self.device.name);
        vec![format!("until [ -z \"$({list})\" ]; do sleep 0.1; done")]
    }
}
