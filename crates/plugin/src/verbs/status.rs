//! STATUS.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use attachment::{Creation, Identity, Session};
use cni::{Call, Code, Command, Error, IpConfig, Success};
use ipnetwork::IpNetwork;
use serde_json::Value;

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
    let mut addressing = example(call, ipam.is_there());
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

/// Addresses with gateways such as IPAM may give (RFC 5737, RFC 3849): of IPv6 too, or alone, where that is what its keys tell.
pub(super) fn example(call: &Call, has_ipam: bool) -> Success {
    let mut addressing = Success::default();
    if !has_ipam {
        return addressing;
    }
    let mut told = Vec::new();
    keys::find(&call.config.object, "ipam").into_iter().for_each(|ipam| networks(ipam, &mut told));
    let has_ipv6 = told.iter().any(IpNetwork::is_ipv6);
    let has_ipv4 = !has_ipv6 || told.iter().any(IpNetwork::is_ipv4);
    let v4 = |last| IpAddr::from(Ipv4Addr::new(192, 0, 2, last));
    let v6 = |last| IpAddr::from(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last));
    let given = [(has_ipv4, v4(2), 24, v4(1)), (has_ipv6, v6(2), 64, v6(1))];
    for (_, address, prefix, gateway) in given.into_iter().filter(|(is_given, ..)| *is_given) {
        let Ok(address) = IpNetwork::new(address, prefix) else { continue };
        let (gateway, interface, extra) = (Some(gateway), None, serde_json::Map::new());
        addressing.ips.push(IpConfig { address, gateway, interface, extra });
    }
    addressing
}

/// What the keys of IPAM plugins call an address or a subnet: `static`, `host-local`, `whereabouts`.
fn networks(value: &Value, found: &mut Vec<IpNetwork>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| networks(value, found)),
        Value::Object(members) => {
            for (key, value) in members {
                let is_network = ["address", "subnet", "range"].iter().any(|name| key.eq_ignore_ascii_case(name));
                found.extend(value.as_str().filter(|_| is_network).and_then(|text| text.parse::<IpNetwork>().ok()));
                networks(value, found);
            }
        }
        _ => {}
    }
}
