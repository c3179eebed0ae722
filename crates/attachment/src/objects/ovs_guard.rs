//! The flows that let only what is its own pass from a port of Open vSwitch.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use netlink::Mac;
use openflow::guard::Guard;
use openflow::{Connection, FoundFlow};
use ovsdb::operation::{equals, update};
use ovsdb::{Remote, Row};

use crate::{Difference, Error, Finder, Found, Identity, Kind, Note, Object, Owner, Session, Stage};

static KIND: Kind = Kind::found("flows that guard a port");
// An attachment has them on the bridge that its configuration names.
static FINDER: Finder = Finder::new(&KIND, |_, _| Ok(Vec::new()), of_network);

/// How long a switch is waited for, which answers within a millisecond.
const PATIENCE: Duration = Duration::from_secs(5);

/// The same for removals, which do without one that hangs.
const SHORT_PATIENCE: Duration = Duration::from_millis(500);

/// The bits of a cookie that are the attachment's own.
const ALL: u64 = u64::MAX;

/// The flows of a bridge that let only what is its own pass from a port. The switch keeps them in its memory alone: they go when
/// `ovs-vswitchd` is restarted.
#[derive(Debug, Clone)]
pub struct OvsGuard {
    /// The attachment.
    pub identity: Identity,
    /// The bridge.
    pub bridge: String,
    /// The port's name.
    pub port: String,
    /// The hardware address of the NIC.
    pub mac: Mac,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Other hardware addresses are dropped.
    pub checks_mac: bool,
    /// Other addresses are dropped.
    pub checks_addresses: bool,
    /// When the flows are added: what is known of the addresses comes later than the port.
    pub stage: Stage,
}

impl OvsGuard {
    /// What finds it without a description.
    pub const FINDER: &'static Finder = &FINDER;

    /// What an attachment may have on a bridge, to be removed.
    #[must_use]
    pub fn left(identity: &Identity, bridge: &str) -> Self {
        Self {
            identity: identity.clone(),
            bridge: bridge.to_owned(),
            port: String::new(),
            mac: identity.container_mac(),
            addresses: Vec::new(),
            checks_mac: false,
            checks_addresses: false,
            stage: Stage::Setting,
        }
    }

    fn label(&self) -> String {
        format!("flows of port {} on bridge {}", self.port, self.bridge)
    }

    fn flows(&self, port: u32) -> Vec<openflow::Flow> {
        let guard = Guard {
            port,
            cookie: self.identity.cookie(),
            mac: self.mac,
            addresses: &self.addresses,
            checks_mac: self.checks_mac,
            checks_addresses: self.checks_addresses,
        };
        guard.flows()
    }

    /// The port's number, as the switch said when it was made, or as it says now.
    fn number(&self, session: &mut Session) -> Result<Option<u32>, Error> {
        let switch = session.switch()?;
        if let Some(state) = switch.state(&self.port) {
            return Ok(Some(state.ofport));
        }
        let is_it = [equals("name", self.port.as_str())];
        let rows = switch.rows(&format!("look up port {}", self.port), "Interface", &is_it, &["ofport"])?;
        Ok(rows.first().and_then(|row| row.number("ofport")).and_then(|number| u32::try_from(number).ok()))
    }

    fn on_bridge<T>(
        &self,
        session: &mut Session,
        call: impl FnOnce(&mut Connection) -> Result<T, openflow::Error>,
    ) -> Result<T, openflow::Error> {
        let directory = directory(session);
        Connection::open(&socket(&directory, &self.bridge), PATIENCE).and_then(|mut connection| call(&mut connection))
    }
}

/// Where the switch has the sockets of its bridges: beside that of the database.
fn directory(session: &mut Session) -> PathBuf {
    let of = |remote: &Remote| match remote {
        Remote::Unix(path) => path.parent().map(Path::to_path_buf),
        _ => None,
    };
    let named = session.switch().ok().and_then(|switch| of(switch.remote()));
    named.or_else(|| of(&Remote::default())).unwrap_or_default()
}

fn socket(directory: &Path, bridge: &str) -> PathBuf {
    directory.join(format!("{bridge}.mgmt"))
}

/// The bridge is gone, or the switch: its flows are gone with it.
fn is_gone(error: &openflow::Error) -> bool {
    match error {
        openflow::Error::Connect { source, .. } => {
            matches!(source.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused)
        }
        openflow::Error::Broken { .. } => true,
        _ => false,
    }
}

fn failed(action: String, error: &openflow::Error) -> Error {
    match error.is_absence() {
        true => Error::Busy(format!("cannot {action}: {error}; is ovs-vswitchd running?")),
        false => Error::Channel { action, reason: error.to_string() },
    }
}

