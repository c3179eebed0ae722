//! Section 2 of the checklist: the configuration on stdin.

use std::fs::File;

use harness::Invocation;
use serde_json::{Value, json};
use tests::{ALL, Delegate, IPAM, LATEST, Plugin, Process, Scene, State, cites, error_object, with};

#[test]
fn the_configuration_is_one_object_on_stdin() {
    cites!("CFG-1", "CFG-2");
    let scene = Scene::with_a_switch();
    for plugin in ALL {
        let config = scene.config(plugin, LATEST);
        let whole = config.to_string();
        let before = scene.state();
        let half = &whole[..whole.len() / 2];
        let twice = format!("{whole}{whole}");
        for text in ["", " \n", "null", "[]", "7", "\"text\"", "{", "not json", "[{}]", half, &twice] {
            for command in ["ADD", "DEL", "CHECK", "GC", "STATUS"] {
                let call = scene.call(plugin, command, Value::Null).stdin(text);
                let (code, msg, _) = call.run().error();
                assert_eq!(code, 6, "{plugin:?} {command} on {text:?}: {msg}");
                assert!(msg.contains("stdin") || msg.contains("configuration"), "{plugin:?} on {text:?}: {msg}");
            }
        }
        assert_eq!(before, scene.state());
        let pretty = serde_json::to_string_pretty(&config).expect("a configuration is JSON");
        scene.call(plugin, "ADD", Value::Null).stdin(format!("\n {pretty}\n\n")).run().ok();
        scene.call(plugin, "DEL", config).run().ok();
        scene.ready(Plugin::Bridge, "DEL").run().ok();
    }
}

#[test]
fn a_stdin_that_cannot_be_read_is_an_input_error() {
    cites!("CFG-2", "ERR-4");
    let scene = Scene::with_a_switch();
    for plugin in ALL {
        let directory = File::open("/").expect("a directory opens and does not read");
        let process = Process::new(plugin, "ADD").attachment(&scene.c1, "eth0");
        let (code, msg, _) = error_object(&process.run_with(directory));
        assert!(code == 5 && msg.contains("stdin"), "{plugin:?} {code}: {msg}");
    }
}

