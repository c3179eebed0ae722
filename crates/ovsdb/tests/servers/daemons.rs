//! The daemons of Open vSwitch, with directories of their own.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use harness::{Background, Host, sh, spawn, wait_until};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use ovsdb::{Client, Remote, Results, Transaction, operation};
use serde_json::Value;

/// Longer than any answer takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// The time by which a call may be late, on a busy machine. What is not waited for would take for ever.
pub(crate) const SLACK: Duration = Duration::from_secs(2);

const ENVIRONMENT: &str = "export OVS_RUNDIR=/run/ovs OVS_LOGDIR=/run/ovs OVS_DBDIR=/run/ovs OVS_SYSCONFDIR=/run/ovs";

/// A host with a database server at `unix:/run/ovs/db.sock`.
pub(crate) struct Switch {
    _host: Host,
    database: RefCell<Background>,
}

impl Switch {
    pub(crate) fn new() -> Self {
        Self::with("")
    }

    /// With more options of `ovsdb-server`.
    pub(crate) fn with(options: &str) -> Self {
        let host = Host::enter();
        sh("mkdir -p /run/ovs && ovsdb-tool create /run/ovs/conf.db /usr/share/openvswitch/vswitch.ovsschema").ok();
        let database = RefCell::new(serve(options));
        let switch = Self { _host: host, database };
        wait_until("the database answers", || {
            sh("ovs-vsctl --timeout=5 --db=unix:/run/ovs/db.sock --no-wait init").status == 0
        });
        switch
    }

    pub(crate) fn remote(&self) -> Remote {
        "unix:/run/ovs/db.sock".parse().unwrap()
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(&self.remote(), PATIENCE).unwrap()
    }

    /// Sends a signal to the database server.
    pub(crate) fn signal(&self, signal: Signal) {
        send(&mut self.database.borrow_mut(), signal);
    }

    pub(crate) fn process(&self) -> Pid {
        group(&mut self.database.borrow_mut())
    }

    /// Starts `ovs-vswitchd`, and waits until it serves.
    pub(crate) fn forward(&self) -> Background {
        let daemon = spawn(&format!("{ENVIRONMENT}; exec ovs-vswitchd unix:/run/ovs/db.sock 2>/dev/null"));
        sh("ovs-vsctl --timeout=20 --db=unix:/run/ovs/db.sock --may-exist add-br br0 -- set bridge br0 datapath_type=netdev").ok();
        daemon
    }
}

fn serve(options: &str) -> Background {
    spawn(&format!(
        "{ENVIRONMENT}; exec ovsdb-server /run/ovs/conf.db --remote=punix:/run/ovs/db.sock {options} 2>/run/ovs/log"
    ))
}

fn group(daemon: &mut Background) -> Pid {
    Pid::from_raw(daemon.child().id().cast_signed())
}

pub(crate) fn send(daemon: &mut Background, signal: Signal) {
    killpg(group(daemon), signal).unwrap();
}

pub(crate) fn transaction(operations: impl IntoIterator<Item = Value>) -> Transaction {
    operations.into_iter().collect()
}

/// Inserts a bridge, which the switch refers to.
pub(crate) fn bridge(name: &str) -> [Value; 2] {
    [
        operation::insert("Bridge", "b", serde_json::json!({"name": name})),
        operation::mutate("Open_vSwitch", &[], "bridges", "insert", ovsdb::value::named("b")),
    ]
}

/// Asks for a bridge.
pub(crate) fn ask_for(name: &str) -> Value {
    operation::select("Bridge", &[operation::equals("name", name)], &["_uuid", "name"])
}

/// Waits until there is such a bridge.
pub(crate) fn wait_for(name: &str, patience_ms: u64) -> Value {
    let rows = [serde_json::json!({"name": name})];
    operation::wait_until_equal("Bridge", &[operation::equals("name", name)], &["name"], &rows, patience_ms)
}

pub(crate) fn has_bridge(client: &mut Client, name: &str) -> bool {
    let results: Results = client.transact(transaction([ask_for(name)])).unwrap();
    !results.rows(0).is_empty()
}

/// Runs something that must end by then.
#[track_caller]
pub(crate) fn within<T>(limit: Duration, run: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let done = run();
    assert!(start.elapsed() < limit + SLACK, "{:?}, and not {limit:?}", start.elapsed());
    done
}
