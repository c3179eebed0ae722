//! Input of any size: what real networks have is accepted, and what is larger costs neither memory nor time.

use serde_json::{Value, json};
use tests::{ALL, Delegate, LATEST, Plugin, Process, Scene, cites, error_object, with};

/// The most memory that a plugin may have, whatever it is given.
const MOST_BYTES: u64 = 256 << 20;

fn text(config: &Value, value: &str) -> Vec<u8> {
    let whole = config.to_string();
    let start = whole.strip_suffix('}').expect("an object");
    format!("{start},\"x\":{value}}}").into_bytes()
}

/// A list with so many entries.
fn list(entry: &str, count: usize) -> String {
    format!("[{}{entry}]", format!("{entry},").repeat(count - 1))
}

#[test]
fn input_that_is_too_large_is_refused_cheaply() {
    cites!("CFG-2");
    let scene = Scene::with_a_switch();
    let values = ["{\"\":0}", "[[]]", "{}", "0"].map(|entry| list(entry, (15 << 20) / (entry.len() + 1)));
    let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
    let many = list("0", 300_000);
    let cases = values
        .iter()
        .map(|value| (value, "MiB, the most"))
        .chain([(&deep, "within each other"), (&many, "values, the most")]);
    for (value, culprit) in cases {
        for plugin in ALL {
            let config = with(&plugin.config(LATEST), json!({"cni.dev/valid-attachments": []}));
            for command in ["ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION"] {
                let call = Process::new(plugin, command).attachment(&scene.c1, "eth0");
                let (output, memory) = call.run_measured(&text(&config, value));
                let (code, msg, _) = error_object(&output);
                assert!(code == 6 && msg.contains(culprit), "{plugin:?} {command}: {code} {msg}");
                assert!(memory < MOST_BYTES, "{plugin:?} {command}: {memory} bytes");
            }
        }
    }
}

/// The densest input that is accepted.
#[test]
fn input_at_the_limit_takes_little_memory() {
    cites!("CFG-2");
    let scene = Scene::with_a_switch();
    let entry = "{\"\":0}";
    for plugin in ALL {
        let config =
            with(&plugin.config(LATEST), json!({"name": format!("net-{}", plugin.name()), "prevResult": null}));
        for (command, count) in [("ADD", 64_000), ("DEL", 130_000)] {
            let dense = text(&config, "0");
            let dense = String::from_utf8(dense).expect("a text");
            let dense = dense.replace("\"x\":0", &format!("\"prevResult\":{{\"x\":{}}}", list(entry, count)));
            let call = Process::new(plugin, command).attachment(&scene.c1, "eth0");
            let (output, memory) = call.run_measured(dense.as_bytes());
            assert!(memory < MOST_BYTES, "{plugin:?} {command}: {memory} bytes");
            // There is no NIC to shape, and no address to lead to.
            let needs_nic = [Plugin::Shaper, Plugin::Portmap].contains(&plugin);
            let is_expected = output.status.success() || (needs_nic && command == "ADD");
            assert!(is_expected, "{plugin:?} {command}: {}", String::from_utf8_lossy(&output.stdout));
        }
    }
}

/// Some 10,000 routes with all their keys, printed as spaciously as Go's library does.
fn many_routes() -> Value {
    let route = |number: usize| {
        json!({"dst": format!("10.{}.{}.0/24", 64 + number / 256, number % 256), "gw": "10.9.0.254", "mtu": 1400,
            "advmss": 1300, "priority": 7, "table": 254, "scope": 0})
    };
    (0..10_000).map(route).collect()
}

#[test]
fn a_result_with_many_routes_passes() {
    cites!("DLG-4", "ADD-5", "DEL-2");
    let scene = Scene::new();
    let before = scene.state();
    let answer = json!({"cniVersion": LATEST, "ips": [{"address": "10.9.0.1/24"}], "routes": many_routes()});
    let file = scene.directory("made-up").join("answer");
    std::fs::write(&file, serde_json::to_string_pretty(&answer).expect("JSON")).expect("it is written");
    let body = format!("[ $CNI_COMMAND != ADD ] || cat {}", file.display());
    let delegate = Delegate::new(&scene, "made-up", "made-up", &body);
    let config = with(&Plugin::Bridge.config(LATEST), json!({"ipam": {"type": "made-up"}}));
    let call = |command, config: &Value| scene.call(Plugin::Bridge, command, config.clone()).path(delegate.path());
    let result = call("ADD", &config).run().ok();
    assert_eq!(result["routes"].as_array().map(Vec::len), Some(10_000));
    let attached = with(&config, json!({"prevResult": result}));
    call("CHECK", &attached).run().ok();
    for plugin in [Plugin::Shaper, Plugin::Portmap] {
        let chained = with(&plugin.config(LATEST), json!({"prevResult": result}));
        let passed = scene.call(plugin, "ADD", chained.clone()).run().ok();
        assert_eq!(passed["routes"], result["routes"], "{plugin:?}");
        scene.call(plugin, "DEL", chained).run().ok();
    }
    call("DEL", &attached).run().ok();
    assert_eq!(before, scene.state());
}

/// DEL gets the configuration and the result of ADD: twice of what ADD accepts.
#[test]
fn what_add_has_accepted_can_be_removed() {
    cites!("DEL-2", "DEL-8");
    let scene = Scene::new();
    let before = scene.state();
    let mut config = Plugin::Bridge.config(LATEST);
    config["ipam"]["routes"] = many_routes();
    config["ipam"]["ranges"] = json!([[{"subnet": "10.9.0.0/24", "gateway": "10.9.0.254"}]]);
    let call = |command, config: &Value| scene.call(Plugin::Bridge, command, config.clone());
    let result = call("ADD", &config).run().ok();
    let attached = with(&config, json!({"prevResult": result}));
    call("CHECK", &attached).run().ok();
    call("DEL", &attached).run().ok();
    assert_eq!(before, scene.state());
}

/// As many ports as Kubernetes has for its services by default, of both families.
#[test]
fn thousands_of_ports_are_published_and_withdrawn() {
    cites!("ADD-1", "CHK-1", "DEL-1");
    let scene = Scene::new();
    let ipam = json!({"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00:1::/64"}]]});
    let nic = with(&Plugin::Bridge.config(LATEST), json!({"isGateway": true, "ipam": ipam}));
    let result = scene.call(Plugin::Bridge, "ADD", nic).run().ok();
    let ports: Value = (30_000..32_768).map(|port| json!({"hostPort": port, "containerPort": port})).collect();
    let config =
        with(&Plugin::Portmap.config(LATEST), json!({"prevResult": result, "runtimeConfig": {"portMappings": ports}}));
    // Hairpin of its port would stay until the NIC goes.
    harness::sh("sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0 || true").ok();
    let before = scene.state();
    let add = Process::new(Plugin::Portmap, "ADD").attachment(&scene.c1, "eth0");
    let (output, memory) = add.run_measured(config.to_string().as_bytes());
    assert!(output.status.success() && memory < MOST_BYTES, "{memory} bytes: {output:?}");
    let published =
        tests::rules().matches(" : 10.1.0.2 . 3").count() + tests::rules().matches(" : fd00:1::2 . 3").count();
    assert_eq!(published, 2 * 2768);
    scene.call(Plugin::Portmap, "CHECK", config.clone()).run().ok();
    scene.call(Plugin::Portmap, "DEL", with(&config, json!({"prevResult": null, "runtimeConfig": null}))).run().ok();
    assert_eq!(before, scene.state());
}
