//! A port of a bridge of Open vSwitch.

use netlink::Mac;
use ovsdb::operation::{delete, equals, includes, insert, mutate, select, wait_until_equal};
use ovsdb::{Row, Transaction, Uuid, value};
use serde_json::{Value, json};

use super::ovs_internal;
use crate::switch::{Awaited, Change, Columns, SwitchVlans, Wanted, for_switch, identity_of, of_attachment, vsctl};
use crate::{Device, Difference, Error, Finder, Found, Identity, Item, Kind, Object, Owner, Remedy, Session, Stage};

static KIND: Kind = Kind::found("port of Open vSwitch");
static FINDER: Finder = Finder::new(&KIND, of_identity, of_network);

/// What a port is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortDevice {
    /// A link of the host, a veth's end or a TAP device, which is there when the port is made.
    Link(String),
    /// A device of the switch's own, of this address, that moves into the container as the container interface. It keeps its name,
    /// by which the switch knows it.
    Internal {
        /// Its hardware address.
        mac: Mac,
        /// The MTU in bytes that the switch gives it; the bridge's least where it is not given.
        mtu_request: Option<u32>,
        /// The MTU in bytes that it has in the container, where that is known.
        mtu: Option<u32>,
    },
}

/// Limits that the switch sets on the host interface (`ovs-vswitchd.conf.db(5)`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SwitchLimits {
    /// Of what the switch receives from the container: kbit/s, in the kernel's policer; 0 is none.
    pub policing_rate_kbps: u32,
    /// Its burst in kbit; 0 is the switch's own choice.
    pub policing_burst_kb: u32,
    /// Of what the switch sends to the container: bit/s, by a queue of `linux-htb`.
    pub max_rate_bps: Option<u64>,
}

/// A port of a bridge of Open vSwitch: a row of `Port` and one of `Interface`. Both say whose they are in `external_ids`.
#[derive(Debug, Clone)]
pub struct OvsPort {
    /// The attachment.
    pub identity: Identity,
    /// The bridge.
    pub bridge: String,
    /// What it is made of.
    pub device: PortDevice,
    /// Its VLANs.
    pub vlans: SwitchVlans,
    /// The number in OpenFlow that is asked for.
    pub ofport_request: Option<u16>,
    /// What the interface says for others, such as OVN, in `external_ids`.
    pub external_ids: Vec<(&'static str, String)>,
    /// The switch's own limits.
    pub limits: SwitchLimits,
    /// It is made before the container interface is set up, so that there is time for flows that guard it.
    pub is_guarded: bool,
}

/// The row of the port, and that of its interface, while they are inserted.
const NEW_PORT: &str = "port";
const NEW_INTERFACE: &str = "interface";
const NEW_QOS: &str = "qos";

impl OvsPort {
    /// What finds it without a description.
    pub const FINDER: &'static Finder = &FINDER;

    /// What an attachment may have, to be removed.
    #[must_use]
    pub fn of(identity: Identity) -> Self {
        Self {
            identity,
            bridge: String::new(),
            device: PortDevice::Link(String::new()),
            vlans: SwitchVlans::default(),
            ofport_request: None,
            external_ids: Vec::new(),
            limits: SwitchLimits::default(),
            is_guarded: false,
        }
    }

