//! `plugboard verify`: what was asked of an interface, measured.

use std::path::Path;
use std::time::Duration;

use harness::chance::{KILLED, VERIFIED};
use harness::{Host, Namespace, Snapshot, assert_by_chance, bin, bin_dir, ip, not_observed, row, sh, soak, tc};
use integration::report::{assert_kept, assert_none_missed, figure, got, network, reasons, verified};
use integration::{World, call, links, number};
use lab::{Feature, IN_LAB, Nic, Vm, with_features};
use serde_json::{Value, json};

/// Everything that a measurement could leave.
fn everything(nodes: &[&Namespace]) -> Snapshot {
    Snapshot::take(nodes, &["/var/lib/cni"])
}

/// What was asked cannot be had: that is accepted, measured and said.
#[test]
fn unattainable_values_are_measured_and_said() {
    with_features(&[Feature::Netem], || {
        let row = row("M13");
        let world = World::new();
        let (vn1, _vn2) = world.nodes("walt-net,home-net[bw=100Gbps,lat=1us]", "walt-net,home-net");
        let all = tc("qdisc show");
        let tbf = all.as_array().into_iter().flatten().find(|queue| queue["kind"] == "tbf").expect("a tbf");
        assert_eq!(tbf["options"]["rate"], 12_500_000_000u64, "{tbf}");

        let before = everything(&[&vn1]);
        VERIFIED.repeated(|| {
            let output = world.plugboard("verify --strict --seconds 1 vn1 eth1");
            let text = &output.stdout;
            println!("{text}\n{}", output.stderr);
            assert_eq!(output.status, 1, "{output:?}");
            let line =
                |what: &str| text.lines().find(|line| line.contains(what)).unwrap_or_else(|| panic!("{what}: {text}"));
            assert!(line("round trip").contains(" ms"), "{text}");
            let rate =
                text.lines().find(|line| line.starts_with("download") && line.contains("rate, TCP")).expect("a rate");
            assert!(rate.contains("100.00 Gbit/s") && rate.contains("MISSED: "), "{rate}");
            assert_by_chance!(rate.contains("without any limit this machine carries"), "{rate}");
            assert_by_chance!(rate.contains("% busy"), "{rate}");
            assert!(output.stderr.contains("asked 100.00 Gbit/s, got "), "{}", output.stderr);
        });
        assert_eq!(before, everything(&[&vn1]));

        number(&vn1, "eth1", "10.9.0.1/24");
        number(&namespace("vn2"), "eth1", "10.9.0.2/24");
        assert_eq!(vn1.ping("10.9.0.2", 5).received, 5, "nothing is wedged");

        if take_netem_away() {
            a_kernel_without_netem_says_so();
        } else {
            not_observed("the error of a kernel without netem, so that the row is withheld: this kernel has it");
            std::mem::forget(row);
        }
    });
}

/// The error where `lat` needs what the kernel has not.
#[test]
fn without_netem_a_latency_is_refused_and_nothing_is_left() {
    if Feature::Netem.is_present() {
        return not_observed(
            "the error of a kernel without netem: this one has it (the lab's loses it in another test)",
        );
    }
    let _host = Host::enter();
    a_kernel_without_netem_says_so();
}

fn is_in_lab() -> bool {
    std::env::var_os(IN_LAB).is_some()
}

/// Leaves the lab's kernel without the module; this machine's is left alone.
fn take_netem_away() -> bool {
    if !is_in_lab() {
        return false;
    }
    // What uploads need stays: the error is to name netem.
    sh("modprobe -a ifb sch_ingress cls_u32 act_mirred").ok();
    sh("plugboard_queues() { for d in $(tc qdisc show | awk '$2==\"netem\"{print $5}'); do tc qdisc del dev $d root; done; }; \
        plugboard_queues; echo /bin/false > /proc/sys/kernel/modprobe && rmmod sch_netem")
    .ok();
    true
}

