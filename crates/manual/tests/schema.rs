//! The JSON Schema: it accepts every example and what the plugins accept of odd values, and refuses what they refuse.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests report by panicking")]

use std::fs;
use std::path::Path;

use jsonschema::Validator;
use manual::{PLUGINS, rows, schema};
use serde_json::{Value, json};

fn validator() -> Validator {
    jsonschema::draft202012::new(&schema()).expect("it is a schema")
}

fn flaws(validator: &Validator, network: &Value) -> Vec<String> {
    validator.iter_errors(network).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

fn network(plugin: &Value) -> Value {
    json!({"cniVersion": "1.0.0", "name": "net", "plugins": [plugin]})
}

/// A plugin with keys in the object that its own are in.
fn with(name: &str, keys: &Value) -> Value {
    let mut own = json!({"type": name});
    own.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    match manual::find(name).unwrap().object {
        "ipam" => network(&json!({"type": "bridge", "ipam": own})),
        _ => network(&own),
    }
}

#[test]
fn it_is_a_schema() {
    assert!(jsonschema::meta::is_valid(&schema()));
}

#[test]
fn every_example_is_accepted() {
    let validator = validator();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conf-examples");
    let mut count = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let network: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(flaws(&validator, &network), [""; 0], "{}", path.display());
        count += 1;
    }
    assert!(count > 20, "{count} examples");
}

#[test]
fn every_key_is_accepted_with_its_example_and_as_null() {
    let validator = validator();
    for plugin in &PLUGINS {
        for row in rows(plugin).iter().filter(|row| !row.path.contains(['.', '['])) {
            let example: Value = serde_json::from_str(row.key.example).unwrap();
            assert_eq!(
                flaws(&validator, &with(plugin.name, &json!({row.path.clone(): example}))),
                [""; 0],
                "{}",
                row.path
            );
            if row.path != "type" {
                assert_eq!(
                    flaws(&validator, &with(plugin.name, &json!({row.path.clone(): null}))),
                    [""; 0],
                    "{}",
                    row.path
                );
            }
        }
    }
}

#[test]
fn what_a_plugin_accepts_of_other_things_is_accepted() {
    let validator = validator();
    for network in [
        json!({"name": "a", "plugins": []}),
        json!({"name": "a", "cniVersion": null, "cniVersions": ["1.0.0"], "disableGC": true, "cni.dev/x": 1, "plugins": [
            {"type": "firewall", "whatever": 1}]}),
        network(
            &json!({"type": "bridge", "cni.dev/x": {}, "args": {"x": 1, "cni": {"mac": "x", "y": 1}}, "ipam": null}),
        ),
        network(&json!({"type": "bridge", "ipam": {}, "dns": {"nameservers": ["10.1.0.1"], "more": 1}})),
        network(
            &json!({"type": "bridge", "ipam": {"type": "dhcp", "daemonSocketPath": "/run/x"}, "ipMasqBackend": ""}),
        ),
        network(&json!({"type": "bridge", "capabilities": {"mac": true, "x": true}, "vlan": 0, "mtu": 0, "mac": ""})),
        with(
            "netem-shaper",
            &json!({"download": {"rate": "1.5Gbit/s", "loss": {"gilbertElliott": {"p": "1%", "r": "1%"}}}}),
        ),
        with(
            "netem-shaper",
            &json!({"bw": "1GBPS", "lat": "5US", "download": {"rate": "100Mbps", "distribution": [1, -1]}}),
        ),
        with(
            "portmap",
            &json!({"capabilities": {"portMappings": true}, "masqAll": true, "conditionsV4": ["!", "-d", "192.0.2.0/24"],
                "runtimeConfig": {"mac": "x", "portMappings": [{"hostPort": 80, "containerPort": 80, "hostIP": ""}]}}),
        ),
        with("static", &json!({"addresses": [{"address": "fd00::1/64"}], "routes": [{"dst": "::/0", "x": 1}]})),
    ] {
        assert_eq!(flaws(&validator, &network), [""; 0], "{network}");
    }
}

