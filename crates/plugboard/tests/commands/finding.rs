//! Which container a target is.

use std::fs;

use crate::support::{Lab, assert_refused};
use harness::sh;
use serde_json::{Value, json};

/// An ID as runtimes draw them, and another that begins likewise.
const DRAWN: &str = "4f5a0c1e77d2b3964f5a0c1e77d2b3964f5a0c1e77d2b3964f5a0c1e77d2b396";
const OTHER: &str = "4f5b0c1e77d2b3964f5a0c1e77d2b3964f5a0c1e77d2b3964f5a0c1e77d2b396";

fn lab() -> Lab {
    let lab = Lab::with_own_plugins();
    let ipam = json!({"type": "host-local", "subnet": "10.8.0.0/24", "dataDir": "/run/ipam"});
    lab.network("lan", &json!([{"type": "bridge", "bridge": "br0", "ipam": ipam}, {"type": "netem-shaper"}]));
    lab
}

/// Attaches as a runtime on libcni before 1.2 does: it records no namespace.
fn attach_as_old_runtimes_do(lab: &Lab, id: &str, namespace: &str) {
    lab.host.namespace(namespace);
    lab.plugboard(&format!("attach --container-id {id} {namespace} lan")).ok();
    let file = format!("/var/lib/cni/results/lan-{id}-eth0");
    let mut record: Value = serde_json::from_slice(&fs::read(&file).expect("a record")).expect("JSON");
    for key in ["plugboard", "netns"] {
        record.as_object_mut().expect("an object").remove(key);
    }
    fs::write(&file, record.to_string()).expect("a record");
}

#[test]
fn what_an_old_runtime_attached_is_found_by_what_ls_prints() {
    let lab = lab();
    attach_as_old_runtimes_do(&lab, DRAWN, "cni-1");
    attach_as_old_runtimes_do(&lab, OTHER, "cni-2");
    let before = lab.plugboard("ls").ok();
    for target in [DRAWN, "4f5a0c", "4f5a0c1e77d2", "cni-1", "/run/netns/cni-1"] {
        assert!(lab.plugboard(&format!("check {target}")).ok().contains("ok"), "{target}");
        assert!(lab.plugboard(&format!("shape {target} eth0 bw=7Mbps")).ok().contains("bw=7Mbps"), "{target}");
        lab.plugboard(&format!("shape {target} eth0 bw=none")).ok();
    }
    lab.plugboard("gc").ok();
    assert_eq!(lab.plugboard("ls").ok(), before);
    assert_refused(
        &lab.plugboard("check 4f5"),
        &format!("'4f5' is the beginning of several containers, {DRAWN}, {OTHER}"),
    );
    // So few digits may be a name.
    assert_refused(&lab.plugboard("detach 4f5a"), "'4f5a' is neither a container that is attached nor");
    lab.plugboard("detach 4f5a0c").ok();
    sh("ip netns delete cni-2").ok();
    assert!(lab.plugboard("gc").ok().contains(OTHER));
    lab.assert_nothing_remembered();
    assert_eq!(sh("find /run/ipam -name '10.*'").ok(), "");
}

#[test]
fn an_unknown_target_is_an_error_of_every_command() {
    let lab = lab();
    lab.host.namespace("c1");
    lab.plugboard("attach c1 lan").ok();
    let hint = "'typo' is neither a container that is attached nor a network namespace";
    for command in [
        "detach typo",
        "detach --force typo",
        "detach --dry-run typo",
        "check typo",
        "shape typo eth0",
        "verify typo eth0",
    ] {
        assert_refused(&lab.plugboard(command), hint);
    }
    assert_refused(&lab.plugboard("detach c2"), "the nearest is 'c1'");
    assert_refused(
        &lab.plugboard("detach /run/netns/c2"),
        "there is no network namespace at /run/netns/c2, and no record",
    );
    assert_refused(&lab.plugboard("detach pid:4194304"), "no record of container pid-4194304");
    assert_refused(&lab.plugboard("detach vm:web"), "there is no virtual machine web");
    assert_refused(&lab.plugboard("check docker:web"), "pid:$(docker inspect --format '{{.State.Pid}}' web)");
    // What is known and not attached is detached.
    lab.host.namespace("c3");
    lab.plugboard("detach c3").ok();
    lab.plugboard("detach c1").ok();
    lab.plugboard("detach c1").ok();
    // Whoever names an ID means it.
    lab.plugboard("detach typo --container-id typo").ok();
}

/// Scripts detach what may be gone already.
#[test]
fn detach_does_not_take_a_name_for_the_beginning_of_another() {
    let lab = lab();
    for name in ["web-10", "web-1"] {
        lab.host.namespace(name);
        lab.plugboard(&format!("attach {name} lan")).ok();
    }
    lab.plugboard("detach web-1").ok();
    sh("ip netns delete web-1").ok();
    assert_refused(&lab.plugboard("detach web-1"), "neither a container that is attached nor");
    assert!(lab.remembered("lan", "web-10", "eth0").is_some());
    lab.plugboard("check web-1").ok();
}

/// The last part of a path is a name as others have it.
#[test]
fn another_namespace_of_the_same_name_is_not_the_containers() {
    let lab = lab();
    lab.host.namespace("web");
    lab.plugboard("attach web lan").ok();
    lab.host.namespace("web-other");
    sh("mkdir -p /run/other && touch /run/other/web && mount --bind /run/netns/web-other /run/other/web").ok();
    for command in ["check", "detach", "detach --dry-run", "shape"] {
        let interface = if command == "shape" { "eth0 bw=1Mbps" } else { "" };
        let refused = lab.plugboard(&format!("{command} /run/other/web {interface}"));
        assert_refused(&refused, "container web is attached in another namespace, /run/netns/web");
    }
    for options in ["", "--container-id web"] {
        let refused = lab.plugboard(&format!("attach {options} /run/other/web lan --ifname net1"));
        assert_refused(&refused, "container web is attached already, with the namespace /run/netns/web");
    }
    assert_refused(&lab.plugboard("detach /run/missing/web"), "no record of container web there");
    lab.plugboard("check web").ok();
    lab.plugboard("attach --container-id other /run/other/web lan").ok();
    lab.plugboard("detach /run/other/web").ok();
    assert!(lab.remembered("lan", "web", "eth0").is_some());
    sh("umount /run/other/web").ok();
}

#[test]
fn two_containers_of_one_namespace_are_told_apart() {
    let lab = lab();
    lab.host.namespace("pod");
    lab.plugboard("attach --container-id one pod lan").ok();
    lab.plugboard("attach --container-id two --ifname net1 pod lan").ok();
    assert_refused(&lab.plugboard("check pod"), "the namespace pod is that of several containers, one, two");
    assert!(lab.plugboard("check two").ok().contains("net1"));
    lab.plugboard("detach one").ok();
    assert!(lab.plugboard("check pod").ok().contains("net1"));
}