    /// The name of the port and its interface.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.device {
            PortDevice::Link(name) => name.clone(),
            PortDevice::Internal { .. } => self.identity.if_name().to_owned(),
        }
    }

    /// Looks it up together with its bridge, which saves asking for each.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub fn look_up(&self, session: &mut Session) -> Result<(), Error> {
        session.switch()?.look_up(&self.name(), &self.bridge)
    }

    fn label(&self) -> String {
        format!("port {} of bridge {}", self.name(), self.bridge)
    }

    fn is_internal(&self) -> bool {
        matches!(self.device, PortDevice::Internal { .. })
    }

    fn interface_columns(&self) -> Columns {
        let mut columns = vec![("name", Wanted::Text(self.name()))];
        if let PortDevice::Internal { mac, mtu_request, .. } = self.device {
            columns.push(("type", Wanted::Text("internal".to_owned())));
            columns.push(("mac", Wanted::Text(mac.to_string())));
            columns.extend(mtu_request.map(|bytes| ("mtu_request", Wanted::Number(i64::from(bytes)))));
        }
        columns.extend(self.ofport_request.map(|port| ("ofport_request", Wanted::Number(i64::from(port)))));
        if self.limits.policing_rate_kbps > 0 {
            let (rate, burst) = (self.limits.policing_rate_kbps, self.limits.policing_burst_kb);
            columns.push(("ingress_policing_rate", Wanted::Number(i64::from(rate))));
            columns.push(("ingress_policing_burst", Wanted::Number(i64::from(burst))));
        }
        let ids = of_attachment(&self.identity).into_iter().chain(self.external_ids.iter().cloned());
        columns.push(("external_ids", Wanted::Entries(ids.collect())));
        Columns::new(columns)
    }

    fn port_columns(&self) -> Columns {
        let name = [("name", Wanted::Text(self.name()))];
        let ids = [("external_ids", Wanted::Entries(of_attachment(&self.identity)))];
        Columns::new(name.into_iter().chain(self.vlans.columns()).chain(ids))
    }

    fn change(&self) -> Change {
        let is_bridge = [equals("name", self.bridge.as_str())];
        let guard = wait_until_equal("Bridge", &is_bridge, &["name"], &[json!({"name": self.bridge})], 0);
        let mut port = self.port_columns().row();
        port.insert("interfaces".to_owned(), value::named(NEW_INTERFACE));
        let mut operations = vec![insert("Interface", NEW_INTERFACE, self.interface_columns().row())];
        if let Some(rate) = self.limits.max_rate_bps {
            port.insert("qos".to_owned(), value::named(NEW_QOS));
            operations.push(insert("QoS", NEW_QOS, self.qos_columns(rate).row()));
        }
        operations.push(insert("Port", NEW_PORT, port));
        let ports = value::set([value::named(NEW_PORT)]);
        operations.push(mutate("Bridge", &is_bridge, "ports", "insert", ports));
        let awaited = Some(Awaited { interface: self.name(), label: self.label(), bridge: self.bridge.clone() });
        Change { guards: vec![(guard, no_bridge(&self.bridge))], operations, awaited }
    }

    fn qos_columns(&self, rate_bps: u64) -> Columns {
        Columns::new([
            ("type", Wanted::Text("linux-htb".to_owned())),
            ("other_config", Wanted::Entries(vec![("max-rate", rate_bps.to_string())])),
            ("external_ids", Wanted::Entries(of_attachment(&self.identity))),
        ])
    }

    /// The rows of the attachment's ports.
    fn rows(&self, session: &mut Session) -> Result<Vec<Row>, Error> {
        let is_its = [includes("external_ids", value::map(of_attachment(&self.identity)))];
        let action = format!("look up {}", self.identity.words());
        session.switch()?.rows(&action, "Port", &is_its, &["_uuid", "name"])
    }

    /// The container interface of an internal port. In the database nothing tells of its end: what the switch knows of a device in
    /// another namespace is old or nothing.
    fn differences_of_internal(&self, session: &mut Session, row: &Row) -> Result<Vec<Difference>, Error> {
        let label = format!("interface {}", Device::container(self.name()));
        // A device that is not in the container has an index on the host (`netdev-linux.c`, `get_ifindex`).
        if row.number("ifindex").is_some_and(|index| index != 0) {
            return Ok(vec![Difference::new(
                &label,
                format!("the device of {}", self.label()),
                "another one: ovs-vswitchd has been restarted, and has made a new device on the host; attach the container again",
            )]);
        }
        ovs_internal::differences(session, &self.identity, &self.device, &label)
    }
}

