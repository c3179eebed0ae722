//! SIGKILL at every system call of ADD: DEL, or GC, leaves nothing of any kind of NIC.

use harness::{sh, soak};
use serde_json::{Value, json};
use tests::{LATEST, Plugin, Scene, cites, with};

/// Every kind that this machine's kernel can make. They use all that DEL and GC have to find.
fn kinds() -> Vec<Value> {
    let ipam = json!({"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00:1::/64"}]]});
    let of =
        |keys: Value| with(&json!({"cniVersion": LATEST, "name": "net", "type": "veth-secondary", "ipam": ipam}), keys);
    vec![
        of(json!({"isGateway": true, "ipMasq": true, "macspoofchk": true, "ipspoofchk": true})),
        of(json!({"mode": "routed", "ipMasq": true})),
        of(json!({"nic": "tap", "ipam": null})),
        of(json!({"nic": "tap", "tapNamespace": "container", "ipam": null})),
    ]
}

/// Kills ADD after every `step` system calls, and calls `then`.
fn killed(scene: &Scene, step: usize, then: impl Fn(&Value)) {
    sh("iptables -P FORWARD DROP && echo 1 > /proc/sys/net/ipv4/ip_forward && echo 1 > /proc/sys/net/ipv6/conf/all/forwarding")
        .ok();
    let before = scene.state();
    for config in kinds() {
        let mut half_done = 0;
        for count in (0..).step_by(step) {
            let add = scene.call_for(&scene.c1, "eth1", Plugin::Secondary, "ADD", config.clone());
            let was_killed = add.kill_after_system_calls(count);
            half_done += u32::from(was_killed && before != scene.state());
            then(&config);
            assert_eq!(before, scene.state(), "{config} killed after {count} system calls");
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
    let scene = Scene::new();
    killed(&scene, soak::size(13, 1), |config| {
        scene.call_for(&scene.c1, "eth1", Plugin::Secondary, "DEL", config.clone()).run().ok();
    });
}

#[test]
fn gc_leaves_nothing() {
    cites!("GC-1", "DEL-8");
    let scene = Scene::new();
    killed(&scene, soak::size(13, 1), |config| {
        let collection = with(config, json!({"cni.dev/valid-attachments": []}));
        scene.call(Plugin::Secondary, "GC", collection).run().ok();
    });
}
