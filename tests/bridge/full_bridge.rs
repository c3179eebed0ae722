//! A bridge that has all the ports that the kernel allows.

use std::fmt::Write as _;

use harness::sh;
use serde_json::json;
use tests::{LATEST, Plugin, Scene, cites, with};

/// `BR_MAX_PORTS` of `net/bridge/br_private.h`, less the one that is reserved.
const PORTS: usize = 1023;

#[test]
fn a_full_bridge_is_told_by_name_with_what_to_do() {
    cites!("ADD-6", "STA-2");
    let scene = Scene::new();
    let mut batch = "link add br0 up type bridge\n".to_owned();
    for number in 1..PORTS {
        let _ = writeln!(batch, "link add p{number} master br0 type ifb");
    }
    let file = scene.directory("batch").join("ports");
    std::fs::write(&file, batch).expect("it is written");
    sh(&format!("echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6 && ip -batch {}", file.display())).ok();
    let config = Plugin::Bridge.config(LATEST);
    scene.call(Plugin::Bridge, "STATUS", config.clone()).run().ok();
    scene.call(Plugin::Bridge, "ADD", config.clone()).run().ok();
    let c2 = scene.host.namespace("c2");
    let left = || (sh("ip -o link | wc -l; ls /var/lib/cni/networks/*").ok(), c2.sh("ip -o link").ok());
    let before = left();
    for plugin in [Plugin::Bridge, Plugin::Secondary] {
        let config = with(&config, json!({"type": plugin.name()}));
        for (verb, expected) in [("ADD", 11), ("STATUS", 50)] {
            let (code, msg, _) = scene.call_for(&c2, "eth0", plugin, verb, config.clone()).run().error();
            assert_eq!(code, expected, "{verb}: {msg}");
            assert!(msg.contains("bridge br0 has 1023 ports") && msg.contains("another bridge"), "{verb}: {msg}");
        }
        assert_eq!(before, left());
    }
    scene.call(Plugin::Bridge, "DEL", config.clone()).run().ok();
    scene.call(Plugin::Bridge, "STATUS", config.clone()).run().ok();
    scene.call_for(&c2, "eth0", Plugin::Bridge, "ADD", config).run().ok();
}
