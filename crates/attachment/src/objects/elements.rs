//! What an attachment has in the host's packet filter.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink::Mac;
use nftables::{Key, Set};

use crate::firewall::elements::{Entry, add, differences, host_names, removal_commands, remove};
use crate::firewall::placed::Placed;
use crate::firewall::tables::{
    ADDRESSES4, ADDRESSES6, GUARDED, IPGUARDED, MACS, MASQUERADE4, MASQUERADE6, NEIGHBOURS, Ours, ROUTED4, ROUTED6,
    TOLD_MACS,
};
use crate::{Difference, Error, Finder, Found, Identity, Item, Kind, Object, Owner, Session, Stage};

static KIND: Kind = Kind::found("elements of the packet filter");
static FINDER: Finder = Finder::new(&KIND, of_attachment, of_network).collected_by(collect);

/// Elements of the sets of our tables, which are made with their first element and go with their last.
#[derive(Debug)]
pub struct Elements {
    identity: Identity,
    stage: Stage,
    entries: Vec<Entry>,
}

impl Elements {
    /// What finds them without a description.
    pub const FINDER: &'static Finder = &FINDER;

    /// None yet, of those that must be in force before the first frame passes.
    #[must_use]
    pub fn guarding(identity: Identity) -> Self {
        Self { identity, stage: Stage::Guard, entries: Vec::new() }
    }

    /// None yet, of those that the addresses need; or, for DEL, whatever there is.
    #[must_use]
    pub fn of_addresses(identity: Identity) -> Self {
        Self { identity, stage: Stage::Translation, entries: Vec::new() }
    }

    /// What comes from these addresses through the gateway interface `gateway`, and leaves through another one, carries the
    /// address of that one.
    #[must_use]
    pub fn masquerading(mut self, gateway: &str, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        for address in addresses {
            match address {
                IpAddr::V4(v4) => self.push_v4(Ours::Nat, &MASQUERADE4, gateway, v4),
                IpAddr::V6(v6) => self.push_v6(Ours::Nat, &MASQUERADE6, gateway, v6),
            }
        }
        self
    }

    /// What comes from these addresses through the host interface, to which the host routes them, and does not go to another routed
    /// address that is translated, carries the address of the interface by which it leaves.
    #[must_use]
    pub fn masquerading_routed(mut self, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        let host = self.identity.host_name();
        for address in addresses {
            match address {
                IpAddr::V4(v4) => self.push_v4(Ours::Routed, &ROUTED4, &host, v4),
                IpAddr::V6(v6) => self.push_v6(Ours::Routed, &ROUTED6, &host, v6),
            }
        }
        self
    }

    /// Only frames from this hardware address pass, and ARP and neighbour discovery that claim it.
    #[must_use]
    pub fn guarding_mac(mut self, mac: Mac) -> Self {
        let port = self.identity.host_name();
        self.push(Ours::Filter, &GUARDED, Key::link(&port), format!("{port:?}"));
        self.push(Ours::Filter, &MACS, Key::link(&port).and_mac(mac), format!("{port:?} . {mac}"));
        self.push(Ours::Filter, &NEIGHBOURS, Key::link(&port), format!("{port:?}"));
        let told: String = mac.0.iter().map(|byte| format!("{byte:02x}")).collect();
        let key = Key::link(&port).and(&Key::six_bytes(mac.0));
        self.push(Ours::Filter, &TOLD_MACS, key, format!("{port:?} . 0x{told}"));
        self
    }

    /// Only IP packets pass, from no address but those that everybody may use before they have one, and from the link-local
    /// address of the hardware address. [`Elements::allowing`] adds the attachment's own.
    #[must_use]
    pub fn guarding_addresses(mut self, mac: Mac) -> Self {
        let port = self.identity.host_name();
        self.push(Ours::Filter, &IPGUARDED, Key::link(&port), format!("{port:?}"));
        let unspecified = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
        self.allowing(unspecified.into_iter().chain([mac.link_local().into()]))
    }

