//! The switch's database as a channel: what the objects of one stage change there goes out as one transaction.

use std::time::{Duration, Instant};

use ovsdb::operation::{equals, includes, mutate, select, wait_until_equal, wait_until_unequal};
use ovsdb::{Client, Remote, Results, Row, Transaction, value};
use serde_json::{Value, json};

use super::ids::of_attachment;
use crate::{Channel, Error, Identity, Remedy, Session};

/// How long a call waits for the database server, which answers within a millisecond.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long `ovs-vswitchd` may take until it has looked at a change: with 500 ports it has been seen to take 7.8 s.
const WAITING: Duration = Duration::from_secs(10);
/// After that long it is asked whether it runs at all.
const FIRST_WAITING: Duration = Duration::from_secs(1);
/// As long as a database server takes to be restarted.
const RESTART: Duration = Duration::from_secs(1);
/// The lock that a running `ovs-vswitchd` holds (`ovs-vswitchd.c`, `bridge_init`).
const VSWITCHD: &str = "ovs_vswitchd";

/// A change of the database that one object makes.
#[derive(Default)]
pub(crate) struct Change {
    /// What must be as it is: a `wait`, and the error where it is not.
    pub(crate) guards: Vec<(Value, Error)>,
    /// What is changed.
    pub(crate) operations: Vec<Value>,
    /// The interface that `ovs-vswitchd` makes of it.
    pub(crate) awaited: Option<Awaited>,
}

/// An interface that `ovs-vswitchd` opens or makes.
pub(crate) struct Awaited {
    /// Its name.
    pub(crate) interface: String,
    /// What it is, for people.
    pub(crate) label: String,
    /// Its bridge.
    pub(crate) bridge: String,
    /// The number in OpenFlow that it must get. Where that is taken, `ovs-vswitchd` gives it another without a word.
    pub(crate) ofport: Option<u16>,
}

/// What `ovs-vswitchd` has made of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortState {
    /// Its number in OpenFlow.
    pub ofport: u32,
}

/// The database of the switch.
pub struct SwitchDatabase {
    remote: Remote,
    patience: Duration,
    waiting: Duration,
    client: Option<Client>,
    was_connected: bool,
    /// Why there is none.
    unknown: Option<String>,
    /// The server has not answered, and is not waited for again.
    is_silent: bool,
    /// Each with the place of its object in the description.
    changes: Vec<(usize, Change)>,
    states: Vec<(String, PortState)>,
    /// Bridges as they were when they were first looked up.
    bridges: Vec<(String, Option<Row>)>,
    /// Who had the name of a port when it was looked up.
    ports: Vec<(String, Option<Row>)>,
}

impl Default for SwitchDatabase {
    fn default() -> Self {
        Self::at(Remote::default(), None)
    }
}

impl SwitchDatabase {
    /// That of the server there; it is connected to when it is first needed. `ovs-vswitchd` is waited for that long.
    #[must_use]
    pub fn at(remote: Remote, waiting: Option<Duration>) -> Self {
        Self {
            remote,
            patience: PATIENCE,
            waiting: waiting.unwrap_or(WAITING),
            client: None,
            was_connected: false,
            unknown: None,
            is_silent: false,
            changes: Vec::new(),
            states: Vec::new(),
            bridges: Vec::new(),
            ports: Vec::new(),
        }
    }

    /// None: the configuration names one that there cannot be. Every call fails with this reason.
    #[must_use]
    pub fn unknown(reason: &str) -> Self {
        Self { unknown: Some(reason.to_owned()), ..Self::default() }
    }

    /// Where it is.
    #[must_use]
    pub fn remote(&self) -> &Remote {
        &self.remote
    }

    /// What `ovs-vswitchd` has made of an interface that was waited for.
    #[must_use]
    pub fn state(&self, interface: &str) -> Option<PortState> {
        self.states.iter().find(|(name, _)| name == interface).map(|(_, state)| *state)
    }

