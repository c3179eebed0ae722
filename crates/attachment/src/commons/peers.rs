//! Who is heard in a Local Area Cloud.

use std::collections::BTreeSet;

use ipnetwork::IpNetwork;

use super::esp;
use super::lac::{devices, lac_of, lac_of_attachment};
use crate::bridge_members::BridgeMembers;
use crate::firewall::peers::{self, Hearing, Range};
use crate::{
    Commons, Difference, Error, Finder, Found, Identity, Item, Kind, LacId, Remedy, Session, Shared, Stage, State,
};

static KIND: Kind = Kind::found("peers of LACs");
static FINDER: Finder = Finder::new(&KIND, of_attachment, of_network);

/// The hosts that a LAC hears, whatever networks its members here are of. It is in force before the VXLAN device receives its first
/// packet, until that has gone.
#[derive(Debug, Clone)]
pub struct Peers {
    id: LacId,
    /// `None` for a LAC that hears whoever sends.
    wanted: Option<Hearing>,
}

impl Peers {
    /// What finds them without a description.
    pub const FINDER: &'static Finder = &FINDER;

    /// Those of a LAC: hosts and networks of the family that it is over, or `None` if whoever sends is to be heard. If it `is_sealed`,
    /// they are heard by IPsec alone, and nothing leaves in clear.
    #[must_use]
    pub fn new(id: LacId, allowed: Option<&BTreeSet<IpNetwork>>, is_sealed: bool) -> Self {
        let of = |allowed| Hearing {
            is_closed: true,
            is_sealed,
            has_port: is_sealed,
            peers: disjoint(allowed).into_iter().map(|network| Range::new(id, network)).collect(),
        };
        Self { id, wanted: allowed.map(of) }
    }

    /// The ones of this port and VNI, to be removed.
    #[must_use]
    pub fn named(id: LacId) -> Self {
        Self { id, wanted: None }
    }

    fn label(&self) -> String {
        format!("peers of {}", self.id.shared_by())
    }

    /// Fails if its members have agreed on something else: what others have closed is not opened, and what they have sealed stays so.
    /// What a call has left that was killed counts for nobody.
    fn refuse_contradiction(&self, session: &mut Session) -> Result<Hearing, Error> {
        self.refuse_neighbour(session)?;
        let found = peers::stance_of(session, self.id)?;
        let is_sealed = self.is_sealed();
        let (want, have) = match &self.wanted {
            None if found.is_closed => ("one that hears whoever sends", "hears its peers alone on this host"),
            Some(_) if found.is_closed && found.is_sealed && !is_sealed => {
                ("one whose packets are in clear", "is encrypted on this host")
            }
            Some(_) if found.is_closed && !found.is_sealed && is_sealed => {
                ("an encrypted one", "is there on this host with packets in clear")
            }
            _ => return Ok(found),
        };
        if !self.commons().is_used(session)? {
            return Ok(found);
        }
        let remedy = "ask for the same, choose another port or VNI, or detach all its members here first";
        Err(Error::Conflict {
            object: self.id.shared_by(),
            want: want.to_owned(),
            have: have.to_owned(),
            remedy: Remedy::act(remedy),
        })
    }
}

impl Peers {
    fn is_sealed(&self) -> bool {
        self.wanted.as_ref().is_some_and(|wanted| wanted.is_sealed)
    }

    /// Fails beside another LAC of the port that is encrypted if this is not, or is not if this is: ESP sees the port, and not the VNI.
    fn refuse_neighbour(&self, session: &mut Session) -> Result<(), Error> {
        let sealed = peers::sealed_lacs_of_port(session, self.id.port)?;
        let others: BTreeSet<LacId> = match self.is_sealed() {
            false => sealed,
            true => {
                let devices = devices::of_port(session, self.id.port)?;
                devices.iter().filter_map(lac_of).filter(|id| !sealed.contains(id)).collect()
            }
        };
        for other in others.into_iter().filter(|other| *other != self.id) {
            if !(BridgeMembers { bridge: other.bridge() }).is_used(session)? {
                continue;
            }
            let (want, have) = match self.is_sealed() {
                true => ("be encrypted", "sends in clear on the same port"),
                false => ("send in clear", "is encrypted on the same port"),
            };
            return Err(Error::Conflict {
                object: other.shared_by(),
                want: format!("{} to {want}", self.id.shared_by()),
                have: have.to_owned(),
                remedy: Remedy::act(
                    "all LACs of a port have one key file, or none: choose another port, or the same file",
                ),
            });
        }
        Ok(())
    }
}

/// The networks without those that are in another one: of two that overlap, one has the other in it. In their order, the larger comes
/// first.
fn disjoint(networks: &BTreeSet<IpNetwork>) -> Vec<IpNetwork> {
    let contains = |outer: &IpNetwork, inner: &IpNetwork| match (outer, inner) {
        (IpNetwork::V4(outer), IpNetwork::V4(inner)) => outer.is_supernet_of(*inner),
        (IpNetwork::V6(outer), IpNetwork::V6(inner)) => outer.is_supernet_of(*inner),
        _ => false,
    };
    let mut left: Vec<IpNetwork> = Vec::new();
    for network in networks {
        if !left.last().is_some_and(|last| contains(last, network)) {
            left.push(*network);
        }
    }
    left
}

