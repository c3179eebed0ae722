//! States and policies of ESP that are there.

use std::collections::BTreeSet;
use std::net::IpAddr;

use netlink::xfrm::{self, Direction, Policy, State, StateId};

use super::channel::Xfrm;
use super::derived::Derived;
use crate::{Error, Session};

/// What the upper half of our request IDs is; the lower one is the UDP port.
const REQUEST_IDS: u32 = 0x706c_0000;

/// That of a UDP port.
pub(super) fn request_id(port: u16) -> u32 {
    REQUEST_IDS | u32::from(port)
}

/// What there is of one port, or of all that we have.
#[derive(Debug, Default)]
pub(super) struct Installed {
    /// In the order of their names.
    pub(super) states: Vec<State>,
    pub(super) policies: Vec<Policy>,
    /// Addresses that were sent from, and that this host has not any more: they may be another one's now.
    pub(super) lost: BTreeSet<IpAddr>,
}

impl Installed {
    pub(super) fn of(session: &mut Session, request_id: Option<u32>) -> Result<Self, Error> {
        let socket = &mut session.channel(Xfrm::open)?.0;
        let mut states = xfrm::states(socket).map_err(Error::refused("list the states of IPsec"))?;
        let mut policies = xfrm::policies(socket).map_err(Error::refused("list the policies of IPsec"))?;
        let is_its = |id: u32| request_id.map_or(id & 0xffff_0000 == REQUEST_IDS, |asked| asked == id);
        states.retain(|state| is_its(state.request_id));
        policies.retain(|policy| is_its(policy.request_id));
        states.sort_unstable_by_key(|state| state.id);
        Ok(Self { states, policies, lost: BTreeSet::new() })
    }

    /// The UDP ports that it is of.
    pub(super) fn ports(&self) -> BTreeSet<u16> {
        let ids = self.states.iter().map(|state| state.request_id);
        let ids = ids.chain(self.policies.iter().map(|policy| policy.request_id));
        ids.filter_map(|id| u16::try_from(id & 0xffff).ok()).collect()
    }

    /// The addresses of this host that are sent from.
    pub(super) fn locals(&self) -> BTreeSet<IpAddr> {
        let out = self.policies.iter().filter(|policy| policy.direction == Direction::Out);
        out.map(|policy| policy.source.ip()).filter(|source| !self.lost.contains(source)).collect()
    }

    /// Policies for addresses that this host has lost.
    pub(super) fn policies_of_lost(&self) -> impl Iterator<Item = &Policy> {
        self.policies
            .iter()
            .filter(|policy| policy.direction == Direction::Out && self.lost.contains(&policy.source.ip()))
    }

    /// By its name: a LAC of many hosts and keys has thousands.
    pub(super) fn state(&self, id: StateId) -> Option<&State> {
        let place = self.states.binary_search_by_key(&id, |state| state.id).ok()?;
        self.states.get(place)
    }

    pub(super) fn has(&self, wanted: &Derived) -> bool {
        let source = wanted.state(0).source;
        let found = self.state(wanted.id());
        found.is_some_and(|state| state.source == source && state.expires_after.is_none() && state.is_as_made)
    }
}