    /// Adds a change to those of this stage.
    pub(crate) fn collect(&mut self, place: usize, change: Change) {
        self.changes.push((place, change));
    }

    /// Runs a transaction at once. It is for `action`, as in "look up bridge br0".
    ///
    /// # Errors
    /// [`Error::Busy`] where no server answers; [`Error::Channel`] with its words.
    pub(crate) fn transact(&mut self, action: &str, transaction: Transaction) -> Result<Results, Error> {
        let done = self.ask(|client| client.transact(transaction));
        done.map_err(|error| failed(action, &error))
    }

    /// Changes something at once, and tells `ovs-vswitchd`, which is not waited for.
    ///
    /// # Errors
    /// As [`SwitchDatabase::transact`].
    pub(crate) fn change(
        &mut self,
        action: &str,
        operations: impl IntoIterator<Item = Value>,
    ) -> Result<Results, Error> {
        let mut transaction: Transaction = operations.into_iter().collect();
        transaction.push(next_configuration());
        self.transact(action, transaction)
    }

    /// The same if rows are still as they were seen: `guard` waits for that. Otherwise nothing is changed.
    ///
    /// # Errors
    /// As [`SwitchDatabase::transact`].
    pub(crate) fn change_unless_changed(
        &mut self,
        action: &str,
        guard: Value,
        operations: impl IntoIterator<Item = Value>,
    ) -> Result<bool, Error> {
        let all = [guard].into_iter().chain(operations).chain([next_configuration()]);
        match self.ask(|client| client.transact(all.collect())) {
            Ok(_) => Ok(true),
            Err(ovsdb::Error::TimedOut { .. }) => Ok(false),
            Err(error) => Err(failed(action, &error)),
        }
    }

    /// The rows of a table that meet the conditions.
    ///
    /// # Errors
    /// As [`SwitchDatabase::transact`].
    pub(crate) fn rows(
        &mut self,
        action: &str,
        table: &str,
        conditions: &[Value],
        columns: &[&str],
    ) -> Result<Vec<Row>, Error> {
        let results = self.transact(action, Transaction::from_iter([select(table, conditions, columns)]))?;
        Ok(results.rows(0))
    }

    /// The row of a bridge.
    ///
    /// # Errors
    /// As [`SwitchDatabase::transact`].
    pub(crate) fn bridge(&mut self, name: &str) -> Result<Option<Row>, Error> {
        let question = Transaction::from_iter([bridge_by(name)]);
        let row = self.transact(&format!("look up bridge {name}"), question)?.rows(0).pop();
        remember(&mut self.bridges, name, row.clone());
        Ok(row)
    }

    /// The same as it was when it was last looked up. What is done to it then is guarded by itself.
    ///
    /// # Errors
    /// As [`SwitchDatabase::transact`].
    pub(crate) fn known_bridge(&mut self, name: &str) -> Result<Option<Row>, Error> {
        match self.bridges.iter().find(|(known, _)| known == name) {
            Some((_, row)) => Ok(row.clone()),
            None => self.bridge(name),
        }
    }

    /// The row of the port, or else of the interface, that has this name; it has `external_ids` only.
    ///
    /// # Errors
    /// As [`SwitchDatabase::transact`].
    fn port(&mut self, name: &str) -> Result<Option<Row>, Error> {
        let results = self.transact(&format!("look up port {name}"), port_by(name).into_iter().collect())?;
        let row = [0, 1].into_iter().find_map(|place| results.rows(place).pop());
        remember(&mut self.ports, name, row.clone());
        Ok(row)
    }

    /// Looks up a port and its bridge in one question, for [`SwitchDatabase::known_port`] and
    /// [`SwitchDatabase::known_bridge`].
    ///
    /// # Errors
    /// As [`SwitchDatabase::transact`].
    pub(crate) fn look_up(&mut self, port: &str, bridge: &str) -> Result<(), Error> {
        let questions = port_by(port).into_iter().chain([bridge_by(bridge)]);
        let results = self.transact(&format!("look up bridge {bridge}"), questions.collect())?;
        remember(&mut self.ports, port, [0, 1].into_iter().find_map(|place| results.rows(place).pop()));
        remember(&mut self.bridges, bridge, results.rows(2).pop());
        Ok(())
    }

