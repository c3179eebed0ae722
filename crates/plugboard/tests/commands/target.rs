//! What a target may be.

use crate::support::{Lab, assert_refused};
use harness::Snapshot;
use serde_json::{Value, json};

fn lab() -> Lab {
    let lab = Lab::new();
    lab.recorders(&["wire"]);
    lab.network("walt-net", &json!([{"type": "wire"}]));
    lab
}

#[test]
fn an_unknown_target_is_an_error_and_nothing_is_made() {
    let lab = lab();
    harness::sh("touch /run/file").ok();
    let before = Snapshot::take(&[], &["/run/netns", "/var/lib/cni"]);
    for (target, message) in [
        ("c9", "there is no network namespace at /run/netns/c9 or /var/run/netns/c9"),
        ("/run/netns/c9", "there is no network namespace at /run/netns/c9"),
        ("pid:4194305", "there is no network namespace at /proc/4194305/ns/net"),
        ("/run/file", "/run/file is not a network namespace"),
        ("/proc/self/ns/mnt --container-id m", "/proc/self/ns/mnt is not a network namespace"),
        ("/proc/self/ns/net --container-id n", "is the network namespace that plugboard itself runs in"),
        ("pid:x", "'pid:x' does not name a process"),
        ("''", "does not name a network namespace"),
        ("../netns", "there is no network namespace at"),
    ] {
        assert_refused(&lab.plugboard(&format!("attach {target} walt-net")), message);
    }
    assert_eq!(lab.calls(), Vec::<Value>::new());
    assert_eq!(before, Snapshot::take(&[], &["/run/netns", "/var/lib/cni"]));
}

#[test]
fn a_process_and_a_path_name_the_same_namespace() {
    let lab = lab();
    let c1 = lab.host.namespace("c1");
    let mut sleeper = c1.spawn("exec sleep 60");
    let pid = sleeper.child().id();
    let is_there =
        format!("! [ /proc/{pid}/exe -ef /proc/$$/exe ] && [ /proc/{pid}/ns/net -ef {} ]", c1.path.display());
    harness::wait_until("the process is in the namespace", || harness::sh(&is_there).status == 0);

    lab.plugboard(&format!("attach pid:{pid} walt-net")).ok();
    let call = &lab.calls()[0];
    assert_eq!(call["container"], format!("pid-{pid}"));
    assert_eq!(call["netns"], format!("/proc/{pid}/ns/net"));
    lab.plugboard(&format!("check /proc/{pid}/ns/net")).ok();

    // Also when the process is gone: its namespace lives on by its name.
    drop(sleeper);
    lab.calls();
    lab.plugboard(&format!("detach pid:{pid}")).ok();
    assert_eq!(lab.calls()[0]["netns"], "/run/netns/c1");
    lab.assert_nothing_remembered();
}

#[test]
fn an_interface_that_exists_is_not_touched() {
    let lab = lab();
    let c1 = lab.host.namespace("c1");
    c1.sh("ip link add eth1 type veth peer name eth1peer").ok();
    lab.network("b", &json!([{"type": "wire"}]));
    assert_refused(&lab.plugboard("attach c1 walt-net,b"), "/run/netns/c1 has an interface eth1 already");
    assert_refused(&lab.plugboard("attach c1 walt-net --ifname-prefix a/b"), "no interface can be named 'a/b0'");
    assert_eq!(lab.calls(), Vec::<Value>::new());
    lab.plugboard("attach c1 walt-net,b --ifname-prefix net").ok();
    assert_eq!(lab.calls_in_short(), ["ADD wire net0", "ADD wire net1"]);
}

#[test]
fn a_wrong_command_line_has_status_2() {
    let lab = lab();
    for args in ["", "attach c1", "attach c1 walt-net more", "fly c1", "detach"] {
        assert_eq!(lab.plugboard(args).status, 2, "{args}");
    }
    assert_eq!(lab.plugboard("--help").status, 0);
    assert!(lab.plugboard("completions bash").ok().contains("plugboard"));
    assert!(lab.plugboard("man").ok().contains(".TH plugboard"));
    let manual = lab.plugboard("man").ok();
    for command in ["attach", "detach", "check", "shape", "verify", "ls", "lac", "gc", "status"] {
        assert!(manual.contains(&format!("plugboard\\-{command}(1)")), "{command}: {manual}");
    }
    assert!(lab.plugboard("verify --help").ok().contains("rates in bit/s"));
    assert!(lab.plugboard("shape --help").ok().contains("upload.rate="));
}
