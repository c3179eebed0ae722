//! Signals at any stage: what a command makes is whole or not there.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::Duration;

use crate::support::Lab;
use harness::{Namespace, Snapshot, sh, wait_until};
use serde_json::{Value, json};

/// A bridge that waits before its work or after it where `/run/stop` names network and stage, until `/run/go` is there.
const GATE: &str = r#"#!/bin/sh
stdin=$(cat); here=$(dirname "$0")
network=${stdin#*\"name\":\"}; network=${network%%\"*}
stop() { [ "$CNI_COMMAND $network $1" = "$(cat /run/stop)" ] || return 0; touch /run/stopped; while [ ! -e /run/go ]; do sleep .02; done; }
stop before; out=$(printf %s "$stdin" | "$here/bridge"); code=$?; stop after
printf '%s' "$out"; exit $code
"#;

const NETWORKS: [&str; 3] = ["walt-net", "b-net", "c-net"];

fn lab() -> Lab {
    let mut lab = Lab::with_own_plugins();
    let from = lab.plugin_dir.display();
    sh(&format!("mkdir -p /run/bin && cp {from}/bridge {from}/host-local {from}/netem-shaper /run/bin/")).ok();
    lab.plugin_dir = "/run/bin".into();
    lab.file("gate", GATE);
    for (network, number) in NETWORKS.into_iter().zip(5..) {
        let ipam = json!({"type": "host-local", "subnet": format!("10.{number}.0.0/24"), "dataDir": "/run/ipam"});
        lab.network(
            network,
            &json!([{"type": "gate", "bridge": network, "isGateway": true, "ipMasq": true, "ipam": ipam},
                {"type": "netem-shaper", "upload": {"rate": "10Mbit"}}]),
        );
    }
    fs::write("/run/stop", "").expect("written");
    lab
}

fn state(namespaces: &[&Namespace]) -> (Snapshot, String) {
    (Snapshot::take(namespaces, &["/var/lib/cni/results"]), sh("cd /run/ipam && find . -name '10.*' | sort").ok())
}

/// Starts a command in a process group of its own, as a shell with a terminal does; its stderr is in `/run/err`.
fn start(lab: &Lab, args: &str) -> Child {
    let script = format!("{} > /run/out 2> /run/err", lab.command(args).replace("; ", "; exec "));
    Command::new("sh").args(["-c", &script]).process_group(0).spawn().expect("a shell")
}

fn told() -> String {
    fs::read_to_string("/run/err").unwrap_or_default()
}

fn stop_at(stage: &str) {
    sh("rm -f /run/stopped /run/go").ok();
    fs::write("/run/stop", stage).expect("written");
}

fn wait_for_stop() {
    wait_until("the plugin is at work", || fs::exists("/run/stopped").expect("a directory"));
}

fn go_on() {
    fs::write("/run/go", "").expect("written");
}

#[track_caller]
fn assert_ended(mut child: Child, status: i32, what: &str) {
    let ended = child.wait().expect("it is ours");
    assert_eq!(ended.code(), Some(status), "{what}: {ended:?}: {}", told());
}

#[test]
fn an_attach_is_undone_whenever_a_signal_comes() {
    let lab = lab();
    let c1 = lab.host.namespace("c1");
    // Forwarding, once switched on, stays.
    lab.plugboard("attach c1 walt-net,b-net,c-net").ok();
    lab.plugboard("detach c1").ok();
    let before = state(&[&c1]);
    let signals = [("INT", 130), ("TERM", 143), ("HUP", 129)];
    for (network, stages) in NETWORKS.into_iter().zip([["before", "after"]; 3]) {
        for (stage, (signal, status)) in stages.into_iter().zip(signals.into_iter().cycle().skip(network.len() % 3)) {
            for whom in ["-", ""] {
                stop_at(&format!("ADD {network} {stage}"));
                let attach = start(&lab, "attach c1 walt-net,b-net,c-net");
                wait_for_stop();
                // As a terminal does on Ctrl-C, to the whole group; and to plugboard alone.
                sh(&format!("kill -{signal} {whom}{}", attach.id())).ok();
                wait_until("it has noticed", || told().contains("waiting for /run/bin/gate to finish"));
                go_on();
                let what = format!("SIG{signal} {stage} ADD on {network}");
                assert_ended(attach, status, &what);
                assert!(told().contains(&format!("interrupted by SIG{signal}")), "{what}: {}", told());
                assert_eq!(before, state(&[&c1]), "{what}");
            }
        }
    }
    // What failed meanwhile is none the less undone.
    stop_at("DEL walt-net before");
    let detach = {
        lab.plugboard("attach c1 walt-net,b-net").ok();
        start(&lab, "detach c1")
    };
    wait_for_stop();
    sh(&format!("kill -TERM {}", detach.id())).ok();
    wait_until("it has noticed", || told().contains("waiting for"));
    go_on();
    assert_ended(detach, 143, "a detach comes to the end of what it has begun");
    assert_eq!(before, state(&[&c1]));
}

#[test]
fn a_detach_stops_between_two_attachments_and_says_so() {
    let lab = lab();
    let c1 = lab.host.namespace("c1");
    lab.plugboard("attach c1 walt-net,b-net,c-net").ok();
    stop_at("DEL b-net before");
    let detach = start(&lab, "detach c1");
    wait_for_stop();
    sh(&format!("kill -INT {}", detach.id())).ok();
    wait_until("it has noticed", || told().contains("waiting for"));
    go_on();
    assert_ended(detach, 130, "detach");
    assert!(told().contains("interrupted by SIGINT: 1 of 3 attachments are left; detach again"), "{}", told());
    lab.plugboard("check c1").ok();
    lab.plugboard("detach c1").ok();
    assert_eq!(c1.ip("link show").as_array().map(Vec::len), Some(1));
    lab.assert_nothing_remembered();
}

#[test]
fn a_gc_comes_to_the_end_of_a_plugins_work() {
    let lab = lab();
    lab.host.namespace("c1");
    lab.plugboard("attach c1 walt-net,b-net").ok();
    stop_at("GC b-net after");
    let gc = start(&lab, "gc");
    wait_for_stop();
    sh(&format!("kill -TERM {}", gc.id())).ok();
    wait_until("it has noticed", || told().contains("waiting for"));
    go_on();
    assert_ended(gc, 143, "gc");
    assert!(told().contains("run gc again"), "{}", told());
    lab.plugboard("check c1").ok();
}

/// Nobody has to wait for a plugin that hangs: a second signal kills it, and what it made is taken down.
#[test]
fn a_second_signal_kills_the_plugin() {
    let lab = lab();
    let c1 = lab.host.namespace("c1");
    lab.plugboard("attach c1 walt-net").ok();
    lab.plugboard("detach c1").ok();
    let before = state(&[&c1]);
    stop_at("ADD b-net after");
    let attach = start(&lab, "attach c1 walt-net,b-net");
    wait_for_stop();
    sh(&format!("kill -INT -{}", attach.id())).ok();
    wait_until("it has noticed", || told().contains("another signal kills it"));
    // Signals in quick succession count as one.
    sleep(Duration::from_millis(400));
    sh(&format!("kill -INT -{}", attach.id())).ok();
    assert_ended(attach, 130, "attach");
    assert!(told().contains("/run/bin/gate: it was killed"), "{}", told());
    assert_eq!(before, state(&[&c1]));
}

/// Nor does anybody have to signal twice.
#[test]
fn a_plugin_that_does_not_finish_is_killed_after_a_while() {
    let lab = lab();
    let c1 = lab.host.namespace("c1");
    lab.plugboard("attach c1 walt-net").ok();
    lab.plugboard("detach c1").ok();
    let before = state(&[&c1]);
    stop_at("ADD walt-net before");
    let attach = start(&lab, "attach c1 walt-net,b-net");
    wait_for_stop();
    sh(&format!("kill -TERM {}", attach.id())).ok();
    assert_ended(attach, 143, "attach");
    assert!(told().contains("/run/bin/gate: it was killed"), "{}", told());
    assert_eq!(before, state(&[&c1]));
}

/// What only looks is not waited for.
#[test]
fn a_command_that_changes_nothing_ends_at_once_with_its_plugin() {
    let lab = lab();
    stop_at("STATUS walt-net before");
    let status = start(&lab, "status");
    wait_for_stop();
    sh(&format!("kill -INT {}", status.id())).ok();
    assert_ended(status, 130, "status");
    assert_eq!(sh("pgrep -f ^/bin/sh./run/bin/gate || true").ok(), "", "the plugin is dead");
}

#[test]
fn limits_are_the_old_ones_or_the_new_ones_and_remembered_so() {
    let lab = Lab::new();
    lab.recorders(&["wire", "recorder"]);
    lab.file(
        "keeper",
        "#!/bin/sh\n[ $CNI_COMMAND = UPDATE ] && [ -e /run/hang ] && { rm /run/hang; touch /run/stopped; while [ ! -e /run/go ]; do sleep .02; done; }\nexec ${0%keeper}recorder",
    );
    lab.network("walt-net", &json!([{"type": "wire"}, {"type": "keeper", "capabilities": {"shaping": true}}]));
    lab.host.namespace("c1");
    lab.plugboard("attach c1 'walt-net[bw=50Mbps]'").ok();
    let limits = || lab.remembered("walt-net", "c1", "eth0").expect("a record")["capabilityArgs"]["shaping"].clone();
    let started = |bw: &str| {
        stop_at("");
        fs::write("/run/hang", "").expect("written");
        lab.calls();
        let shape = start(&lab, &format!("shape c1 eth0 bw={bw}"));
        wait_for_stop();
        sh(&format!("kill -TERM {}", shape.id())).ok();
        wait_until("it has noticed", || told().contains("another signal kills it"));
        shape
    };
    let shape = started("60Mbps");
    go_on();
    assert_ended(shape, 143, "shape");
    assert!(told().contains("the new limits are in effect and remembered"), "{}", told());
    assert_eq!(limits(), json!({"bw": "60Mbps"}));

    let shape = started("70Mbps");
    sleep(Duration::from_millis(400));
    sh(&format!("kill -TERM {}", shape.id())).ok();
    assert_ended(shape, 143, "shape");
    assert!(told().contains("the limits are unchanged"), "{}", told());
    assert_eq!(limits(), json!({"bw": "60Mbps"}));
    let calls = lab.calls();
    let last: Vec<&Value> = calls.iter().map(|call| &call["stdin"]["runtimeConfig"]["shaping"]["bw"]).collect();
    assert_eq!(last, ["60Mbps"], "the plugin was killed before it did anything, and is told the old limits");
}