    /// IP packets from these addresses pass.
    #[must_use]
    pub fn allowing(mut self, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        let port = self.identity.host_name();
        for address in addresses {
            match address {
                IpAddr::V4(v4) => self.push_v4(Ours::Filter, &ADDRESSES4, &port, v4),
                IpAddr::V6(v6) => self.push_v6(Ours::Filter, &ADDRESSES6, &port, v6),
            }
        }
        self
    }

    fn push_v4(&mut self, ours: Ours, set: &'static Set, link: &str, address: Ipv4Addr) {
        self.push(ours, set, Key::link(link).and_ipv4(address), format!("{link:?} . {address}"));
    }

    fn push_v6(&mut self, ours: Ours, set: &'static Set, link: &str, address: Ipv6Addr) {
        self.push(ours, set, Key::link(link).and_ipv6(address), format!("{link:?} . {address}"));
    }

    fn push(&mut self, ours: Ours, set: &'static Set, key: Key, text: String) {
        let entry = Entry { ours, set, key, data: None, text };
        if !self.entries.contains(&entry) {
            self.entries.push(entry);
        }
    }
}

/// The last to be made, so that DEL removes them first: to close the socket waits for that, and the removal of a link takes longer.
fn of_attachment(_: &mut Session, identity: &Identity) -> Result<Vec<Item>, Error> {
    Ok(vec![Item::Object(Box::new(Elements::of_addresses(identity.clone())))])
}

fn of_network(session: &mut Session, network: &str) -> Result<Vec<Found>, Error> {
    let found = |host_name: String| {
        let (name, printed) = (host_name.clone(), host_name.clone());
        let found = Found::own(Owner::HostName(host_name), Stage::Translation, move |session| {
            remove(session, Ours::OF_NICS, |placed| placed.is_of(|owner| owner.host_name == name)).map(drop)
        });
        found.printed_by(move |session| {
            let mut commands = removal_commands(session, Ours::OF_NICS, &printed)?;
            if !commands.is_empty() {
                commands.insert(0, format!("# elements of the packet filter of {printed}"));
            }
            Ok(commands)
        })
    };
    Ok(host_names(session, Ours::OF_NICS, network)?.into_iter().map(found).collect())
}

/// All in one transaction.
fn collect(session: &mut Session, found: &[Found]) -> Vec<Error> {
    let mut names = BTreeSet::new();
    found.iter().filter_map(Found::host_name).for_each(|name| _ = names.insert(name));
    let doomed = |placed: &Placed| placed.is_of(|owner| names.contains(owner.host_name));
    remove(session, Ours::OF_NICS, doomed).err().into_iter().collect()
}

impl Object for Elements {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn stage(&self) -> Stage {
        self.stage
    }

    /// At once, before anything that is queued: a guard is in force before its port is there.
    fn create(&self, session: &mut Session) -> Result<(), Error> {
        if self.entries.is_empty() {
            return Ok(());
        }
        session.make(|session| add(session, &self.identity.comment(), &self.entries, &[]))
    }

    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        if self.entries.is_empty() {
            return Ok(Vec::new());
        }
        differences(session, &self.identity.comment(), &self.entries)
    }

    /// All of the attachment's elements, whichever these are.
    fn remove(&self, session: &mut Session) -> Result<(), Error> {
        let name = self.identity.host_name();
        remove(session, Ours::OF_NICS, |placed| placed.is_of(|owner| owner.host_name == name)).map(drop)
    }

    fn commands(&self) -> Vec<String> {
        let mut commands = Vec::new();
        for ours in Ours::ALL {
            let table = ours.table();
            let of_table: Vec<&Entry> = self.entries.iter().filter(|entry| entry.ours == ours).collect();
            if !of_table.is_empty() {
                commands.push(format!("nft list table {table} > /dev/null 2>&1 || nft '{}'", ours.text()));
            }
            commands.extend(of_table.iter().map(|entry| entry.command(&self.identity.comment())));
        }
        commands
    }

    fn removal_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        removal_commands(session, Ours::OF_NICS, &self.identity.host_name())
    }
}