fn a_kernel_without_netem_says_so() {
    let node = harness_namespace("without");
    let bridge = json!({"cniVersion": "1.0.0", "name": "w-net", "type": "bridge", "bridge": "w-br"});
    let made = call("ADD", &node, "eth1", &bridge).run().ok();
    let before = Snapshot::take(&[&node], &["/var/lib/cni"]);
    let shaper = json!({"cniVersion": "1.0.0", "name": "w-net", "type": "netem-shaper", "bw": "1Gbps", "lat": "1us",
        "upload": {"rate": "1Gbit"}, "prevResult": made});
    let (code, message, _) = call("ADD", &node, "eth1", &shaper).run().error();
    assert_eq!(code, 100, "{message}");
    assert!(message.contains("netem") && message.contains("modprobe sch_netem"), "{message}");
    assert_eq!(before, Snapshot::take(&[&node], &["/var/lib/cni"]));
}

fn namespace(name: &str) -> Namespace {
    Namespace { name: name.to_owned(), path: Path::new("/run/netns").join(name) }
}

fn harness_namespace(name: &str) -> Namespace {
    sh(&format!("ip netns add {name} && ip -n {name} link set lo up")).ok();
    namespace(name)
}

#[test]
fn rate_delay_and_loss_are_kept_in_both_directions() {
    with_features(&[Feature::Netem], || {
        let world = World::new();
        let shape =
            json!({"download": {"rate": "20Mbit", "delay": "10ms", "loss": "1%"}, "upload": {"rate": "10Mbit"}});
        network("far", &json!({}), &shape);
        let vn1 = world.node("vn1");
        world.attach("vn1", "walt-net,far").ok();
        let before = everything(&[&vn1]);
        VERIFIED.repeated(|| {
            let report = verified(&world, &format!("vn1 eth1 --seconds {}", soak::size(2, 5)));
            let asked =
                |direction: &str, what: &str| figure(&report, direction, what)["asked"].as_f64().unwrap_or_default();
            assert_eq!(asked("download", "rate, UDP"), 20e6);
            assert_eq!(asked("upload", "rate, TCP"), 10e6);
            assert!((asked("download", "loss") - 0.01).abs() < 1e-6);
            assert_none_missed(&report);
            let delay = got(&report, "roundTrip", "round trip");
            assert_by_chance!((10e6..10.4e6).contains(&delay), "{delay}");
            assert_by_chance!(got(&report, "upload", "delay") < 1e6, "the delay is of the download");
            let tcp = figure(&report, "download", "rate, TCP");
            let is_told = reasons(tcp).contains("segments sent again") && reasons(tcp).contains("TSO");
            assert_by_chance!(is_told, "{tcp:#}");
        });
        assert_eq!(before, everything(&[&vn1]));
    });
}

/// Jitter, duplicates, packets that overtake, damaged ones and marks: each is a figure when asked.
#[test]
fn whatever_is_asked_is_a_figure() {
    with_features(&[Feature::Netem], || {
        let world = World::new();
        let shape = json!({
            "download": {"delay": "20ms", "jitter": "2ms", "distribution": "normal", "duplicate": "5%", "corrupt": "2%"},
            "upload": {"delay": "10ms", "reorder": "10%", "gap": 5, "loss": "3%", "ecn": true}});
        network("odd", &json!({}), &shape);
        world.node("vn1");
        world.attach("vn1", "walt-net,odd").ok();
        VERIFIED.repeated(|| {
            let report = verified(&world, &format!("vn1 eth1 --seconds {}", soak::size(1, 4)));
            assert_none_missed(&report);
            for (direction, what) in [
                ("download", "jitter"),
                ("download", "duplicates"),
                ("download", "loss and corruption"),
                ("upload", "overtaking"),
                ("upload", "ECN marks"),
            ] {
                assert_kept(&report, direction, what);
            }
        });
    });
}

