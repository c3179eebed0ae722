//! A host with an underlay and containers.

use std::net::IpAddr;

use harness::{Invocation, Namespace, Reply, ip, sh};
use serde_json::{Value, json};
use tests::{LATEST, Plugin, Scene, State, UNDERLAY, with};

/// The host.
pub(crate) struct Site {
    pub(crate) scene: Scene,
    pub(crate) c2: Namespace,
    pub(crate) c3: Namespace,
}

impl Site {
    pub(crate) fn new() -> Self {
        let scene = Scene::with_an_underlay();
        let [c2, c3] = ["c2", "c3"].map(|name| scene.host.namespace(name));
        Self { scene, c2, c3 }
    }

    pub(crate) fn c1(&self) -> &Namespace {
        &self.scene.c1
    }

    pub(crate) fn call(&self, ns: &Namespace, ifname: &str, command: &str, config: &Value) -> Invocation {
        self.scene.call_for(ns, ifname, Plugin::Overlay, command, config.clone())
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

    /// CHECK, which must fail: the code and the words.
    pub(crate) fn different(&self, ns: &Namespace, ifname: &str, attached: &Value) -> (u64, String) {
        let (code, message, details) = self.call(ns, ifname, "CHECK", attached).run().error();
        (code, format!("{message}; {details}"))
    }

    /// DEL, which must succeed.
    pub(crate) fn deleted(&self, ns: &Namespace, ifname: &str, config: &Value) {
        self.call(ns, ifname, "DEL", config).run().ok();
    }

    /// A call that must fail and change nothing: its words.
    pub(crate) fn refused(&self, ns: &Namespace, command: &str, config: &Value, code: u64) -> String {
        let before = self.state();
        let reply = self.call(ns, "eth1", command, config).run();
        let (found, message, details) = reply.error();
        assert_eq!(found, code, "{config}: {reply}");
        assert_eq!(before, self.state(), "{config}: {reply}");
        format!("{message}; {details}")
    }

    pub(crate) fn collect(&self, config: &Value, valid: &[(&Namespace, &str)]) -> Reply {
        let valid: Vec<Value> =
            valid.iter().map(|(ns, ifname)| json!({"containerID": ns.name, "ifname": ifname})).collect();
        let config = with(config, json!({"cni.dev/valid-attachments": valid}));
        self.call(self.c1(), "eth1", "GC", &config).run()
    }

    pub(crate) fn state(&self) -> State {
        State::take(&[self.c1(), &self.c2, &self.c3])
    }
}

/// A network of the group 234.0.0.1 without addresses, over the only underlay, and with keys.
pub(crate) fn network(keys: Value) -> Value {
    with(
        &json!({"cniVersion": LATEST, "name": "net", "type": "vxlan-overlay", "group": "234.0.0.1", "if": UNDERLAY}),
        keys,
    )
}

/// The same with a list of other hosts instead of a group.
pub(crate) fn listed(remotes: &[&str]) -> Value {
    network(json!({"group": null, "remotes": remotes}))
}

/// The settings of a VXLAN device of the host; null where there is none.
pub(crate) fn vxlan(name: &str) -> Value {
    let shown = sh(&format!("ip -j -d link show dev {name}"));
    if shown.status != 0 {
        return Value::Null;
    }
    ip(&format!("-d link show dev {name}"))[0].clone()
}

/// The hosts to which a VXLAN device sends what is for all.
pub(crate) fn hosts_of(name: &str) -> Vec<IpAddr> {
    let shown = sh(&format!("bridge -j fdb show dev {name}")).ok();
    let entries: Vec<Value> = serde_json::from_str(&shown).expect("JSON");
    let of_all = entries.iter().filter(|entry| entry["mac"] == "00:00:00:00:00:00");
    let mut hosts: Vec<IpAddr> =
        of_all.map(|entry| entry["dst"].as_str().and_then(|host| host.parse().ok()).expect("an address")).collect();
    hosts.sort();
    hosts
}

/// The links of the host of a kind, by name.
pub(crate) fn of_kind(kind: &str) -> Vec<String> {
    let links = ip(&format!("link show type {kind}"));
    let links = links.as_array().cloned().unwrap_or_default();
    links.iter().filter_map(|link| link["ifname"].as_str()).map(str::to_owned).collect()
}
