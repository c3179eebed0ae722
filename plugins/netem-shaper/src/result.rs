//! The result: that of the plugins before, and the ifbs that were made on the host.

use attachment::{Session, Side};
use cni::{Error, Interface, Success};
use netlink::ifb::MTU;
use plugin::codes::from_attachment;
use shaping_keys::Shape;

use crate::nic::Nic;
use crate::queues;

/// `previous` with the ifbs of the host behind its interfaces, as the reference's `bandwidth` lists its own (RES-20), so that every
/// index stays what it was. All else passes through (ADD-5).
///
/// An ifb in a container is not listed. Readers take an interface with a `sandbox` for one that the container uses: Multus reports the
/// last one of a result as the network's.
///
/// # Errors
/// The kernel cannot be asked.
pub(crate) fn with_ifbs(
    previous: &Success,
    shape: &Shape,
    nics: &[Nic],
    session: &mut Session,
) -> Result<Success, Error> {
    let mut result = previous.clone();
    for nic in nics {
        let shaped = queues::of_nic(shape, nic)?;
        for one in shaped.iter().filter(|one| one.ifb.side == Side::Host && !one.received.is_empty()) {
            let device = one.ifb.device();
            let link = session.known(&device).map_err(|error| from_attachment(&error))?;
            let mac = link.as_ref().and_then(|link| link.mac).map(|mac| mac.to_string()).unwrap_or_default();
            let mtu = Some(link.map_or(MTU, |link| link.mtu));
            result.interfaces.push(Interface { name: device.name, mac, mtu, ..Interface::default() });
        }
    }
    Ok(result)
}
