//! The end of duplicate address detection.

use std::io::{Error as IoError, ErrorKind};
use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};

use netlink::address::{self, State};

use crate::{Device, Difference, Error, Kernel, Object};

/// The kernel takes one to two seconds (RFC 4862, 5.4: a random delay of one, and one to wait for an answer). The reference
/// waits as long.
const LIMIT: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(5);

/// A link whose IPv6 addresses have all gone through duplicate address detection. It stands behind them, on a port that
/// forwards, and before what sends from them.
#[derive(Debug)]
pub struct Settled {
    /// The link.
    pub device: Device,
}

impl Settled {
    fn addresses(&self, kernel: &mut Kernel, state: State) -> Result<Vec<IpAddr>, Error> {
        let index = kernel.index(&self.device)?;
        let all = address::states(kernel.socket(self.device.side)?, index)
            .map_err(Error::refused(format!("list the addresses of {}", self.device)))?;
        Ok(all.into_iter().filter(|(_, have)| *have == state).map(|(address, _)| address.ip()).collect())
    }

    fn label(&self, address: IpAddr) -> String {
        format!("address {address} on {}", self.device)
    }
}

impl Object for Settled {
    fn create(&self, kernel: &mut Kernel) -> Result<(), Error> {
        let end = Instant::now() + LIMIT;
        loop {
            if let Some(duplicate) = self.addresses(kernel, State::Duplicate)?.first() {
                return Err(Error::Conflict {
                    object: self.label(*duplicate),
                    want: "it for one container only".to_owned(),
                    have: "is in use by somebody else there (duplicate address detection failed)".to_owned(),
                    remedy: "give each container an address of its own".to_owned(),
                });
            }
            let tentative = self.addresses(kernel, State::Tentative)?;
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

    fn differences(&self, kernel: &mut Kernel) -> Result<Vec<Difference>, Error> {
        if kernel.find(&self.device)?.is_none() {
            return Ok(Vec::new()); // the link's own object says so
        }
        let duplicates = self.addresses(kernel, State::Duplicate)?;
        Ok(duplicates
            .into_iter()
            .map(|address| Difference::new(self.label(address), "unique", "a duplicate"))
            .collect())
    }

    fn remove(&self, _kernel: &mut Kernel) -> Result<(), Error> {
        Ok(())
    }

    fn commands(&self) -> Vec<String> {
        let list = format!("{} -6 address show dev {} tentative", self.device.tool("ip"), self.device.name);
        vec![format!("until [ -z \"$({list})\" ]; do sleep 0.1; done")]
    }
}
