//! The plugin `static`, beside the reference's.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test reports by panicking")]

use std::fs;
use std::path::Path;

use harness::{Host, Invocation, Namespace, Reply};
use serde_json::{Value, json};

const OURS: &str = "static";
/// The reference, as Debian's package containernetworking-plugins installs it.
const REFERENCE: &str = "/usr/lib/cni/static";
const VERSIONS: [&str; 7] = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];

struct Scene {
    container: Namespace,
    _host: Host,
}

impl Scene {
    fn new() -> Self {
        assert!(
            Path::new(REFERENCE).exists(),
            "these tests compare with {REFERENCE}: install containernetworking-plugins"
        );
        let host = Host::enter();
        Self { container: host.namespace("c"), _host: host }
    }

    fn call(&self, plugin: &str, verb: &str, config: &Value, args: &str) -> Reply {
        let call = Invocation::new(plugin, verb).container("c1").netns(&self.container.path).ifname("eth0");
        call.path("/usr/lib/cni").args(args).config(config).run()
    }
}

fn network(ipam: &Value) -> Value {
    let mut config = json!({"cniVersion": "1.0.0", "name": "lab", "type": "bridge", "ipam": ipam});
    config["ipam"]["type"] = json!("static");
    config
}

fn with(config: &Value, key: &str, value: Value) -> Value {
    let mut config = config.clone();
    config[key] = value;
    config
}

/// Go prints an empty `dns` always (RES-25).
fn comparable(mut result: Value) -> Value {
    if result["dns"] == json!({}) {
        result.as_object_mut().unwrap().remove("dns");
    }
    result
}

fn ips(result: &Value) -> Vec<String> {
    let text = |ip: &Value| match ip["gateway"].as_str() {
        None => ip["address"].as_str().unwrap().to_owned(),
        Some(gateway) => format!("{} via {gateway}", ip["address"].as_str().unwrap()),
    };
    result["ips"].as_array().map(Vec::as_slice).unwrap_or_default().iter().map(text).collect()
}

fn dual() -> Value {
    network(&json!({
        "addresses": [{"address": "10.10.0.1/24", "gateway": "10.10.0.254"}, {"address": "3ffe:ffff:0:1ff::1/64", "gateway": "3ffe:ffff::1"}],
        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "192.168.0.5/16", "gw": "10.10.5.1"}, {"dst": "3ffe:ffff:0:1ff::1/64"}],
        "dns": {"nameservers": ["8.8.8.8"], "domain": "example.com", "search": ["example.com"], "options": ["ndots:1"]},
    }))
}

#[test]
fn results_equal_the_references_in_every_version() {
    let scene = Scene::new();
    let single = network(&json!({"addresses": [{"address": "10.10.0.1/24", "gateway": ""}], "routes": null}));
    let hosts = network(&json!({
        "addresses": [{"address": "192.0.2.7/32"}, {"address": "FD00:0::0007/128", "gateway": "fe80::1"}],
        "routes": [{"dst": "192.0.2.1/32", "gw": "0.0.0.0"}, {"dst": "::/0", "gw": "fe80::1"}], "dns": {"domain": "d.test"},
    }));
    let runtime = with(&dual(), "runtimeConfig", json!({"ips": ["10.11.0.9/24"]}));
    let args = with(&dual(), "args", json!({"cni": {"ips": ["10.12.0.9/24"]}}));
    let both = with(&runtime, "args", json!({"cni": {"ips": ["10.12.0.9/24"]}}));
    for (config, variables) in [
        (&dual(), ""),
        (&single, ""),
        (&runtime, ""),
        (&args, ""),
        (&both, "IP=10.13.0.9/24"),
        (&network(&json!({})), "IP=10.13.0.9/24;GATEWAY=10.13.0.254"),
        (&network(&json!({})), "IP=10.13.0.9/24,fd00::9/64;GATEWAY=10.13.0.254, fd00::1,192.0.2.1"),
        (&network(&json!({})), "IP=10.13.0.9/24;IgnoreUnknown=1;K8S_POD_NAME=p"),
        (&single, "IP=fd00::9/64;GATEWAY=10.10.0.254,fd00::1"),
        (&hosts, ""),
    ] {
        for version in VERSIONS {
            // The reference of the package speaks up to 1.0.0; 1.1.0 differs from it in what it adds only (RES-11).
            let reference_version = if version == "1.1.0" { "1.0.0" } else { version };
            let reference_config = with(config, "cniVersion", json!(reference_version));
            let mut expected = comparable(scene.call(REFERENCE, "ADD", &reference_config, variables).ok());
            expected["cniVersion"] = json!(version);
            let config = with(config, "cniVersion", json!(version));
            assert_eq!(comparable(scene.call(OURS, "ADD", &config, variables).ok()), expected, "{config} {variables}");
        }
    }
}

