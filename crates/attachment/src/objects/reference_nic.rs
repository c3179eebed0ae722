//! What the reference plugin `bridge` has made for an attachment.

use std::net::IpAddr;

use netlink::link;

use super::host_links;
use crate::firewall::reference;
use crate::{Difference, Error, Finder, Found, Identity, Item, Kind, Note, Object, Session, Side, Stage};

static KIND: Kind = Kind::found("what the reference plugin made");
static COLLECTOR: Finder = Finder::new(&KIND, of_attachment, of_network).for_gc();

/// What the reference plugin has made for an attachment: the veth pair, and its rules in the packet filter. It is only removed. The
/// rules tell whose they are. Nothing on the device does: whoever describes it knows from a result or from an allocation that it is
/// the attachment's.
#[derive(Debug)]
pub struct ReferenceNic {
    /// The attachment.
    pub identity: Identity,
    /// The host interface, if it is there.
    pub host: Option<String>,
    /// Its addresses, as far as they are known.
    pub addresses: Vec<IpAddr>,
    /// The reference plugin has made it for sure.
    pub is_certain: bool,
}

impl ReferenceNic {
    /// For GC: the rules that tell their network. Devices do not.
    pub const COLLECTOR: &'static Finder = &COLLECTOR;
}

fn of_attachment(_: &mut Session, _: &Identity) -> Result<Vec<Item>, Error> {
    Ok(Vec::new())
}

fn of_network(session: &mut Session, network: &str) -> Result<Vec<Found>, Error> {
    reference::of_network(session, network)
}

impl Object for ReferenceNic {
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

    /// The device first: what its rules are for is told from what there still is.
    fn remove(&self, session: &mut Session) -> Result<(), Error> {
        let nic = match &self.host {
            Some(name) => session.remove(Side::Host, format!("remove {name}"), link::delete(name)),
            None => Ok(()),
        };
        let rules = reference::remove(session, &self.identity, &self.addresses);
        if self.is_certain && matches!(rules, Ok(false)) && reference::has_legacy_translation() {
            let chain = reference::iptables_chain(self.identity.network(), self.identity.container_id());
            session.note(Note::LegacyTranslation { chain });
        }
        nic.and(rules.map(drop))
    }

    fn commands(&self) -> Vec<String> {
        Vec::new()
    }

    fn removal_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        let mut commands = match &self.host {
            Some(name) => host_links::removal(session, name)?,
            None => Vec::new(),
        };
        commands.extend(reference::removal_commands(session, &self.identity, &self.addresses)?);
        Ok(commands)
    }
}
