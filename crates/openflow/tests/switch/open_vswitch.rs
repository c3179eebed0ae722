//! Open vSwitch on a host of the test's own.

use std::path::PathBuf;
use std::time::Duration;

use harness::{Background, Host, sh, spawn, wait_until};
use openflow::Connection;

/// Longer than any call takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

const ENVIRONMENT: &str = "export OVS_RUNDIR=/run/ovs OVS_LOGDIR=/run/ovs OVS_DBDIR=/run/ovs OVS_SYSCONFDIR=/run/ovs";
const SOCKET: &str = "/run/ovs/br0.mgmt";

/// A switch with the bridge `br0`, on the thread's host.
pub(crate) struct Switch {
    pub(crate) host: Host,
    vswitchd: Option<Background>,
    _database: Background,
}

impl Switch {
    /// With the userspace datapath.
    pub(crate) fn new() -> Self {
        Self::on(Host::enter(), "netdev")
    }

    /// With the kernel's datapath, where the kernel has it.
    pub(crate) fn in_kernel() -> Option<Self> {
        let host = Host::enter();
        let has_datapath = sh("ovs-dpctl dump-dps").status == 0;
        if !has_datapath {
            harness::not_observed("the datapath of Open vSwitch in the kernel");
        }
        has_datapath.then(|| Self::on(host, "system"))
    }

    fn on(host: Host, datapath: &str) -> Self {
        sh("mkdir -p /run/ovs && ovsdb-tool create /run/ovs/conf.db /usr/share/openvswitch/vswitch.ovsschema").ok();
        let database = spawn(&format!(
            "{ENVIRONMENT}; exec ovsdb-server /run/ovs/conf.db --remote=punix:/run/ovs/db.sock 2>/dev/null"
        ));
        wait_until("the database answers", || sh("ovs-vsctl --db=unix:/run/ovs/db.sock --no-wait init").status == 0);
        let mut switch = Self { host, vswitchd: None, _database: database };
        switch.start();
        switch.configure(&format!("add-br br0 -- set bridge br0 datapath_type={datapath}"));
        switch
    }

    pub(crate) fn start(&mut self) {
        self.vswitchd = Some(spawn(&format!("{ENVIRONMENT}; exec ovs-vswitchd unix:/run/ovs/db.sock 2>/dev/null")));
    }

    /// Kills `ovs-vswitchd`.
    pub(crate) fn kill(&mut self) {
        self.vswitchd = None;
    }

    /// The number of the process of `ovs-vswitchd`.
    pub(crate) fn process(&mut self) -> u32 {
        self.vswitchd.as_mut().expect("it runs").child().id()
    }

    /// Waits until what the datapath has cached agrees with the flows.
    pub(crate) fn settle(&self) {
        sh(&format!("{ENVIRONMENT}; ovs-appctl -t /run/ovs/ovs-vswitchd.*.ctl revalidator/wait")).ok();
    }

    pub(crate) fn configure(&self, arguments: &str) {
        sh(&format!("ovs-vsctl --timeout=20 --db=unix:/run/ovs/db.sock {arguments}")).ok();
    }

    pub(crate) fn socket(&self) -> PathBuf {
        SOCKET.into()
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::open(&self.socket(), PATIENCE).expect("the switch answers")
    }

    /// `ovs-ofctl COMMAND br0 ARGUMENT`.
    pub(crate) fn ofctl(&self, command: &str, argument: &str) -> String {
        sh(&format!("{ENVIRONMENT}; ovs-ofctl -O OpenFlow14 {command} unix:{SOCKET} '{argument}'")).ok()
    }

    /// Joins a new namespace to the bridge by a veth of this port number. Its `eth0` is up.
    pub(crate) fn join(&self, name: &str, number: u32) -> harness::Namespace {
        let namespace = self.host.namespace(name);
        sh(&format!(
            "ip link add {name} type veth peer name eth0 netns {name} && ip link set {name} up && \
             ip -n {name} link set eth0 up"
        ))
        .ok();
        self.configure(&format!("add-port br0 {name} -- set interface {name} ofport_request={number}"));
        namespace
    }
}