#[test]
fn a_rate_that_somebody_changed_is_missed_with_the_reason() {
    let world = World::new();
    let vn1 = world.node("vn1");
    world.attach("vn1", "walt-net,home-net[bw=40Mbps]").ok();
    let before = everything(&[&vn1]);
    let device = links_of_host().into_iter().find(|name| tbf_of(name).is_some()).expect("a device with a tbf");
    sh(&format!("tc qdisc change dev {device} root handle 7063: tbf rate 30mbit burst 80kb limit 400kb")).ok();
    VERIFIED.repeated(|| {
        let report = verified(&world, "vn1 eth1 --seconds 2");
        for what in ["rate, UDP", "rate, TCP"] {
            let rate = figure(&report, "download", what);
            assert_eq!((&rate["verdict"], &rate["asked"]), (&"missed".into(), &40e6.into()), "{rate:#}");
            let reasons = reasons(rate);
            assert!(reasons.contains("the queues differ") && reasons.contains("rate 3750000bps"), "{rate:#}");
            let got = rate["got"].as_f64().unwrap_or_default();
            assert_by_chance!((29.4e6..30.6e6).contains(&got), "{rate:#}");
        }
    });
    let difference = before.difference(&everything(&[&vn1]));
    assert!(difference.lines().all(|line| line.contains("qdisc") && line.contains("tbf")), "{difference}");
}

fn links_of_host() -> Vec<String> {
    let all = ip("link show");
    all.as_array().into_iter().flatten().filter_map(|link| link["ifname"].as_str().map(str::to_owned)).collect()
}

fn tbf_of(device: &str) -> Option<Value> {
    let queues = tc(&format!("qdisc show dev {device}"));
    queues.as_array().into_iter().flatten().find(|queue| queue["kind"] == "tbf").cloned()
}

/// Over whatever addresses there are: link-local ones where nobody gave any or a filter allows only a container's own, those of
/// IPAM where IPv6 is off.
#[test]
fn every_kind_of_network_is_measured() {
    let world = World::new();
    let vn1 = world.node("vn1");
    world.attach("vn1", "walt-net,home-net,guarded-net").ok();
    let before = everything(&[&vn1]);
    for name in ["eth0", "eth1", "eth2"] {
        VERIFIED.repeated(|| {
            let report = verified(&world, &format!("vn1 {name} --seconds 1"));
            assert!(report["address"].as_str().is_some_and(|address| !address.is_empty()), "{report:#}");
            assert_by_chance!(got(&report, "download", "rate, TCP") > 100e6, "{report:#}");
        });
    }
    vn1.sh("sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1 net.ipv6.conf.eth1.disable_ipv6=1").ok();
    let report = verified(&world, "vn1 eth0 --seconds 1");
    assert!(report["address"].as_str().is_some_and(|address| address.starts_with("192.168.152.")), "{report:#}");

    let refused = world.plugboard("verify vn1 eth1 --seconds 1");
    assert_eq!(refused.status, 1, "{refused:?}");
    for part in ["no pair of addresses of one subnet", "eth1 in /run/netns/vn1 has none", "--probe-address"] {
        assert!(refused.stderr.contains(part), "{}", refused.stderr);
    }
    number(&vn1, "eth1", "10.9.0.1/24");
    let report = verified(&world, "vn1 eth1 --seconds 1 --probe-address 10.9.0.99/24");
    assert_eq!((&report["address"], &report["measuredFrom"]), (&"10.9.0.1".into(), &"10.9.0.99".into()));
    vn1.sh("sysctl -qw net.ipv6.conf.eth0.disable_ipv6=0 net.ipv6.conf.eth1.disable_ipv6=0").ok();
    vn1.sh("ip address del 10.9.0.1/24 dev eth1").ok();
    let difference = before.difference(&everything(&[&vn1]));
    assert!(!difference.lines().any(|line| line.starts_with("+ host") || line.contains("verify-")), "{difference}");
}

