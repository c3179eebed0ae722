//! Namespaces whose settings are unusual: `lo` down, IPv6 off, no routes, and `/proc/sys` read-only.

use harness::{Namespace, sh};
use serde_json::{Value, json};
use tests::{LATEST, Plugin, Scene, cites, codes, with};

const BOTH: [&str; 2] = ["10.1.0.5", "fd00:1::5"];

fn network(plugin: Plugin, addresses: &[&str], keys: Value) -> Value {
    let address = |ip: &&str| json!({"address": format!("{ip}/{}", if ip.contains(':') { 64 } else { 24 })});
    let addresses: Vec<Value> = addresses.iter().map(address).collect();
    with(&with(&plugin.config(LATEST), json!({"ipam": {"type": "static", "addresses": addresses}})), keys)
}

/// Kinds of NICs with an address.
fn kinds(addresses: &[&str]) -> [(Plugin, Value); 4] {
    let of = |plugin, keys| (plugin, network(plugin, addresses, keys));
    [
        of(Plugin::Bridge, json!({})),
        of(Plugin::Bridge, json!({"isGateway": true, "enabledad": true})),
        of(Plugin::Secondary, json!({})),
        of(Plugin::Secondary, json!({"bridge": null, "mode": "routed"})),
    ]
}

fn is_up(ns: &Namespace, link: &str) -> bool {
    ns.ip(&format!("link show dev {link}"))[0]["flags"].to_string().contains("\"UP\"")
}

fn check_tells(scene: &Scene, plugin: Plugin, attached: &Value, culprit: &str) {
    let (code, msg, _) = scene.call(plugin, "CHECK", attached.clone()).run().error();
    assert!(code == codes::DIFFERENT && msg.contains(culprit), "{code} {msg}");
}

#[test]
fn a_container_reaches_its_own_addresses() {
    cites!("ADD-1");
    for (plugin, config) in kinds(&BOTH) {
        let scene = Scene::new();
        scene.c1.sh("ip link set lo down && sysctl -qw net.ipv6.conf.lo.disable_ipv6=1").ok();
        let (_, attached) = scene.added(plugin, &config);
        for address in BOTH {
            assert!(scene.c1.ping(address, 1).all_answered(), "{address}: {config}");
        }
        scene.call(plugin, "CHECK", attached.clone()).run().ok();
        scene.c1.sh("sysctl -qw net.ipv6.conf.lo.disable_ipv6=1").ok();
        check_tells(&scene, plugin, &attached, "net.ipv6.conf.lo.disable_ipv6");
        scene.c1.sh("sysctl -qw net.ipv6.conf.lo.disable_ipv6=0 && ip link set lo down").ok();
        check_tells(&scene, plugin, &attached, "interface lo in the container: want up, have down");
        scene.c1.sh("ip link set lo up").ok();
        scene.call(plugin, "DEL", attached).run().ok();
        assert!(is_up(&scene.c1, "lo"), "others may rely on it");
    }
}

#[test]
fn a_failed_call_leaves_lo_as_it_was() {
    cites!("ADD-6");
    let scene = Scene::new();
    let c2 = scene.host.namespace("c2");
    let fails = network(Plugin::Bridge, &["10.1.0.6"], json!({}));
    let routes = json!({"routes": [{"dst": "10.1.0.0/24", "gw": "10.1.0.1"}]});
    let fails = with(&fails, json!({"ipam": with(&fails["ipam"], routes)}));
    for is_used in [false, true] {
        if is_used {
            scene
                .call_for(&c2, "eth1", Plugin::Bridge, "ADD", network(Plugin::Bridge, &["10.1.0.5"], json!({})))
                .run()
                .ok();
        }
        c2.sh("ip link set lo down").ok();
        scene.call_for(&c2, "eth0", Plugin::Bridge, "ADD", fails.clone()).run().error();
        assert_eq!(is_up(&c2, "lo"), is_used);
    }
}

#[test]
fn without_ipv6_there_is_ipv4() {
    let settings = ["all", "default", "lo"].map(|of| format!("net.ipv6.conf.{of}.disable_ipv6=1"));
    for setting in settings {
        let scene = Scene::new();
        scene.c1.sh(&format!("sysctl -qw {setting}")).ok();
        sh(&format!("sysctl -qw {setting}")).ok();
        let taps = ["host", "container"].map(|place| {
            let keys = json!({"nic": "tap", "tapNamespace": place, "ipam": null});
            (Plugin::Bridge, with(&Plugin::Bridge.config(LATEST), keys))
        });
        for (plugin, config) in kinds(&BOTH[..1]).into_iter().chain(taps) {
            let before = scene.state();
            let (_, attached) = scene.added(plugin, &config);
            assert!(config["ipam"].is_null() || scene.c1.ping(BOTH[0], 1).all_answered());
            for verb in ["CHECK", "STATUS", "DEL"] {
                scene.call(plugin, verb, attached.clone()).run().ok();
            }
            assert_eq!(before, scene.state(), "{setting}: {config}");
        }
    }
}

