//! Members of a bridge reaching each other.

use crate::bridge_members::{self, BridgeMembers};
use crate::firewall::forward::{self, Members};
use crate::firewall::refused_ways::{self, Traffic};
use crate::{Commons, Device, Difference, Error, Finder, Found, Identity, Item, Kind, Session, Shared, State};

static KIND: Kind = Kind::found("rule for the members of a bridge");
static FINDER: Finder = Finder::new(&KIND, of_attachment, of_network);

/// A rule that lets the members of a bridge reach each other although the host's firewall drops what it forwards. It exists only
/// if it is needed.
#[derive(Debug)]
pub struct ForwardRule {
    members: BridgeMembers,
    gateway: Option<String>,
}

impl ForwardRule {
    /// What finds it without a description.
    pub const FINDER: &'static Finder = &FINDER;

    /// The rule for a bridge.
    pub fn new(bridge: impl Into<String>) -> Self {
        Self { members: BridgeMembers { bridge: bridge.into() }, gateway: None }
    }

    /// The same, for members whose gateway to other networks is this link of the host.
    #[must_use]
    pub fn with_gateway(self, gateway: Option<String>) -> Self {
        Self { gateway, ..self }
    }

    fn bridge(&self) -> &str {
        &self.members.bridge
    }

    /// Once for each bridge: with its first member.
    fn tell_refused(&self, session: &mut Session) -> Result<(), Error> {
        if session.last_seen(&Device::host(self.bridge())).is_some_and(|bridge| bridge.is_running) {
            return Ok(());
        }
        let traffic = Traffic { bridge: Some(self.bridge()), gateway: self.gateway.as_deref() };
        refused_ways::tell(session, traffic)
    }

    fn all(&self) -> Members<'_> {
        Members::OfBridge(self.bridge())
    }
}

fn of_attachment(session: &mut Session, identity: &Identity) -> Result<Vec<Item>, Error> {
    let bridge = bridge_members::of_attachment(session, identity)?;
    Ok(bridge.map(|bridge| Item::Shared(Box::new(ForwardRule::new(bridge)))).into_iter().collect())
}

/// A rule stays behind if somebody else removed its bridge, so the rules of all bridges are examined.
fn of_network(session: &mut Session, network: &str) -> Result<Vec<Found>, Error> {
    let mut bridges = bridge_members::of_network(session, network)?;
    for bridge in forward::bridges(session)? {
        if !bridges.contains(&bridge) {
            bridges.push(bridge);
        }
    }
    Ok(bridges.into_iter().map(|bridge| Found::shared(ForwardRule::new(bridge))).collect())
}

impl Shared for ForwardRule {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn name(&self) -> String {
        format!("rule for the members of {}", self.bridge())
    }

    fn commons(&self) -> Box<dyn Commons> {
        Box::new(self.members.clone())
    }

    /// Whether it exists or not: making it needs no exclusive lock, because the packet filter serialises changes itself. And some
    /// chains accept no rule, which is no reason to let all attachments wait for each other.
    fn look(&self, _session: &mut Session) -> Result<State, Error> {
        Ok(State::Whole)
    }

    fn adopt(&self, session: &mut Session) -> Result<(), Error> {
        if forward::is_lacking(session, self.all())? {
            forward::ensure(session, self.all())?;
        }
        self.tell_refused(session)
    }

    fn make(&self, session: &mut Session) -> Result<(), Error> {
        self.adopt(session)
    }

    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        forward::differences(session, self.all())
    }

    fn release(&self, session: &mut Session) -> Result<(), Error> {
        forward::remove(session, self.all())
    }

    fn commands(&self) -> Vec<String> {
        self.all().commands()
    }

    fn missing_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        forward::missing_commands(session, self.all())
    }

    fn removal_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        forward::removal_commands(session, self.all())
    }
}
