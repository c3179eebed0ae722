//! Commands wait for each other, and for nobody else.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::{Lab, assert_refused};
use harness::{sh, wait_until};
use serde_json::json;

const FILES: &str = "/run/plugboard /var/lib/cni/results";

fn lab() -> Lab {
    let lab = Lab::new();
    lab.recorders(&["wire", "keeper", "recorder"]);
    lab.file(
        "slow",
        "#!/bin/sh\n[ $CNI_COMMAND = ADD ] && { touch /run/begun; while [ ! -e /run/go ]; do sleep .02; done; }\nexec ${0%slow}recorder",
    );
    lab.network("walt-net", &json!([{"type": "wire"}, {"type": "keeper", "capabilities": {"shaping": true}}]));
    lab.network("slow-net", &json!([{"type": "slow"}]));
    lab
}

/// A lock that any process in the container can take on its namespace, or any user on a directory that he may read.
#[test]
fn nobody_else_can_hold_a_command_up() {
    let lab = lab();
    lab.host.namespace("c1");
    sh("mkdir -p /var/lib/cni/results && chmod 755 /var/lib/cni/results").ok();
    let _held: Vec<_> = ["/run/netns/c1", "/var/lib/cni/results"]
        .map(|file| harness::spawn(&format!("exec flock {file} sh -c 'touch /run/held.$$; exec sleep 600'")))
        .into_iter()
        .collect();
    wait_until("both are locked", || sh("ls /run/held.* | wc -l").ok() == "2");
    for command in ["attach c1 walt-net", "check c1", "shape c1 eth0 bw=5Mbps", "gc", "detach c1"] {
        let output = sh(&format!("timeout 20 sh -c '{}'", lab.command(command)));
        assert_eq!(output.status, 0, "{command}: {output:?}");
    }
}

#[test]
fn whoever_waits_says_for_whom_and_not_for_ever() {
    let lab = lab();
    let c1 = lab.host.namespace("c1");
    let process = c1.spawn("exec sleep 600");
    let process = {
        let mut process = process;
        let id = process.child().id();
        (process, id)
    };
    wait_until("it is in the namespace", || sh("ip netns pids c1").ok() == process.1.to_string());
    let mut attach = harness::spawn(&lab.command("attach --primary slow-net c1 slow-net").replace("; ", "; exec "));
    wait_until("the plugin is called", || fs::exists("/run/begun").expect("a directory"));
    let holder = format!("process {} (plugboard)", attach.child().id());
    // The same namespace under another ID, and the same ID.
    for command in
        [format!("attach pid:{} walt-net", process.1), "check --container-id c9 c1".to_owned(), "detach c1".to_owned()]
    {
        let output = lab.plugboard(&format!("--lock-timeout 2 {command}"));
        if command.starts_with("check") {
            assert_refused(&output, "container c9 is not attached");
            continue;
        }
        assert_refused(&output, &holder);
        assert!(output.stderr.contains("waiting for process"), "{command}: {output:?}");
        assert!(output.stderr.contains("for 2 s: find out why"), "{command}: {output:?}");
        assert!(
            output.stderr.contains("the namespace has been locked by process")
                || output.stderr.contains("container c1 has been locked by process"),
            "{command}: {output:?}"
        );
    }
    assert_refused(
        &lab.plugboard("--lock-timeout 1 gc"),
        "the list of records in /var/lib/cni/results has been locked by",
    );
    fs::write("/run/go", "").expect("written");
    assert!(attach.child().wait().is_ok_and(|status| status.success()));
    lab.plugboard("detach c1").ok();
}

/// It has inherited the lock, for the case that plugboard is killed.
#[test]
fn what_a_plugin_leaves_running_does_not_keep_the_lock() {
    let lab = lab();
    lab.file(
        "starter",
        "#!/bin/sh\n[ $CNI_COMMAND = ADD ] && { sleep 600 > /dev/null 2>&1 < /dev/null & }\nexec ${0%starter}recorder",
    );
    lab.network("walt-net", &json!([{"type": "starter"}]));
    lab.host.namespace("c1");
    lab.plugboard("attach c1 walt-net").ok();
    lab.plugboard("--lock-timeout 5 check c1").ok();
    lab.plugboard("--lock-timeout 5 detach c1").ok();
}

#[test]
fn no_file_is_for_others_whatever_the_umask() {
    let lab = lab();
    lab.host.namespace("c1");
    sh(&format!("umask 0; {}", lab.command("attach c1 walt-net"))).ok();
    assert_eq!(sh(&format!("find {FILES} -perm /077")).ok(), "");
    assert_eq!(sh("find /run/plugboard/lock").ok(), "/run/plugboard/lock");
    sh("chmod 777 /var/lib/cni/results && chmod 666 /run/plugboard/lock").ok();
    let output = lab.plugboard("shape c1 eth0 bw=5Mbps");
    output.ok();
    assert!(output.stderr.contains("/var/lib/cni/results could be written by others"), "{output:?}");
    let mode = |path: &str| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!((mode("/var/lib/cni/results"), mode("/run/plugboard/lock")), (0o755, 0o600));
    sh("chmod 777 /run/plugboard").ok();
    assert_refused(&lab.plugboard("detach c1"), "/run/plugboard must be a directory that only root can write");
    sh("chmod 755 /run/plugboard").ok();
    lab.plugboard("detach c1").ok();
}