/// Nobody has had an address there yet: not all kernels have a table of routes then.
#[test]
fn a_host_without_routes_is_no_obstacle() {
    for (plugin, config) in kinds(&BOTH) {
        let scene = Scene::new();
        sh("ip netns add other").ok();
        let other = Namespace { name: "other".to_owned(), path: "/run/netns/other".into() };
        let result = scene.call(plugin, "ADD", config.clone()).on(&other).run().ok();
        let attached = with(&config, json!({"prevResult": result}));
        for verb in ["CHECK", "STATUS", "DEL"] {
            scene.call(plugin, verb, attached.clone()).on(&other).run().ok();
        }
    }
}

/// `/proc/sys` as in many containers.
fn make_read_only() {
    sh("mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys").ok();
    assert!(sh("echo 1 > /proc/sys/net/ipv4/ip_forward").status != 0);
}

fn make_writable() {
    sh("mount -o remount,bind,rw /proc/sys && umount /proc/sys").ok();
}

/// A link that forwards takes no router advertisement unless `accept_ra` is 2. The gateway's family is the one that must be forwarded.
#[test]
fn what_is_as_it_should_be_is_not_noted() {
    let scene = Scene::new();
    sh("echo 1 > /proc/sys/net/ipv6/conf/all/forwarding").ok();
    make_read_only();
    let config = network(Plugin::Bridge, &["fd00:1::5"], json!({"isGateway": true}));
    scene.call(Plugin::Bridge, "STATUS", config.clone()).run().ok();
    let reply = scene.call(Plugin::Bridge, "ADD", config.clone()).run();
    reply.ok();
    assert!(!reply.stderr.contains("accept_ra"), "{reply}");
    let (code, msg, _) = scene
        .call(Plugin::Bridge, "STATUS", network(Plugin::Bridge, &["10.1.0.5"], json!({"isGateway": true})))
        .run()
        .error();
    assert!(code == 50 && msg.contains("ip_forward"), "{code} {msg}");
    make_writable();
    scene.call(Plugin::Bridge, "DEL", config).run().ok();
}

#[test]
fn precautions_that_cannot_be_taken_are_noted() {
    cites!("ADD-2");
    let scene = Scene::new();
    make_read_only();
    let config = network(Plugin::Bridge, &BOTH, json!({}));
    let added = scene.call(Plugin::Bridge, "ADD", config.clone()).run();
    let attached = with(&config, json!({"prevResult": added.ok()}));
    assert!(added.stderr.contains("cannot set net.ipv6.conf.br0.accept_ra to 0 (Read-only file system"), "{added}");
    assert!(added.stderr.contains("a container can give the host a default route"), "{added}");
    for verb in ["CHECK", "STATUS", "DEL"] {
        scene.call(Plugin::Bridge, verb, attached.clone()).run().ok();
    }
}

#[test]
fn what_is_needed_and_cannot_be_set_is_an_error_that_says_what_to_do() {
    cites!("ADD-6", "STA-1");
    let scene = Scene::new();
    sh("sysctl -qw net.ipv4.ip_forward=0").ok();
    make_read_only();
    let of =
        [(Plugin::Bridge, json!({"isGateway": true})), (Plugin::Secondary, json!({"bridge": null, "mode": "routed"}))];
    for (plugin, keys) in &of {
        let before = scene.state();
        for verb in ["ADD", "STATUS"] {
            let reply = scene.call(*plugin, verb, network(*plugin, &BOTH[..1], keys.clone())).run();
            let (_, msg, _) = reply.error();
            assert!(msg.contains("cannot set net.ipv4.ip_forward to 1: Read-only file system"), "{reply}");
            assert!(msg.contains("sysctl -w net.ipv4.ip_forward=1"), "{reply}");
            assert_eq!(before, scene.state());
        }
    }
    // Nothing is written and nothing is said if all is as it should be.
    make_writable();
    sh("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.default.accept_ra=0").ok();
    make_read_only();
    for (plugin, keys) in of {
        let config = network(plugin, &BOTH[..1], keys);
        let added = scene.call(plugin, "ADD", config.clone()).run();
        let attached = with(&config, json!({"prevResult": added.ok()}));
        assert_eq!(added.stderr, "", "{added}");
        for verb in ["CHECK", "STATUS", "DEL"] {
            scene.call(plugin, verb, attached.clone()).run().ok();
        }
    }
}
