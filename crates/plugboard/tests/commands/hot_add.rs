//! Further interfaces of a container that is attached already, and fewer.

use crate::support::{Lab, assert_refused};
use harness::{Namespace, sh};
use serde_json::{Value, json};

fn lab() -> Lab {
    let lab = Lab::with_own_plugins();
    for (number, network) in ["a", "b", "c", "d"].iter().enumerate() {
        let ipam = json!({"type": "host-local", "subnet": format!("10.{number}.0.0/24"), "dataDir": "/run/ipam"});
        lab.network(network, &json!([{"type": "bridge", "bridge": network, "ipam": ipam}]));
    }
    lab
}

/// The interfaces of a container, each with its network, as `ls` prints them.
fn listed(lab: &Lab) -> Vec<String> {
    let all: Vec<Value> = serde_json::from_str(&lab.plugboard("ls --json").ok()).expect("a list");
    all.iter().map(|one| format!("{}={}", one["ifName"], one["network"]).replace('"', "")).collect()
}

fn interfaces(namespace: &Namespace) -> Vec<String> {
    let links = namespace.ip("link show");
    let name = |link: &Value| link["ifname"].as_str().unwrap_or_default().to_owned();
    links.as_array().expect("links").iter().map(name).filter(|name| name != "lo").collect()
}

#[test]
fn numbers_go_on_and_one_network_can_be_taken_off() {
    let lab = lab();
    let c1 = lab.host.namespace("c1");
    lab.plugboard("attach c1 a,b").ok();
    let printed = lab.plugboard("attach c1 c").ok();
    assert!(printed.starts_with("eth2  c "), "{printed}");
    let mac = c1.ip("link show eth1")[0]["address"].clone();
    lab.plugboard("detach c1 b").ok();
    assert_eq!(
        (listed(&lab), interfaces(&c1)),
        (vec!["eth0=a".to_owned(), "eth2=c".to_owned()], vec!["eth0".to_owned(), "eth2".to_owned()])
    );
    // The lowest number that is free: what comes back is as it was.
    lab.plugboard("attach c1 b,d").ok();
    assert_eq!(listed(&lab), ["eth0=a", "eth1=b", "eth2=c", "eth3=d"]);
    assert_eq!(c1.ip("link show eth1")[0]["address"], mac);
    lab.plugboard("detach c1 d,a").ok();
    lab.plugboard("detach c1 --ifname eth2").ok();
    assert_eq!(listed(&lab), ["eth1=b"]);
    let script = lab.plugboard("detach --dry-run c1 b").ok();
    assert!(script.contains("ip link delete"), "{script}");
    lab.plugboard("detach c1").ok();
    lab.assert_nothing_remembered();
    assert_eq!(interfaces(&c1), Vec::<String>::new());
}

#[test]
fn what_is_attached_is_not_attached_again() {
    let lab = lab();
    let c1 = lab.host.namespace("c1");
    lab.plugboard("attach c1 a").ok();
    for command in ["attach c1 a", "attach c1 b,a", "attach --dry-run c1 a"] {
        assert_refused(
            &lab.plugboard(command),
            "c1 is on network 'a' already, by eth0: detach it first with `plugboard detach c1 a`",
        );
    }
    assert_eq!(interfaces(&c1), ["eth0"]);
    lab.plugboard("attach c1 a --ifname again").ok();
    assert_eq!(listed(&lab), ["again=a", "eth0=a"]);
    lab.plugboard("detach c1 a").ok();
    lab.assert_nothing_remembered();
}

#[test]
fn a_network_that_the_container_is_not_on() {
    let lab = lab();
    lab.host.namespace("c1");
    lab.plugboard("attach c1 a,b").ok();
    assert_refused(
        &lab.plugboard("detach c1 typo"),
        "c1 is not attached to network 'typo', and there is no such network; it is on a, b",
    );
    assert_refused(
        &lab.plugboard("detach c1 --ifname eth7"),
        "no such interface eth7 of ours; it has eth0 on 'a', eth1 on 'b'",
    );
    lab.plugboard("detach c1 c").ok();
    assert_eq!(listed(&lab), ["eth0=a", "eth1=b"]);
}