#[test]
fn keys_of_the_wrong_kind_are_named() {
    cites!("CFG-2");
    let scene = Scene::new();
    let range = |range: Value| json!({"ipam": {"type": "host-local", "ranges": [[range]]}});
    let address = |address: Value| json!({"ipam": {"type": "static", "addresses": [address]}});
    let port = |keys: Value| {
        let mapping = with(&json!({"hostPort": 8080, "containerPort": 80}), keys);
        json!({"runtimeConfig": {"portMappings": [{"hostPort": 8081, "containerPort": 80}, mapping]}})
    };
    for (plugin, keys, culprit) in [
        (Plugin::Bridge, json!({"bridge": 7}), "bridge"),
        (Plugin::Bridge, json!({"mtu": "large"}), "mtu"),
        (Plugin::Bridge, json!({"mtu": -1}), "mtu"),
        (Plugin::Bridge, json!({"isGateway": "yes"}), "isGateway"),
        (Plugin::Bridge, json!({"ipam": []}), "ipam"),
        (Plugin::Bridge, json!({"mac": "no-mac"}), "no-mac"),
        (Plugin::Bridge, json!({"prevResult": 7}), "prevResult"),
        (Plugin::Bridge, json!({"delegateTimeoutSeconds": "soon"}), "delegateTimeoutSeconds"),
        (Plugin::Shaper, json!({"bw": 7}), "bw"),
        (Plugin::Shaper, json!({"prevResult": {"cniVersion": LATEST, "interfaces": {}}}), "interfaces"),
        (Plugin::Portmap, json!({"snat": "yes"}), "snat"),
        (Plugin::Portmap, json!({"masqAll": 1}), "masqAll"),
        (Plugin::Portmap, json!({"markMasqBit": 32}), "markMasqBit is 32"),
        (Plugin::Portmap, json!({"markMasqBit": -1}), "markMasqBit is -1"),
        (Plugin::Portmap, json!({"externalSetMarkChain": 7}), "externalSetMarkChain"),
        (Plugin::Portmap, json!({"externalSetMarkChain": "A", "markMasqBit": 13}), "externalSetMarkChain"),
        (Plugin::Portmap, json!({"backend": "pf"}), "backend is \"pf\""),
        (Plugin::Portmap, json!({"conditionsV4": "-d 192.0.2.1"}), "conditionsV4"),
        (Plugin::Portmap, json!({"conditionsV4": [7]}), "conditionsV4"),
        (Plugin::Portmap, json!({"conditionsV4": ["-d", "2001:db8::1"]}), "conditionsV4: \"2001:db8::1\""),
        (Plugin::Portmap, json!({"conditionsV4": ["-j", "ACCEPT"]}), "conditionsV4: \"-j\""),
        (Plugin::Portmap, json!({"conditionsV6": ["-d"]}), "conditionsV6"),
        (Plugin::Portmap, json!({"conditionsV6": ["ip saddr 192.0.2.1"]}), "conditionsV6: ip saddr"),
        (Plugin::Portmap, json!({"runtimeConfig": {"portMappings": {}}}), "runtimeConfig.portMappings"),
        (Plugin::Portmap, port(json!({"hostPort": 0})), "portMappings[1].hostPort"),
        (Plugin::Portmap, port(json!({"hostPort": "8080"})), "portMappings[1].hostPort"),
        (Plugin::Portmap, port(json!({"hostPort": 65_536})), "portMappings[1].hostPort"),
        (Plugin::Portmap, port(json!({"containerPort": 0})), "portMappings[1].containerPort"),
        (Plugin::Portmap, port(json!({"containerPort": 80.5})), "portMappings[1].containerPort"),
        (Plugin::Portmap, port(json!({"containerPort": null})), "containerPort"),
        (Plugin::Portmap, port(json!({"protocol": "icmp"})), "portMappings[1].protocol"),
        (Plugin::Portmap, port(json!({"protocol": 6})), "portMappings[1].protocol"),
        (Plugin::Portmap, port(json!({"hostIP": "192.0.2.0/24"})), "192.0.2.0/24"),
        (Plugin::Portmap, port(json!({"hostIP": 7})), "portMappings[1].hostIP"),
        (Plugin::Portmap, port(json!({"hostIP": "::1"})), "::1"),
        (Plugin::Portmap, port(json!({"hostIP": "224.0.0.1"})), "multicast"),
        (Plugin::Portmap, with(&port(json!({"hostIP": "127.0.0.1"})), json!({"snat": false})), "snat"),
        (Plugin::Portmap, port(json!({"hostPort": 8081, "containerPort": 81})), "port 8081/tcp"),
        (Plugin::Portmap, json!({"prevResult": {"cniVersion": LATEST, "interfaces": {}}}), "interfaces"),
        (Plugin::Portmap, json!({"prevResult": {"cniVersion": LATEST}}), "prevResult has no address of eth0"),
        (Plugin::HostLocal, range(json!({"subnet": "10.1.0.0"})), "10.1.0.0"),
        (Plugin::HostLocal, range(json!({"subnet": 7})), "subnet"),
        (Plugin::HostLocal, range(json!({})), "subnet"),
        (Plugin::HostLocal, range(json!({"subnet": "10.1.0.0/24", "rangeStart": "10.2.0.1"})), "10.2.0.1"),
        (Plugin::HostLocal, json!({"ipam": {"type": "host-local"}}), "range"),
        (Plugin::HostLocal, json!({"ipam": {"type": "host-local", "ranges": "10.1.0.0/24"}}), "ranges"),
        (Plugin::Static, address(json!({"address": "10.1.0.5"})), "10.1.0.5"),
        (Plugin::Static, address(json!({"address": "10.1.0.5/33"})), "10.1.0.5/33"),
        (Plugin::Static, address(json!({"gateway": "10.1.0.1"})), "address"),
    ] {
        let config = with(&scene.config(plugin, LATEST), keys);
        let before = scene.state();
        let (code, msg, details) = scene.call(plugin, "ADD", config.clone()).run().error();
        assert_eq!(code, 7, "{plugin:?} {config}: {msg}");
        assert!(format!("{msg} {details}").contains(culprit), "{plugin:?} names {culprit}: {msg}");
        assert_eq!(before, scene.state(), "{config}");
        scene.ready(Plugin::Bridge, "DEL").run().ok();
    }
}

#[test]
fn the_name_of_the_network_is_checked() {
    cites!("CFG-3");
    let scene = Scene::with_a_switch();
    for plugin in ALL {
        let config = scene.config(plugin, LATEST);
        let before = scene.state();
        for name in [Value::Null, json!(""), json!("-net"), json!("a/b"), json!("../net"), json!("a b"), json!(7)] {
            for command in ["ADD", "DEL", "GC"] {
                let (code, msg, _) = scene.call(plugin, command, with(&config, json!({"name": name}))).run().error();
                assert_eq!(code, 7, "{plugin:?} {command} {name}: {msg}");
                assert!(msg.contains("name"), "{plugin:?} {command} {name}: {msg}");
            }
        }
        assert_eq!(before, scene.state());
    }
}