    /// The same as it was when it was last looked up. The database itself has each name only once.
    ///
    /// # Errors
    /// As [`SwitchDatabase::transact`].
    pub(crate) fn known_port(&mut self, name: &str) -> Result<Option<Row>, Error> {
        match self.ports.iter().find(|(known, _)| known == name) {
            Some((_, row)) => Ok(row.clone()),
            None => self.port(name),
        }
    }

    /// `ovs-vswitchd` runs. One that was stopped by a signal still holds its lock. Nothing is written.
    ///
    /// # Errors
    /// [`Error::Busy`] where no server answers; [`Error::Channel`] with its words.
    pub fn is_served(&mut self) -> Result<bool, Error> {
        let asked = match self.is_silent {
            true => Err(self.silence()),
            false => Client::connect(&self.remote, self.patience).and_then(|client| client.is_locked(VSWITCHD)),
        };
        asked.map_err(|error| {
            self.note_lost(&error);
            failed("ask whether ovs-vswitchd runs", &error)
        })
    }

    /// A port of this name is there that is not a bridge's own.
    ///
    /// # Errors
    /// As [`SwitchDatabase::is_served`].
    pub fn has_attached_port(&mut self, name: &str) -> Result<bool, Error> {
        let is_it = [equals("name", name)];
        let questions = [select("Port", &is_it, &["name"]), select("Bridge", &is_it, &["name"])];
        let results = self.transact(&format!("look up port {name}"), Transaction::from_iter(questions))?;
        Ok(!results.rows(0).is_empty() && results.rows(1).is_empty())
    }

    /// The name of the port that this project has made for an attachment, if there is one.
    ///
    /// # Errors
    /// As [`SwitchDatabase::is_served`].
    pub fn port_of(&mut self, identity: &Identity) -> Result<Option<String>, Error> {
        let is_its = [includes("external_ids", value::map(of_attachment(identity)))];
        let rows = self.rows(&format!("look up the port of {}", identity.words()), "Port", &is_its, &["name"])?;
        Ok(rows.first().and_then(|row| row.text("name")).map(str::to_owned))
    }

    /// Waits until `ovs-vswitchd` has looked at all that was changed.
    ///
    /// # Errors
    /// [`Error::Busy`] when it does not; otherwise as [`SwitchDatabase::transact`].
    pub(crate) fn await_configuration(&mut self, action: &str) -> Result<(), Error> {
        let columns = ["next_cfg", "cur_cfg"];
        let row = self.rows(action, "Open_vSwitch", &[], &columns)?.pop().unwrap_or_default();
        let (wanted, mut current) = (row.number("next_cfg"), row.number("cur_cfg"));
        let until = Instant::now() + self.waiting;
        while current < wanted {
            let left = until.saturating_duration_since(Instant::now());
            let patience_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
            let passed = json!({"cur_cfg": current});
            let question = Transaction::from_iter([
                wait_until_unequal("Open_vSwitch", &[], &["cur_cfg"], std::slice::from_ref(&passed), patience_ms),
                select("Open_vSwitch", &[], &["cur_cfg"]),
            ]);
            match self.ask(|client| client.transact_within(question, left)) {
                Ok(results) => current = results.rows(1).pop().and_then(|row| row.number("cur_cfg")),
                Err(ovsdb::Error::TimedOut { .. }) => {
                    return Err(Error::Busy(format!(
                        "cannot {action}: ovs-vswitchd has not looked at it within {} s",
                        self.waiting.as_secs_f32()
                    )));
                }
                Err(error) => return Err(failed(action, &error)),
            }
        }
        Ok(())
    }

