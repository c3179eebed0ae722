//! STATUS.

use std::net::Ipv4Addr;

use attachment::{Creation, Identity, Session};
use cni::{Call, Code, Command, Error, IpConfig, Success};
use ipnetwork::{IpNetwork, Ipv4Network};

use crate::ipam::Ipam;
use crate::plugin::Plugin;
use crate::rehearsal::on_another_host;

/// Checks what the plugin and the delegate need (STA-5): it looks for what is in the way on this host, then makes the same
/// description as ADD on a host made for this purpose.
///
/// # Errors
/// Code 50 with the object that cannot be made and the kernel's words; the delegate's own.
pub(super) fn status<P: Plugin>(call: &Call) -> Result<(), Error> {
    let identity = Identity::new(&call.config.name, "status", "eth0");
    identity.check().map_err(|error| P::error(&error))?;
    let mut plugin = P::read(call, identity)?;
    let ipam = Ipam::find::<P>(call)?;
    let mut session = Session::new(None);
    P::connect(call, &mut session)?;
    let unavailable = |error: &attachment::Error| Error::new(Code::NotAvailable, P::error(error).msg);
    let props = plugin.rehearse(&mut session)?;
    let description = plugin.describe()?;
    description.check(P::FINDERS).map_err(|error| P::error(&error))?;
    attachment::refuse_unusable(&mut session, &description).map_err(|error| unavailable(&error))?;
    let mut addressing = example(ipam.is_there());
    plugin.complete(call, &mut addressing)?;
    drop(description); // it is made anew where it is tried: objects do not change hands between threads
    let rehearsed = on_another_host(props, move |session| {
        let mut creation = Creation::new();
        let Ok(description) = plugin.describe() else { return Ok(()) }; // as above
        let addressed = plugin.addressing(&addressing);
        let tried = addressed
            .check(P::FINDERS)
            .and_then(|()| creation.rehearse(session, description))
            .and_then(|()| creation.rehearse(session, addressed));
        // What is in the namespaces goes with them; what is elsewhere, such as in a switch's database, does not.
        let left = creation.undo_elsewhere(session);
        tried.and_then(|()| left.into_iter().next().map_or(Ok(()), Err))
    });
    rehearsed.map_err(|error| unavailable(&error))?;
    ipam.run(Command::Status, call)
}

/// An address such as IPAM may give (RFC 5737).
pub(super) fn example(has_ipam: bool) -> Success {
    let mut addressing = Success::default();
    if has_ipam && let Ok(address) = Ipv4Network::new(Ipv4Addr::new(192, 0, 2, 2), 24) {
        let (gateway, interface, extra) = (None, None, serde_json::Map::new());
        addressing.ips.push(IpConfig { address: IpNetwork::V4(address), gateway, interface, extra });
    }
    addressing
}
