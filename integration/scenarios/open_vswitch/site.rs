//! A host with Open vSwitch, and what is attached there.

use harness::{Datapath, Host, Invocation, Namespace, OpenVswitch, Snapshot, sh};
use integration::{call, with};
use serde_json::{Value, json};

/// A host with Open vSwitch and its bridge `br-int`.
pub(super) struct Site {
    pub(super) ovs: OpenVswitch,
    pub(super) host: Host,
    pub(super) datapath: Datapath,
}

impl Site {
    pub(super) fn new(datapath: Datapath) -> Self {
        println!("datapath {}", datapath.name());
        let host = Host::enter();
        let ovs = OpenVswitch::start();
        ovs.add_bridge_of(datapath, "br-int");
        Self { ovs, host, datapath }
    }

    pub(super) fn containers<const N: usize>(&self, names: [&str; N]) -> [Namespace; N] {
        names.map(|name| self.host.namespace(name))
    }

    /// What a call that fails, or one that takes back another, must leave as it was: links, addresses, routes and rules, the rows of the
    /// switch, and the addresses that IPAM keeps.
    pub(super) fn state(&self, containers: &[&Namespace]) -> (Snapshot, Value, String) {
        self.ovs.settle();
        (Snapshot::take::<&str>(containers, &[]), self.ovs.rows(), allocations())
    }

    /// The names of the ports of `br-int`.
    pub(super) fn ports(&self) -> Vec<String> {
        self.ovs.vsctl("list-ports br-int").ok().lines().map(str::to_owned).collect()
    }
}

/// The files of `host-local` that are addresses, and whose they are.
pub(super) fn allocations() -> String {
    sh("cd /var/lib/cni/networks 2>/dev/null && grep -r . --include='[0-9]*' . | sort").stdout
}

/// A network on `br-int`, with the addresses 192.168.1.0/24 from .3 on.
pub(super) fn network(keys: Value) -> Value {
    let config = json!({"cniVersion": "1.1.0", "name": "net", "type": "ovs-port", "bridge": "br-int",
        "ipam": {"type": "host-local", "ranges": [[{"subnet": "192.168.1.0/24", "rangeStart": "192.168.1.3"}]]}});
    with(&config, &keys)
}

/// The same without addresses.
pub(super) fn bare(keys: Value) -> Value {
    with(&network(json!({"ipam": null})), &keys)
}

/// An interface of a container that is attached.
#[derive(Debug, Clone)]
pub(super) struct Attached {
    pub(super) ns: Namespace,
    pub(super) interface: String,
    pub(super) config: Value,
    pub(super) result: Value,
}

impl Attached {
    /// ADD, and CHECK.
    pub(super) fn new(ns: &Namespace, interface: &str, config: &Value) -> Self {
        let result = call("ADD", ns, interface, config).run().ok();
        let attached = Self { ns: ns.clone(), interface: interface.to_owned(), config: config.clone(), result };
        attached.check();
        attached
    }

    /// A call about it, with its result.
    pub(super) fn call(&self, command: &str) -> Invocation {
        call(command, &self.ns, &self.interface, &with(&self.config, &json!({"prevResult": self.result})))
    }

    pub(super) fn check(&self) {
        self.call("CHECK").run().ok();
    }

    /// CHECK, which finds something different: its message and details.
    pub(super) fn different(&self) -> String {
        let reply = self.call("CHECK").run();
        let (code, msg, details) = reply.error();
        println!("{code} {msg} {details}");
        assert_eq!(code, tests::codes::DIFFERENT, "{reply}");
        format!("{msg} {details}")
    }

    pub(super) fn delete(&self) {
        self.call("DEL").run().ok();
    }

    /// Its first address.
    pub(super) fn address(&self) -> &str {
        self.result["ips"][0]["address"].as_str().and_then(|text| text.split('/').next()).expect("an address")
    }

    /// What it is called on the host: the port, and the link if it has one there.
    pub(super) fn on_host(&self) -> &str {
        self.result["interfaces"][1]["name"].as_str().expect("a name")
    }

    /// Its link in the container.
    pub(super) fn link(&self) -> Value {
        self.ns.ip(&format!("link show dev {}", self.interface))[0].clone()
    }

    /// How many of so many pings another one answers.
    pub(super) fn answers(&self, other: &Self, count: u32) -> u32 {
        self.ns.ping_with(other.address(), &format!("-c{count} -i.05 -W.5")).received
    }
}

/// Whether a link can be used: it is set up, and so is the other end.
pub(super) fn is_connected(link: &Value) -> bool {
    let has = |flag: &str| link["flags"].as_array().is_some_and(|flags| flags.contains(&flag.into()));
    has("UP") && has("LOWER_UP") && !has("NO-CARRIER")
}

/// Bytes come over TCP from one to the other, with right checksums: they would not come at all with wrong ones.
pub(super) fn carries_tcp(from: &Attached, to: &Attached) {
    assert_eq!(
        from.ns.streams_to(&to.ns, to.address(), 4_000_000),
        4_000_000,
        "{} to {}",
        from.interface,
        to.interface
    );
}