/// The members of a LAC, whose peers go after all else: what is decrypted until its states have gone must find the packet filter as it was.
struct Hearers {
    id: LacId,
}

impl Commons for Hearers {
    fn name(&self) -> String {
        format!("members of {}", self.id.shared_by())
    }

    fn is_used(&self, session: &mut Session) -> Result<bool, Error> {
        BridgeMembers { bridge: self.id.bridge() }.is_used(session)
    }
}

fn of_attachment(session: &mut Session, identity: &Identity) -> Result<Vec<Item>, Error> {
    let id = lac_of_attachment(session, identity)?;
    Ok(id.map(|id| Item::Shared(Box::new(Peers::named(id)))).into_iter().collect())
}

/// Those of all LACs, which are of no network alone. Whether one is used is asked before they are released.
fn of_network(session: &mut Session, _network: &str) -> Result<Vec<Found>, Error> {
    Ok(peers::all(session)?.into_iter().map(|id| Found::shared(Peers::named(id))).collect())
}

impl Shared for Peers {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn name(&self) -> String {
        self.label()
    }

    fn stage(&self) -> Stage {
        Stage::Protection
    }

    fn commons(&self) -> Box<dyn Commons> {
        Box::new(Hearers { id: self.id })
    }

    fn refuse_existing(&self, session: &mut Session) -> Result<(), Error> {
        session.sharing(|session| self.refuse_contradiction(session).map(drop))
    }

    fn look(&self, session: &mut Session) -> Result<State, Error> {
        let found = self.refuse_contradiction(session)?;
        let Some(wanted) = &self.wanted else {
            return Ok(if found.is_closed { State::Lacking } else { State::Whole });
        };
        // The peers themselves are listed only if all else is as it should be.
        let is_stance = (found.is_closed, found.is_sealed) == (wanted.is_closed, wanted.is_sealed);
        let is_whole = is_stance && peers::read(session, self.id)? == *wanted && peers::is_in_force(session)?;
        Ok(if is_whole { State::Whole } else { State::Lacking })
    }

    /// For all members: the list that was named last counts.
    fn make(&self, session: &mut Session) -> Result<(), Error> {
        let found = self.refuse_contradiction(session)?;
        if found.is_sealed && !self.is_sealed() {
            esp::remove_unused(session, self.id.port)?; // a call has left it that was killed
        }
        let Some(wanted) = &self.wanted else { return peers::replace(session, self.id, &Hearing::default()) };
        // Without members, it is released if a later part fails.
        if self.commons().is_used(session)? {
            self.take_back(session)?;
        }
        peers::replace(session, self.id, wanted)
    }

    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        match &self.wanted {
            Some(wanted) => peers::differences(session, self.id, wanted),
            None if !peers::stance_of(session, self.id)?.is_closed => Ok(Vec::new()),
            None => {
                let have = peers::read(session, self.id)?.words();
                Ok(vec![Difference::new(self.label(), Hearing::default().words(), have)])
            }
        }
    }

    fn update(&self, session: &mut Session) -> Result<(), Error> {
        self.refuse_contradiction(session)?;
        let Some(wanted) = &self.wanted else { return Ok(()) };
        self.take_back(session)?;
        peers::replace(session, self.id, wanted)
    }

    /// What is decrypted without a VXLAN device that takes it would be quoted to its sender, if not for the rules.
    fn release(&self, session: &mut Session) -> Result<(), Error> {
        if peers::stance_of(session, self.id)?.is_sealed {
            esp::remove_unused(session, self.id.port)?;
        }
        peers::replace(session, self.id, &Hearing::default())
    }

    fn commands(&self) -> Vec<String> {
        self.wanted.as_ref().map(|wanted| peers::commands(self.id, wanted, &Hearing::default())).unwrap_or_default()
    }

    fn missing_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        self.refuse_contradiction(session)?;
        let Some(wanted) = &self.wanted else { return Ok(Vec::new()) };
        let found = peers::read(session, self.id)?;
        if found == *wanted && peers::is_in_force(session)? {
            return Ok(vec![format!("# {}: they are as they should be", self.label())]);
        }
        Ok(peers::commands(self.id, wanted, &found))
    }

    fn removal_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        peers::removal_commands(session, self.id)
    }
}

impl Peers {
    /// Registers how to take back a change of what members use.
    fn take_back(&self, session: &mut Session) -> Result<(), Error> {
        let (id, before) = (self.id, peers::read(session, self.id)?);
        session.on_undo(move |session| peers::replace(session, id, &before));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(texts: &[&str]) -> BTreeSet<IpNetwork> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn what_is_in_another_network_is_left_out() {
        for (listed, left) in [
            (
                &["192.0.2.1", "192.0.2.0/24", "192.0.2.128/25", "192.0.3.0/24"][..],
                &["192.0.2.0/24", "192.0.3.0/24"][..],
            ),
            (&["192.0.2.1", "192.0.2.2"], &["192.0.2.1/32", "192.0.2.2/32"]),
            (&["2001:db8::/32", "2001:db8::1", "2001:db9::1"], &["2001:db8::/32", "2001:db9::1/128"]),
            (&[], &[]),
        ] {
            let found: Vec<String> = disjoint(&networks(listed)).iter().map(ToString::to_string).collect();
            assert_eq!(found, left);
        }
    }
}
