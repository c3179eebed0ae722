//! Making states and policies of ESP, replacing keys, and removing all of it.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use netlink::xfrm::{Policy, State, StateId};
use netlink::{Answer, Request};

use super::Esp;
use super::channel::Xfrm;
use super::derived::{Derived, Way};
use super::found::Installed;
use crate::firewall::peers;
use crate::{Error, Remedy, Session};

/// What the kernel needs for a state, by the names of its modules.
const MODULES: &str = "esp4 (esp6 for IPv6), authenc, echainiv, cbc, aes, hmac, sha256 and drbg";

/// Something that is made in one send with others.
#[derive(Debug, Clone, Copy)]
enum New {
    Policy(Policy),
    State(StateId),
}

impl New {
    fn delete(self) -> Request {
        match self {
            Self::Policy(policy) => policy.delete(),
            Self::State(id) => id.delete(),
        }
    }
}

impl Esp {
    /// Adds what is wanted and not there, in one send, the policies first: nothing passes before its state is there. If something is
    /// refused, nothing of it is left.
    pub(super) fn add(&self, session: &mut Session, installed: &Installed, wanted: &[Derived]) -> Result<(), Error> {
        let (mut replaced, mut new, mut requests) = (Vec::new(), Vec::new(), Vec::new());
        for policy in self.policies().into_iter().filter(|policy| !installed.policies.contains(policy)) {
            requests.push(policy.create());
            new.push(New::Policy(policy));
        }
        for wanted in wanted.iter().filter(|wanted| !installed.has(wanted)) {
            let state = wanted.state(self.request_id());
            // Somebody has changed it, or it was about to expire.
            if installed.state(state.id).is_some_and(|found| found.source == state.source) {
                replaced.push(state.id.delete());
            }
            requests.push(state.create());
            new.push(New::State(state.id));
        }
        replaced.extend(installed.policies_of_lost().map(Policy::delete));
        replaced.extend(self.of_peer_before(installed).map(|state| state.id.delete()));
        self.send(session, replaced)?;
        let socket = &mut session.channel(Xfrm::open)?.0;
        let answers = socket.batch(requests).map_err(Error::refused(format!("set up {}", self.label())))?;
        let (mut done, mut refused) = (Vec::new(), None);
        for (new, answer) in new.into_iter().zip(answers) {
            match answer {
                Ok(_) => done.push(new.delete()),
                Err(source) => refused = refused.or(Some((new, source))),
            }
        }
        let Some((what, source)) = refused else { return Ok(()) };
        done.reverse();
        self.send(session, done)?;
        Err(self.explain(what, source))
    }

    /// Has the first key sent with and all keys heard, by whatever LAC of the port the others are known; what was sent with before is
    /// not any more, and what was heard before is, for the time of `grace`, or less if that was said before.
    pub(super) fn rekey(&self, session: &mut Session, installed: &Installed, grace: Duration) -> Result<(), Error> {
        let locals = self.locals(installed);
        let (outgoing, incoming) = by_direction(&installed.states, &locals);
        let unique = |mut ways: Vec<Way>, more: &mut dyn Iterator<Item = Way>| {
            ways.extend(more);
            ways.sort_unstable();
            ways.dedup();
            ways.into_iter()
        };
        let outgoing = unique(outgoing, &mut self.outgoing());
        let incoming = unique(incoming, &mut self.incoming());
        self.add(session, installed, &self.wanted(outgoing, incoming))?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let ends = self.of_other_or_replaced_keys(installed).filter_map(|state| {
            let is_sent_with = locals.contains(&state.source);
            if is_sent_with { Some(state.id.delete()) } else { state.expire(now, grace) }
        });
        let ends = ends.collect();
        self.send(session, ends)
    }

    /// The addresses of this host that are sent from, that of this LAC among them.
    fn locals(&self, installed: &Installed) -> BTreeSet<IpAddr> {
        let mut locals = installed.locals();
        locals.insert(self.local);
        locals
    }

    /// Removes the states for hosts that are no peers of any LAC of the port any more.
    pub(super) fn prune(&self, session: &mut Session, installed: &Installed) -> Result<(), Error> {
        let peers = peers::of_port(session, self.port)?;
        let locals = self.locals(installed);
        let is_surplus = |state: &&State| {
            let other = if locals.contains(&state.source) { state.id.destination } else { state.source };
            !other.is_multicast() && !peers.iter().any(|range| range.contains(other))
        };
        let surplus: Vec<&State> = installed.states.iter().filter(is_surplus).collect();
        if surplus.is_empty() {
            return Ok(());
        }
        let (outgoing, incoming) = by_direction(surplus.iter().copied(), &locals);
        let before = self.clone();
        session.on_undo(move |session| {
            let installed = before.installed(session)?;
            before.add(session, &installed, &before.wanted(outgoing.into_iter(), incoming.into_iter()))
        });
        self.send(session, surplus.into_iter().map(|state| state.id.delete()).collect())
    }

    /// Removes all of the port, states first: what was still sent would meet a policy without any.
    pub(super) fn remove(&self, session: &mut Session) -> Result<(), Error> {
        let installed = match self.installed(session) {
            Err(Error::Unsupported { .. }) => return Ok(()),
            other => other?,
        };
        let states = installed.states.iter().map(|state| state.id.delete());
        let policies = installed.policies.iter().map(Policy::delete);
        self.send(session, states.chain(policies).collect())
    }

    /// Sends what may find that there is nothing left to do.
    fn send(&self, session: &mut Session, requests: Vec<Request>) -> Result<(), Error> {
        let action = format!("change {}", self.label());
        let answers = session.channel(Xfrm::open)?.0.batch(requests).map_err(Error::refused(&action))?;
        let is_gone = |error: &netlink::Error| matches!(error.errno(), Some(libc::ESRCH | libc::ENOENT));
        match answers.into_iter().filter_map(Answer::err).find(|error| !is_gone(error)) {
            None => Ok(()),
            Some(source) => Err(Error::Refused { action, source }),
        }
    }

    fn explain(&self, what: New, source: netlink::Error) -> Error {
        let taken = |object: String, command: &str| Error::Conflict {
            object,
            want: format!("it for {}", self.label()),
            have: "is somebody else's".to_owned(),
            remedy: Remedy::Act(format!("look at it with `{command}`, and remove it or choose another port or key")),
        };
        match (what, source.errno()) {
            (New::Policy(policy), Some(libc::EEXIST)) => taken(
                format!("the policy of IPsec dir {} for UDP port {}", policy.direction.word(), policy.port),
                "ip xfrm policy",
            ),
            (New::State(id), Some(libc::EEXIST)) => {
                taken(format!("the SPI {:#010x} for {}", id.spi, id.destination), "ip xfrm state")
            }
            (New::State(_), Some(libc::EPROTONOSUPPORT | libc::ENOSYS | libc::ENOENT | libc::EOPNOTSUPP)) => {
                Error::Unsupported {
                    feature: format!("ESP with AES-CBC and HMAC-SHA-256 ({source}), which {} needs", self.label()),
                    remedy: Remedy::Act(format!(
                        "load the modules {MODULES} with `modprobe`, or use a kernel with them; without them nothing is sent"
                    )),
                }
            }
            _ => Error::Refused { action: format!("set up {}", self.label()), source },
        }
    }
}

/// The ways of states: out of this host, and into it.
fn by_direction<'a>(states: impl IntoIterator<Item = &'a State>, locals: &BTreeSet<IpAddr>) -> (Vec<Way>, Vec<Way>) {
    states.into_iter().map(Way::of).partition(|way| locals.contains(&way.source))
}