#[test]
fn precedence_of_the_sources() {
    let scene = Scene::new();
    let configured = network(&json!({"addresses": [{"address": "10.1.0.1/24"}]}));
    let args = with(&configured, "args", json!({"cni": {"ips": ["10.2.0.1/24"]}}));
    let runtime = with(&args, "runtimeConfig", json!({"ips": ["10.3.0.1/24", "fd00::1/64"]}));
    let variables = "IP=10.4.0.1/24;GATEWAY=10.1.0.254,10.4.0.254";
    for (config, variables, expected) in [
        (&configured, "", &["10.1.0.1/24"][..]),
        (&configured, variables, &["10.1.0.1/24", "10.4.0.1/24 via 10.4.0.254"]),
        (&configured, "IP=10.1.0.1/24", &["10.1.0.1/24"]),
        (&configured, "IP=10.1.0.1/24;GATEWAY=10.1.0.254", &["10.1.0.1/24 via 10.1.0.254"]),
        (&configured, "GATEWAY=10.1.0.254", &["10.1.0.1/24"]),
        (&configured, "IP=", &["10.1.0.1/24"]),
        (&args, variables, &["10.2.0.1/24"]),
        (&runtime, variables, &["10.3.0.1/24", "fd00::1/64"]),
        (&with(&args, "runtimeConfig", json!({"ips": []})), "", &["10.2.0.1/24"]),
        (&network(&json!({})), "", &[]),
    ] {
        assert_eq!(ips(&scene.call(OURS, "ADD", config, variables).ok()), expected, "{config} {variables}");
    }
}

/// As with the reference, what the runtime gives replaces an entry without an address, or with one that cannot be read. Its gateway
/// is that of the addresses that come.
#[test]
fn a_gateway_alone_waits_for_addresses() {
    let scene = Scene::new();
    let alone = network(&json!({"addresses": [{"gateway": "10.1.0.254"}, {"gateway": "fd00::1"}]}));
    let runtime = |config: &Value| with(config, "runtimeConfig", json!({"ips": ["10.1.0.3/24", "10.9.0.3/24"]}));
    let args = with(&alone, "args", json!({"cni": {"ips": ["fd00::3/64"]}}));
    let unreadable = network(&json!({"addresses": [{"address": "10.1.0.1"}]}));
    for (config, variables, expected) in [
        (&runtime(&alone), "", &["10.1.0.3/24 via 10.1.0.254", "10.9.0.3/24"][..]),
        (&args, "", &["fd00::3/64 via fd00::1"]),
        (&alone, "IP=10.1.0.3/24", &["10.1.0.3/24 via 10.1.0.254"]),
        (&alone, "IP=10.1.0.3/24;GATEWAY=10.1.0.9", &["10.1.0.3/24 via 10.1.0.9"]),
        (&runtime(&unreadable), "", &["10.1.0.3/24", "10.9.0.3/24"]),
    ] {
        let result = scene.call(OURS, "ADD", config, variables).ok();
        assert_eq!(ips(&result), expected, "{config} {variables}");
        let reference = scene.call(REFERENCE, "ADD", config, variables);
        assert!(!variables.is_empty() || reference.status == 0, "{config}: {reference}");
        scene.call(OURS, "CHECK", &with(config, "prevResult", result), variables).ok();
    }
    let alone = with(&alone, "cniVersion", json!("1.1.0"));
    let (code, msg, _) = scene.call(OURS, "ADD", &alone, "").error();
    assert!(code == 7 && msg.contains("ipam.addresses[0]: address is missing, and the call brings none"), "{msg}");
    assert_eq!(scene.call(OURS, "STATUS", &alone, "").ok(), Value::Null, "the address may come with the call");
    for config in [&alone, &network(&json!({"addresses": [{}]}))] {
        assert_eq!(scene.call(OURS, "ADD", config, "").error().0, 7);
    }
}

