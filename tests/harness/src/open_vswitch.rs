//! Open vSwitch of a test's own.

mod daemon;
mod rows;
mod tls;

pub use daemon::Daemon;
use daemon::LIMIT;
pub use tls::TlsFiles;

use crate::{Output, sh, wait_until};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Where OVS keeps its sockets by default; private to the test like all of `/run`.
const DEFAULT_DIRECTORY: &str = "/run/openvswitch";
const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";

/// Who forwards the frames of a bridge: its `datapath_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Datapath {
    /// The kernel's module `openvswitch`.
    System,
    /// `ovs-vswitchd` itself, which needs nothing of the kernel but packet sockets and TAP devices.
    Netdev,
}

impl Datapath {
    /// The kernel's where it has one (it is loaded if it is a module), else the one that works everywhere.
    pub fn of_this_kernel() -> Self {
        // Without the kernel's part of it the list cannot be had at all.
        if sh("ovs-dpctl dump-dps").status == 0 { Self::System } else { Self::Netdev }
    }

    /// Its name in the column `datapath_type`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Netdev => "netdev",
        }
    }
}

/// Sockets of the database beside `db.sock`; see [`OpenVswitch::listening`].
#[derive(Debug, Clone, Default)]
pub struct Listeners {
    /// `ptcp:PORT:127.0.0.1`.
    pub tcp_port: Option<u16>,
    /// `pssl:PORT:127.0.0.1`, with a certificate of its own; clients must show one of the same authority.
    pub tls_port: Option<u16>,
}

/// `ovsdb-server` with a new database and `ovs-vswitchd`, both in the calling thread's namespaces, which must be those of a
/// [`Host`](crate::Host). They end with this value, and their directory goes.
#[derive(Debug)]
pub struct OpenVswitch {
    directory: PathBuf,
    tls: Option<TlsFiles>,
    // The switch ends first: without a database it would only complain.
    switch: Daemon,
    database: Daemon,
}

impl OpenVswitch {
    /// Starts both in OVS' default directory, where clients find the database without being told; 0.1 s, but on a kernel with a
    /// datapath not before the machine is 11 s old.
    pub fn start() -> Self {
        Self::listening(DEFAULT_DIRECTORY, &Listeners::default())
    }

    /// The same in a directory that the test names, below `/run`, and with further sockets.
    pub fn listening(directory: impl Into<PathBuf>, listeners: &Listeners) -> Self {
        let directory = directory.into();
        assert!(directory.starts_with("/run"), "{} would be the machine's own", directory.display());
        wait_for_the_kernel();
        let path = directory.display();
        // A service of the machine would have made it before.
        sh(&format!("mkdir -p {path} && ovsdb-tool create {path}/conf.db {SCHEMA}")).ok();
        let tls = listeners.tls_port.map(|_| TlsFiles::make(&directory));
        let mut server = format!("ovsdb-server {path}/conf.db --remote=punix:{path}/db.sock");
        if let Some(port) = listeners.tcp_port {
            server += &format!(" --remote=ptcp:{port}:127.0.0.1");
        }
        if let (Some(port), Some(tls)) = (listeners.tls_port, &tls) {
            server += &format!(" --remote=pssl:{port}:127.0.0.1 {}", tls.server_options());
        }
        let database = Daemon::start(&directory, "ovsdb-server", &server);
        sh(&format!("ovs-vsctl --db=unix:{path}/db.sock --no-wait init")).ok();
        let switch = Daemon::start(&directory, "ovs-vswitchd", &format!("ovs-vswitchd unix:{path}/db.sock"));
        let ovs = Self { directory, tls, switch, database };
        ovs.settle();
        ovs
    }

    /// The directory with the database, its socket, the control sockets and the logs.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The database's own socket: `unix:PATH`.
    pub fn remote(&self) -> String {
        format!("unix:{}", self.socket().display())
    }

    /// The path of the database's own socket.
    pub fn socket(&self) -> PathBuf {
        self.directory.join("db.sock")
    }

    /// What a client needs for the socket of `tls_port`. Panics unless there is one.
    pub fn tls(&self) -> &TlsFiles {
        self.tls.as_ref().unwrap_or_else(|| panic!("the database was started without a TLS socket"))
    }

    /// `ovsdb-server`.
    pub fn database(&self) -> &Daemon {
        &self.database
    }

    /// `ovs-vswitchd`.
    pub fn switch(&self) -> &Daemon {
        &self.switch
    }

    /// Kills `ovs-vswitchd` without a warning, starts it again and waits until it has done what the database says.
    pub fn restart_switch(&self) {
        self.switch.restart();
        self.settle();
    }