#[test]
fn a_namespace_that_was_made_anew_is_attached_at_once() {
    let lab = lab();
    let c1 = lab.host.namespace("c1");
    lab.plugboard("attach c1 a,b").ok();
    c1.delete();
    let states = |lab: &Lab| {
        let all: Vec<Value> = serde_json::from_str(&lab.plugboard("ls --json").ok()).expect("a list");
        all.iter().map(|one| one["state"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(states(&lab), ["gone", "gone"]);
    let c1 = lab.host.namespace("c1");
    assert_eq!(states(&lab), ["gone", "gone"]);
    let script = lab.plugboard("attach --dry-run c1 a").ok();
    assert!(
        script.contains("# eth0 on network 'a' is recorded, but the namespace that it was set up in is gone: attach takes it down before"),
        "{script}"
    );
    let attached = lab.plugboard("attach c1 a");
    assert!(
        attached
            .stderr
            .contains("eth1 on network 'b' is recorded, but the namespace that it was set up in is gone: taken down"),
        "{attached:?}"
    );
    attached.ok();
    assert_eq!((listed(&lab), states(&lab)), (vec!["eth0=a".to_owned()], vec!["attached".to_owned()]));
    // The address of the other is free again.
    assert_eq!(sh("find /run/ipam -name '10.1.*'").ok(), "");
    c1.sh("ip link delete eth0").ok();
    assert_eq!(states(&lab), ["missing"]);
    assert!(lab.plugboard("ls").ok().contains("missing"));
    lab.plugboard("detach c1").ok();
}

#[test]
fn what_an_attach_left_that_was_killed_is_taken_down_by_the_next() {
    let lab = Lab::new();
    lab.recorders(&["wire"]);
    lab.file("slow", "#!/bin/sh\n[ $CNI_COMMAND = VERSION ] && exec cat ${0%slow}version\n[ $CNI_COMMAND = ADD ] && [ ! -e /run/once ] && touch /run/once && kill -9 $PPID\n[ $CNI_COMMAND = ADD ] && exec ${0%slow}wire\nexit 0");
    lab.network("lan", &json!([{"type": "wire"}, {"type": "slow"}]));
    lab.host.namespace("c1");
    assert_eq!(lab.plugboard("attach c1 lan").status, 137);
    assert!(lab.plugboard("ls").ok().contains("incomplete"));
    lab.calls();
    lab.plugboard("attach c1 lan").ok();
    assert_eq!(lab.calls_in_short(), ["DEL wire eth0", "ADD wire eth0", "ADD wire eth0"]);
}

/// With the device that it made, under the name that the next one wants.
#[test]
fn what_is_there_of_a_killed_attach_is_no_obstacle() {
    let lab = Lab::with_a_maker_of("t0");
    let slow = "#!/bin/sh\n[ $CNI_COMMAND = VERSION ] && exec ${0%slow}bridge\n[ $CNI_COMMAND = ADD ] || exit 0\n\
        [ -e /run/once ] || { touch /run/once; kill -9 $PPID; exit 1; }\njq .prevResult";
    lab.file("slow", slow);
    for (network, nic) in [("veths", "veth"), ("taps", "tap")] {
        lab.network(network, &json!([{"type": "bridge", "bridge": network, "nic": nic}, {"type": "slow"}]));
    }
    lab.host.namespace("c1");
    for target in ["c1 veths", "vm:web taps"] {
        sh("rm -f /run/once").ok();
        assert_eq!(lab.plugboard(&format!("attach {target}")).status, 137);
        let script = lab.plugboard(&format!("attach --dry-run {target}")).ok();
        assert!(script.contains("was never set up completely: attach takes it down before"), "{script}");
        lab.plugboard(&format!("attach {target}")).ok();
    }
    for target in ["vm:web", "c1"] {
        lab.plugboard(&format!("detach {target}")).ok();
    }
    lab.assert_nothing_remembered();
}

/// By the rule of gc: an open file is enough.
#[test]
fn what_somebody_uses_is_not_taken_down() {
    let lab = lab();
    lab.host.namespace("c1").delete();
    sh("ip netns add c1").ok();
    lab.plugboard("attach c1 a,b").ok();
    let mut holder = harness::spawn("exec sleep 60 9< /run/netns/c1");
    let pid = holder.child().id();
    harness::wait_until("it is open", || sh(&format!("ls /proc/{pid}/fd/9")).status == 0);
    sh("ip netns delete c1 && ip netns add c1").ok();
    let state = || (lab.plugboard("ls").ok(), sh("ls /sys/class/net").ok());
    let before = state();
    let refused = lab.plugboard("attach c1 c");
    assert_refused(
        &refused,
        "c1 is attached already: the namespace that it was set up in is gone, but eth0 on network 'a' is in use",
    );
    assert_eq!(before, state());
    drop(holder);
    lab.plugboard("attach c1 a").ok();
    assert_eq!(listed(&lab), ["eth0=a"]);
}
