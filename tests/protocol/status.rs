//! Section 7 of the checklist: STATUS.

use serde_json::{Value, json};
use tests::{ALL, Delegate, LATEST, Plugin, Scene, cites, with};

/// A pool with one usable address besides the gateway's.
fn small_pool() -> Value {
    json!({"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.9", "rangeEnd": "10.1.0.9"}]]})
}

#[test]
fn a_plugin_that_is_ready_says_nothing() {
    cites!("STA-1");
    let scene = Scene::with_a_switch();
    for plugin in ALL {
        let reply = scene.call(plugin, "STATUS", plugin.config(LATEST)).run();
        reply.ok();
        assert_eq!(reply.stdout, "", "{plugin:?}: {reply}");
    }
}

#[test]
fn every_kind_of_nic_and_queue_that_the_kernel_has_is_ready() {
    cites!("STA-1", "STA-2");
    let scene = Scene::new();
    let has_netem = harness::sh("tc qdisc add dev lo root netem delay 1ms && tc qdisc del dev lo root").status == 0;
    let before = scene.state();
    for (plugin, keys, is_ready) in [
        (Plugin::Bridge, json!({"nic": "veth", "mtu": 1400, "hairpinMode": true}), true),
        (Plugin::Bridge, json!({"nic": "tap", "owner": 1000, "group": 1000}), true),
        (Plugin::Bridge, json!({"promiscMode": true, "isGateway": true}), true),
        (Plugin::Bridge, json!({"ipMasq": true, "macspoofchk": true, "ipspoofchk": true}), true),
        (Plugin::Shaper, json!({"bw": "100Mbps", "lat": "10ms"}), has_netem),
        (Plugin::Shaper, json!({"bw": null, "lat": "10ms"}), has_netem),
        (Plugin::Portmap, json!({"masqAll": true, "conditionsV4": ["!", "-d", "192.0.2.0/24"]}), true),
        (Plugin::Portmap, json!({"snat": false, "conditionsV6": ["ip6 daddr != 2001:db8::/32"]}), true),
        (Plugin::Portmap, json!({"runtimeConfig": null}), true),
    ] {
        let reply = scene.call(plugin, "STATUS", with(&plugin.config(LATEST), keys.clone())).run();
        if is_ready {
            reply.ok();
            assert_eq!(reply.stdout, "", "{plugin:?} {keys}: {reply}");
        } else {
            let (code, msg, _) = reply.error();
            assert!(code == 50 && msg.contains("sch_netem"), "{keys}: {reply}");
        }
        assert_eq!(before, scene.state(), "{plugin:?} {keys}");
    }
}

/// The families are those that IPAM is going to give.
#[test]
fn an_mtu_that_its_addresses_cannot_have_is_refused() {
    cites!("STA-1");
    let scene = Scene::new();
    let of = |ipam: Value| with(&Plugin::Bridge.config(LATEST), json!({"mtu": 1000, "ipam": ipam}));
    let static_ones = |addresses: &[&str]| {
        let addresses: Vec<_> = addresses.iter().map(|address| json!({"address": address})).collect();
        json!({"type": "static", "addresses": addresses})
    };
    for ipam in [
        static_ones(&["fd00:1::5/64"]),
        static_ones(&["10.1.0.5/24", "fd00:1::5/64"]),
        json!({"type": "host-local", "ranges": [[{"subnet": "fd00:1::/64"}]]}),
    ] {
        for command in ["STATUS", "ADD"] {
            let (code, msg, _) = scene.call(Plugin::Bridge, command, of(ipam.clone())).run().error();
            assert!(code == 7 && msg.contains("MTU of 1000"), "{command} {ipam}: {code} {msg}");
        }
    }
    for ipam in [static_ones(&["10.1.0.5/24"]), json!({"type": "host-local", "subnet": "10.1.0.0/24"})] {
        scene.call(Plugin::Bridge, "STATUS", of(ipam)).run().ok();
    }
}

#[test]
fn a_link_in_the_way_of_the_bridge_is_reported() {
    cites!("STA-1", "STA-2");
    let scene = Scene::new();
    harness::sh("ip link add br0 type veth peer name far").ok();
    let (code, msg, _) = scene.call(Plugin::Bridge, "STATUS", Plugin::Bridge.config(LATEST)).run().error();
    assert!(code == 50 && msg.contains("br0"), "{code}: {msg}");
}

#[test]
fn an_exhausted_pool_is_not_available() {
    cites!("STA-1", "STA-2", "STA-3", "STA-5");
    let scene = Scene::new();
    let pool = json!({"ipam": small_pool()});
    scene.call(Plugin::HostLocal, "STATUS", with(&Plugin::HostLocal.config(LATEST), pool.clone())).run().ok();
    let (_, config) = scene.added(Plugin::Bridge, &with(&Plugin::Bridge.config(LATEST), pool.clone()));
    for plugin in [Plugin::HostLocal, Plugin::Bridge] {
        let (code, msg, _) = scene.call(plugin, "STATUS", with(&plugin.config(LATEST), pool.clone())).run().error();
        assert_eq!(code, 50, "{plugin:?}: {msg}");
        assert!(msg.contains("10.1.0.9"), "{plugin:?}: {msg}");
    }
    scene.call(Plugin::Bridge, "DEL", config).run().ok();
    scene.call(Plugin::Bridge, "STATUS", with(&Plugin::Bridge.config(LATEST), pool)).run().ok();
}

#[test]
fn other_commands_work_although_status_fails() {
    cites!("STA-4");
    let scene = Scene::new();
    let config = with(&Plugin::Bridge.config(LATEST), json!({"ipam": small_pool()}));
    let (_, attached) = scene.added(Plugin::Bridge, &config);
    scene.call(Plugin::Bridge, "STATUS", config.clone()).run().error();
    scene.call(Plugin::Bridge, "CHECK", attached.clone()).run().ok();
    let c2 = scene.host.namespace("c2");
    let other = with(&config, json!({"name": "net2", "bridge": "br2"}));
    scene.call_for(&c2, "eth0", Plugin::Bridge, "ADD", other).run().ok();
    scene.call(Plugin::Bridge, "DEL", attached).run().ok();
}

#[test]
fn the_delegates_status_becomes_the_plugins() {
    cites!("STA-5", "STA-2", "DLG-5");
    let scene = Scene::new();
    let config = with(&Plugin::Bridge.config(LATEST), json!({"ipam": {"type": "made-up"}}));
    for code in [50, 51] {
        let error = json!({"cniVersion": LATEST, "code": code, "msg": "the daemon sleeps"});
        let delegate = Delegate::failing(&scene, &json!({}), "STATUS", &error);
        let (found, msg, _) = scene.call(Plugin::Bridge, "STATUS", config.clone()).path(delegate.path()).run().error();
        assert_eq!(found, code);
        assert!(msg.contains("made-up") && msg.contains("the daemon sleeps"), "{msg}");
    }
    let missing = with(&config, json!({"ipam": {"type": "not-installed"}}));
    let (_, msg, _) = scene.call(Plugin::Bridge, "STATUS", missing).run().error();
    assert!(msg.contains("not-installed"), "{msg}");
}

#[test]
fn status_makes_nothing() {
    cites!("STA-1");
    let scene = Scene::with_a_switch();
    let before = scene.state();
    for plugin in ALL {
        scene.call(plugin, "STATUS", plugin.config(LATEST)).run().ok();
        assert_eq!(before, scene.state(), "{plugin:?}");
    }
}
