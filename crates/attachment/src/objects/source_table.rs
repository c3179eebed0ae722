//! The routing table of an attachment in its container, and the rules that lead there.

use netlink::link::Link;
use netlink::route::{self, Route};
use netlink::rule::{self, Rule};

use super::rule_words::{command, label};
use super::{host_links, rules_behind};
use crate::{
    Device, Difference, Error, Finder, Identity, Item, Kind, Moved, Object, Remedy, Session, Side, Stage, Tag,
};

pub(super) static KIND: Kind = Kind::found("source routing");
static FINDER: Finder = Finder::new(&KIND, of_attachment, rules_behind::of_network);
static SWITCH_FINDER: Finder = Finder::new(&KIND, of_attachment, rules_behind::of_network_on_switch);

/// The priority of our rules: the last before that of the main table (`fib_default_rule_pref` in `net/core/fib_rules.c` gives a
/// rule without a priority one before all others). So a rule of the container's own, with or without a priority, comes first; the
/// order of ours does not matter, for no two have the same source; and CHECK knows the number.
pub(super) const PRIORITY: u32 = 32765;

/// A routing table that the attachment has in its container for itself: it is made with its first route
/// ([`SourceRoute`](super::SourceRoute)) and gone with the NIC. The rules that lead there
/// ([`SourceRule`](super::SourceRule)) outlive that, and are found by their table's number and our protocol's.
#[derive(Debug)]
pub struct SourceTable {
    /// The attachment.
    pub identity: Identity,
    /// The table's number.
    pub table: u32,
    /// The rules are removed in any namespace that can be reached, if the container is not known.
    pub is_searched: bool,
}

impl SourceTable {
    /// What finds it without a description.
    pub const FINDER: &'static Finder = &FINDER;

    /// The same for a plugin with ports of Open vSwitch, whose devices in containers do not tell their host: its database does.
    pub const SWITCH_FINDER: &'static Finder = &SWITCH_FINDER;

    /// The table whose number follows from the attachment.
    #[must_use]
    pub fn of(identity: Identity) -> Self {
        Self { table: identity.table(), identity, is_searched: false }
    }

    /// The host interface, if there is one.
    fn host(&self, session: &mut Session) -> Result<Option<Link>, Error> {
        host_links::own(session, &Device::host(self.identity.host_name()), "veth", &self.identity.alias())
    }

    /// Our rules that lead to the table, but for those of another attachment: two of one container may have been given the same
    /// number, and the second was refused.
    fn rules(&self, session: &mut Session) -> Result<Vec<Rule>, Error> {
        let mut rules = listed(session)?;
        rules.retain(|rule| rule.is_ours() && rule.table == self.table);
        if rules.is_empty() || self.is_of_another(session)? {
            return Ok(Vec::new());
        }
        // A link that is down has no routes, but its addresses.
        let addresses = session.all_addresses(Side::Container)?;
        let mut own = Vec::new();
        for rule in rules {
            let holder = addresses.iter().find(|(_, address)| address.ip() == rule.source.ip());
            let is_others = match holder {
                Some((index, _)) => self.is_others(*index, session)?,
                None => false,
            };
            own.extend((!is_others).then_some(rule));
        }
        Ok(own)
    }

    /// A route of the table goes through another attachment's NIC.
    fn is_of_another(&self, session: &mut Session) -> Result<bool, Error> {
        let links: Vec<u32> = routes(session, self.table)?.iter().filter_map(|(link, _)| *link).collect();
        for index in links {
            if self.is_others(index, session)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A link of the container is another attachment's NIC, as its alias, or that of its other end, says.
    fn is_others(&self, index: u32, session: &mut Session) -> Result<bool, Error> {
        let Some(link) = session.known_index(Side::Container, index)? else { return Ok(false) };
        let other_end = if link.kind == "veth" { session.find_other_end(&link)? } else { None };
        let alias = self.identity.alias();
        let is_others = |link: &Link| match Moved::of(link) {
            Some(moved) => !moved.is_of(&self.identity),
            None => Tag::is_attachment(link) && link.alias.as_ref() != Some(&alias),
        };
        Ok(is_others(&link) || other_end.as_ref().is_some_and(is_others))
    }
}

impl Object for SourceTable {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn stage(&self) -> Stage {
        Stage::Setting
    }

    fn refuse_existing(&self, session: &mut Session) -> Result<(), Error> {
        if !session.has_container() {
            return Ok(());
        }
        if let Some(rule) = listed(session)?.into_iter().find(|rule| rule.table == self.table) {
            return Err(match rule.is_ours() && self.table == self.identity.table() {
                true => Error::Exists(format!("{} of {}", label(&rule), self.identity.alias())),
                false => conflict(self.table, format!("is looked up by the rule `{rule}`")),
            });
        }
        if let Some((link, route)) = routes(session, self.table)?.into_iter().next() {
            let link = link.map(|index| session.known_index(Side::Container, index)).transpose()?.flatten();
            let through = link.map(|link| format!(" through {}", link.name)).unwrap_or_default();
            return Err(conflict(self.table, format!("has a route to {}{through}", route.destination)));
        }
        Ok(())
    }

    /// Its routes make it.
    fn create(&self, _session: &mut Session) -> Result<(), Error> {
        Ok(())
    }

    fn differences(&self, _session: &mut Session) -> Result<Vec<Difference>, Error> {
        Ok(Vec::new())
    }

    /// Where the namespace is not known but lives, what is behind the NIC is found there.
    fn remove(&self, session: &mut Session) -> Result<(), Error> {
        if !session.has_container() && !self.is_searched {
            return Ok(());
        }
        if !session.has_container() {
            let host = self.host(session)?;
            return rules_behind::remove(session, &self.identity, host);
        }
        let mut failed = Ok(());
        for rule in self.rules(session)? {
            let removed = session.remove(Side::Container, format!("remove {}", label(&rule)), rule.delete());
            failed = failed.and(removed);
        }
        failed
    }

    fn commands(&self) -> Vec<String> {
        Vec::new()
    }

    fn removal_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        if !session.has_container() && !self.is_searched {
            return Ok(Vec::new());
        }
        if !session.has_container() {
            let host = self.host(session)?;
            return rules_behind::removal_commands(session, &self.identity, host);
        }
        Ok(self.rules(session)?.iter().map(|rule| command("del", rule)).collect())
    }
}

fn of_attachment(_: &mut Session, identity: &Identity) -> Result<Vec<Item>, Error> {
    Ok(vec![Item::Object(Box::new(SourceTable::of(identity.clone())))])
}

fn listed(session: &mut Session) -> Result<Vec<Rule>, Error> {
    rule::list(session.socket(Side::Container)?).map_err(Error::refused("list the rules of the container"))
}

fn routes(session: &mut Session, table: u32) -> Result<Vec<(Option<u32>, Route)>, Error> {
    let action = format!("list the routes of table {table} in the container");
    route::in_table(session.socket(Side::Container)?, table).map_err(Error::refused(action))
}

/// Others use the table.
pub(super) fn conflict(table: u32, have: String) -> Error {
    Error::Conflict {
        object: format!("routing table {table} in the container"),
        want: "a table of the NIC's own".to_owned(),
        have,
        remedy: Remedy::OtherTable,
    }
}
