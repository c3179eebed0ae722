//! SIGKILL at each system call of ADD: the DEL or GC that follows leaves nothing.

use harness::Invocation;
use integration::{call, links, with};
use lab::with_features;
use serde_json::{Value, json};

use super::cable::{Cable, config};
use super::{usual_features, usually};

/// Without addresses, so that what is counted is about the NIC.
fn plain(keys: &Value) -> Value {
    with(&config(keys), &json!({"ipam": null}))
}

/// Kills ADD after each of its system calls, and cleans up.
fn killed_and(clean_up: impl Fn(&Cable, &Value)) {
    let cable = Cable::new();
    let before = cable.state();
    for keys in usually([json!({"nic": "macvlan"}), json!({"nic": "ipvlan"}), json!({"nic": "vlan", "vlan": 10})]) {
        let config = plain(&keys);
        let (mut half_done, mut nameless) = (0, 0);
        for count in 0.. {
            let was_killed = call("ADD", &cable.c1, "eth1", &config).kill_after_system_calls(count);
            let left = links(&cable.c1);
            half_done += u32::from(was_killed && left.len() > 1);
            nameless += u32::from(left.iter().any(|name| name.starts_with("pc")));
            clean_up(&cable, &config);
            assert_eq!(links(&cable.c1), ["lo"], "{keys}: killed after {count} system calls");
            if !was_killed {
                break;
            }
        }
        assert!(
            half_done > 5 && nameless > 1,
            "{keys}: there was something {half_done} times, without a name {nameless} times"
        );
        assert_eq!(before, cable.state(), "{keys}");
    }
}

#[test]
fn del_after_a_kill_leaves_nothing() {
    with_features(usual_features(), || {
        killed_and(|cable, config| _ = call("DEL", &cable.c1, "eth1", config).run().ok())
    });
}

#[test]
fn del_without_the_namespace_after_a_kill_leaves_nothing() {
    with_features(usual_features(), || {
        killed_and(|cable, config| _ = call("DEL", &cable.c1, "eth1", config).unset("CNI_NETNS").run().ok());
    });
}

#[test]
fn gc_after_a_kill_leaves_nothing() {
    with_features(usual_features(), || {
        killed_and(|_, config| {
            let valid = |valid: Value| with(config, &json!({"cni.dev/valid-attachments": valid}));
            let of_other = with(&valid(json!([])), &json!({"name": "another"}));
            Invocation::new("veth-secondary", "GC").config(of_other).run().ok();
            Invocation::new("veth-secondary", "GC").config(valid(json!([]))).run().ok();
        });
    });
}