/// The bridge is missing.
fn no_bridge(bridge: &str) -> Error {
    Error::Unusable {
        problem: format!("there is no bridge {bridge} in Open vSwitch"),
        remedy: Remedy::NoSwitchBridge { bridge: bridge.to_owned() },
    }
}

fn of_identity(_: &mut Session, identity: &Identity) -> Result<Vec<Item>, Error> {
    Ok(vec![Item::Object(Box::new(OvsPort::of(identity.clone())))])
}

fn of_network(session: &mut Session, network: &str) -> Result<Vec<Found>, Error> {
    let is_its = [includes("external_ids", value::map([("owner", "plugboard"), ("network", network)]))];
    let action = format!("list the ports of network {network:?}");
    let rows = session.switch()?.rows(&action, "Port", &is_its, &["name", "external_ids"])?;
    let found = rows.iter().filter_map(|row| {
        let identity = identity_of(&row.map("external_ids"))?;
        let (port, printed) = (OvsPort::of(identity.clone()), OvsPort::of(identity.clone()));
        let whose = format!("# port {} of {}", row.text("name").unwrap_or_default(), identity.words());
        let found = Found::own(Owner::Identity(identity), Stage::Port, move |session| port.remove(session));
        Some(found.printed_by(move |session| {
            let mut commands = printed.removal_commands(session)?;
            commands.insert(0, whose.clone());
            Ok(commands)
        }))
    });
    Ok(found.collect())
}

impl Object for OvsPort {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    /// A device of the switch's own is the NIC itself. One that is there becomes a port when all else of it is done: at each event of
    /// a link of the host the switch goes through all its ports.
    fn stage(&self) -> Stage {
        match self.device {
            PortDevice::Internal { .. } => Stage::Nic,
            PortDevice::Link(_) if self.is_guarded => Stage::Port,
            PortDevice::Link(_) => Stage::Ready,
        }
    }

    fn is_elsewhere(&self) -> bool {
        true
    }

    fn refuse_existing(&self, session: &mut Session) -> Result<(), Error> {
        let name = self.name();
        if let Some(row) = session.switch()?.known_port(&name)? {
            let whose =
                identity_of(&row.map("external_ids")).map(|owner| format!(" of {}", owner.words())).unwrap_or_default();
            let problem = format!("port {name}{whose} in Open vSwitch");
            return Err(if self.is_internal() { ovs_internal::name_is_taken(problem) } else { Error::Exists(problem) });
        }
        if self.is_internal() { ovs_internal::refuse_existing(session, &name) } else { Ok(()) }
    }

    fn create(&self, session: &mut Session) -> Result<(), Error> {
        let place = session.place();
        session.switch()?.collect(place, self.change());
        let PortDevice::Internal { mac, .. } = self.device else { return Ok(()) };
        session.flush()?;
        if ovs_internal::move_in(session, &self.identity, mac)? {
            return Ok(());
        }
        // A port of the same name was removed before ovs-vswitchd looked at it, and it keeps the device of that one, wherever it is.
        self.remove(session)?;
        session.switch()?.await_configuration(&format!("remove the former {}", self.label()))?;
        session.switch()?.collect(place, self.change());
        session.flush()?;
        match ovs_internal::move_in(session, &self.identity, mac)? {
            true => Ok(()),
            false => Err(Error::Missing(format!("the device of {} on the host", self.label()))),
        }
    }

