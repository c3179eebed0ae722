//! The VXLAN devices of LACs, without a question to the kernel for each link of the host.

use std::fs;

use netlink::link::Link;

use super::LacId;
use crate::{Device, Error, Session, Side};

/// The names of the links of a thread's namespace.
const NAMES: &str = "/proc/thread-self/net/dev";

/// Those whose packets go to a UDP port, whoever has made them.
///
/// # Errors
/// The kernel cannot be asked.
pub(crate) fn of_port(session: &mut Session, port: u16) -> Result<Vec<Link>, Error> {
    let names = session.within(Side::Host, || fs::read_to_string(NAMES))?;
    let names = names.map_err(|source| Error::System { action: format!("read {NAMES}"), source })?;
    let mut devices = Vec::new();
    for name in names.lines().filter_map(|line| Some(line.split_once(':')?.0.trim())) {
        if LacId::may_be_device(name, port) {
            let found = session.find(&Device::host(name))?;
            let is_its = |link: &Link| link.vxlan.as_ref().is_some_and(|settings| settings.port == port);
            devices.extend(found.filter(is_its));
        }
    }
    Ok(devices)
}
