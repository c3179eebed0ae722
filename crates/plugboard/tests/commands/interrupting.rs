//! Signals at any stage: what a command makes is whole or not there.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::{Lab, assert_refused};
use harness::{Namespace, Snapshot, sh, wait_until};
use serde_json::{Value, json};

/// A bridge that waits before its work or after it where `/run/stop` names network and stage, until `/run/go` is there.
const GATE: &str = r#"#!/bin/sh
stdin=$(cat); here=$(dirname "$0")
network=${stdin#*\"name\":\"}; network=${network%%\"*}
stop() { [ "$CNI_COMMAND $network $1" = "$(cat /run/stop)" ] || return 0; echo $$ > /run/stopped; while [ ! -e /run/go ]; do sleep .02; done; }
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
    wait_until("the plugin is at work", || fs::read("/run/stopped").is_ok_and(|id| id.ends_with(b"\n")));
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
    let plugin = fs::read_to_string("/run/stopped").expect("it is there");
    assert!(!fs::exists(format!("/proc/{}", plugin.trim())).expect("a directory"), "the plugin is dead");
}

#[test]
fn limits_are_the_old_ones_or_the_new_ones_and_remembered_so() {
    let lab = Lab::new();
    lab.recorders(&["wire", "recorder"]);
    lab.file(
        "keeper",
        "#!/bin/sh\n[ $CNI_COMMAND = UPDATE ] && [ -e /run/hang ] && { rm /run/hang; echo $$ > /run/stopped; while [ ! -e /run/go ]; do sleep .02; done; }\nexec ${0%keeper}recorder",
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

/// To give up is for what cannot be taken down, not for what nobody has waited for.
#[test]
fn what_a_signal_has_broken_off_is_not_given_up() {
    let lab = lab();
    let c1 = lab.host.namespace("c1");
    lab.plugboard("attach c1 walt-net").ok();
    lab.plugboard("detach c1").ok();
    let before = state(&[&c1]);
    for command in ["detach --force c1", "detach --force c2", "gc --force"] {
        let container = if command.ends_with("c1") { "c1" } else { "c2" };
        if container == "c2" {
            sh("ip netns add c2").ok();
        }
        lab.plugboard(&format!("attach {container} walt-net")).ok();
        if container == "c2" {
            sh("ip netns del c2").ok();
        }
        stop_at("DEL walt-net before");
        let child = start(&lab, command);
        wait_for_stop();
        sh(&format!("kill -TERM {}", child.id())).ok();
        wait_until("it has noticed", || told().contains("another signal kills it"));
        sleep(Duration::from_millis(400));
        sh(&format!("kill -TERM {}", child.id())).ok();
        assert_ended(child, 143, command);
        assert!(!told().contains("given up"), "{command}: {}", told());
        assert!(lab.remembered("walt-net", container, "eth0").is_some(), "{command}: {}", told());
        assert_ne!(sh("find /run/ipam -name '10.*'").ok(), "", "{command}");
        stop_at("");
        lab.plugboard(&format!("detach {container}")).ok();
        assert_eq!(before, state(&[&c1]), "{command}");
    }
}

/// Whoever presses Ctrl-C again and again means it.
#[test]
fn signals_that_follow_each_other_fast_count_again_after_a_moment() {
    let lab = lab();
    lab.host.namespace("c1");
    stop_at("ADD walt-net before");
    let mut attach = start(&lab, "attach c1 walt-net");
    wait_for_stop();
    let begin = Instant::now();
    while attach.try_wait().expect("it is ours").is_none() && begin.elapsed() < Duration::from_secs(7) {
        sh(&format!("kill -TERM {}", attach.id())).ok();
        sleep(Duration::from_millis(100));
    }
    assert!(begin.elapsed() < Duration::from_secs(7), "{}", told());
    assert_ended(attach, 143, "attach");
    assert_eq!(told().matches("waiting for /run/bin/gate to finish").count(), 1, "{}", told());
    lab.assert_nothing_remembered();
}

/// The time after a signal is that of every plugin, also of one that undoes what another has made.
#[test]
fn a_plugin_that_is_called_after_a_signal_has_no_longer_than_the_others() {
    let lab = Lab::new();
    lab.recorders(&["recorder"]);
    lab.file(
        "hanger",
        "#!/bin/sh\ncase $CNI_COMMAND in\nADD) echo $$ > /run/stopped; while [ ! -e /run/go ]; do sleep .02; done;;\n\
         DEL) exec sleep 600;;\nesac\nexec ${0%hanger}recorder",
    );
    lab.network("walt-net", &json!([{"type": "hanger"}]));
    lab.host.namespace("c1");
    let attach = start(&lab, "attach --primary walt-net c1 walt-net");
    wait_for_stop();
    sh(&format!("kill -TERM {}", attach.id())).ok();
    wait_until("it has noticed", || told().contains("waiting for"));
    let begin = Instant::now();
    go_on();
    assert_ended(attach, 143, "attach");
    // The timeout of plugins is 120 s.
    assert!(begin.elapsed() < Duration::from_secs(60), "{}", told());
    assert!(told().contains("DEL: /run/plugins/hanger: it was killed"), "{}", told());
    assert!(lab.remembered("walt-net", "c1", "eth0").is_some(), "what is not taken down stays remembered");
}

/// Opening a FIFO waits for a writer, and no signal ends that.
#[test]
fn a_fifo_in_the_place_of_a_namespace_keeps_nobody_waiting() {
    let lab = Lab::new();
    lab.recorders(&["wire"]);
    lab.network("walt-net", &json!([{"type": "wire"}]));
    lab.host.namespace("c1");
    lab.plugboard("attach --primary walt-net c1 walt-net").ok();
    sh("mkfifo /run/fifo").ok();
    let run = |args: &str| sh(&format!("timeout -s KILL 20 sh -c '{}'", lab.command(args)));
    for args in ["attach --primary walt-net /run/fifo walt-net", "verify --container-id c1 /run/fifo eth0"] {
        assert_refused(&run(args), "/run/fifo is not a network namespace");
    }
    run("detach --container-id c9 /run/fifo").ok();
    let file = "/var/lib/cni/results/walt-net-c1-eth0";
    let record = fs::read_to_string(file).expect("a record").replace("/run/netns/c1", "/run/fifo");
    fs::write(file, record).expect("written");
    for args in ["ls", "check --container-id c1 /run/netns/c1", "gc", "detach --container-id c1 /run/fifo"] {
        let output = run(args);
        assert!([0, 1].contains(&output.status), "{args}: {output:?}");
    }
}

/// In a process group of its own, a plugin is in the background of the terminal.
#[test]
fn a_plugin_may_write_to_a_terminal_that_stops_those_in_the_background() {
    let lab = Lab::new();
    lab.recorders(&["recorder"]);
    lab.file("talker", "#!/bin/sh\necho \"$CNI_COMMAND speaks\" >&2\nexec ${0%talker}recorder");
    lab.network("walt-net", &json!([{"type": "talker"}]));
    lab.host.namespace("c1");
    let command = lab.command("--plugin-timeout 10 attach --primary walt-net c1 walt-net");
    let output = sh(&format!("script -qec 'stty tostop; {command}' /dev/null < /dev/null"));
    assert_eq!(output.status, 0, "{output:?}");
    assert!(output.stdout.contains("ADD speaks"), "{output:?}");
}

/// One that is ignored, however briefly, is lost.
#[test]
fn no_signal_is_ignored_when_a_command_starts() {
    let lab = Lab::new();
    lab.recorders(&["wire"]);
    lab.network("walt-net", &json!([{"type": "wire"}]));
    let command = lab.command("status").replace("; ", "; exec strace -qq -e trace=rt_sigaction -o /run/trace ");
    sh(&command).ok();
    let trace = fs::read_to_string("/run/trace").expect("strace wrote");
    for signal in ["SIGINT", "SIGTERM", "SIGHUP"] {
        let of_signal = || trace.lines().filter(|line| line.contains(&format!("({signal},")));
        assert!(of_signal().any(|line| line.contains("sa_handler=0x")), "{trace}");
        assert!(of_signal().all(|line| !line.contains("{sa_handler=SIG_IGN")), "{trace}");
    }
    // What was ignored before stays so.
    let ignored =
        lab.command("status").replace("; ", "; trap '' HUP; exec strace -qq -e trace=rt_sigaction -o /run/trace ");
    sh(&ignored).ok();
    let trace = fs::read_to_string("/run/trace").expect("strace wrote");
    assert!(!trace.lines().any(|line| line.contains("(SIGHUP,") && line.contains("sa_handler=0x")), "{trace}");
}

/// The status 1 says that nothing is attached.
#[test]
fn what_cannot_be_told_is_not_attached() {
    let lab = lab();
    let c1 = lab.host.namespace("c1");
    lab.plugboard("attach c1 walt-net,b-net").ok();
    lab.plugboard("detach c1").ok();
    let before = state(&[&c1]);
    for args in ["attach c1 walt-net,b-net", "attach --json c1 walt-net,b-net"] {
        let output = sh(&format!("{} > /dev/full", lab.command(args)));
        assert_refused(&output, "No space left on device (os error 28); what was made is undone");
        assert_eq!(before, state(&[&c1]), "{args}");
        // Whoever reads the beginning has been told.
        sh(&format!("{{ {}; echo $? > /run/status; }} | head -n 1", lab.command(args))).ok();
        assert_eq!(fs::read_to_string("/run/status").expect("written"), "0\n", "{args}");
        lab.plugboard("detach c1").ok();
    }
}
