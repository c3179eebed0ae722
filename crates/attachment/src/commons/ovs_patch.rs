//! A pair of patch ports that joins two bridges of Open vSwitch.

use std::collections::BTreeSet;

use ovsdb::operation::{equals, includes, insert, mutate, select, wait_until_equal};
use ovsdb::{Row, Transaction, value};
use serde_json::{Value, json};

use super::ovs_ports::OvsPorts;
use crate::switch::{
    Awaited, Change, Columns, OF_OURS, PATCH_OF, Wanted, for_switch, no_bridge_of, of_patch, of_shared, patched_bridge,
    vsctl,
};
use crate::{Commons, Difference, Error, Finder, Found, Kind, Remedy, Session, Shared, State};

static KIND: Kind = Kind::found("patch of Open vSwitch");
static FINDER: Finder = Finder::new(&KIND, |_, _| Ok(Vec::new()), of_network);

/// A pair of patch ports between a bridge of attachments and another one. It goes with the last of the attachments, whatever that says
/// of patches itself.
#[derive(Debug, Clone)]
pub struct OvsPatch {
    /// The bridge of the attachments.
    pub bridge: String,
    /// The other one.
    pub to: String,
    /// The network of the attachment that makes it.
    pub network: String,
}

impl OvsPatch {
    /// What finds it without a description.
    pub const FINDER: &'static Finder = &FINDER;

    /// All of a bridge, to be removed.
    #[must_use]
    pub fn all_of(bridge: &str, network: &str) -> Self {
        Self { bridge: bridge.to_owned(), to: String::new(), network: network.to_owned() }
    }

    fn label(&self) -> String {
        if self.to.is_empty() {
            return format!("patches of bridge {} of Open vSwitch", self.bridge);
        }
        format!("patch from bridge {} to bridge {} of Open vSwitch", self.bridge, self.to)
    }

    /// Both ends, each with its bridge, its name, and that of the other.
    fn ends(&self) -> [(&str, String, String); 2] {
        let name = |from: &str, to: &str| format!("patch-{from}-to-{to}");
        let (here, there) = (name(&self.bridge, &self.to), name(&self.to, &self.bridge));
        [(&self.bridge, here.clone(), there.clone()), (&self.to, there, here)]
    }

    fn ids(&self) -> Vec<(&'static str, String)> {
        of_patch(&self.network, &self.bridge)
    }

    /// Makes both ends anew, instead of what there is of them.
    fn change(&self, former: &[Row]) -> Change {
        let mut change = Change::default();
        change.operations.extend(removal(former));
        for (index, (bridge, name, peer)) in self.ends().into_iter().enumerate() {
            let (interface, port) = (format!("patch_interface_{index}"), format!("patch_port_{index}"));
            let is_bridge = [equals("name", bridge)];
            let guard = wait_until_equal("Bridge", &is_bridge, &["name"], &[json!({"name": bridge})], 0);
            let missing = if index == 0 { no_bridge_of(bridge) } else { no_bridge(bridge) };
            change.guards.push((guard, missing));
            let options = value::map([("peer", peer)]);
            let row =
                json!({"name": name, "type": "patch", "options": options, "external_ids": value::map(self.ids())});
            change.operations.push(insert("Interface", &interface, row));
            let row =
                json!({"name": name, "interfaces": value::named(&interface), "external_ids": value::map(self.ids())});
            change.operations.push(insert("Port", &port, row));
            let ports = value::set([value::named(&port)]);
            change.operations.push(mutate("Bridge", &is_bridge, "ports", "insert", ports));
        }
        let [(_, interface, _), _] = self.ends();
        change.awaited = Some(Awaited { interface, label: self.label(), bridge: self.bridge.clone(), ofport: None });
        change
    }

    /// The ports of both ends that are there.
    fn rows(&self, session: &mut Session) -> Result<Vec<Row>, Error> {
        let question = |(_, name, _): (&str, String, String)| {
            select("Port", &[equals("name", name)], &["_uuid", "name", "external_ids"])
        };
        let questions = Transaction::from_iter(self.ends().map(question));
        let results = session.switch()?.transact(&format!("look up {}", self.label()), questions)?;
        Ok([0, 1].into_iter().flat_map(|place| results.rows(place)).collect())
    }
}

fn no_bridge(bridge: &str) -> Error {
    Error::Unusable {
        problem: format!("there is no bridge {bridge} in Open vSwitch to be joined"),
        remedy: Remedy::NoBridgeToJoin { bridge: bridge.to_owned() },
    }
}

fn of_network(session: &mut Session, network: &str) -> Result<Vec<Found>, Error> {
    let is_its = [includes("external_ids", value::map(of_shared(network)))];
    let action = format!("list the patches of network {network:?}");
    let rows = session.switch()?.rows(&action, "Port", &is_its, &["external_ids"])?;
    let bridges: BTreeSet<&str> = rows.iter().filter_map(|row| row.entry("external_ids", PATCH_OF)).collect();
    Ok(bridges.into_iter().map(|bridge| Found::shared(OvsPatch::all_of(bridge, network))).collect())
}

impl Shared for OvsPatch {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn name(&self) -> String {
        self.label()
    }