#[test]
fn what_cannot_be_measured_is_said() {
    let world = World::new();
    world.node("vn1");
    let refused = |args: &str, part: &str| {
        let output = world.plugboard(&format!("verify {args}"));
        assert_eq!(output.status, 1, "{output:?}");
        assert!(output.stderr.contains(part), "{args}: {}", output.stderr);
    };
    refused("vn1 eth0", "container vn1 is not attached to any network");
    world.attach("vn1", "walt-net").ok();
    refused("vn1 eth7", "container vn1 has no interface eth7 of ours; it has eth0");
    namespace("vn1").sh("ip link set eth0 down").ok();
    refused("vn1 eth0", "is down: set it up first");
    namespace("vn1").sh("ip link set eth0 up; nft 'add table inet t; add chain inet t c { type filter hook input priority 0; policy drop; }'").ok();
    refused("vn1 eth0", "no echo came back from");
    assert_eq!(world.plugboard("verify vn1 eth0 --seconds 0").status, 2);
}

/// A correlation makes another loss of what was asked; that is missed, with what the kernel makes of it.
#[test]
fn what_a_correlation_makes_of_a_loss_is_said() {
    with_features(&[Feature::Netem], || {
        let world = World::new();
        let loss = json!({"percent": "10%", "correlation": "25%"});
        let shape = json!({"download": {"rate": "10Mbit", "loss": loss}, "upload": {"rate": "10Mbit"}});
        network("bursts", &json!({}), &shape);
        world.node("vn1");
        world.attach("vn1", "walt-net,bursts").ok();
        VERIFIED.repeated(|| {
            let report = verified(&world, &format!("vn1 eth1 --seconds {}", soak::size(2, 4)));
            let loss = figure(&report, "download", "loss");
            assert_eq!(loss["verdict"], "missed", "{loss:#}");
            let is_told = reasons(loss).contains("with a correlation of 25% the kernel makes 1.7");
            assert_by_chance!(is_told, "{loss:#}");
            assert_kept(&report, "upload", "loss");
        });
    });
}

/// A machine behind a TAP device takes no part: it answers echoes, and its device counts what it takes.
#[test]
fn a_machine_behind_a_tap_device_is_measured_from_outside() {
    let world = World::new();
    for (network, in_container) in [("vm-net", false), ("pod-vm-net", true)] {
        let node = world.node(network);
        let target = if in_container { network } else { "vm:guest" };
        let output = world.plugboard(&format!("attach --json --primary {network} {target} '{network}[bw=10Mbps]'"));
        let results: Value = serde_json::from_str(&output.ok()).expect("JSON");
        let interfaces = &results[0]["result"]["interfaces"];
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let (tap, mac) = (text(&interfaces[if in_container { 2 } else { 1 }]["name"]), text(&interfaces[2]["mac"]));
        let refused = world.plugboard(&format!("verify {target} eth0"));
        assert!(refused.status == 1 && refused.stderr.contains("answers no echo"), "{refused:?}");

        // It has no address but the one that it gives itself.
        let queues = if in_container { 2 } else { 1 };
        let nics = [Nic { line: lab::Line::Tap(tap), mac, address: None, queues }];
        let machine = if in_container { Vm::boot_in(&node, &nics) } else { Vm::boot(&nics) };
        let before = everything(&[&node]);
        VERIFIED.repeated(|| {
            let report = verified(&world, &format!("{target} eth0 --seconds 3"));
            assert!(report["address"].as_str().is_some_and(|address| address.starts_with("fe80::")), "{report:#}");
            assert_eq!(figure(&report, "download", "rate, UDP")["asked"], 10e6, "{report:#}");
            assert!(report["notes"][0].as_str().is_some_and(|note| note.contains("upload")), "{report:#}");
            assert!(got(&report, "roundTrip", "round trip") > 1e4, "{report:#}");
            assert_by_chance!(got(&report, "roundTrip", "loss") == 0.0, "{report:#}");
            assert_kept(&report, "download", "rate, UDP");
        });
        let difference = before.difference(&everything(&[&node]));
        assert!(difference.lines().all(|line| line.contains("last_reserved_ip")), "{difference}");
        drop(machine);
    }
}

