//! Section 12 of the checklist: capabilities and arguments.

use serde_json::{Value, json};
use tests::{IPAM, LATEST, Plugin, Scene, cites, rules, with};

/// The first address of ADD.
fn address(scene: &Scene, plugin: Plugin, keys: Value, args: &str) -> String {
    let config = with(&plugin.config(LATEST), keys);
    let result = scene.call(plugin, "ADD", config.clone()).args(args).run().ok();
    scene.call(plugin, "DEL", config).args(args).run().ok();
    result["ips"][0]["address"].as_str().expect("an address").to_owned()
}

/// The MAC of the container's interface, as the result and the kernel tell it.
fn mac(scene: &Scene, keys: Value, args: &str) -> String {
    let config = with(&Plugin::Bridge.config(LATEST), keys);
    let config = with(&config, json!({"ipam": null}));
    let result = scene.call(Plugin::Bridge, "ADD", config.clone()).args(args).run().ok();
    let found = scene.c1.ip("link show dev eth0")[0]["address"].clone();
    scene.call(Plugin::Bridge, "DEL", config).args(args).run().ok();
    assert_eq!(result["interfaces"][2]["mac"], found);
    found.as_str().expect("a MAC").to_owned()
}

#[test]
fn capabilities_are_accepted_by_their_names() {
    cites!("CAP-1");
    let scene = Scene::new();
    assert_eq!(mac(&scene, json!({"runtimeConfig": {"mac": "02:00:00:00:00:01"}}), ""), "02:00:00:00:00:01");
    let asked = |ips: Value| json!({"runtimeConfig": {"ips": ips}});
    assert_eq!(address(&scene, Plugin::HostLocal, asked(json!(["10.1.0.50"])), ""), "10.1.0.50/24");
    assert_eq!(address(&scene, Plugin::HostLocal, asked(json!(["10.1.0.51/24"])), ""), "10.1.0.51/24");
    assert_eq!(address(&scene, Plugin::Static, asked(json!(["10.1.0.52/24"])), ""), "10.1.0.52/24");
    let ranges = json!({"ipam": {"type": "host-local"}, "runtimeConfig": {"ipRanges": [[{"subnet": "10.5.0.0/24"}]]}});
    assert_eq!(address(&scene, Plugin::HostLocal, ranges, ""), "10.5.0.2/24");
}

#[test]
fn the_shaping_capability_replaces_the_configured_limit() {
    cites!("CAP-1");
    let scene = Scene::new();
    let config = with(
        &scene.config(Plugin::Shaper, LATEST),
        json!({"capabilities": null, "runtimeConfig": {"shaping": {"bw": "20Mbps"}}}),
    );
    scene.call(Plugin::Shaper, "ADD", config).run().ok();
    let queues = harness::tc("qdisc show");
    let rates = queues.as_array().into_iter().flatten().filter_map(|queue| queue["options"]["rate"].as_u64());
    assert_eq!(rates.collect::<Vec<_>>(), [2_500_000], "20 Mbit/s, in bytes");
}

