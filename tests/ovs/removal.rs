//! DEL: whatever is missing by then.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::{State, cites, with};

use crate::site::{Site, address, network};

/// Try again later.
const LATER: u64 = 11;

fn kinds() -> [Value; 3] {
    let keys = json!({"mirrors": [{"name": "m1", "ingress": true}], "patchTo": "br-up"});
    ["veth", "internal", "tap"].map(|kind| with(&network(keys.clone()), json!({"nic": kind})))
}

fn site() -> Site {
    let site = Site::new();
    site.ovs.add_bridge_of(harness::Datapath::Netdev, "br-up");
    site
}

#[test]
fn without_a_result_or_a_namespace_and_again() {
    cites!("DEL-3", "DEL-4", "DEL-5", "DEL-8");
    let site = site();
    let before = site.state();
    for config in kinds() {
        let (_, attached) = site.added(site.c1(), "eth1", &config);
        site.deleted(site.c1(), "eth1", &config);
        site.deleted(site.c1(), "eth1", &config);
        site.deleted(site.c1(), "eth1", &attached);
        assert_eq!(before, site.state(), "{config}");

        for is_named in [true, false] {
            let gone = site.scene.host.namespace("gone");
            site.added(&gone, "eth1", &config);
            gone.delete();
            let call = site.call(&gone, "eth1", "DEL", &config);
            if is_named {
                call.run().ok()
            } else {
                call.unset("CNI_NETNS").run().ok()
            };
            assert_eq!(before, site.state(), "{config}");
        }
    }
}

#[test]
fn a_changed_configuration_still_finds_all() {
    cites!("DEL-8");
    let site = Site::new();
    let before = site.state();
    let made = json!({"bridge": "br-made", "datapath_type": "netdev"});
    for kind in ["veth", "internal", "tap"] {
        let config = network(json!({"nic": kind}));
        site.added(site.c1(), "eth1", &with(&config, made.clone()));
        // The port is found by what its row says; the bridge that it was on goes with GC.
        site.deleted(site.c1(), "eth1", &with(&config, json!({"nic": "veth", "vlan": 5})));
        site.collect(&config, &[]).ok();
        assert_eq!(before, site.state(), "{kind}");
    }
}

#[test]
fn a_switch_that_is_dead_or_stopped_is_not_waited_for() {
    cites!("DEL-3");
    let site = site();
    let before = site.state();
    for is_dead in [true, false] {
        for config in kinds() {
            site.added(site.c1(), "eth1", &config);
            if is_dead {
                site.ovs.switch().kill();
            } else {
                site.ovs.switch().freeze();
            }
            let start = Instant::now();
            site.deleted(site.c1(), "eth1", &config);
            assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
            assert!(!site.ovs.rows().to_string().contains("plugboard"), "{:#}", site.ovs.rows());
            assert_eq!(State::allocations().len(), 0);
            if is_dead {
                // What a process that is gone has made inside goes with DEL, too.
                assert_ne!(site.c1().sh("ip link show dev eth1").status, 0, "{config}");
                site.ovs.switch().run();
            } else {
                site.ovs.switch().thaw();
            }
            assert_eq!(before, site.state(), "{config} {is_dead}");
        }
    }
}

#[test]
fn without_a_database_the_rest_goes_and_later_the_rows() {
    cites!("DEL-3", "ERR-8");
    let site = site();
    let before = site.state();
    for config in kinds() {
        let (_, attached) = site.added(site.c1(), "eth1", &config);
        site.ovs.database().kill();
        let reply = site.call(site.c1(), "eth1", "DEL", &attached).run();
        assert_eq!(reply.error().0, LATER, "{reply}");
        assert!(reply.error().1.contains("ovsdb-server"), "{reply}");
        assert_eq!(State::allocations().len(), 0, "the address is free");
        if config["nic"] != "internal" {
            let links = harness::sh("ip -br link").ok() + &site.c1().sh("ip -br link").ok();
            assert!(!links.contains("pb") && !links.contains("eth1"), "{links}");
        }
        site.ovs.restart_database();
        assert!(site.ovs.rows().to_string().contains("plugboard"));
        site.deleted(site.c1(), "eth1", &config);
        assert_eq!(before, site.state(), "{config}");
    }
}

/// The switch keeps the device of a port that was removed and made again before it looked.
#[test]
fn an_internal_port_of_the_same_name_gets_a_device_of_its_own() {
    let site = Site::new();
    let before = site.state();
    let config = network(json!({"nic": "internal"}));
    site.added(site.c1(), "eth1", &config);
    let (neighbour, other) = site.added(&site.c3, "eth3", &config);
    site.ovs.switch().freeze();
    site.deleted(site.c1(), "eth1", &config);
    let call = site.call(&site.c2, "eth1", "ADD", &config);
    let reply = std::thread::scope(|scope| {
        let call = scope.spawn(move || call.run());
        harness::wait_until("ADD has written its rows", || site.ovs.rows().to_string().contains("\"c2\""));
        site.ovs.switch().thaw();
        call.join().expect("the call ends")
    });
    let result = reply.ok();
    assert_ne!(site.c1().sh("ip link show dev eth1").status, 0, "the first container has none any more");
    assert!(site.c2.ping(&address(&neighbour), 2).all_answered());
    let attached = with(&config, json!({"prevResult": result}));
    site.checked(&site.c2, "eth1", &attached);
    site.deleted(&site.c2, "eth1", &attached);
    site.deleted(&site.c3, "eth3", &other);
    assert_eq!(before, site.state());
}

#[test]
fn what_has_become_invalid_does_not_matter_unless_it_names_the_switch() {
    cites!("DEL-2", "DEL-5");
    let site = site();
    let before = site.state();
    let config = network(json!({}));
    for keys in [
        json!({"vlan": 5000}),
        json!({"mtu": "x"}),
        json!({"nic": "foo"}),
        json!({"trunk": "x"}),
        json!({"mirrors": [{}]}),
        json!({"datapath_type": "x"}),
        json!({"configuration_path": "/etc", "socket_file": "/run/openvswitch/db.sock"}),
    ] {
        site.added(site.c1(), "eth1", &config);
        site.call(site.c1(), "eth1", "DEL", &with(&config, keys.clone())).run().ok();
        assert_eq!(before, site.state(), "{keys}");
    }
    // No other switch than the one that is named.
    site.added(site.c1(), "eth1", &config);
    let rows = site.ovs.rows();
    let reply = site.call(site.c1(), "eth1", "DEL", &with(&config, json!({"socket_file": "foo"}))).run();
    assert_eq!(reply.error().0, 7, "{reply}");
    assert_eq!(rows, site.ovs.rows());
    site.deleted(site.c1(), "eth1", &config);
    assert_eq!(before, site.state());
}
