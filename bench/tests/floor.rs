//! The floor does the job that it is the measure of.

use std::path::Path;

use harness::{Host, ip, sh, tc};

/// Runs the floor, and returns what it printed.
fn floor(arguments: &[&str]) -> String {
    sh(&format!("{} {}", env!("CARGO_BIN_EXE_floor"), arguments.join(" "))).ok()
}

#[test]
fn what_it_adds_is_reachable_and_what_it_deletes_is_gone() {
    let host = Host::enter();
    sh("ip link add br0 type bridge && ip address add 10.9.0.1/16 dev br0 && ip link set br0 up").ok();
    std::fs::create_dir("/run/pool").unwrap();
    let containers = ["c1", "c2"].map(|name| host.namespace(name));
    let add = |place: usize, queue: &[&str]| {
        let netns = containers[place].path.to_str().unwrap();
        let name = format!("veth{place}");
        floor(&[&["add", "br0", &name, netns, "eth0", "/run/pool", "10.9"], queue].concat())
    };

    assert_eq!(add(0, &[]), "10.9.0.2");
    assert_eq!(add(1, &["12500000", "65536", "625000"]), "10.9.0.3");
    assert_eq!(containers[0].ping("10.9.0.1", 3).received, 3);
    assert_eq!(containers[0].ping("10.9.0.3", 3).received, 3);
    assert_eq!(containers[0].ip("route show default")[0]["gateway"], "10.9.0.1");
    assert_eq!(ip("link show veth0")[0]["master"], "br0");
    let queue = &tc("qdisc show dev veth1")[0];
    assert_eq!((&queue["kind"], &queue["options"]["rate"]), (&"tbf".into(), &12_500_000.into()));

    floor(&["del", "veth0", "/run/pool", "10.9.0.2"]);
    assert_ne!(sh("ip link show veth0").status, 0);
    assert!(!Path::new("/run/pool/10.9.0.2").exists());
    assert!(Path::new("/run/pool/10.9.0.3").exists());
}