/// Flows tell no network, and no more of an attachment than a number. Those of which no port tells any more are of nobody. A port is
/// there before its flows are, and so ports are listed after them.
fn of_network(session: &mut Session, network: &str) -> Result<Vec<Found>, Error> {
    let bridges = session.switch()?.rows("list bridges", "Bridge", &[], &["name"])?;
    let directory = directory(session);
    let (mark, mask) = Identity::COOKIES;
    let mut marked = BTreeSet::new();
    for bridge in bridges.iter().filter_map(|row: &Row| row.text("name")) {
        let listed = Connection::open(&socket(&directory, bridge), SHORT_PATIENCE)
            .and_then(|mut connection| connection.list(mark, mask));
        match listed {
            Ok(flows) => marked.extend(flows.iter().map(|flow: &FoundFlow| (bridge, flow.cookie))),
            Err(error) if is_gone(&error) => {}
            Err(error) => session.note(Note::LeftFlows { bridge: bridge.to_owned(), reason: error.to_string() }),
        }
    }
    if marked.is_empty() {
        return Ok(Vec::new());
    }
    let ports = session.attached_ports()?;
    let mut found = Vec::new();
    for (bridge, cookie) in marked {
        let bridge = bridge.to_owned();
        let command = format!("ovs-ofctl del-flows {bridge} cookie={cookie:#x}/-1");
        let own = match ports.iter().find(|identity| identity.cookie() == cookie) {
            Some(identity) if identity.network() != network => continue,
            Some(identity) => Found::own(Owner::Identity(identity.clone()), Stage::Setting, move |session| {
                delete(session, &bridge, cookie)
            }),
            None => {
                let owner = Owner::Whoever(Box::new(move |identity| identity.cookie() == cookie));
                Found::own(owner, Stage::Setting, move |session| {
                    // Its port may have come since.
                    let is_owned = session.attached_ports()?.iter().any(|identity| identity.cookie() == cookie);
                    if is_owned { Ok(()) } else { delete(session, &bridge, cookie) }
                })
            }
        };
        found.push(own.printed_by(move |_| Ok(vec![command.clone()])));
    }
    Ok(found)
}

/// Removes those of an attachment from a bridge.
pub(super) fn remove(session: &mut Session, bridge: &str, identity: &Identity) -> Result<(), Error> {
    delete(session, bridge, identity.cookie())
}

/// A switch that hangs is not waited for: what it has kept goes with GC.
fn delete(session: &mut Session, bridge: &str, cookie: u64) -> Result<(), Error> {
    let path = socket(&directory(session), bridge);
    match Connection::open(&path, SHORT_PATIENCE).and_then(|mut connection| connection.delete(cookie, ALL)) {
        Err(error @ openflow::Error::Silent { .. }) => {
            session.note(Note::LeftFlows { bridge: bridge.to_owned(), reason: error.to_string() });
            Ok(())
        }
        Err(error) if !is_gone(&error) => Err(failed(format!("remove flows of bridge {bridge}"), &error)),
        _ => Ok(()),
    }
}

impl Object for OvsGuard {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn stage(&self) -> Stage {
        self.stage
    }

    fn is_elsewhere(&self) -> bool {
        true
    }

    fn create(&self, session: &mut Session) -> Result<(), Error> {
        session.flush()?;
        let missing = || Error::Missing(format!("port {} of bridge {}", self.port, self.bridge));
        let number = self.number(session)?.ok_or_else(missing)?;
        // Another port that asks for the number would get it, and the guard with it, if this one did not ask itself.
        let asked = serde_json::json!({"ofport_request": number});
        let keeps = update("Interface", &[equals("name", self.port.as_str())], asked);
        session.switch()?.change(&format!("keep the number of port {}", self.port), [keeps])?;
        let flows = self.flows(number);
        session.make(|session| {
            let added = self.on_bridge(session, |connection| connection.add(&flows));
            added.map_err(|error| failed(format!("add the {}", self.label()), &error))
        })
    }

    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        if self.checks_addresses && self.addresses.is_empty() {
            return Ok(Vec::new()); // they are among those that come with the addresses
        }
        let Some(number) = self.number(session)? else { return Ok(Vec::new()) }; // which the port says
        let listed = self.on_bridge(session, |connection| connection.list(self.identity.cookie(), ALL));
        let found = listed.map_err(|error| failed(format!("list the {}", self.label()), &error))?;
        let wanted = self.flows(number);
        let is_missing = |flow: &&openflow::Flow| !found.iter().any(|one| one.is(flow));
        let missing = wanted.iter().filter(is_missing).count();
        Ok(match missing {
            0 => Vec::new(),
            missing => vec![Difference::new(
                self.label(),
                format!("{} flows", wanted.len()),
                format!(
                    "{} of them; those that are missing went with a restart of ovs-vswitchd, or were removed: attach the \
                     container again",
                    wanted.len() - missing
                ),
            )],
        })
    }

    fn remove(&self, session: &mut Session) -> Result<(), Error> {
        remove(session, &self.bridge, &self.identity)
    }

    fn commands(&self) -> Vec<String> {
        // The number is not known before there is a port; its name serves as well.
        let named = format!("in_port={},", self.port);
        let command = |flow: &openflow::Flow| {
            let flow = flow.to_string().replacen("in_port=0,", &named, 1);
            format!("ovs-ofctl --names add-flow {} '{flow}'", self.bridge)
        };
        self.flows(0).iter().map(command).collect()
    }

    fn removal_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        let cookie = self.identity.cookie();
        let listed = self.on_bridge(session, |connection| connection.list(cookie, ALL));
        let is_there = listed.is_ok_and(|flows| !flows.is_empty());
        let command = || format!("ovs-ofctl del-flows {} cookie={cookie:#x}/-1", self.bridge);
        Ok(if is_there { vec![command()] } else { Vec::new() })
    }
}
