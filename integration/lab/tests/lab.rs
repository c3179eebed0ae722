//! The lab itself: what goes in, what comes out, and that its clock is exact.

use harness::chance::TIME;
use harness::{Host, assert_by_chance, sh};
use lab::{Feature, on_full_kernel};
use std::path::Path;
use std::process::{Command, Output};

#[expect(clippy::panic, reason = "a helper of tests")]
fn lab(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lab")).args(arguments).output().unwrap_or_else(|e| panic!("lab: {e}"))
}

/// Two guests at once, the first time on an empty cache: one that ends well and one that does not.
#[test]
fn output_and_status_come_back_and_a_dead_guest_is_no_status() {
    let file = format!("/etc/from-outside={}", file!().replace("integration/lab/", ""));
    let script = "sum=$(md5sum < /etc/from-outside); printf 'a\\0\\377 %s' \"$sum\"; echo \"$1\" >&2; exit 7";
    let (ended, died) = std::thread::scope(|scope| {
        let ended = scope.spawn(|| lab(&["--file", &file, "--", "sh", "-c", script, "0", "it's $HOME"]));
        let died = scope.spawn(|| lab(&["--", "sh", "-c", "echo before; echo c > /proc/sysrq-trigger"]));
        (ended.join().unwrap(), died.join().unwrap())
    });
    assert_eq!(ended.status.code(), Some(7), "{ended:?}");
    let sum = sh(&format!("md5sum < {}", file.split_once('=').unwrap().1)).ok();
    assert_eq!(ended.stdout, [b"a\0\xff ", sum.as_bytes()].concat(), "{ended:?}");
    assert!(ended.stderr.ends_with(b"it's $HOME\n"), "{ended:?}");

    assert_eq!(died.status.code(), Some(99), "{died:?}");
    assert_eq!(died.stdout, b"before\n", "what it printed before is lost");
    let told = String::from_utf8_lossy(&died.stderr);
    assert!(told.contains("without a status") && told.contains("sysrq triggered crash"), "{told}");
}

#[test]
fn a_guest_over_its_limit_is_stopped() {
    let stopped = lab(&["--limit", "1", "--", "sleep", "1000000000"]);
    assert_eq!(stopped.status.code(), Some(99), "{stopped:?}");
    assert!(String::from_utf8_lossy(&stopped.stderr).contains("over its limit of 1 s"), "{stopped:?}");
}

#[test]
fn the_kernel_is_full_and_its_delays_are_exact() {
    on_full_kernel("lab", &Feature::ALL, || {
        let host = Host::enter();
        let (a, b) = (host.namespace("a"), host.namespace("b"));
        sh("ip link add e netns a type veth peer name e netns b && ip -n a addr add 10.0.0.1/24 dev e").ok();
        sh("ip -n b addr add 10.0.0.2/24 dev e && ip -n a link set e up && ip -n b link set e up").ok();
        a.sh("tc qdisc add dev e root netem delay 10ms").ok();
        // The first one waits for the neighbour's address too.
        assert!(a.ping("10.0.0.2", 1).all_answered());
        TIME.repeated(|| {
            let ping = a.ping("10.0.0.2", 30);
            assert!(ping.all_answered(), "{ping:?}");
            assert_by_chance!(ping.rtt_min_ms >= 10.0 && ping.rtt_avg_ms < 10.5, "{ping:?}");
        });
        drop(b);
        assert!(Path::new("/etc/passwd").exists());
    });
}