/// Code and message of each refusal, the same for ADD and STATUS.
#[test]
fn refusals() {
    let scene = Scene::new();
    let configured = |addresses: Value| network(&json!({ "addresses": addresses }));
    let plain = configured(json!([{"address": "10.1.0.1/24"}]));
    let several = configured(json!([{"address": "10.1.0.1/24"}, {"address": "10.2.0.1/24"}]));
    for (config, args, code, expected) in [
        (json!({"cniVersion": "1.0.0", "name": "lab", "type": "bridge"}), "", 7, "ipam"),
        (
            configured(json!([{"address": "10.1.0.1"}])),
            "",
            7,
            "ipam.addresses[0].address: \"10.1.0.1\" has no prefix length",
        ),
        (configured(json!([{"address": "10.1.0.1/24"}, {"address": "10.2.0.1/33"}])), "", 7, "ipam.addresses[1]"),
        (
            configured(json!([{"address": "10.1.0.1/24", "gateway": "here"}])),
            "",
            7,
            "ipam.addresses[0].gateway: \"here\"",
        ),
        (configured(json!([{"address": "::ffff:10.1.0.1/120"}])), "", 7, "maps IPv4 into IPv6"),
        (configured(json!([{"address": "10.1.0.1/24"}, {"address": "10.1.0.1/16"}])), "", 7, "10.1.0.1 is given twice"),
        (configured(json!("10.1.0.1/24")), "", 7, "ipam.addresses"),
        (network(&json!({"routes": [{"dst": "here"}]})), "", 7, "routes[0]"),
        (network(&json!({"dns": {"nameservers": "8.8.8.8"}})), "", 7, "nameservers"),
        (with(&several, "cniVersion", json!("0.2.0")), "", 7, "does not support more than 1 address per family"),
        (with(&plain, "runtimeConfig", json!({"ips": ["10.1.0.1"]})), "", 7, "runtimeConfig.ips"),
        (with(&plain, "runtimeConfig", json!({"ips": "10.1.0.1/24"})), "", 7, "ips"),
        (with(&plain, "args", json!({"cni": {"ips": ["x"]}})), "", 7, "args.cni.ips"),
        (plain.clone(), "IP=10.1.0.1", 4, "CNI_ARGS: IP: \"10.1.0.1\" has no prefix length"),
        (plain.clone(), "GATEWAY=x", 4, "CNI_ARGS: GATEWAY: \"x\""),
        (plain.clone(), "K8S_POD_NAME=p", 4, "K8S_POD_NAME"),
    ] {
        let (found, msg, _) = scene.call(OURS, "ADD", &config, args).error();
        assert!(found == code && msg.contains(expected), "{config} {args}: {found} {msg}");
        // STATUS is about no attachment and so has no CNI_ARGS.
        if config["cniVersion"] == "1.0.0" && args.is_empty() {
            let config = with(&config, "cniVersion", json!("1.1.0"));
            let (found, msg, _) = scene.call(OURS, "STATUS", &config, args).error();
            assert!(found == code && msg.contains(expected), "STATUS {config} {args}: {found} {msg}");
        }
        assert_eq!(scene.call(OURS, "DEL", &config, args).ok(), Value::Null, "DEL has nothing to refuse");
    }
}

