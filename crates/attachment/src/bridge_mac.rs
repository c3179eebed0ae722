//! The hardware address of a bridge that is a gateway.
//!
//! Unless somebody has set it, a bridge has the lowest one of its ports, and another one when ports come and go
//! (`br_stp_recalculate_bridge_id` in `net/bridge/br_stp_if.c`): whoever knows its gateway by the former sends to nobody, until the
//! entry in its neighbour table has failed. A bridge that is made here has an address of its own; so does an operator's from the
//! moment when it gets the gateway's address, as with the reference. VLAN devices on it have its address.

use ipnetwork::IpNetwork;
use netlink::Mac;
use netlink::link::{self, Link};

use crate::{Device, Error, Session, Side, Step, Tag};

/// Makes a bridge keep the hardware address that it has.
pub(crate) fn keep(session: &mut Session, bridge: &Link) {
    let Some(mac) = address(bridge).filter(|_| bridge.kind == "bridge" && !Tag::is_shared(bridge)) else { return };
    let action = format!("keep the address of bridge {}", bridge.name);
    session.queue(Step::change(Side::Host, action, link::set_mac(&bridge.name, mac)));
}

/// The address that it has. One whose last port has gone has none but zeros, until it gets another port.
fn address(bridge: &Link) -> Option<Mac> {
    bridge.mac.filter(|mac| mac.is_usable())
}

/// The same, before the bridge gets a port, if `gateway`, which is the bridge or a VLAN device on it, has no address yet, or what it has
/// may be replaced.
///
/// # Errors
/// The kernel cannot be asked.
pub(crate) fn keep_for(session: &mut Session, bridge: &Link, gateway: &str, is_forced: bool) -> Result<(), Error> {
    if is_due(session, bridge, gateway, is_forced)? {
        keep(session, bridge);
    }
    Ok(())
}

/// Whether [`keep_for`] does anything.
///
/// # Errors
/// The kernel cannot be asked.
pub(crate) fn is_due(session: &mut Session, bridge: &Link, gateway: &str, is_forced: bool) -> Result<bool, Error> {
    let may_be_kept = address(bridge).is_some() && !Tag::is_shared(bridge);
    if !may_be_kept || is_forced {
        return Ok(may_be_kept);
    }
    let Some(link) = session.known(&Device::host(gateway))? else { return Ok(true) };
    let is_of_link = |address: &IpNetwork| matches!(address, IpNetwork::V6(v6) if v6.ip().is_unicast_link_local());
    Ok(session.addresses(Side::Host, link.index)?.iter().all(is_of_link))
}

/// The command of [`keep`].
pub(crate) fn command(bridge: &str) -> String {
    format!("ip link set {bridge} address $(cat /sys/class/net/{bridge}/address)")
}