    fn differences(&self, session: &mut Session) -> Result<Vec<Difference>, Error> {
        let (name, label) = (self.name(), self.label());
        let is_it = [equals("name", name.as_str())];
        let (port, interface) = (self.port_columns(), self.interface_columns());
        let of_port = [port.names(), vec!["_uuid", "qos"]].concat();
        let of_interface = [interface.names(), vec!["ofport", "error", "ifindex"]].concat();
        let questions = [
            select("Port", &is_it, &of_port),
            select("Interface", &is_it, &of_interface),
            select("Bridge", &[equals("name", self.bridge.as_str())], &["ports"]),
            select(
                "QoS",
                &[includes("external_ids", value::map(of_attachment(&self.identity)))],
                &["type", "other_config"],
            ),
        ];
        let results = session.switch()?.transact(&format!("look up {label}"), Transaction::from_iter(questions))?;
        let [port_row, row, bridge, qos] = [0, 1, 2, 3].map(|place| results.rows(place).pop());
        let (Some(port_row), Some(row)) = (port_row, row) else { return Ok(vec![Difference::missing(label)]) };
        let mut differences = port.differences(&label, &port_row);
        differences.extend(interface.differences(&label, &row));
        let is_on_bridge = |bridge: Row| port_row.uuid().is_some_and(|uuid| bridge.uuids("ports").contains(&uuid));
        if !bridge.is_some_and(is_on_bridge) {
            differences.push(Difference::new(&label, "there", "on another bridge"));
        }
        if let Some(rate) = self.limits.max_rate_bps {
            let wanted = self.qos_columns(rate);
            match qos.filter(|_| !port_row.uuids("qos").is_empty()) {
                Some(qos) => differences.extend(wanted.differences(&format!("queue of {label}"), &qos)),
                None => differences.push(Difference::missing(format!("queue of {label}"))),
            }
        }
        match (row.number("ofport"), row.text("error").filter(|words| !words.is_empty())) {
            (_, Some(words)) => differences.push(Difference::new(&label, "open", words)),
            (Some(number), None) if number > 0 => {}
            _ => differences.push(Difference::new(&label, "open", "not looked at by ovs-vswitchd")),
        }
        match self.device {
            PortDevice::Internal { .. } => differences.extend(self.differences_of_internal(session, &row)?),
            PortDevice::Link(_) => {
                let link = session.find(&Device::host(&name))?;
                let index = link.map(|link| i64::from(link.index));
                if index.is_some() && row.number("ifindex") != index {
                    differences.push(Difference::new(&label, format!("link {name} of the host"), "another device"));
                }
            }
        }
        Ok(differences)
    }

    /// By what the rows say, and whatever the port is called. Rows that refer to a port lose it with that, and rows that nobody
    /// refers to go; a queue is deleted by itself.
    fn remove(&self, session: &mut Session) -> Result<(), Error> {
        let rows = self.rows(session)?;
        if !rows.is_empty() {
            let operations = removal(rows.iter().filter_map(Row::uuid), &self.identity);
            session.switch()?.change(&format!("remove the port of {}", self.identity.words()), operations)?;
        }
        ovs_internal::remove_orphan(session, &self.identity)
    }

    fn commands(&self) -> Vec<String> {
        let name = self.name();
        let mut command = format!("add-port {} {name}{}", self.bridge, self.port_columns().settings_of(&["name"]));
        let interface = self.interface_columns().settings_of(&["name"]);
        command.push_str(&format!(" -- set interface {name}{interface}"));
        if let Some(rate) = self.limits.max_rate_bps {
            let qos = self.qos_columns(rate).settings_of(&[]);
            command.push_str(&format!(" -- --id=@qos create qos{qos} -- set port {name} qos=@qos"));
        }
        let mut commands = vec![vsctl(&command)];
        if self.is_internal() {
            commands.extend(ovs_internal::commands(&self.identity));
        }
        commands
    }

    fn missing_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        for_switch(session, self.commands())
    }

    fn removal_commands(&self, session: &mut Session) -> Result<Vec<String>, Error> {
        let names = self.rows(session)?;
        let command = |row: &Row| vsctl(&format!("--if-exists del-port {}", row.text("name").unwrap_or_default()));
        for_switch(session, names.iter().map(command).collect())
    }
}

/// What removes ports.
fn removal(ports: impl IntoIterator<Item = Uuid>, identity: &Identity) -> Vec<Value> {
    let ports: Vec<Value> = ports.into_iter().map(|port| value::uuid(&port)).collect();
    vec![
        mutate("Bridge", &[], "ports", "delete", value::set(ports)),
        delete("QoS", &[includes("external_ids", value::map(of_attachment(identity)))]),
    ]
}