/// As Podman, CRI-O and kubelet hand them over, and as containerd does, with names of Go's own.
#[test]
fn published_ports_are_accepted_by_their_name() {
    cites!("CAP-1");
    let scene = Scene::new();
    let config = scene.config(Plugin::Portmap, LATEST);
    let before = scene.state();
    for (mapping, expected) in [
        (json!({"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}), "tcp . 8080 : 10.1.0.2 . 80 "),
        (json!({"hostPort": 8080, "containerPort": 80, "hostIP": "", "protocol": ""}), "tcp . 8080 : 10.1.0.2 . 80 "),
        (json!({"hostPort": 53, "containerPort": 5353, "protocol": "UDP"}), "udp . 53 : 10.1.0.2 . 5353 "),
        (
            json!({"HostPort": 53, "ContainerPort": 53, "Protocol": "sctp", "HostIP": "192.0.2.7"}),
            "sctp . 192.0.2.7 . 53 : 10.1.0.2 . 53 ",
        ),
    ] {
        let config = with(&config, json!({"runtimeConfig": {"portMappings": [mapping]}}));
        scene.call(Plugin::Portmap, "ADD", config.clone()).run().ok();
        let rules = rules();
        assert!(rules.contains(expected), "{mapping}: {rules}");
        scene.call(Plugin::Portmap, "DEL", config).run().ok();
        assert_eq!(before, scene.state(), "{mapping}");
    }
    for none in [json!({"portMappings": []}), json!({"portMappings": null}), json!({})] {
        let config = with(&config, json!({"runtimeConfig": none}));
        assert_eq!(scene.call(Plugin::Portmap, "ADD", config.clone()).run().ok(), config["prevResult"]);
        assert_eq!(before, scene.state(), "{none}");
    }
}

#[test]
fn malformed_capabilities_are_errors() {
    cites!("CAP-2");
    for (plugin, runtime, culprit) in [
        (Plugin::Bridge, json!({"mac": "zz:00:00:00:00:01"}), "mac"),
        (Plugin::Bridge, json!({"mac": "02:00:00:00:00"}), "mac"),
        (Plugin::Bridge, json!({"mac": "03:00:00:00:00:01"}), "mac"),
        (Plugin::Bridge, json!({"mac": 7}), "mac"),
        (Plugin::HostLocal, json!({"ips": "10.1.0.50"}), "ips"),
        (Plugin::HostLocal, json!({"ips": ["banana"]}), "banana"),
        (Plugin::HostLocal, json!({"ipRanges": [[{"subnet": "banana"}]]}), "banana"),
        (Plugin::Static, json!({"ips": ["banana"]}), "banana"),
        (Plugin::Static, json!({"ips": ["10.1.0.50"]}), "10.1.0.50"),
        (Plugin::Shaper, json!({"shaping": {"bw": "20 potatoes"}}), "20 potatoes"),
        (Plugin::Shaper, json!({"shaping": "20Mbps"}), "shaping"),
        (Plugin::Portmap, json!({"portMappings": "8080:80"}), "portMappings"),
        (Plugin::Portmap, json!({"portMappings": ["8080:80"]}), "portMappings[0]"),
        (Plugin::Portmap, json!({"portMappings": [{"containerPort": 80}]}), "hostPort"),
        (Plugin::Portmap, json!({"portMappings": [{"hostPort": 80}]}), "containerPort"),
        (Plugin::Portmap, json!({"portMappings": [{"hostPort": 80, "containerPort": 65_536}]}), "65536"),
        (Plugin::Portmap, json!({"portMappings": [{"hostPort": 80, "containerPort": 80, "protocol": "icmp"}]}), "icmp"),
        (Plugin::Portmap, json!({"portMappings": [{"hostPort": 80, "containerPort": 80, "hostIP": "eth0"}]}), "eth0"),
    ] {
        let scene = Scene::new();
        let config = with(&scene.config(plugin, LATEST), json!({"runtimeConfig": runtime}));
        let before = scene.state();
        let (code, msg, details) = scene.call(plugin, "ADD", config).run().error();
        assert_eq!(code, 7, "{plugin:?} {runtime}: {msg}");
        assert!(format!("{msg} {details}").contains(culprit), "{plugin:?} {runtime}: {msg}");
        assert_eq!(before, scene.state(), "{plugin:?} {runtime}");
    }
}

#[test]
fn an_address_that_cannot_be_had_is_an_error() {
    cites!("CAP-2", "CAP-5");
    let scene = Scene::new();
    let before = scene.state();
    let config = with(&Plugin::HostLocal.config(LATEST), json!({"runtimeConfig": {"ips": ["192.0.2.7"]}}));
    let (_, msg, _) = scene.call(Plugin::HostLocal, "ADD", config).run().error();
    assert!(msg.contains("192.0.2.7"), "{msg}");
    let (_, msg, _) = scene.ready(Plugin::HostLocal, "ADD").args("IP=192.0.2.8").run().error();
    assert!(msg.contains("192.0.2.8"), "{msg}");
    assert_eq!(before, scene.state());
}

#[test]
fn metadata_in_args_is_nobodys_business() {
    cites!("CAP-3", "CFG-4");
    let scene = Scene::new();
    for plugin in [Plugin::Bridge, Plugin::HostLocal, Plugin::Static, Plugin::Shaper, Plugin::Portmap] {
        let args =
            json!({"args": {"cni": {"labels": [{"key": "app", "value": "a"}], "made-up": {"a": 1}}, "other": [1]}});
        let config = with(&scene.config(plugin, LATEST), args);
        let reply = scene.call(plugin, "ADD", config.clone()).run();
        reply.ok();
        // The bridge is no gateway, by which the host would reach what is published.
        let mut notes = reply.stderr.lines().filter(|note| !note.starts_with("the host has no direct way"));
        assert_eq!(notes.next(), None, "{plugin:?}: {reply}");
        scene.call(plugin, "DEL", config).run().ok();
        scene.ready(Plugin::Bridge, "DEL").run().ok();
    }
}

#[test]
fn args_of_the_configuration_win_over_those_of_the_environment() {
    cites!("CAP-4");
    let scene = Scene::new();
    let args = |ip: &str| json!({"args": {"cni": {"ips": [ip]}}});
    assert_eq!(address(&scene, Plugin::HostLocal, args("10.1.0.60"), "IP=10.1.0.61"), "10.1.0.60/24");
    assert_eq!(address(&scene, Plugin::Static, args("10.1.0.62/24"), "IP=10.1.0.63/24"), "10.1.0.62/24");
    let one = with(&Plugin::HostLocal.config(LATEST), args("10.1.0.60"));
    let result = scene.call(Plugin::HostLocal, "ADD", one).args("IP=10.1.0.61").run().ok();
    assert_eq!(result["ips"].as_array().map(Vec::len), Some(1), "the other one is ignored: {result}");
}

#[test]
fn an_address_can_be_asked_for_in_the_environment() {
    cites!("CAP-5");
    let scene = Scene::new();
    assert_eq!(address(&scene, Plugin::HostLocal, json!({}), "IP=10.1.0.70"), "10.1.0.70/24");
    assert_eq!(address(&scene, Plugin::HostLocal, json!({}), "IP=10.1.0.71/24"), "10.1.0.71/24");
    let none = json!({"ipam": {"type": "static"}});
    assert_eq!(address(&scene, Plugin::Static, none, "IP=10.1.0.72/24;GATEWAY=10.1.0.1"), "10.1.0.72/24");
    for plugin in IPAM {
        let (code, msg, _) = scene.ready(plugin, "ADD").args("IP=banana").run().error();
        assert!([4, 7].contains(&code) && msg.contains("banana"), "{plugin:?} {code}: {msg}");
    }
}

#[test]
fn shaping_works_on_an_interface_that_others_made() {
    cites!("CAP-6");
    let scene = Scene::new();
    harness::sh("ip link add host0 type veth peer name eth0 netns c1 && ip link set host0 up").ok();
    scene.c1.sh("ip link set eth0 up").ok();
    let sandbox = scene.c1.path.to_str().expect("a path that is text");
    let interfaces = json!([{"name": "host0"}, {"name": "eth0", "sandbox": sandbox}]);
    let config =
        with(&Plugin::Shaper.config(LATEST), json!({"prevResult": {"cniVersion": LATEST, "interfaces": interfaces}}));
    let before = scene.state();
    scene.call(Plugin::Shaper, "ADD", config.clone()).run().ok();
    assert_eq!(harness::tc("qdisc show dev host0")[0]["kind"], "tbf");
    scene.call(Plugin::Shaper, "CHECK", config.clone()).run().ok();
    scene.call(Plugin::Shaper, "DEL", config).run().ok();
    assert_eq!(before, scene.state(), "the interface stays, without the limit");
}

#[test]
fn the_mac_is_the_most_specific_one() {
    cites!("CAP-7", "CAP-4");
    let scene = Scene::new();
    let runtime = json!({"mac": "02:00:00:00:00:01"});
    let args = json!({"cni": {"mac": "02:00:00:00:00:02"}});
    let environment = "IgnoreUnknown=1;MAC=02:00:00:00:00:03";
    let config = "02:00:00:00:00:04";
    let all = json!({"runtimeConfig": runtime, "args": args, "mac": config});
    assert_eq!(mac(&scene, all, environment), "02:00:00:00:00:01");
    assert_eq!(mac(&scene, json!({"args": args, "mac": config}), environment), "02:00:00:00:00:02");
    assert_eq!(mac(&scene, json!({"mac": config}), environment), "02:00:00:00:00:03");
    assert_eq!(mac(&scene, json!({"mac": config}), ""), "02:00:00:00:00:04");
}