#[test]
fn unknown_keys_are_told_on_stderr_and_do_not_fail() {
    cites!("CFG-4", "ERR-8");
    let scene = Scene::new();
    let config = with(&Plugin::Bridge.config(LATEST), json!({"isGatway": true, "args": {"made-up": {"a": 1}}}));
    let reply = scene.call(Plugin::Bridge, "ADD", config).run();
    reply.ok();
    assert!(reply.stderr.contains("isGatway") && reply.stderr.contains("isGateway"), "{reply}");
    assert!(!reply.stderr.contains("args") && !reply.stderr.contains("made-up"), "args are nobody's business: {reply}");
}

/// Configurations of ovs-cni say `"type": "ovs"`, and the executable is a link of that name.
#[test]
fn unknown_keys_are_told_under_the_name_of_a_link_too() {
    cites!("CFG-4", "ERR-8");
    let scene = Scene::with_a_switch();
    let link = scene.directory("links").join("ovs");
    std::os::unix::fs::symlink(harness::bin("ovs-port"), &link).expect("a link");
    let config = with(&Plugin::OvsPort.config(LATEST), json!({"type": "ovs", "vlam": 7}));
    for (executable, is_told) in [(link.display().to_string(), true), ("ovs-port".to_owned(), false)] {
        let call = |command| {
            let call = Invocation::new(&executable, command).config(config.clone()).path(harness::bin_dir());
            call.container("c1").netns(&scene.c1.path).ifname("eth0").run()
        };
        let reply = call("ADD");
        reply.ok();
        assert_eq!(
            reply.stderr.contains("vlam") && reply.stderr.contains("\"vlan\""),
            is_told,
            "{executable}: {reply}"
        );
        call("DEL").ok();
    }
}

#[test]
fn well_known_keys_keep_their_meaning() {
    cites!("CFG-5");
    let scene = Scene::new();
    let dns =
        json!({"nameservers": ["10.1.0.53"], "domain": "a.example", "search": ["b.example"], "options": ["ndots:5"]});
    let config = with(&Plugin::Bridge.config(LATEST), json!({"dns": dns}));
    let (result, config) = scene.added(Plugin::Bridge, &config);
    assert_eq!(result["dns"], dns);
    assert_eq!(State::allocations().len(), 1, "ipam.type chose host-local");
    scene.call(Plugin::Bridge, "DEL", config).run().ok();
    let ipam = json!({"type": "static", "addresses": [{"address": "10.1.0.5/24"}], "dns": dns});
    let result =
        scene.call(Plugin::Static, "ADD", with(&Plugin::Static.config(LATEST), json!({"ipam": ipam}))).run().ok();
    assert_eq!(result["dns"], dns);
}

/// As in the reference: any list counts, and a domain unless it is empty.
#[test]
fn the_resolver_of_the_configuration_replaces_that_of_ipam() {
    cites!("CFG-5", "DLG-8");
    let scene = Scene::with_a_switch();
    let of_ipam = json!({"nameservers": ["10.1.0.53"], "search": ["ipam.example"]});
    let ipam = json!({"type": "static", "addresses": [{"address": "10.1.0.5/24"}], "dns": of_ipam});
    let of_another = json!({"cniVersion": LATEST, "dns": {"nameservers": ["10.1.0.54"]}});
    for plugin in [Plugin::Bridge, Plugin::Secondary, Plugin::OvsPort, Plugin::Overlay] {
        for (own, expected) in [
            (Value::Null, &of_ipam),
            (json!({}), &of_ipam),
            (json!({"domain": "", "nameservers": null}), &of_ipam),
            (json!({"nameservers": ["9.9.9.9"]}), &json!({"nameservers": ["9.9.9.9"]})),
            (json!({"domain": "a.example"}), &json!({"domain": "a.example"})),
            (json!({"search": []}), &json!({})),
        ] {
            let keys = json!({"ipam": ipam, "dns": own, "prevResult": of_another});
            let config = with(&scene.config(plugin, LATEST), keys);
            let result = scene.call(plugin, "ADD", config.clone()).run().ok();
            assert_eq!(&result["dns"], expected, "{plugin:?} {own}");
            scene.call(plugin, "DEL", config).run().ok();
        }
    }
}