    /// Asks the server, which is connected to if it is not yet. After a lost answer what still comes belongs to that call, so that it
    /// is connected to anew; one that is silent is not asked again.
    fn ask<T>(&mut self, call: impl FnOnce(&mut Client) -> Result<T, ovsdb::Error>) -> Result<T, ovsdb::Error> {
        if let Some(reason) = &self.unknown {
            return Err(ovsdb::Error::Refused { remote: "an unknown place".to_owned(), reason: reason.clone() });
        }
        if self.is_silent {
            return Err(self.silence());
        }
        let done = match &mut self.client {
            Some(client) => call(client),
            none => {
                let connected = connect(&self.remote, self.patience, self.was_connected);
                self.was_connected |= connected.is_ok();
                connected.and_then(|client| call(none.insert(client)))
            }
        };
        if let Err(error) = &done {
            self.note_lost(error);
        }
        done
    }

    /// A bridge whose datapath cannot be made has no number for that, and says nothing.
    ///
    /// # Errors
    /// [`Error::Unsupported`]; as [`SwitchDatabase::transact`].
    pub(crate) fn refuse_without_datapath(&mut self, bridge: &str) -> Result<(), Error> {
        let columns = ["datapath_id", "datapath_type"];
        let rows = self.rows(&format!("look up bridge {bridge}"), "Bridge", &[equals("name", bridge)], &columns)?;
        let is_of_kernel = |row: &Row| row.text("datapath_type") != Some("netdev");
        if !rows.iter().any(|row| row.text("datapath_id").is_none() && is_of_kernel(row)) {
            return Ok(());
        }
        Err(Error::Unsupported {
            feature: format!("datapath of Open vSwitch, which bridge {bridge} needs"),
            remedy: Remedy::act(
                "load the module with `modprobe openvswitch`, use a kernel with CONFIG_OPENVSWITCH, or a bridge with datapath_type \
                 netdev",
            ),
        })
    }

    fn silence(&self) -> ovsdb::Error {
        ovsdb::Error::Silent { remote: self.remote.to_string(), patience: self.patience }
    }

    fn note_lost(&mut self, error: &ovsdb::Error) {
        self.is_silent = match error {
            ovsdb::Error::Silent { .. } => true,
            ovsdb::Error::Connect { source, .. } => source.kind() == std::io::ErrorKind::TimedOut,
            _ => false,
        };
        if error.is_unanswered() {
            self.client = None;
        }
    }

    /// Reads what `ovs-vswitchd` has made of the interfaces.
    fn read_states(&mut self, awaited: &[Awaited], results: &Results) -> Result<(), Error> {
        for (index, awaited) in awaited.iter().enumerate() {
            let row = results.rows(2 * index + 1).pop().unwrap_or_default();
            let number = row.number("ofport").and_then(|number| u32::try_from(number).ok());
            match (number, row.text("error").filter(|words| !words.is_empty())) {
                (Some(ofport), None) => {
                    let ofport = match awaited.ofport.map(u32::from).filter(|wanted| *wanted != ofport) {
                        Some(wanted) => self.exchange_number(awaited, wanted, ofport)?,
                        None => ofport,
                    };
                    self.states.push((awaited.interface.clone(), PortState { ofport }));
                }
                (_, words) => {
                    let reason = words.unwrap_or("ovs-vswitchd gives it no number in OpenFlow, and says no reason");
                    return Err(Error::Channel {
                        action: format!("make {}", awaited.label),
                        reason: reason.to_owned(),
                    });
                }
            }
        }
        Ok(())
    }