    fn is_elsewhere(&self) -> bool {
        true
    }

    fn commons(&self) -> Box<dyn Commons> {
        Box::new(OvsPorts { bridge: self.bridge.clone() })
    }

    fn refuse_existing(&self, session: &mut Session) -> Result<(), Error> {
        let is_it = [equals("name", self.to.as_str())];
        let action = format!("look up bridge {}", self.to);
        match session.switch()?.rows(&action, "Bridge", &is_it, &["name"])?.pop() {
            Some(_) => Ok(()),
            None => Err(no_bridge(&self.to)),
        }
    }

    fn look(&self, session: &mut Session) -> Result<State, Error> {
        match self.rows(session)?.as_slice() {
            [_, _] => Ok(State::Whole),
            [one] if patched_bridge(&one.map("external_ids")).is_none() => Err(Error::Conflict {
                object: self.label(),
                want: "both ends of it".to_owned(),
                have: "has one end only".to_owned(),
                remedy: Remedy::act("remove that with `ovs-vsctl del-port`"),
            }),
            _ => Ok(State::Lacking),
        }
    }

    fn make(&self, session: &mut Session) -> Result<(), Error> {
        if self.look(session)? == State::Whole {
            return Ok(());
        }
        let former = self.rows(session)?;
        let (place, change) = (session.place(), self.change(&former));
        session.switch()?.collect(place, change);
        Ok(())
    }

    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        let mut differences = Vec::new();
        for (bridge, name, peer) in self.ends() {
            let label = format!("patch port {name} of bridge {bridge}");
            let wanted = Columns::new([
                ("type", Wanted::Text("patch".to_owned())),
                ("options", Wanted::Entries(vec![("peer", peer)])),
            ]);
            let is_it = [equals("name", name)];
            let questions = [
                select("Interface", &is_it, &["type", "options", "error"]),
                select("Port", &is_it, &["_uuid"]),
                select("Bridge", &[equals("name", bridge)], &["ports"]),
            ];
            let results = session.switch()?.transact(&format!("look up {label}"), Transaction::from_iter(questions))?;
            let [interface, port, of_bridge] = [0, 1, 2].map(|place| results.rows(place).pop());
            let (Some(interface), Some(port)) = (interface, port.and_then(|row| row.uuid())) else {
                differences.push(Difference::missing(label));
                continue;
            };
            differences.extend(wanted.differences(&label, &interface));
            if !of_bridge.is_some_and(|row| row.uuids("ports").contains(&port)) {
                differences.push(Difference::new(&label, "there", "on another bridge"));
            }
            if let Some(words) = interface.text("error").filter(|words| !words.is_empty()) {
                differences.push(Difference::new(label, "open", words));
            }
        }
        Ok(differences)
    }

    fn release(&self, session: &mut Session) -> Result<(), Error> {
        let operations = removal(&patches_of(session, &self.bridge)?);
        match operations {
            None => Ok(()),
            operation => session.switch()?.change(&format!("remove the {}", self.label()), operation).map(drop),
        }
    }

    fn commands(&self) -> Vec<String> {
        let ids = Columns::new([("external_ids", Wanted::Entries(self.ids()))]).settings_of(&[]);
        let command = |(bridge, name, peer): (&str, String, String)| {
            format!("add-port {bridge} {name}{ids} -- set interface {name} type=patch options:peer={peer}{ids}")
        };
        let [here, there] = self.ends().map(command);
        vec![vsctl(&format!("{here} -- {there}"))]
    }

    fn missing_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        match self.look(session)? {
            State::Whole => Ok(vec![format!("# {} exists already", self.name())]),
            State::Lacking => for_switch(session, self.commands()),
        }
    }

    fn removal_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        let ports = patches_of(session, &self.bridge)?;
        let command = |row: &Row| Some(vsctl(&format!("--if-exists del-port {}", row.text("name")?)));
        for_switch(session, ports.iter().filter_map(command).collect())
    }
}

/// The patch ports of ours that serve the ports of a bridge, at both ends.
pub(super) fn patches_of(session: &mut Session, bridge: &str) -> Result<Vec<Row>, Error> {
    let is_its = [includes("external_ids", value::map([OF_OURS, (PATCH_OF, bridge)]))];
    session.switch()?.rows(&format!("look up the patches of bridge {bridge}"), "Port", &is_its, &["_uuid", "name"])
}

/// What removes ports; nothing if there are none.
pub(super) fn removal(ports: &[Row]) -> Option<Value> {
    let ports: Vec<Value> = ports.iter().filter_map(Row::uuid).map(|uuid| value::uuid(&uuid)).collect();
    (!ports.is_empty()).then(|| mutate("Bridge", &[], "ports", "delete", value::set(ports)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// DEL and GC of a later release find what an earlier one made by them.
    #[test]
    fn names_never_change() {
        let patch = OvsPatch { bridge: "br0".to_owned(), to: "br-ex".to_owned(), network: "net-a".to_owned() };
        let names = patch.ends().map(|(_, name, _)| name);
        assert_eq!(names, ["patch-br0-to-br-ex", "patch-br-ex-to-br0"]);
        assert!(patch.ids().contains(&("patch_of", "br0".to_owned())));
    }
}
