//! A bridge of Open vSwitch.

use ovsdb::operation::{equals, includes, insert, mutate, select, wait_until_equal};
use ovsdb::{Row, Transaction, Uuid, value};
use serde_json::json;

use super::ovs_patch;
use super::ovs_ports::OvsPorts;
use crate::switch::{Awaited, Change, Columns, Wanted, for_switch, is_of_shared, no_bridge_of, of_shared, vsctl};
use crate::{Commons, Device, Difference, Error, Finder, Found, Kind, Remedy, Session, Shared, State};

static KIND: Kind = Kind::found("bridge of Open vSwitch");
static FINDER: Finder = Finder::new(&KIND, |_, _| Ok(Vec::new()), of_network);

/// What forwards the frames of a bridge (`datapath_type` of `Bridge` in `ovs-vswitchd.conf.db(5)`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Datapath {
    /// The kernel's module `openvswitch`.
    System,
    /// `ovs-vswitchd` itself.
    Netdev,
}

impl Datapath {
    /// As the database calls it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Netdev => "netdev",
        }
    }
}

/// A bridge of Open vSwitch. One that is not there is made only where the kind of its datapath is given, and goes with its last port
/// then.
#[derive(Debug, Clone)]
pub struct OvsBridge {
    /// Its name.
    pub name: String,
    /// The network of the attachment that makes it.
    pub network: String,
    /// What it is made with, and must have if it is there.
    pub datapath: Option<Datapath>,
}

/// What a local port is for the kernel, with either datapath.
const SWITCH_KINDS: [&str; 2] = ["openvswitch", "tun"];

const NEW_BRIDGE: &str = "bridge";

impl OvsBridge {
    /// What finds it without a description.
    pub const FINDER: &'static Finder = &FINDER;

    /// One that must be there.
    #[must_use]
    pub fn named(name: &str, network: &str) -> Self {
        Self { name: name.to_owned(), network: network.to_owned(), datapath: None }
    }

    /// The datapath of the bridge that is there; `None` where there is none.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub fn datapath_of(&self, session: &mut Session) -> Result<Option<Datapath>, Error> {
        Ok(self.known(session)?.map(|row| datapath_of(&row)))
    }

    /// Why the flows of the bridge are another program's, if they are. Some programs, such as `ovn-controller`, are no controllers to
    /// the database: they use the bridge's own socket, and set `fail_mode` to `secure`, with which the switch adds no flow by itself.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub fn flows_of_others(&self, session: &mut Session) -> Result<Option<&'static str>, Error> {
        let Some(row) = self.known(session)? else { return Ok(None) };
        Ok(match row.text("fail_mode") {
            _ if !row.uuids("controller").is_empty() => Some("has a controller, to which all its flows belong"),
            Some("secure") => Some("has fail_mode secure: all its flows are another program's, such as OVN's"),
            _ => None,
        })
    }

    /// Fails where the kernel has no datapath for the bridge that is there, which shows by an empty `datapath_id`.
    ///
    /// # Errors
    /// [`Error::Unsupported`]; the database cannot be asked.
    pub fn refuse_without_datapath(&self, session: &mut Session) -> Result<(), Error> {
        session.switch()?.refuse_without_datapath(&self.name)
    }

    fn row(&self, session: &mut Session) -> Result<Option<Row>, Error> {
        session.switch()?.bridge(&self.name)
    }

    fn known(&self, session: &mut Session) -> Result<Option<Row>, Error> {
        session.switch()?.known_bridge(&self.name)
    }

    fn columns(&self, datapath: Datapath) -> Columns {
        Columns::new([
            ("name", Wanted::Text(self.name.clone())),
            ("datapath_type", Wanted::Text(datapath.word().to_owned())),
            ("external_ids", Wanted::Entries(of_shared(&self.network))),
        ])
    }

    /// As `ovs-vsctl add-br` does it: with its local port, an internal one of the same name.
    fn change(&self, datapath: Datapath) -> Change {
        let is_it = [equals("name", self.name.as_str())];
        let guard = wait_until_equal("Bridge", &is_it, &["name"], &[], 0);
        let mut bridge = self.columns(datapath).row();
        bridge.insert("ports".to_owned(), value::named("local_port"));
        let local = json!({"name": self.name, "interfaces": value::named("local")});
        Change {
            guards: vec![(guard, Error::Exists(self.label()))],
            operations: vec![
                insert("Interface", "local", json!({"name": self.name, "type": "internal"})),
                insert("Port", "local_port", local),
                insert("Bridge", NEW_BRIDGE, bridge),
                mutate("Open_vSwitch", &[], "bridges", "insert", value::set([value::named(NEW_BRIDGE)])),
            ],
            awaited: Some(Awaited {
                interface: self.name.clone(),
                bridge: self.name.clone(),
                label: format!("{} with datapath_type {}", self.label(), datapath.word()),
                ofport: None,
            }),
        }
    }

    fn label(&self) -> String {
        format!("bridge {} of Open vSwitch", self.name)
    }
}

fn datapath_of(row: &Row) -> Datapath {
    if row.text("datapath_type") == Some("netdev") { Datapath::Netdev } else { Datapath::System }
}