    /// A number that another port has without having asked for it, an interface gets when the switch goes through its ports the next
    /// time (`bridge.c`, `bridge_delete_or_reconfigure_ports`).
    fn exchange_number(&mut self, awaited: &Awaited, wanted: u32, found: u32) -> Result<u32, Error> {
        let action = format!("wait for number {wanted} of {}", awaited.label);
        self.change(&action, [])?;
        let patience_ms = u64::try_from(FIRST_WAITING.as_millis()).unwrap_or(u64::MAX);
        let is_it = [equals("name", awaited.interface.as_str())];
        let wait = wait_until_equal("Interface", &is_it, &["ofport"], &[json!({"ofport": wanted})], patience_ms);
        match self.ask(|client| client.transact_within(Transaction::from_iter([wait]), FIRST_WAITING)) {
            Ok(_) => Ok(wanted),
            Err(ovsdb::Error::TimedOut { .. }) => Err(Error::Conflict {
                object: awaited.label.clone(),
                want: format!("number {wanted} in OpenFlow"),
                have: format!("gets number {found}, because that one is taken"),
                remedy: Remedy::act("ask for another number, or leave it to the switch"),
            }),
            Err(error) => Err(failed(&action, &error)),
        }
    }

    /// The answer about the interfaces, which may not have come at the first time of asking.
    fn await_states(&mut self, awaited: &[Awaited], mut asked: Result<Results, ovsdb::Error>) -> Result<(), Error> {
        let label = || awaited.iter().map(|one| one.label.as_str()).collect::<Vec<_>>().join(" and ");
        if matches!(asked, Err(ovsdb::Error::TimedOut { .. })) && self.waiting > FIRST_WAITING {
            if !self.is_served()? {
                return Err(self.unserved(&label()));
            }
            let rest = self.waiting.saturating_sub(FIRST_WAITING);
            awaited.iter().try_for_each(|one| self.refuse_without_datapath(&one.bridge))?;
            asked = self.ask(|client| client.transact_within(question(awaited, rest), rest));
        }
        match asked {
            Ok(results) => self.read_states(awaited, &results),
            Err(ovsdb::Error::TimedOut { .. }) if !self.is_served()? => Err(self.unserved(&label())),
            Err(ovsdb::Error::TimedOut { .. }) => Err(Error::Busy(format!(
                "cannot make {}: ovs-vswitchd has not looked at it within {} s; it hangs, or has too much to do",
                label(),
                self.waiting.as_secs_f32()
            ))),
            Err(error) => {
                self.note_lost(&error);
                Err(failed(&format!("wait for {}", label()), &error))
            }
        }
    }

    fn unserved(&self, label: &str) -> Error {
        Error::Busy(format!(
            "cannot make {label}: ovs-vswitchd is not running on the database at {}; start it",
            self.remote
        ))
    }
}

fn bridge_by(name: &str) -> Value {
    let columns = ["_uuid", "datapath_type", "controller", "fail_mode", "external_ids"];
    select("Bridge", &[equals("name", name)], &columns)
}

fn port_by(name: &str) -> [Value; 2] {
    ["Port", "Interface"].map(|table| select(table, &[equals("name", name)], &["external_ids"]))
}

fn remember(rows: &mut Vec<(String, Option<Row>)>, name: &str, row: Option<Row>) {
    rows.retain(|(known, _)| known != name);
    rows.push((name.to_owned(), row));
}

/// That the configuration has changed: `ovs-vswitchd` writes the number into `cur_cfg` when it has looked at it.
fn next_configuration() -> Value {
    mutate("Open_vSwitch", &[], "next_cfg", "+=", 1)
}

/// Waits for `ovs-vswitchd` and then asks what it says of the interfaces.
fn question(awaited: &[Awaited], waiting: Duration) -> Transaction {
    let patience_ms = u64::try_from(waiting.as_millis()).unwrap_or(u64::MAX);
    let unset = json!({"ofport": value::set::<Value>([])});
    let mut question = Transaction::new();
    for one in awaited {
        let is_it = [equals("name", one.interface.as_str())];
        question.push(wait_until_unequal("Interface", &is_it, &["ofport"], std::slice::from_ref(&unset), patience_ms));
        question.push(select("Interface", &is_it, &["ofport", "error"]));
    }
    question
}

