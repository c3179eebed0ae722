use crate::{Background, Datapath, OpenVswitch, Output, sh, spawn, wait_until};

/// Where OVN keeps its databases and sockets; private to the test like all of `/run`.
const DIRECTORY: &str = "/run/ovn";
const ENVIRONMENT: &str = "OVN_RUNDIR=/run/ovn OVN_LOGDIR=/run/ovn OVN_DBDIR=/run/ovn OVN_SYSCONFDIR=/run/ovn";

/// OVN on an [`OpenVswitch`]: both databases, `ovn-northd`, and `ovn-controller`, for which this host is the only chassis and
/// `br-int` its bridge. They end with this value; only one of them can be in a host.
#[derive(Debug)]
pub struct Ovn {
    _daemons: Vec<Background>,
}

impl Ovn {
    /// Starts all and waits until a change of the northbound database has come to the switch; 0.7 s.
    pub fn start(ovs: &OpenVswitch, datapath: Datapath) -> Self {
        sh(&format!("mkdir -p {DIRECTORY}")).ok();
        let mut daemons = Vec::new();
        for which in ["nb", "sb"] {
            let file = format!("{DIRECTORY}/ovn{which}");
            sh(&format!("ovsdb-tool create {file}.db /usr/share/ovn/ovn-{which}.ovsschema")).ok();
            let options = format!("--unixctl={file}.ctl --remote=punix:{file}_db.sock");
            daemons.push(daemon(&format!("ovsdb-server {file}.db {options}"), which));
        }
        for database in ["nb", "sb"] {
            let socket = format!("{DIRECTORY}/ovn{database}_db.sock");
            wait_until("OVN's database listens", || std::os::unix::net::UnixStream::connect(&socket).is_ok());
            client(database, "init").ok();
        }
        let [north, south] = ["nb", "sb"].map(|which| format!("unix:{DIRECTORY}/ovn{which}_db.sock"));
        let northd = format!("ovn-northd --ovnnb-db={north} --ovnsb-db={south} --unixctl={DIRECTORY}/northd.ctl");
        daemons.push(daemon(&northd, "northd"));
        let name = datapath.name();
        ovs.vsctl(&format!(
            "add-br br-int -- set bridge br-int datapath_type={name} fail-mode=secure \
             -- set Open_vSwitch . external_ids:system-id=here external_ids:ovn-remote={south} \
             external_ids:ovn-encap-type=geneve external_ids:ovn-encap-ip=127.0.0.1 \
             external_ids:ovn-bridge-datapath-type={name}"
        ))
        .ok();
        daemons.push(daemon(&format!("ovn-controller {}", ovs.remote()), "controller"));
        let ovn = Self { _daemons: daemons };
        ovn.settle();
        ovn
    }

    /// `ovn-nbctl ARGS`, 20 s at most.
    pub fn nbctl(&self, args: &str) -> Output {
        client("nb", args)
    }

    /// `ovn-sbctl ARGS`, 20 s at most.
    pub fn sbctl(&self, args: &str) -> Output {
        client("sb", args)
    }

    /// Waits until the switch does what the northbound database and the switch's ports asked for before.
    pub fn settle(&self) {
        self.nbctl("--wait=hv sync").ok();
    }

    /// Makes a logical switch with ports, each a name, a hardware address and an IP address, and lets nothing else through.
    pub fn add_switch(&self, name: &str, ports: &[[&str; 3]]) {
        let ports = ports.iter().map(|[port, mac, ip]| {
            format!(
                " -- lsp-add {name} {port} -- lsp-set-addresses {port} '{mac} {ip}' \
                 -- lsp-set-port-security {port} '{mac} {ip}'"
            )
        });
        self.nbctl(&format!("--wait=hv ls-add {name}{}", ports.collect::<String>())).ok();
    }

    /// Whether a logical port is bound to this host, as `ovn-nbctl lsp-get-up` says.
    pub fn is_up(&self, port: &str) -> bool {
        self.nbctl(&format!("lsp-get-up {port}")).ok() == "up"
    }
}

fn client(database: &str, args: &str) -> Output {
    let socket = format!("unix:{DIRECTORY}/ovn{database}_db.sock");
    sh(&format!("ovn-{database}ctl --no-leader-only --timeout=20 --db={socket} {args}"))
}

fn daemon(command: &str, name: &str) -> Background {
    spawn(&format!("{ENVIRONMENT} exec {command} --verbose=console:off --log-file={DIRECTORY}/{name}.log"))
}
