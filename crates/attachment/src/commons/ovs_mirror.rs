//! A mirror of a bridge of Open vSwitch: copies of the frames of some ports go out by another one.

use std::collections::BTreeMap;

use ovsdb::operation::{equals, insert, mutate, select, wait_until_equal};
use ovsdb::{Row, Transaction, value};
use serde_json::json;

use crate::switch::{Change, Columns, Wanted, for_switch, is_of_ovs_cni, is_of_shared, of_shared, quoted, vsctl, word};
use crate::{Commons, Difference, Error, Finder, Found, Kind, Session, Shared, State};

static KIND: Kind = Kind::found("mirror of Open vSwitch");
static FINDER: Finder = Finder::new(&KIND, |_, _| Ok(Vec::new()), of_network);

/// A mirror, which goes with the last port that takes part in it.
#[derive(Debug, Clone)]
pub struct OvsMirror {
    /// The bridge.
    pub bridge: String,
    /// Its name.
    pub name: String,
    /// The network of the attachment that makes it.
    pub network: String,
}

/// The columns that refer to ports.
const PORTS: [&str; 3] = ["select_src_port", "select_dst_port", "output_port"];

impl OvsMirror {
    /// What finds it without a description.
    pub const FINDER: &'static Finder = &FINDER;

    fn label(&self) -> String {
        format!("mirror {} of bridge {} of Open vSwitch", self.name, self.bridge)
    }

    /// The row that is on this bridge. Names of mirrors are not unique in the database.
    pub(crate) fn row(&self, session: &mut Session) -> Result<Option<Row>, Error> {
        let columns = [PORTS.as_slice(), &["_uuid", "external_ids"]].concat();
        let questions = [
            select("Bridge", &[equals("name", self.bridge.as_str())], &["mirrors"]),
            select("Mirror", &[equals("name", self.name.as_str())], &columns),
        ];
        let action = format!("look up {}", self.label());
        let results = session.switch()?.transact(&action, Transaction::from_iter(questions))?;
        let Some(bridge) = results.rows(0).pop() else { return Ok(None) };
        let mirrors = bridge.uuids("mirrors");
        Ok(results.rows(1).into_iter().find(|row| row.uuid().is_some_and(|uuid| mirrors.contains(&uuid))))
    }

    fn is_ours(ids: &BTreeMap<&str, &str>) -> bool {
        is_of_shared(ids) || is_of_ovs_cni(ids)
    }
}

fn of_network(session: &mut Session, network: &str) -> Result<Vec<Found>, Error> {
    let questions =
        [select("Bridge", &[], &["name", "mirrors"]), select("Mirror", &[], &["_uuid", "name", "external_ids"])];
    let action = format!("list the mirrors of network {network:?}");
    let results = session.switch()?.transact(&action, Transaction::from_iter(questions))?;
    let bridges = results.rows(0);
    let mirror = |row: &Row| {
        let ids = row.map("external_ids");
        let is_its = OvsMirror::is_ours(&ids) && ids.get("network").is_none_or(|of| *of == network);
        let uuid = row.uuid().filter(|_| is_its)?;
        let bridge = bridges.iter().find(|bridge| bridge.uuids("mirrors").contains(&uuid))?;
        let (bridge, name) = (bridge.text("name")?.to_owned(), row.text("name")?.to_owned());
        Some(Found::shared(OvsMirror { bridge, name, network: network.to_owned() }))
    };
    Ok(results.rows(1).iter().filter_map(mirror).collect())
}

impl Shared for OvsMirror {
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
        Box::new(OvsMirrored(self.clone()))
    }

    fn look(&self, session: &mut Session) -> Result<State, Error> {
        Ok(if self.row(session)?.is_some() { State::Whole } else { State::Lacking })
    }

    fn make(&self, session: &mut Session) -> Result<(), Error> {
        if self.row(session)?.is_some() {
            return Ok(());
        }
        let is_bridge = [equals("name", self.bridge.as_str())];
        let guard = wait_until_equal("Bridge", &is_bridge, &["name"], &[json!({"name": self.bridge})], 0);
        let missing = Error::Missing(format!("bridge {} of Open vSwitch", self.bridge));
        let row = json!({"name": self.name, "external_ids": value::map(of_shared(&self.network))});
        let change = Change {
            guards: vec![(guard, missing)],
            operations: vec![
                insert("Mirror", "mirror", row),
                mutate("Bridge", &is_bridge, "mirrors", "insert", value::set([value::named("mirror")])),
            ],
            awaited: None,
        };
        let place = session.place();
        session.switch()?.collect(place, change);
        session.flush()
    }

    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        Ok(if self.row(session)?.is_some() { Vec::new() } else { vec![Difference::missing(self.label())] })
    }

    fn release(&self, session: &mut Session) -> Result<(), Error> {
        let Some(row) = self.row(session)?.filter(|row| Self::is_ours(&row.map("external_ids"))) else { return Ok(()) };
        let Some(uuid) = row.uuid() else { return Ok(()) };
        let operation = mutate("Bridge", &[], "mirrors", "delete", value::set([value::uuid(&uuid)]));
        session.switch()?.change(&format!("remove {}", self.label()), [operation]).map(drop)
    }

    fn commands(&self) -> Vec<String> {
        let (bridge, name) = (&self.bridge, quoted(&self.name));
        let ids = Columns::new([("external_ids", Wanted::Entries(of_shared(&self.network)))]).settings_of(&[]);
        vec![vsctl(&format!("--id=@m create mirror name={name}{ids} -- add bridge {bridge} mirrors @m"))]
    }

    fn missing_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        match self.look(session)? {
            State::Whole => Ok(vec![format!("# {} exists already", self.name())]),
            State::Lacking => for_switch(session, self.commands()),
        }
    }

    fn removal_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        let is_ours = self.row(session)?.is_some_and(|row| Self::is_ours(&row.map("external_ids")));
        let command =
            || vsctl(&format!("--id=@m get mirror {1} -- remove bridge {0} mirrors @m", self.bridge, word(&self.name)));
        for_switch(session, if is_ours { vec![command()] } else { Vec::new() })
    }
}

/// The ports that take part in a mirror.
struct OvsMirrored(OvsMirror);

impl Commons for OvsMirrored {
    fn name(&self) -> String {
        format!("ports in {}", self.0.label())
    }

    fn is_used(&self, session: &mut Session) -> Result<bool, Error> {
        let gone = session.gone_ports()?;
        let row = self.0.row(session)?;
        let has_port = |row: &Row, column: &str| row.uuids(column).iter().any(|port| !gone.contains(port));
        Ok(row.is_some_and(|row| PORTS.iter().any(|column| has_port(&row, column))))
    }
}
