//! Chains of plugins: what one adds is on the port of the one before it.

use harness::{Datapath, Namespace, row};
use integration::{call, with};
use serde_json::{Value, json};

use super::site::{Site, network};

/// A chain as a runtime runs it: each plugin is given the result of the one before.
struct Chain<'a> {
    ns: &'a Namespace,
    interface: &'a str,
    plugins: Vec<Value>,
}

impl Chain<'_> {
    /// The results, one for each plugin.
    fn add(&self) -> Vec<Value> {
        let mut results: Vec<Value> = Vec::new();
        for plugin in &self.plugins {
            let previous = results.last().cloned().unwrap_or_default();
            results.push(self.call("ADD", plugin, &previous));
        }
        results
    }

    fn check(&self, result: &Value) {
        self.plugins.iter().for_each(|plugin| _ = self.call("CHECK", plugin, result));
    }

    fn delete(&self, result: &Value) {
        self.plugins.iter().rev().for_each(|plugin| _ = self.call("DEL", plugin, result));
    }

    fn call(&self, command: &str, plugin: &Value, previous: &Value) -> Value {
        // The plugins for mirrors are one executable with that for ports, under other names.
        let is_of_ovs = plugin["type"].as_str().is_some_and(|kind| kind.starts_with("ovs-"));
        let executable = if is_of_ovs { json!({"type": "ovs-port"}) } else { plugin.clone() };
        let config = with(plugin, &json!({"prevResult": previous}));
        call(command, self.ns, self.interface, &executable).config(&config).run().ok()
    }
}

#[test]
fn limits_and_mirrors_are_chained_after_a_port() {
    let _row = row("M69");
    let site = Site::new(Datapath::Netdev);
    let [c1, c2] = site.containers(["c1", "c2"]);
    let before = site.state(&[&c1, &c2]);
    let chained = |kind: &str, keys: Value| with(&json!({"cniVersion": "1.1.0", "name": "net", "type": kind}), &keys);
    let mirrors = json!([{"name": "m1", "ingress": true, "egress": true}]);
    let mirrored = chained("ovs-mirror-producer", json!({"bridge": "br-int", "mirrors": mirrors}));
    let shaped = chained("netem-shaper", json!({"bw": "100Mbps", "upload": {"rate": "50Mbit"}}));
    for nic in ["veth", "internal", "tap"] {
        println!("{nic}");
        let plugins = vec![network(json!({"nic": nic})), mirrored.clone(), shaped.clone()];
        let chain = Chain { ns: &c1, interface: "vnic-1", plugins };
        let results = chain.add();
        let [made, unchanged, passed_on] = results.as_slice() else { panic!("{results:?}") };
        assert_eq!(made, unchanged);
        let ports = site.ovs.column("Mirror", "m1", "select_src_port");
        assert_eq!(ports[0], "uuid", "the port is a source of the mirror: {ports}");
        let interfaces = |result: &Value| result["interfaces"].as_array().cloned().unwrap_or_default();
        let (made_of, passed) = (interfaces(made), interfaces(passed_on));
        assert!(passed.starts_with(&made_of), "what the port is comes first, and as it was: {passed:#?}");
        assert_eq!((&made["ips"], &made["dns"]), (&passed_on["ips"], &passed_on["dns"]));
        chain.check(passed_on);
        chain.delete(passed_on);
        assert_eq!(before, site.state(&[&c1, &c2]), "{nic}");
        // A runtime that has no result any more.
        chain.add();
        chain.delete(&Value::Null);
        assert_eq!(before, site.state(&[&c1, &c2]), "{nic}");
    }
    for plugin in [&mirrored, &shaped] {
        let executable = if plugin == &mirrored { json!({"type": "ovs-port"}) } else { plugin.clone() };
        let reply = call("ADD", &c1, "vnic-1", &executable).config(plugin).run();
        let (code, msg, _) = reply.error();
        assert!(code == 7 && msg.contains("prevResult"), "{reply}");
    }
    assert_eq!(before, site.state(&[&c1, &c2]));
}
