//! What the reference plugin `portmap` has made for an attachment.

use crate::firewall::reference;
use crate::{Difference, Error, Finder, Found, Identity, Item, Kind, Note, Object, Session, Stage};

static KIND: Kind = Kind::found("published ports of the reference plugin");
static FINDER: Finder = Finder::new(&KIND, of_attachment, of_network);

/// The rules that the reference plugin has made for the published ports of an attachment, by either of its backends. They are only
/// removed.
#[derive(Debug)]
pub struct ReferencePorts {
    /// The attachment.
    pub identity: Identity,
}

impl ReferencePorts {
    /// What finds them without a description. GC finds those of iptables: those of nftables tell no network.
    pub const FINDER: &'static Finder = &FINDER;
}

fn of_attachment(_: &mut Session, identity: &Identity) -> Result<Vec<Item>, Error> {
    Ok(vec![Item::Object(Box::new(ReferencePorts { identity: identity.clone() }))])
}

fn of_network(session: &mut Session, network: &str) -> Result<Vec<Found>, Error> {
    reference::ports_of_network(session, network)
}

impl Object for ReferencePorts {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn stage(&self) -> Stage {
        Stage::Nic
    }

    fn create(&self, _session: &mut Session) -> Result<(), Error> {
        Err(Error::Invalid("what the reference plugin made is only removed (a bug in the plugin)".to_owned()))
    }

    fn differences(&self, _session: &mut Session) -> Result<Vec<Difference>, Error> {
        Ok(Vec::new())
    }

    fn remove(&self, session: &mut Session) -> Result<(), Error> {
        reference::remove_ports(session, &self.identity).map(drop)
    }

    fn commands(&self) -> Vec<String> {
        Vec::new()
    }

    fn removal_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        reference::port_removal_commands(session, &self.identity)
    }
}

/// A note for a container whose ports the reference plugin may have published by the older iptables, whose rules cannot be seen.
#[must_use]
pub fn legacy_ports(identity: &Identity) -> Option<Note> {
    let chain = || reference::ports_chain(identity.network(), identity.container_id());
    reference::has_legacy_translation().then(|| Note::LegacyPorts { chain: chain() })
}