impl Channel for SwitchDatabase {
    fn flush(&mut self, made: &mut Vec<usize>) -> Result<(), Error> {
        let changes = std::mem::take(&mut self.changes);
        if changes.is_empty() {
            return Ok(());
        }
        self.renew();
        let mut places = Vec::new();
        let mut transaction = Transaction::new();
        let mut guards = Vec::new();
        let mut awaited = Vec::new();
        let mut operations = Vec::new();
        for (place, change) in changes {
            places.push(place);
            for (guard, error) in change.guards {
                guards.push((transaction.push(guard), error));
            }
            operations.extend(change.operations);
            awaited.extend(change.awaited);
        }
        transaction.extend(operations);
        transaction.push(next_configuration());
        let waiting = self.waiting.min(FIRST_WAITING);
        let mut asked = None;
        let written = self.ask(|client| match awaited.as_slice() {
            [] => client.transact(transaction),
            awaited => {
                let (written, answer) = client.transact_and_wait(transaction, question(awaited, waiting), waiting);
                asked = Some(answer);
                written
            }
        });
        match written {
            Ok(_) => made.extend(places),
            Err(error) => {
                if error.is_unanswered() {
                    made.extend(places); // nobody knows
                }
                if let ovsdb::Error::TimedOut { place, .. } = &error
                    && let Some(found) =
                        guards.into_iter().find_map(|(guard, error)| (guard == *place).then_some(error))
                {
                    return Err(found);
                }
                return Err(failed("change the configuration of Open vSwitch", &error));
            }
        }
        asked.map_or(Ok(()), |asked| self.await_states(&awaited, asked))
    }

    fn holds_something(&self) -> bool {
        !self.changes.is_empty()
    }

    fn renew(&mut self) {
        self.bridges.clear();
        self.ports.clear();
    }

    fn forget(&mut self) {
        self.changes.clear();
    }
}

/// Connects. A server that was there a moment ago is being restarted, and gets the time for that: what it holds of ours is to be removed.
fn connect(remote: &Remote, patience: Duration, was_connected: bool) -> Result<Client, ovsdb::Error> {
    const PAUSE: Duration = Duration::from_millis(50);
    let until = Instant::now() + RESTART;
    loop {
        match Client::connect(remote, patience) {
            Err(ovsdb::Error::Connect { source, .. })
                if was_connected && is_away(&source) && Instant::now() < until =>
            {
                std::thread::sleep(PAUSE);
            }
            connected => return connected,
        }
    }
}

/// Nobody listens there.
fn is_away(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused)
}

/// A call that failed. Where no server answers, one may later.
fn failed(action: &str, error: &ovsdb::Error) -> Error {
    if let ovsdb::Error::Connect { remote, source } = error
        && source.kind() == std::io::ErrorKind::PermissionDenied
        && let Some(errno) = source.raw_os_error()
    {
        let action = format!("{action}, because of the socket {remote}");
        return Error::System { action, source: std::io::Error::from_raw_os_error(errno) };
    }
    if let ovsdb::Error::Keys { .. } = error {
        return Error::Invalid(error.to_string());
    }
    if error.is_absence() {
        return Error::Busy(format!("cannot {action}: {error}; is ovsdb-server running?"));
    }
    Error::Channel { action: action.to_owned(), reason: error.to_string() }
}

impl Session {
    /// Names the database of the switch, before it is first needed.
    ///
    /// # Errors
    /// None.
    pub fn use_switch(&mut self, database: SwitchDatabase) -> Result<(), Error> {
        self.channel(|| Ok::<_, Error>(database)).map(drop)
    }

    /// The database of the switch, as the plugin has named it; that of this host if none was named.
    ///
    /// # Errors
    /// None: it is connected to when it is first needed.
    pub fn switch(&mut self) -> Result<&mut SwitchDatabase, Error> {
        self.channel(|| Ok::<_, Error>(SwitchDatabase::default()))
    }
}
