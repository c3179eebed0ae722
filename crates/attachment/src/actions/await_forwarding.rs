//! Waiting for a port to let frames through.

use std::time::Duration;

use netlink::link::{Link, PortState};
use netlink::spanning_tree::SpanningTree;

use super::patience;
use crate::{Action, Device, Difference, Error, Note, Remedy, Session, Side, Stage};

/// How much longer than the spanning tree needs: the kernel's timers and a daemon's turn come late on a busy machine.
const SLACK: Duration = Duration::from_secs(1);

/// Waits until a port lets frames through, so that the first packet after ADD arrives.
///
/// A port forwards as soon as a worker of the kernel has seen its carrier, and the bridge itself sends as soon as the worker
/// has seen that it has such a port. With spanning tree a port listens and then learns, each for as long as the bridge's forward
/// delay says (IEEE 802.1D, 17.5; `net/bridge/br_stp_timer.c`). Before that nobody is reached, and an address that somebody has is not
/// found out.
#[derive(Debug)]
pub struct AwaitForwarding {
    /// The port.
    pub device: String,
}

/// What the port waits for.
enum Outlook {
    Ready,
    Worker,
    SpanningTree { tree: SpanningTree, bridge: String, is_blocked: bool },
}

impl AwaitForwarding {
    fn look(&self, session: &mut Session) -> Result<Outlook, Error> {
        let Some(port) = session.find(&Device::host(&self.device))? else { return Ok(Outlook::Ready) };
        let (Some(state), Some(bridge)) = (port.port_state, port.master) else { return Ok(Outlook::Ready) };
        match state {
            PortState::Disabled => Ok(Outlook::Worker),
            PortState::Waiting | PortState::Blocked => {
                let bridge = session.find_index(Side::Host, bridge)?;
                let is_blocked = state == PortState::Blocked;
                Ok(match bridge.and_then(|Link { name, spanning_tree, .. }| Some((name, spanning_tree?))) {
                    Some((bridge, tree)) => Outlook::SpanningTree { tree, bridge, is_blocked },
                    None => Outlook::Ready, // as somebody else wants it
                })
            }
            PortState::Forwarding => {
                if session.known_index(Side::Host, bridge)?.is_some_and(|bridge| bridge.is_running) {
                    return Ok(Outlook::Ready); // it has sent before
                }
                let bridge = session.find_index(Side::Host, bridge)?;
                let is_ready = bridge.is_none_or(|bridge| bridge.is_running || !bridge.is_up);
                Ok(if is_ready { Outlook::Ready } else { Outlook::Worker })
            }
        }
    }

    /// Until no worker is waited for.
    fn await_worker(&self, session: &mut Session) -> Result<Outlook, Error> {
        let mut outlook = Outlook::Ready;
        patience::until(session, |session| {
            outlook = self.look(session)?;
            Ok(!matches!(outlook, Outlook::Worker))
        })?;
        Ok(outlook)
    }

    fn await_tree(&self, session: &mut Session, tree: SpanningTree, bridge: &str) -> Result<(), Error> {
        let limit = tree.forward_delay().saturating_mul(2).saturating_add(SLACK);
        session.note(Note::SpanningTree { port: self.device.clone(), bridge: bridge.to_owned(), limit });
        let mut last = None;
        patience::for_long(session, limit, |session| {
            last = match self.look(session)? {
                Outlook::SpanningTree { is_blocked, .. } => Some(is_blocked),
                _ => None,
            };
            Ok(last.is_none())
        })?;
        match last {
            None => self.await_worker(session).map(drop),
            Some(true) if !tree.is_of_user_space => Err(Error::Conflict {
                object: format!("port {} of bridge {bridge}", self.device),
                want: "a port that forwards".to_owned(),
                have: "is blocked by the spanning tree, which sees a loop behind it".to_owned(),
                remedy: Remedy::act(format!(
                    "remove the loop in the container, or turn the spanning tree off with `ip link set {bridge} type bridge \
                     stp_state 0`"
                )),
            }),
            Some(_) => Err(Error::Busy(format!(
                "port {} of bridge {bridge} does not forward after {} s, twice the forward delay of its spanning tree and {} s; {}, \
                 or turn it off with `ip link set {bridge} type bridge stp_state 0`, and try again",
                self.device,
                limit.as_secs(),
                SLACK.as_secs(),
                match tree.is_of_user_space {
                    true => "see whether the daemon that runs it in user space (as mstpd) works",
                    false => "wait until it has settled",
                },
            ))),
        }
    }
}

impl Action for AwaitForwarding {
    fn stage(&self) -> Stage {
        Stage::Ready
    }

    fn perform(&self, session: &mut Session) -> Result<(), Error> {
        match self.await_worker(session)? {
            Outlook::SpanningTree { tree, bridge, .. } => self.await_tree(session, tree, &bridge),
            Outlook::Ready | Outlook::Worker => Ok(()),
        }
    }

    /// A port that listens or learns will forward in a while.
    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        let link = session.find(&Device::host(&self.device))?;
        let have = match link.and_then(|link| link.port_state) {
            Some(PortState::Disabled) => "disabled: it has no carrier",
            Some(PortState::Blocked) => "blocked by the spanning tree",
            _ => return Ok(Vec::new()),
        };
        Ok(vec![Difference::new(format!("port {}", self.device), "forwarding", have)])
    }
}