    /// Kills `ovsdb-server` without a warning, starts it again and waits until `ovs-vswitchd` has found it.
    pub fn restart_database(&self) {
        self.database.restart();
        self.settle();
    }

    /// Makes a bridge with the datapath of this kernel and waits until it is there.
    pub fn add_bridge(&self, name: &str) {
        self.add_bridge_of(Datapath::of_this_kernel(), name);
    }

    /// The same with a datapath that the test wants.
    pub fn add_bridge_of(&self, datapath: Datapath, name: &str) {
        self.vsctl(&format!("add-br {name} -- set bridge {name} datapath_type={}", datapath.name())).ok();
    }

    /// `ovs-vsctl ARGS`, which waits for `ovs-vswitchd` 20 s at most.
    pub fn vsctl(&self, args: &str) -> Output {
        sh(&format!("ovs-vsctl --timeout={LIMIT} --db={} {args}", self.remote()))
    }

    /// `ovs-ofctl ARGS`, which finds a bridge by its name.
    pub fn ofctl(&self, args: &str) -> Output {
        sh(&format!("OVS_RUNDIR={} ovs-ofctl --timeout={LIMIT} {args}", self.directory.display()))
    }

    /// `ovs-appctl ARGS` to `ovs-vswitchd`.
    pub fn appctl(&self, args: &str) -> Output {
        self.switch.appctl(args)
    }

    /// The result of one transaction: an array with an object, or null, for each operation, and behind them perhaps an
    /// error. Panics unless the database answers.
    pub fn transact(&self, operations: &[Value]) -> Value {
        let mut transaction = vec![json!("Open_vSwitch")];
        transaction.extend_from_slice(operations);
        let transaction = Value::Array(transaction).to_string();
        assert!(!transaction.contains('\''), "a quotation mark would end the argument: {transaction}");
        let answer = sh(&format!("ovsdb-client --timeout={LIMIT} transact {} '{transaction}'", self.remote())).ok();
        serde_json::from_str(&answer).unwrap_or_else(|e| panic!("{transaction}: no JSON ({e}): {answer}"))
    }

    /// One column of one row, found by its name: `ofport` of Interface `eth0`. Null when it is an empty set or there is no such row.
    pub fn column(&self, table: &str, name: &str, column: &str) -> Value {
        let answer = self
            .transact(&[json!({"op": "select", "table": table, "where": [["name", "==", name]], "columns": [column]})]);
        let value = &answer[0]["rows"][0][column];
        if *value == json!(["set", []]) { Value::Null } else { value.clone() }
    }

    /// Waits until `ovs-vswitchd` has done everything that was committed before.
    pub fn settle(&self) {
        let mutated = self.transact(&[
            json!({"op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": [["next_cfg", "+=", 1]]}),
            json!({"op": "select", "table": "Open_vSwitch", "where": [], "columns": ["next_cfg"]}),
        ]);
        let wanted = mutated[1]["rows"][0]["next_cfg"].as_i64();
        assert!(wanted.is_some(), "no next_cfg: {mutated}");
        wait_until("ovs-vswitchd has done what the database says", || {
            let read =
                self.transact(&[json!({"op": "select", "table": "Open_vSwitch", "where": [], "columns": ["cur_cfg"]})]);
            read[0]["rows"][0]["cur_cfg"].as_i64() >= wanted
        });
    }

    /// What the database holds that somebody configured, as one value that is equal before and after whenever nothing was left
    /// behind: an array of rows for each of the tables Open_vSwitch, Bridge, Port, Interface, Mirror, QoS and Queue. Rows and sets
    /// are sorted; a reference is the other row's name, or the whole row where it has none; statistics, counters and
    /// what `ovs-vswitchd` writes are not in it.
    pub fn rows(&self) -> Value {
        rows::read(|operations| self.transact(operations))
    }
}

/// Waits until a machine that has just booted is 11 s old, if its kernel has a datapath: an `ovs-vswitchd` 3.1 that starts in its first
/// 10 s takes the kernel's bridges and ports and then never forwards a frame.
fn wait_for_the_kernel() {
    let age = || -> Option<f64> { std::fs::read_to_string("/proc/uptime").ok()?.split(' ').next()?.parse().ok() };
    if age().is_some_and(|age| age < 11.0) && Datapath::of_this_kernel() == Datapath::System {
        wait_until("the machine is 11 s old", || age().is_none_or(|age| age >= 11.0));
    }
}

impl Drop for OpenVswitch {
    fn drop(&mut self) {
        self.switch.kill();
        self.database.kill();
        // With a `/run` of the test's own it goes anyway.
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