/// The window that the receiver grants is what a delayed path fills: the kernel counts how long TCP waited for it.
#[test]
fn a_small_window_is_the_reason() {
    with_features(&[Feature::Netem], || {
        let world = World::new();
        let vn1 = world.node("vn1");
        vn1.sh("sysctl -qw net.ipv4.tcp_rmem='4096 16384 32768'").ok();
        let shape = json!({"download": {"rate": "50Mbit", "delay": "20ms"}, "upload": {"rate": "10Mbit"}});
        network("far", &json!({}), &shape);
        world.attach("vn1", "walt-net,far").ok();
        VERIFIED.repeated(|| {
            let report = verified(&world, &format!("vn1 eth1 --seconds {}", soak::size(1, 3)));
            let rate = figure(&report, "download", "rate, TCP");
            assert_eq!(rate["verdict"], "missed", "{rate:#}");
            let reasons = reasons(rate);
            let window = "TCP waited for the receiver's window (tcp_rmem: 32768 bytes at most)";
            assert_by_chance!(reasons.contains(window), "{reasons}");
            assert_by_chance!(reasons.contains("rate times round trip are 125"), "{reasons}");
            assert_kept(&report, "download", "rate, UDP");
        });
    });
}

/// However it ends, nothing is left.
#[test]
fn an_interrupted_measurement_leaves_nothing() {
    let world = World::new();
    let vn1 = world.node("vn1");
    world.attach("vn1", "walt-net,home-net").ok();
    let before = everything(&[&vn1]);
    let plugboard = format!("CNI_PATH={} exec {}", bin_dir().display(), bin("plugboard").display());
    let ended_by = |signal: &str, expected: Option<i32>| {
        let mut half_done = 0;
        for after_ms in [0, 30, 100, 700] {
            let mut running = harness::spawn(&format!("{plugboard} verify vn1 eth0 --seconds 2"));
            wait_until_signals_wait(running.child().id());
            std::thread::sleep(Duration::from_millis(after_ms));
            sh(&format!("kill -{signal} {}", running.child().id())).ok();
            let status = running.child().wait().expect("an end");
            if let Some(expected) = expected {
                assert_eq!(status.code(), Some(expected), "SIG{signal} after {after_ms} ms");
            } else {
                half_done += u32::from(sh("ls /var/lib/cni/results").ok().contains("-verify-"));
                // Networks of Open vSwitch cannot be collected here: nothing of it runs.
                let reply = world.plugboard("gc");
                let is_other = |line: &str| !line.contains("plugin 'ovs-port'");
                assert!(!reply.stderr.lines().any(is_other), "{}", reply.stderr);
            }
            assert_settles(&before, &vn1, &format!("SIG{signal} after {after_ms} ms"));
        }
        half_done
    };
    for (signal, status) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        ended_by(signal, Some(status));
    }
    KILLED.repeated(|| {
        assert_by_chance!(ended_by("KILL", None) > 0, "there was something to collect after a kill");
    });
    assert_eq!(links(&vn1), ["lo", "eth0", "eth1"]);
}

/// SIGHUP, SIGINT and SIGTERM; all of them together with others are blocked for a moment wherever a thread or a process is made.
const WAITING_SIGNALS: u64 = 0b0100_0000_0000_0011;

/// Until it has begun: before that there is nothing to take down, and a signal simply ends it (`SigBlk` in proc_pid_status(5)).
fn wait_until_signals_wait(process: u32) {
    for _ in 0..6000 {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("a running process");
        let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).expect("a mask");
        if u64::from_str_radix(blocked.trim(), 16).expect("a number") == WAITING_SIGNALS {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("process {process} does not get ready for signals within 30 s");
}

/// The kernel takes namespaces apart after their last process. Where IPAM goes on with its addresses is no remainder.
fn assert_settles(before: &Snapshot, node: &Namespace, what: &str) {
    let mut left = String::new();
    for _ in 0..1500 {
        let difference = before.difference(&everything(&[node]));
        left = difference.lines().filter(|line| !line.contains("last_reserved_ip")).collect::<Vec<_>>().join("\n");
        if left.is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("{what}:\n{left}");
}
