//! A host with Open vSwitch, its bridge `br0` in user space, and containers.

use std::collections::BTreeMap;

use harness::{Datapath, Invocation, Namespace, OpenVswitch, Reply};
use serde_json::{Value, json};
use tests::{LATEST, Plugin, Scene, State, with};

/// The host.
pub(crate) struct Site {
    pub(crate) ovs: OpenVswitch,
    pub(crate) scene: Scene,
    pub(crate) c2: Namespace,
    pub(crate) c3: Namespace,
}

/// All that a call may leave behind: in the kernel, in IPAM's files, and in the database.
#[derive(PartialEq, Eq)]
pub(crate) struct Whole {
    host: State,
    rows: Value,
}

/// Short: what differs in the kernel is printed by the comparison.
impl std::fmt::Debug for Whole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} and the rows {:#}", self.host, self.rows)
    }
}

impl Site {
    pub(crate) fn new() -> Self {
        let scene = Scene::new();
        let ovs = OpenVswitch::start();
        ovs.add_bridge_of(Datapath::Netdev, "br0");
        Self::of(scene, ovs)
    }

    pub(crate) fn of(scene: Scene, ovs: OpenVswitch) -> Self {
        let [c2, c3] = ["c2", "c3"].map(|name| scene.host.namespace(name));
        Self { ovs, scene, c2, c3 }
    }

    pub(crate) fn c1(&self) -> &Namespace {
        &self.scene.c1
    }

    pub(crate) fn call(&self, ns: &Namespace, ifname: &str, command: &str, config: &Value) -> Invocation {
        self.scene.call_for(ns, ifname, Plugin::OvsPort, command, config.clone())
    }

    /// ADD, which must succeed, and the configuration with its result as `prevResult`.
    pub(crate) fn added(&self, ns: &Namespace, ifname: &str, config: &Value) -> (Value, Value) {
        let result = self.call(ns, ifname, "ADD", config).run().ok();
        let attached = with(config, json!({"prevResult": result}));
        (result, attached)
    }

    /// CHECK, which must find nothing different.
    pub(crate) fn checked(&self, ns: &Namespace, ifname: &str, attached: &Value) {
        self.call(ns, ifname, "CHECK", attached).run().ok();
    }

    /// CHECK, which must find something different: the message and the details.
    pub(crate) fn different(&self, ns: &Namespace, ifname: &str, attached: &Value) -> String {
        let reply = self.call(ns, ifname, "CHECK", attached).run();
        let (code, message, details) = reply.error();
        assert_eq!(code, tests::codes::DIFFERENT, "{reply}");
        format!("{message}; {details}")
    }

    /// DEL, which must succeed.
    pub(crate) fn deleted(&self, ns: &Namespace, ifname: &str, config: &Value) {
        self.call(ns, ifname, "DEL", config).run().ok();
    }

    pub(crate) fn collect(&self, config: &Value, valid: &[(&Namespace, &str)]) -> Reply {
        let valid: Vec<Value> =
            valid.iter().map(|(ns, ifname)| json!({"containerID": ns.name, "ifname": ifname})).collect();
        let config = with(config, json!({"cni.dev/valid-attachments": valid}));
        self.call(self.c1(), "eth1", "GC", &config).run()
    }

    /// Once `ovs-vswitchd` has looked at everything.
    pub(crate) fn state(&self) -> Whole {
        self.ovs.settle();
        self.unsettled()
    }

    /// The links and rows alone, as they are at this moment: where much is looked at, and the whole at the end.
    pub(crate) fn brief(&self) -> (String, BTreeMap<String, String>, Value) {
        let links = harness::sh("ip -br link | cut -d' ' -f1; ip -n c1 -br link | cut -d' ' -f1").ok();
        (links, State::allocations(), self.ovs.rows())
    }

    /// Where `ovs-vswitchd` does not work.
    pub(crate) fn unsettled(&self) -> Whole {
        Whole { host: State::take(&[self.c1(), &self.c2, &self.c3]), rows: self.ovs.rows() }
    }
}

/// A network on `br0` with addresses by `host-local`, and with keys.
pub(crate) fn network(keys: Value) -> Value {
    with(&with(&Plugin::OvsPort.config(LATEST), json!({"bridge": "br0"})), keys)
}

/// The same without addresses.
pub(crate) fn bare(keys: Value) -> Value {
    with(&network(json!({"ipam": null})), keys)
}

/// [`network`] with a name that no other test's network has at the time. The rules behind an internal port are anybody's who has a port of
/// the same name for the same container on the same network, and GC of another test may come by while a process is in the container.
pub(crate) fn network_of_its_own(keys: Value) -> Value {
    with(&network(keys), json!({"name": format!("net{}", std::process::id())}))
}

/// The first address of a result.
pub(crate) fn address(result: &Value) -> String {
    address_at(result, 0)
}

/// An address of a result.
pub(crate) fn address_at(result: &Value, place: usize) -> String {
    let address = result["ips"][place]["address"].as_str().expect("the result has an address");
    address.split('/').next().unwrap_or_default().to_owned()
}

/// The name of the host interface in a result.
pub(crate) fn host_interface(result: &Value) -> String {
    result["interfaces"][1]["name"].as_str().expect("a name").to_owned()
}
