//! Plugins that do not come to an end, print without one, or take no notice of their pipes.

use std::fs;
use std::time::{Duration, Instant};

use crate::support::{Lab, assert_refused};
use serde_json::{Value, json};

const HANGING: &str = "sleep 600 & echo $$ $! > ${0%stuck}pids; wait";

/// A network whose only plugin is `stuck`, and a container.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.recorders(&["recorder"]);
    lab.network("walt-net", &json!([{"type": "stuck", "capabilities": {"shaping": true}}]));
    lab.host.namespace("c1");
    lab
}

/// Makes `stuck` do this in one verb, and what a recorder does in the others.
fn does(lab: &Lab, verb: &str, body: &str) {
    lab.file("stuck", &format!("#!/bin/sh\n[ $CNI_COMMAND = {verb} ] || exec ${{0%stuck}}recorder\n{body}\n"));
}

fn pids(lab: &Lab) -> Vec<String> {
    let text = fs::read_to_string(lab.plugin_dir.join("pids")).expect("the plugin wrote it");
    text.split_whitespace().map(str::to_owned).collect()
}

/// A process that is dead may still wait for whoever reaps it.
fn is_dead(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "))
}

#[test]
fn one_that_hangs_is_killed_with_its_children_whatever_the_verb() {
    let lab = lab();
    for (verb, command, told) in [
        ("VERSION", "attach c1 walt-net", "network 'walt-net': plugin 'stuck', VERSION: "),
        ("ADD", "attach c1 walt-net", "network 'walt-net', plugin 'stuck', ADD: "),
        ("CHECK", "check c1", "network 'walt-net', plugin 'stuck', CHECK: "),
        ("UPDATE", "shape c1 eth0 bw=1Mbps", "network 'walt-net', plugin 'stuck', UPDATE: "),
        ("STATUS", "status", "network 'walt-net', plugin 'stuck', STATUS: "),
        ("GC", "gc", "network 'walt-net', plugin 'stuck', GC: "),
        ("DEL", "detach c1", "network 'walt-net', plugin 'stuck', DEL: "),
    ] {
        does(&lab, "NONE", "");
        if !["VERSION", "ADD"].contains(&verb) && lab.remembered("walt-net", "c1", "eth0").is_none() {
            lab.plugboard("attach c1 walt-net").ok();
        }
        does(&lab, verb, HANGING);
        let begin = Instant::now();
        let output = lab.plugboard(&format!("--plugin-timeout 1 {command}"));
        let took = begin.elapsed();
        assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(10), "{verb}: {took:?}");
        assert_eq!(output.status, 1, "{output:?}");
        let said = format!("{}{}", output.stdout, output.stderr);
        for part in
            [told, "/run/plugins/stuck was still running after 1 s and was killed", "--plugin-timeout", "(code 11)"]
        {
            assert!(said.contains(part), "{verb}: {part}\n{said}");
        }
        let pids = pids(&lab);
        assert_eq!(pids.len(), 2, "{pids:?}");
        harness::wait_until("the plugin and its child are dead", || pids.iter().all(|pid| is_dead(pid)));
        if ["VERSION", "ADD"].contains(&verb) {
            lab.assert_nothing_remembered();
        }
    }
    assert!(lab.remembered("walt-net", "c1", "eth0").is_some(), "what could not be taken down");
    does(&lab, "NONE", "");
    lab.plugboard("detach c1").ok();
}

#[test]
fn the_children_of_a_plugin_go_with_it_although_they_lead_groups_of_their_own() {
    let lab = lab();
    // As a delegate does.
    does(&lab, "STATUS", "setsid sh -c 'sleep 600 & echo $$ $! > /run/plugins/pids; wait'");
    assert_refused_by(&lab, "status", "was killed");
    let pids = pids(&lab);
    harness::wait_until("both are dead", || pids.iter().all(|pid| is_dead(pid)));
}

#[track_caller]
fn assert_refused_by(lab: &Lab, command: &str, message: &str) {
    let output = lab.plugboard(&format!("--plugin-timeout 1 {command}"));
    assert_eq!(output.status, 1, "{output:?}");
    assert!(format!("{}{}", output.stdout, output.stderr).contains(message), "{output:?}");
}

#[test]
fn one_that_prints_without_end_is_killed() {
    let lab = lab();
    does(&lab, "ADD", "echo $$ > ${0%stuck}pids; exec yes");
    assert_refused(
        &lab.plugboard("attach c1 walt-net"),
        "plugin 'stuck', ADD: /run/plugins/stuck: it printed more than 4 MiB and was killed (code 6)",
    );
    assert!(pids(&lab).iter().all(|pid| is_dead(pid)));
    lab.assert_nothing_remembered();
}

#[test]
fn one_may_ignore_its_stdin() {
    let lab = lab();
    // More than a pipe holds.
    let long: Value = json!([{"type": "stuck", "long": "x".repeat(300_000)}]);
    lab.network("walt-net", &long);
    for body in ["exit 0", "exec <&-; sleep .2; exit 0"] {
        does(&lab, "STATUS", body);
        assert!(lab.plugboard("status").ok().contains("ready"), "{body}");
    }
    does(&lab, "STATUS", "echo $$ > ${0%stuck}pids; exec sleep 600");
    assert_refused_by(&lab, "status", "still running after 1 s");
    assert!(pids(&lab).iter().all(|pid| is_dead(pid)));
}

#[test]
fn one_that_closes_its_stdout_is_waited_for() {
    let lab = lab();
    does(&lab, "STATUS", "exec >&-; sleep .3; touch ${0%stuck}done");
    lab.plugboard("status").ok();
    assert!(lab.plugin_dir.join("done").exists(), "it came to its end");
    does(&lab, "STATUS", "echo $$ > ${0%stuck}pids; exec sleep 600 >&-");
    assert_refused_by(&lab, "status", "still running after 1 s");
    assert!(pids(&lab).iter().all(|pid| is_dead(pid)));
}

#[test]
fn what_one_leaves_behind_is_not_waited_for() {
    let lab = lab();
    does(&lab, "STATUS", "sleep 5 & exit 0");
    let begin = Instant::now();
    lab.plugboard("status > /run/out 2>&1").ok();
    assert!(begin.elapsed() < Duration::from_secs(4));
}
