//! SIGKILL at system calls of ADD and DEL: DEL, or GC, leaves nothing, whatever the kind of cloud.

use harness::soak;
use serde_json::{Value, json};
use tests::{cites, with};

use crate::site::{Site, listed, network};

/// They use all that DEL and GC have to find.
fn kinds() -> Vec<Value> {
    let told = json!({"group": null, "mode": "evpn", "vni": 100});
    let addressed = json!({"ipam": {"type": "host-local", "subnet": "10.1.0.0/24"}, "macspoofchk": true});
    vec![
        with(&network(told), addressed.clone()),
        with(&network(json!({})), addressed),
        network(json!({"mode": "vxvde", "nic": "tap"})),
        listed(&["192.0.2.2", "192.0.2.3"]),
        network(json!({"peers": ["192.0.2.2", "198.51.100.0/24"]})),
    ]
}

/// Kills ADD after every `step` system calls, and calls `then`.
fn killed(step: usize, then: impl Fn(&Site, &Value)) {
    let site = Site::new();
    let before = site.state();
    for config in kinds() {
        let mut half_done = 0;
        for count in (0..).step_by(step) {
            let was_killed = site.call(site.c1(), "eth1", "ADD", &config).kill_after_system_calls(count);
            half_done += u32::from(was_killed && before != site.state());
            then(&site, &config);
            assert_eq!(before, site.state(), "{config} killed after {count} system calls");
            if !was_killed {
                break;
            }
        }
        assert!(half_done > 1, "{config}: there was something to clean up {half_done} times");
    }
}

#[test]
fn del_leaves_nothing() {
    cites!("DEL-8", "ADD-6");
    killed(soak::size(19, 1), |site, config| site.deleted(site.c1(), "eth1", config));
}

#[test]
fn gc_leaves_nothing() {
    cites!("GC-1", "DEL-8");
    killed(soak::size(23, 1), |site, config| {
        // What is in the namespace goes with that: GC does not know it.
        site.collect(config, &[]).ok();
    });
}

/// What a killed ADD has left the next one completes.
#[test]
fn the_next_add_completes_it() {
    cites!("ADD-6");
    let site = Site::new();
    let before = site.state();
    for config in kinds() {
        for count in (0..).step_by(soak::size(17, 1)) {
            let was_killed = site.call(&site.c2, "eth1", "ADD", &config).kill_after_system_calls(count);
            let (_, attached) = site.added(site.c1(), "eth1", &config);
            site.checked(site.c1(), "eth1", &attached);
            site.deleted(&site.c2, "eth1", &config);
            site.checked(site.c1(), "eth1", &attached);
            site.deleted(site.c1(), "eth1", &attached);
            assert_eq!(before, site.state(), "{config} killed after {count} system calls");
            if !was_killed {
                break;
            }
        }
    }
}

/// DEL that is killed is called again.
#[test]
fn del_that_is_killed_is_finished_by_the_next() {
    cites!("DEL-3", "DEL-8");
    let site = Site::new();
    let before = site.state();
    for config in kinds() {
        for count in (0..).step_by(soak::size(11, 1)) {
            let (_, attached) = site.added(site.c1(), "eth1", &config);
            let was_killed = site.call(site.c1(), "eth1", "DEL", &attached).kill_after_system_calls(count);
            site.deleted(site.c1(), "eth1", &attached);
            assert_eq!(before, site.state(), "{config} killed after {count} system calls");
            if !was_killed {
                break;
            }
        }
    }
}