fn of_network(session: &mut Session, network: &str) -> Result<Vec<Found>, Error> {
    let is_its = [includes("external_ids", value::map(of_shared(network)))];
    let action = format!("list the bridges of network {network:?}");
    let rows = session.switch()?.rows(&action, "Bridge", &is_its, &["name"])?;
    Ok(rows.iter().filter_map(|row| Some(Found::shared(OvsBridge::named(row.text("name")?, network)))).collect())
}

impl Shared for OvsBridge {
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
        Box::new(OvsPorts { bridge: self.name.clone() })
    }

    /// Its local port would be a link of that name. That of a bridge that was removed a moment ago may still be there.
    fn refuse_existing(&self, session: &mut Session) -> Result<(), Error> {
        if self.look(session)? == State::Whole {
            return Ok(());
        }
        match session.find(&Device::host(&self.name))?.filter(|link| !SWITCH_KINDS.contains(&link.kind.as_str())) {
            None => Ok(()),
            Some(link) => Err(Error::Conflict {
                object: format!("link {}", self.name),
                want: "a bridge of Open vSwitch of that name".to_owned(),
                have: format!("is there already, of kind {}", if link.kind.is_empty() { "none" } else { &link.kind }),
                remedy: Remedy::act("choose another name for the bridge"),
            }),
        }
    }

    fn look(&self, session: &mut Session) -> Result<State, Error> {
        let Some(row) = self.known(session)? else {
            return match self.datapath {
                Some(_) => Ok(State::Lacking),
                None => Err(no_bridge_of(&self.name)),
            };
        };
        match self.datapath.filter(|wanted| *wanted != datapath_of(&row)) {
            None => Ok(State::Whole),
            Some(wanted) => Err(Error::Conflict {
                object: self.label(),
                want: format!("datapath_type {}", wanted.word()),
                have: format!("has datapath_type {}", datapath_of(&row).word()),
                remedy: Remedy::Act("ask for that one, or for another bridge".to_owned()),
            }),
        }
    }

    fn make(&self, session: &mut Session) -> Result<(), Error> {
        let Some(datapath) = self.datapath else { return self.look(session).map(drop) };
        if self.row(session)?.is_some() {
            return Ok(());
        }
        let (place, change) = (session.place(), self.change(datapath));
        session.switch()?.collect(place, change);
        session.flush()
    }

    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        let Some(row) = self.row(session)? else { return Ok(vec![Difference::missing(self.label())]) };
        let wanted = self.datapath.filter(|wanted| *wanted != datapath_of(&row));
        let difference = wanted.map(|wanted| {
            Difference::new(format!("{}, datapath_type", self.label()), wanted.word(), datapath_of(&row).word())
        });
        Ok(difference.into_iter().collect())
    }

    /// With the far ends of its patches, and only if the ports are still those that it goes with.
    fn release(&self, session: &mut Session) -> Result<(), Error> {
        let action = format!("remove {}", self.label());
        let is_it = [equals("name", self.name.as_str())];
        let patches = ovs_patch::patches_of(session, &self.name)?;
        let questions =
            [select("Bridge", &is_it, &["_uuid", "ports", "external_ids"]), select("Port", &is_it, &["_uuid"])];
        let results = session.switch()?.transact(&action, Transaction::from_iter(questions))?;
        let found = results.rows(0).pop().filter(|row| is_of_shared(&row.map("external_ids")));
        let Some(row) = found else { return Ok(()) };
        let Some(uuid) = row.uuid() else { return Ok(()) };
        let own: Vec<Uuid> = results.rows(1).iter().chain(&patches).filter_map(Row::uuid).collect();
        let ports = row.uuids("ports");
        if !ports.iter().all(|port| own.contains(port)) {
            return Ok(());
        }
        let ports = json!({"ports": value::set(ports.iter().map(value::uuid))});
        let guard = wait_until_equal("Bridge", &is_it, &["ports"], &[ports], 0);
        let operations = ovs_patch::removal(&patches).into_iter().chain([forget(&uuid)]);
        session.switch()?.change_unless_changed(&action, guard, operations).map(drop)
    }

    fn commands(&self) -> Vec<String> {
        let Some(datapath) = self.datapath else { return Vec::new() };
        let settings = self.columns(datapath).settings_of(&["name"]);
        vec![vsctl(&format!("add-br {0} -- set bridge {0}{settings}", self.name))]
    }

    fn missing_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        match self.look(session)? {
            State::Whole => Ok(vec![format!("# {} exists already", self.name())]),
            State::Lacking => for_switch(session, self.commands()),
        }
    }

    fn removal_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        let is_ours = self.row(session)?.is_some_and(|row| is_of_shared(&row.map("external_ids")));
        let commands = if is_ours { vec![vsctl(&format!("--if-exists del-br {}", self.name))] } else { Vec::new() };
        for_switch(session, commands)
    }
}

/// A bridge that nobody refers to goes, and its ports with it.
fn forget(bridge: &Uuid) -> serde_json::Value {
    mutate("Open_vSwitch", &[], "bridges", "delete", value::set([value::uuid(bridge)]))
}
