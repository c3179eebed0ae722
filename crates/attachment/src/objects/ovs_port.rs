//! A port of a bridge of Open vSwitch.

use netlink::Mac;
use ovsdb::operation::{delete, equals, includes, insert, mutate, select, wait_until_equal};
use ovsdb::{Row, Transaction, value};
use serde_json::{Value, json};

use super::ovs_guard;
use super::ovs_internal;
use super::ovs_limits::SwitchLimits;
use crate::switch::{
    Awaited, Change, Columns, GUARDED_ON, OF_OURS, SwitchVlans, Wanted, for_switch, identity_of, no_bridge_of,
    of_attachment, vsctl,
};
use crate::{Device, Difference, Error, Finder, Found, Identity, Item, Kind, Note, Object, Owner, Session, Stage};

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
        let mut ids = of_attachment(&self.identity);
        ids.extend(self.is_guarded.then(|| (GUARDED_ON, self.bridge.clone())));
        let ids = [("external_ids", Wanted::Entries(ids))];
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
        let awaited = Some(Awaited {
            interface: self.name(),
            label: self.label(),
            bridge: self.bridge.clone(),
            ofport: self.ofport_request,
        });
        Change { guards: vec![(guard, no_bridge_of(&self.bridge))], operations, awaited }
    }

    fn qos_columns(&self, rate_bps: u64) -> Columns {
        Columns::new([
            ("type", Wanted::Text("linux-htb".to_owned())),
            ("other_config", Wanted::Entries(vec![("max-rate", rate_bps.to_string())])),
            ("external_ids", Wanted::Entries(of_attachment(&self.identity))),
        ])
    }

    /// What the attachment has in the database.
    fn rows(&self, session: &mut Session) -> Result<Rows, Error> {
        let is_its = [includes("external_ids", value::map(of_attachment(&self.identity)))];
        let of_port = ["_uuid", "name", "external_ids"];
        let questions = [select("Port", &is_its, &of_port), select("QoS", &is_its, &["_uuid"])];
        let action = format!("look up {}", self.identity.words());
        let results = session.switch()?.transact(&action, Transaction::from_iter(questions))?;
        Ok(Rows { ports: results.rows(0), queues: results.rows(1) })
    }

    /// The container interface of an internal port. In the database nothing tells of its end: what the switch knows of a device in
    /// another namespace is old or nothing.
    fn differences_of_internal(
        &self,
        session: &mut Session,
        row: &Row,
        wanted: (Mac, Option<u32>),
    ) -> Result<Vec<Difference>, Error> {
        let label = format!("interface {}", Device::container(self.name()));
        if has_another_device(session, row, &self.name())? {
            return Ok(vec![Difference::new(
                &label,
                format!("the device of {}", self.label()),
                "another one: ovs-vswitchd has been restarted, and has made a new device on the host; attach the container again",
            )]);
        }
        ovs_internal::differences(session, &self.identity, wanted, &label)
    }
}

/// The switch has a new device on the host for an internal port whose own is in a container. One that is not in a container has an
/// index (`netdev-linux.c`, `get_ifindex`); but the switch also takes its time to see that one has moved.
fn has_another_device(session: &mut Session, interface: &Row, name: &str) -> Result<bool, Error> {
    let has_index = interface.number("ifindex").is_some_and(|index| index != 0);
    Ok(has_index && session.find(&Device::host(name))?.is_some())
}

fn of_identity(_: &mut Session, identity: &Identity) -> Result<Vec<Item>, Error> {
    Ok(vec![Item::Object(Box::new(OvsPort::of(identity.clone())))])
}

/// Why an interface has no device, where the switch knows it: at once if its link was on the host, and else only after a restart,
/// because it sees nothing of other namespaces (`netdev-linux.c`, `get_ifindex`).
fn loss(session: &mut Session, interface: &Row, name: &str) -> Result<Option<String>, Error> {
    if let Some(words) = interface.text("error").filter(|words| !words.is_empty()) {
        return Ok(Some(words.to_owned()));
    }
    let words = match (interface.text("type"), interface.number("ofport"), interface.number("ifindex")) {
        (_, Some(-1), _) => "it cannot be opened",
        (Some("internal"), ..) if has_another_device(session, interface, name)? => {
            "ovs-vswitchd has been restarted, and has made another one"
        }
        (Some(""), Some(_), Some(0)) => "there is none of that name on the host",
        _ => return Ok(None),
    };
    Ok(Some(words.to_owned()))
}

