//! How many multicast groups the VXLAN devices of one port are in: they share a socket, and the kernel limits what one socket joins.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;

use super::devices;
use crate::{Device, Error, Remedy, Session, Side};

const LIMIT: &str = "/proc/sys/net/ipv4/igmp_max_memberships";

/// Fails when no further group can be joined on a port, as far as devices of LACs tell.
///
/// # Errors
/// [`Error::Unsupported`] naming the limit.
pub(super) fn refuse_full(session: &mut Session, port: u16, group: IpAddr, underlay: &str) -> Result<(), Error> {
    if group.is_ipv6() {
        return Ok(()); // only IPv4 has a limit
    }
    let Some(limit) = session.within(Side::Host, limit)? else { return Ok(()) };
    let underlay = session.index(&Device::host(underlay))?;
    let mut joined = BTreeSet::new();
    for device in devices::of_port(session, port)?.into_iter().filter(|device| device.is_up) {
        if let Some(settings) = device.vxlan.filter(|settings| settings.remote.is_multicast()) {
            joined.insert((settings.remote, settings.underlay));
        }
    }
    joined.retain(|(group, _)| group.is_ipv4());
    if joined.len() < limit || joined.contains(&(group, Some(underlay))) {
        return Ok(());
    }
    Err(exhausted(port, group))
}

/// What the kernel means when it has no room for a group.
pub(super) fn exhausted(port: u16, group: IpAddr) -> Error {
    let limit = limit().map(|limit| format!(" = {limit}")).unwrap_or_default();
    Error::Unsupported {
        feature: format!(
            "room for the group {group}: the VXLAN devices of UDP port {port} are in as many groups as \
             net.ipv4.igmp_max_memberships{limit} allows"
        ),
        remedy: Remedy::act(
            "raise that with `sysctl -w net.ipv4.igmp_max_memberships=NUMBER`, or choose another port, a group that is joined \
             already with another VNI, or a list of remotes",
        ),
    }
}

fn limit() -> Option<usize> {
    fs::read_to_string(LIMIT).ok()?.trim().parse().ok()
}