#[test]
fn what_is_wrong_is_refused() {
    let validator = validator();
    let mut bad = vec![
        json!([]),
        json!({"plugins": []}),
        json!({"name": "", "plugins": []}),
        json!({"name": "a/b", "plugins": []}),
        json!({"name": "a", "plugins": {}}),
        json!({"name": "a", "plugins": [{"bridge": "br0"}]}),
        json!({"name": "a", "plugins": [null]}),
        json!({"name": "a", "pluginz": []}),
        json!({"name": "a", "disableCheck": 1}),
        network(&json!({"type": "bridge", "ipam": "host-local"})),
    ];
    for (plugin, keys) in [
        ("bridge", json!({"isGatway": true})),
        ("bridge", json!({"isGateway": "true"})),
        ("bridge", json!({"isGateway": 1})),
        ("bridge", json!({"vlan": 4095})),
        ("bridge", json!({"vlan": "2"})),
        ("bridge", json!({"vlan": 1.5})),
        ("bridge", json!({"vlanTrunk": [{"id": 0}]})),
        ("bridge", json!({"vlanTrunk": [{"ID": 5}]})),
        ("bridge", json!({"vlanTrunk": {"id": 5}})),
        ("bridge", json!({"mtu": -1})),
        ("bridge", json!({"mac": "02:00:00:00:00"})),
        ("bridge", json!({"mac": "020000000001"})),
        ("bridge", json!({"nic": "macvlan"})),
        ("bridge", json!({"ipMasqBackend": "pf"})),
        ("bridge", json!({"bridge": "a name that is too long"})),
        ("bridge", json!({"owner": "root"})),
        ("bridge", json!({"dns": {"nameservers": "10.1.0.1"}})),
        ("netem-shaper", json!({"bw": "100Mbit"})),
        ("netem-shaper", json!({"bw": 100})),
        ("netem-shaper", json!({"lat": "1s"})),
        ("netem-shaper", json!({"download": {"dealy": "1ms"}})),
        ("netem-shaper", json!({"download": {"delay": "10"}})),
        ("netem-shaper", json!({"upload": {"loss": "1"}})),
        ("netem-shaper", json!({"upload": {"loss": {"states": {"p13": "1%"}}}})),
        ("netem-shaper", json!({"upload": {"corrupt": {"correlation": "1%"}}})),
        ("netem-shaper", json!({"download": {"slot": {"maxDelay": "1ms"}}})),
        ("netem-shaper", json!({"download": {"distribution": "gauss"}})),
        ("netem-shaper", json!({"ingressRate": "1M"})),
        ("netem-shaper", json!({"interfaces": "eth0"})),
        ("portmap", json!({"snat": "true"})),
        ("portmap", json!({"masqall": true})),
        ("portmap", json!({"markMasqBit": 32})),
        ("portmap", json!({"backend": "pf"})),
        ("portmap", json!({"conditionsV4": "-d 192.0.2.0/24"})),
        ("portmap", json!({"conditionsV6": [7]})),
        ("portmap", json!({"runtimeConfig": {"portMappings": ["8080:80"]}})),
        ("portmap", json!({"runtimeConfig": {"portMappings": [{"hostPort": 0, "containerPort": 80}]}})),
        ("portmap", json!({"runtimeConfig": {"portMappings": [{"containerPort": 80}]}})),
        (
            "portmap",
            json!({"runtimeConfig": {"portMappings": [{"hostPort": 80, "containerPort": 80, "protocol": "icmp"}]}}),
        ),
        ("host-local", json!({"ranges": [{"subnet": "10.1.0.0/24"}]})),
        ("host-local", json!({"ranges": [[{"subnet": "10.1.0.0"}]]})),
        ("host-local", json!({"ranges": [[{"rangeStart": "10.1.0.1"}]]})),
        ("host-local", json!({"rnages": []})),
        ("host-local", json!({"routes": [{"gw": "10.1.0.1"}]})),
        ("host-local", json!({"routes": [{"dst": "0.0.0.0/0", "scope": 256}]})),
        ("static", json!({"addresses": [{"address": "10.1.0.5"}]})),
        ("static", json!({"addresses": [{"gateway": "10.1.0.1/24"}]})),
        ("static", json!({"addresses": ["10.1.0.5/24"]})),
        ("static", json!({"dns": []})),
    ] {
        bad.push(with(plugin, &keys));
    }
    for network in bad {
        assert!(!validator.is_valid(&network), "{network}");
    }
}

/// A value of each kind, of which a key accepts one kind, or two.
#[test]
fn a_value_of_another_kind_is_refused_at_every_key() {
    let validator = validator();
    let kinds = [json!("x"), json!(true), json!(-7.5), json!([[[]]]), json!({"a key that nobody knows": 1})];
    for plugin in &PLUGINS {
        let open = ["dns", "ipam"];
        for row in
            rows(plugin).iter().filter(|row| !row.path.contains(['.', '[']) && !open.contains(&row.path.as_str()))
        {
            let accepted =
                kinds.iter().filter(|value| validator.is_valid(&with(plugin.name, &json!({row.path.clone(): value}))));
            let accepted: Vec<_> = accepted.collect();
            // A text that no pattern restricts, a flag, a list of anything.
            assert!(accepted.len() <= 1, "{}.{}: {accepted:?}", plugin.name, row.path);
        }
    }
}