#[test]
fn check_wants_every_address_in_prev_result() {
    let scene = Scene::new();
    let config = dual();
    let result = scene.call(OURS, "ADD", &config, "").ok();
    let check = |config: &Value, args: &str| scene.call(OURS, "CHECK", config, args);
    let checked = with(&config, "prevResult", result);
    assert_eq!(check(&checked, "").ok(), Value::Null);

    let mut more = checked.clone();
    more["prevResult"]["ips"].as_array_mut().unwrap().insert(0, json!({"address": "192.0.2.1/24"}));
    more["prevResult"]["routes"] = json!([]);
    check(&more, "").ok();

    let (code, msg, _) = check(&config, "").error();
    assert_eq!((code, msg.contains("prevResult missing")), (7, true), "{msg}");
    for (pointer, value, expected) in [
        (
            "/prevResult/ips/0/address",
            "10.10.0.2/24",
            "10.10.0.1/24 of network lab: prevResult has only [10.10.0.2/24, ",
        ),
        (
            "/prevResult/ips/0/address",
            "10.10.0.1/16",
            "10.10.0.1/24 of network lab: prevResult has only [10.10.0.1/16, ",
        ),
        ("/prevResult/ips/0/gateway", "10.10.0.9", "its gateway is 10.10.0.254, prevResult has 10.10.0.9"),
    ] {
        let mut config = checked.clone();
        *config.pointer_mut(pointer).unwrap() = json!(value);
        let (code, msg, _) = check(&config, "").error();
        assert_eq!((code, msg.contains(expected)), (104, true), "{msg}");
    }
    assert_eq!(check(&checked, "IP=10.9.0.1/24").error().0, 104);
    let runtime = with(&checked, "runtimeConfig", json!({"ips": ["10.9.0.1/24"]}));
    assert_eq!(check(&runtime, "").error().0, 104);
    let mut lost = checked.clone();
    lost["prevResult"]["ips"].as_array_mut().unwrap().pop();
    let (code, msg, _) = check(&lost, "").error();
    assert_eq!((code, msg.contains("3ffe:ffff:0:1ff::1/64 of network lab: prevResult has only")), (104, true), "{msg}");
    assert_eq!(scene.call(REFERENCE, "CHECK", &checked, "").ok(), Value::Null);
}

#[test]
fn verbs_without_work_succeed_in_silence() {
    let scene = Scene::new();
    let config = with(&dual(), "cniVersion", json!("1.1.0"));
    let list = with(&config, "cni.dev/valid-attachments", json!([]));
    assert_eq!(scene.call(OURS, "DEL", &config, "").ok(), Value::Null);
    assert_eq!(scene.call(OURS, "GC", &list, "").ok(), Value::Null);
    assert_eq!(scene.call(OURS, "STATUS", &config, "").ok(), Value::Null);
}

#[test]
fn unknown_keys_of_ipam_are_told_on_stderr() {
    let scene = Scene::new();
    let reply = scene.call(OURS, "ADD", &network(&json!({"adresses": [{"address": "10.1.0.1/24"}]})), "");
    assert_eq!(ips(&reply.ok()), [""; 0]);
    assert!(reply.stderr.contains("did you mean \"addresses\"?"), "{}", reply.stderr);
}

/// The example of the documentation, as a runtime splits it up: the same addresses in every run.
#[test]
fn the_example_gives_its_addresses_in_every_run() {
    let scene = Scene::new();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../conf-examples/static.conflist");
    let list: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let mut config = list["plugins"][0].clone();
    config["name"] = list["name"].clone();
    config["cniVersion"] = list["cniVersions"].as_array().unwrap().last().unwrap().clone();
    scene.call(OURS, "STATUS", &config, "").ok();
    for _ in 0..3 {
        let reply = scene.call(OURS, "ADD", &config, "");
        assert_eq!(ips(&reply.ok()), ["172.18.0.1/24 via 172.18.0.254", "fd00:18::1/64"]);
        assert_eq!(reply.stderr, "");
    }
}
