//! The host's addresses and routes on their way between an uplink and its bridge.
//!
//! A port of a bridge cannot use addresses: what comes in through it belongs to the bridge. So they move to the bridge when the
//! uplink becomes its port, and back at the end. Each move is two sends, each of which the kernel handles as a whole: if it
//! refuses the first, nothing has been lost. Between them the host is reachable, and the next call completes the move.

use ipnetwork::IpNetwork;
use netlink::address;
use netlink::layer3::Layer3;
use netlink::link::{self, Link};

use crate::explained;
use crate::{Error, Remedy, Session, Side, Step, Tag};

/// It has appeared by itself, or was still there.
const THERE: &[i32] = &[libc::EEXIST];
/// It was removed along with something else.
const GONE: &[i32] = &[libc::ESRCH, libc::ENOENT, libc::EADDRNOTAVAIL];

/// What an uplink has, before anything is changed.
///
/// # Errors
/// [`Error::Conflict`] for what cannot be moved.
pub(super) fn survey(session: &mut Session, uplink: &Link, bridge: &str) -> Result<Layer3, Error> {
    let has = of(session, uplink)?;
    if has.has_nexthop_objects() {
        return Err(Error::Conflict {
            object: format!("uplink {}", uplink.name),
            want: format!("its addresses and routes on bridge {bridge}"),
            have: "has a route by a nexthop object (`ip nexthop`), which is bound to it".to_owned(),
            remedy: Remedy::OwnBridge,
        });
    }
    Ok(has)
}

/// Makes the uplink a port of the bridge, which takes over what it `had`.
///
/// # Errors
/// The kernel's refusal; then the uplink is as it was, no port and with all its addresses and routes.
pub(super) fn onto(session: &mut Session, uplink: &Link, had: &Layer3, bridge: &Link) -> Result<(), Error> {
    if uplink.master != Some(bridge.index) {
        let action = format!("make {} a port of bridge {}", uplink.name, bridge.name);
        let step = Step::make(Side::Host, action, link::set_master(&uplink.name, bridge.index));
        session.queue(step.explained(explained::port(&uplink.name, &bridge.name)));
        session.flush()?;
    }
    queue_additions(session, had, bridge);
    for request in had.withdraw() {
        let action = format!("take the addresses and routes from {}", uplink.name);
        session.queue(Step::change(Side::Host, action, request).tolerating(GONE));
    }
    session.flush().inspect_err(|_| put_back(session, uplink, had))
}

/// Whether a port still has addresses that should be on its bridge: a call was killed between the two sends.
///
/// # Errors
/// The kernel cannot be asked.
pub(super) fn is_due(session: &mut Session, port: &Link) -> Result<bool, Error> {
    let action = format!("list the addresses of {}", port.name);
    let has = address::list(session.socket(Side::Host)?, port.index).map_err(Error::refused(action))?;
    Ok(has.iter().any(|address| !is_link_local(address)))
}

fn is_link_local(address: &IpNetwork) -> bool {
    matches!(address, IpNetwork::V6(v6) if v6.ip().is_unicast_link_local())
}

/// Moves what the bridge has by now to the uplink, and queues its leaving of the bridge. The bridge still has to be removed, in
/// the same send.
///
/// # Errors
/// The uplink cannot take all; then the bridge keeps it, and must stay.
pub(super) fn back(session: &mut Session, bridge: &Link, uplink: &Link) -> Result<(), Error> {
    let is_free = uplink.master.is_none_or(|master| master == bridge.index);
    if Tag::is_shared(uplink) {
        return Ok(()); // it goes with the bridge
    }
    if !is_free {
        return if is_due(session, bridge)? {
            Err(cannot_go_back(bridge, uplink, "has another master"))
        } else {
            Ok(())
        };
    }
    let has = of(session, bridge)?.without_link_local();
    if has.has_nexthop_objects() {
        return Err(cannot_go_back(bridge, uplink, "cannot take a route by a nexthop object (`ip nexthop`)"));
    }
    queue_additions(session, &has, uplink);
    session.flush()?; // refused where it is down, for example
    let action = format!("take {} out of bridge {}", uplink.name, bridge.name);
    session.queue(Step::change(Side::Host, action, link::unset_master(&uplink.name)));
    Ok(())
}

fn cannot_go_back(bridge: &Link, uplink: &Link, have: &str) -> Error {
    Error::Conflict {
        object: format!("uplink {}", uplink.name),
        want: format!("it to take back the host's addresses and routes from bridge {}", bridge.name),
        have: have.to_owned(),
        remedy: Remedy::act("the bridge stays until that is changed; then detach or collect again"),
    }
}

fn of(session: &mut Session, link: &Link) -> Result<Layer3, Error> {
    let action = format!("move the addresses and routes of {}", link.name);
    Layer3::of(session.socket(Side::Host)?, link).map_err(Error::refused(action))
}

fn queue_additions(session: &mut Session, layer3: &Layer3, link: &Link) {
    for request in layer3.add_to(link.index) {
        let action = format!("give the addresses and routes to {}", link.name);
        session.queue(Step::change(Side::Host, action, request).tolerating(THERE));
    }
}

/// Best effort: the error that led here is the one to report.
fn put_back(session: &mut Session, uplink: &Link, had: &Layer3) {
    let mut requests = vec![link::unset_master(&uplink.name)];
    requests.extend(had.restore());
    if let Ok(socket) = session.socket(Side::Host) {
        let _ = socket.batch(requests);
    }
}

/// The commands that move the addresses and routes of one link to another, for people. What moves is known only when they run.
pub(super) fn commands(from: &str, to: &str) -> Vec<String> {
    let mut commands = Vec::new();
    for (family, option) in [("-4", "brd +"), ("-6", "nodad")] {
        commands.push(format!(
            "ip {family} -o address show dev {from} scope global | while read -r _ _ _ address _; do \
             ip address add $address dev {to} {option}; done"
        ));
        // Those on the link first: a gateway must be reachable when its route comes.
        commands.push(format!(
            "ip {family} route show table all dev {from} | grep -v 'proto kernel' | \
             awk '{{print / via /, $0}}' | sort | cut -d' ' -f2- | while read -r route; do \
             ip {family} route del $route dev {from}; ip {family} route add $route dev {to}; done"
        ));
    }
    commands
}
