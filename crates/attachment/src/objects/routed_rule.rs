//! Routed NICs reaching each other.

use netlink::link::Link;

use crate::firewall::forward::{self, Members};
use crate::firewall::refused_ways::{self, Traffic};
use crate::{Device, Difference, Error, Finder, Found, Identity, Item, Kind, Object, Owner, Session, Stage, Tag};

static KIND: Kind = Kind::found("rule for a routed NIC");
static FINDER: Finder = Finder::new(&KIND, of_attachment, of_network);

/// A rule that lets other routed NICs reach this one although the host's firewall drops what it forwards. It exists only if it is
/// needed.
#[derive(Debug)]
pub struct RoutedRule {
    /// The attachment.
    pub identity: Identity,
}

impl RoutedRule {
    /// What finds it without a description.
    pub const FINDER: &'static Finder = &FINDER;
}

/// The host interface of a routed NIC is no port; where it is gone, its rule may still be there.
fn of_attachment(session: &mut Session, identity: &Identity) -> Result<Vec<Item>, Error> {
    let found = session.known(&Device::host(identity.host_name()))?;
    let is_port = found.is_some_and(|link| link.master.is_some());
    let rule = || Item::Object(Box::new(RoutedRule { identity: identity.clone() }));
    Ok(if is_port { Vec::new() } else { vec![rule()] })
}

/// The rule's comment tells the host interface and not the network: one whose interface is there is left to that, and one whose
/// interface is gone serves nobody.
fn of_network(session: &mut Session, network: &str) -> Result<Vec<Found>, Error> {
    let links = session.host_links()?;
    let mut found = Vec::new();
    for name in forward::routed(session)? {
        let link = links.iter().find(|link| link.name == name);
        let is_of_another =
            |link: &Link| !matches!(Tag::of(link), Some(Tag::Attachment { network: of, .. }) if of == network);
        if link.is_some_and(is_of_another) {
            continue;
        }
        let removed = name.clone();
        let one = Found::own(Owner::HostName(name.clone()), Stage::Common, move |session| {
            forward::remove(session, Members::Routed(&removed))
        });
        found.push(one.printed_by(move |session| forward::removal_commands(session, Members::Routed(&name))));
    }
    Ok(found)
}

impl Object for RoutedRule {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn stage(&self) -> Stage {
        Stage::Common
    }

    fn create(&self, session: &mut Session) -> Result<(), Error> {
        let name = self.identity.host_name();
        if forward::is_lacking(session, Members::Routed(&name))? {
            session.make(|session| forward::ensure(session, Members::Routed(&name)))?;
        }
        refused_ways::tell(session, Traffic { bridge: None, gateway: Some(&name) })
    }

    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        forward::differences(session, Members::Routed(&self.identity.host_name()))
    }

    fn remove(&self, session: &mut Session) -> Result<(), Error> {
        forward::remove(session, Members::Routed(&self.identity.host_name()))
    }

    fn commands(&self) -> Vec<String> {
        Members::Routed(&self.identity.host_name()).commands()
    }

    fn missing_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        forward::missing_commands(session, Members::Routed(&self.identity.host_name()))
    }

    fn removal_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        forward::removal_commands(session, Members::Routed(&self.identity.host_name()))
    }
}
