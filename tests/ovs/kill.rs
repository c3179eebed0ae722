//! SIGKILL at every system call of ADD: DEL, or GC, leaves nothing of any kind of NIC, in the database as little as on the host.

use harness::soak;
use serde_json::{Value, json};
use tests::{cites, with};

use crate::site::{Site, network};

/// They use all that DEL and GC have to find.
fn kinds() -> Vec<Value> {
    let made = json!({"bridge": "br-made", "datapath_type": "netdev", "patchTo": "br0",
        "mirrors": [{"name": "m1", "ingress": true}]});
    let of = |keys: Value| with(&network(made.clone()), keys);
    vec![of(json!({"max_rate": 10_000_000})), of(json!({"nic": "internal"})), of(json!({"nic": "tap"}))]
}

/// Kills ADD after every `step` system calls, and calls `then`.
fn killed(step: usize, then: impl Fn(&Site, &Value)) {
    let site = Site::new();
    let before = site.state();
    let brief = site.brief();
    for config in kinds() {
        let mut half_done = 0;
        for count in (0..).step_by(step) {
            let was_killed = site.call(site.c1(), "eth1", "ADD", &config).kill_after_system_calls(count);
            half_done += u32::from(was_killed && brief != site.brief());
            then(&site, &config);
            site.ovs.settle();
            assert_eq!(brief, site.brief(), "{config} killed after {count} system calls");
            if !was_killed {
                break;
            }
        }
        assert!(half_done > 1, "{config}: there was something to clean up {half_done} times");
        assert_eq!(before, site.state(), "{config}");
    }
}

#[test]
fn del_leaves_nothing() {
    cites!("DEL-8", "ADD-6");
    killed(soak::size(7, 1), |site, config| site.deleted(site.c1(), "eth1", config));
}

#[test]
fn gc_leaves_nothing() {
    cites!("GC-1", "DEL-8");
    killed(soak::size(11, 1), |site, config| {
        // What is in the namespace goes with that: GC does not know it.
        site.collect(config, &[]).ok();
    });
}

/// DEL that is killed is called again.
#[test]
fn del_that_is_killed_is_finished_by_the_next() {
    cites!("DEL-3", "DEL-8");
    let site = Site::new();
    let before = site.state();
    let brief = site.brief();
    for config in kinds() {
        for count in (0..).step_by(soak::size(13, 1)) {
            site.added(site.c1(), "eth1", &config);
            let was_killed = site.call(site.c1(), "eth1", "DEL", &config).kill_after_system_calls(count);
            site.deleted(site.c1(), "eth1", &config);
            site.ovs.settle();
            assert_eq!(brief, site.brief(), "{config} killed after {count} system calls");
            if !was_killed {
                break;
            }
        }
        assert_eq!(before, site.state(), "{config}");
    }
}