fn of_network(session: &mut Session, network: &str) -> Result<Vec<Found>, Error> {
    let is_ours = [includes("external_ids", value::map([OF_OURS]))];
    let questions = [
        select("Port", &is_ours, &["name", "external_ids"]),
        select("Interface", &is_ours, &["name", "type", "ofport", "error", "ifindex", "external_ids"]),
        select("QoS", &is_ours, &["external_ids"]),
    ];
    let action = format!("list the ports of network {network:?}");
    let results = session.switch()?.transact(&action, Transaction::from_iter(questions))?;
    for row in results.rows(1) {
        let Some(owner) = identity_of(&row.map("external_ids")).filter(|owner| owner.network() != network) else {
            continue;
        };
        let Some(port) = row.text("name") else { continue };
        if let Some(reason) = loss(session, &row, port)? {
            session.note(Note::LostPort { port: port.to_owned(), whose: owner.words(), reason });
        }
    }
    // A queue stays behind if somebody else has removed its port.
    let rows = [results.rows(0), results.rows(2)].concat();
    let mut owners: Vec<Identity> = rows.iter().filter_map(|row| identity_of(&row.map("external_ids"))).collect();
    owners.retain(|owner| owner.network() == network);
    owners.sort();
    owners.dedup();
    let found = owners.into_iter().map(|identity| {
        let (port, printed) = (OvsPort::of(identity.clone()), OvsPort::of(identity.clone()));
        let whose = format!("# port of Open vSwitch of {}", identity.words());
        let found = Found::own(Owner::Identity(identity), Stage::Port, move |session| port.remove(session));
        found.printed_by(move |session| {
            let mut commands = printed.removal_commands(session)?;
            commands.insert(0, whose.clone());
            Ok(commands)
        })
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
            let owner = identity_of(&row.map("external_ids"));
            let whose = owner.as_ref().map(|owner| format!(" of {}", owner.words())).unwrap_or_default();
            let problem = format!("port {name}{whose} in Open vSwitch");
            let is_taken = self.is_internal() && owner.as_ref() != Some(&self.identity);
            return Err(if is_taken { ovs_internal::name_is_taken(problem) } else { Error::Exists(problem) });
        }
        if self.is_internal() { ovs_internal::refuse_existing(session, &name) } else { Ok(()) }
    }

    fn create(&self, session: &mut Session) -> Result<(), Error> {
        let place = session.place();
        session.switch()?.collect(place, self.change());
        let mac = match self.device {
            PortDevice::Link(_) if self.limits.is_none() => return Ok(()),
            PortDevice::Link(_) => {
                session.flush()?;
                return self.limits.confirm(session, &Device::host(self.name()));
            }
            PortDevice::Internal { mac, .. } => mac,
        };
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
                &["type", "other_config", "external_ids"],
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
            (Some(number), None) if number > 0 => {
                let wanted = self.ofport_request.map(i64::from).filter(|wanted| *wanted != number);
                differences.extend(wanted.map(|wanted| Difference::new(format!("{label}, ofport"), wanted, number)));
            }
            _ => differences.push(Difference::new(&label, "open", "not looked at by ovs-vswitchd")),
        }
        match self.device {
            PortDevice::Internal { mac, mtu, .. } => {
                differences.extend(self.differences_of_internal(session, &row, (mac, mtu))?);
            }
            PortDevice::Link(_) => {
                let link = session.find(&Device::host(&name))?;
                let index = link.map(|link| i64::from(link.index));
                if index.is_some() && row.number("ifindex") != index {
                    differences.push(Difference::new(&label, format!("link {name} of the host"), "another device"));
                }
                differences.extend(self.limits.differences(session, &Device::host(&name))?);
            }
        }
        Ok(differences)
    }

    /// By what the rows say, and whatever the port is called. Rows that refer to a port lose it with that, and rows that nobody
    /// refers to go; a queue is deleted by itself.
    fn remove(&self, session: &mut Session) -> Result<(), Error> {
        let rows = self.rows(session)?;
        for bridge in rows.ports.iter().filter_map(|row| row.entry("external_ids", GUARDED_ON)) {
            ovs_guard::remove(session, bridge, &self.identity)?;
        }
        let operations = rows.removal();
        if !operations.is_empty() {
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
        let Rows { ports, queues } = self.rows(session)?;
        for name in ports.iter().filter_map(|row| row.text("name")) {
            session.count_port_as_gone(name);
        }
        let ports = ports.iter().filter_map(|row| Some(format!("--if-exists del-port {}", row.text("name")?)));
        let queues = queues.iter().filter_map(|row| Some(format!("--if-exists destroy qos {}", row.uuid()?.0)));
        for_switch(session, ports.chain(queues).map(|command| vsctl(&command)).collect())
    }
}

/// What an attachment has in the database.
struct Rows {
    ports: Vec<Row>,
    queues: Vec<Row>,
}

impl Rows {
    /// A queue goes only when no port refers to it any more, and it counts as referred to by one that goes at the same time.
    fn removal(&self) -> Vec<Value> {
        let ids = |rows: &[Row]| rows.iter().filter_map(Row::uuid).map(|uuid| value::uuid(&uuid)).collect::<Vec<_>>();
        let (ports, queues) = (ids(&self.ports), ids(&self.queues));
        let mut operations = Vec::new();
        if !ports.is_empty() {
            operations.push(mutate("Bridge", &[], "ports", "delete", value::set(ports)));
        }
        for queue in queues {
            operations.push(mutate("Port", &[], "qos", "delete", value::set([queue.clone()])));
            operations.push(delete("QoS", &[equals("_uuid", queue)]));
        }
        operations
    }
}