#[test]
fn a_delegate_type_that_is_a_path_is_not_executed() {
    cites!("CFG-6");
    let scene = Scene::with_a_switch();
    let delegate = Delegate::answering(&scene, &json!({"cniVersion": LATEST, "ips": [{"address": "10.9.0.1/24"}]}));
    let before = scene.state();
    for kind in ["../made-up/made-up", "./made-up", "/run/scene/made-up/made-up", "..", "made\\up", "made-up/"] {
        let config = with(&Plugin::Bridge.config(LATEST), json!({"ipam": {"type": kind}}));
        for command in ["ADD", "DEL", "GC", "STATUS"] {
            let config = with(&config, json!({"cni.dev/valid-attachments": []}));
            let call = scene.call(Plugin::Bridge, command, config);
            let (code, msg, _) = call.path(delegate.path()).run().error();
            assert_eq!(code, 7, "{command} {kind}: {msg}");
            assert!(msg.contains("ipam.type"), "{command} {kind}: {msg}");
        }
    }
    assert_eq!(delegate.calls().len(), 0);
    assert_eq!(before, scene.state());
    for plugin in ALL {
        let config = with(&plugin.config(LATEST), json!({"type": "a/b"}));
        let (code, msg, _) = scene.call(plugin, "ADD", config).run().error();
        assert!(code == 7 && msg.contains("type"), "{plugin:?} {code}: {msg}");
    }
}

#[test]
fn reserved_keys_are_no_obstacle() {
    cites!("CFG-7");
    let scene = Scene::with_a_switch();
    for plugin in ALL {
        let reserved =
            json!({"cni.dev/made-up": {"a": [1]}, "cni.dev/attachments": [], "cni.dev/valid-attachments": []});
        let config = with(&scene.config(plugin, LATEST), reserved);
        for command in ["ADD", "STATUS", "DEL"] {
            let reply = scene.call(plugin, command, config.clone()).run();
            reply.ok();
            assert!(!reply.stderr.contains("cni.dev/"), "{plugin:?} {command}: {reply}");
        }
        scene.ready(Plugin::Bridge, "DEL").run().ok();
    }
}

#[test]
fn capabilities_arrive_in_the_runtimes_configuration_only() {
    cites!("CFG-8", "CAP-1");
    let scene = Scene::new();
    let asked = "10.1.0.99/24";
    for (capabilities, runtime, expected) in [
        (json!({"ips": true}), json!({"ips": [asked]}), asked),
        (json!({"ips": [asked]}), json!({}), "10.1.0.2/24"),
        (Value::Null, json!({"made-up": [1]}), "10.1.0.2/24"),
    ] {
        let keys = json!({"capabilities": capabilities, "runtimeConfig": runtime, "name": format!("net-{expected}").replace('/', "-")});
        let config = with(&Plugin::HostLocal.config(LATEST), keys);
        let result = scene.call(Plugin::HostLocal, "ADD", config.clone()).run().ok();
        assert_eq!(result["ips"][0]["address"], expected, "{config}");
        scene.call(Plugin::HostLocal, "DEL", config).run().ok();
        std::fs::remove_dir_all("/var/lib/cni/networks").expect("host-local starts over");
    }
}

#[test]
fn ipam_needs_its_section() {
    cites!("CFG-2");
    for plugin in IPAM {
        let scene = Scene::new();
        let config = with(&plugin.config(LATEST), json!({"ipam": null}));
        let (code, msg, _) = scene.call(plugin, "ADD", config).run().error();
        assert!(code == 7 && msg.contains("ipam"), "{plugin:?} {code}: {msg}");
        assert_eq!(State::allocations().len(), 0);
    }
}

#[test]
fn bridge_without_ipam_is_layer_2_only() {
    cites!("CFG-5");
    let scene = Scene::new();
    for ipam in [Value::Null, json!({}), json!({"type": ""})] {
        let config = with(&Plugin::Bridge.config(LATEST), json!({"ipam": ipam}));
        let result = scene.call(Plugin::Bridge, "ADD", config.clone()).run().ok();
        assert!(result["ips"].as_array().is_none_or(Vec::is_empty), "{ipam}: {result}");
        scene.call(Plugin::Bridge, "DEL", config).run().ok();
    }
    let call = Invocation::new("bridge", "STATUS").config(with(&Plugin::Bridge.config(LATEST), json!({"ipam": {}})));
    call.run().ok();
}
