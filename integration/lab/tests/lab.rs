//! The lab itself: what goes in, what comes out, and that its clock is exact.

use harness::chance::TIME;
use harness::{Host, assert_by_chance, sh};
use lab::{Ending, Feature, Guest, default_cache, on_full_kernel};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{SystemTime, UNIX_EPOCH};

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

/// Runs a script on the machine that has the test's name, and returns its status and what it printed.
#[expect(clippy::panic, clippy::unwrap_used, reason = "a helper of tests")]
fn on_kept_machine(script: &str, files: &[(&str, &str)]) -> (i32, String) {
    let mut guest = Guest::new(["sh", "-c", script].map(OsString::from).to_vec(), default_cache());
    guest.kept_as = Some(format!("test-{}", std::process::id()));
    guest.files = files.iter().map(|(place, source)| (place.into(), source.into())).collect::<BTreeMap<_, _>>();
    let mut stdout = Vec::new();
    let (ending, _) = guest.run(&mut stdout, &mut std::io::stderr()).unwrap();
    match ending {
        Ending::Status(status) => (status, String::from_utf8(stdout).unwrap()),
        Ending::Died(how) => panic!("{how}"),
    }
}

#[test]
fn a_machine_serves_one_run_after_another_until_one_fails_or_leaves_something() {
    const COUNT: &str = "echo >> /root/runs; wc -l < /root/runs";
    let directory = std::env::temp_dir().join(format!("lab-kept-{}", std::process::id()));
    std::fs::create_dir(&directory).unwrap();
    let file = directory.join("file");
    let files = [("/root/file", file.to_str().unwrap())];
    let run = |script: &str| on_kept_machine(&format!("{script}\n{COUNT}"), &files);

    std::fs::write(&file, "first\n").unwrap();
    assert_eq!(run("cat /root/file; sleep 1000 &"), (0, "first\n1\n".to_owned()));
    assert_eq!(run("cat /root/file; pgrep -x sleep"), (0, "first\n2\n".to_owned()), "what ran on has ended");
    std::fs::write(&file, "a new one\n").unwrap();
    let (status, printed) = run("cat /root/file; date +%s");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let [content, time, count] = printed.lines().collect::<Vec<_>>()[..] else { panic!("{printed}") };
    assert_eq!((status, content, count), (0, "a new one", "3"));
    assert!(now.abs_diff(time.parse().unwrap()) < 60, "{time} instead of {now}");

    for left in ["ip link add left type dummy", "echo no > /proc/sys/kernel/modprobe"] {
        run(left);
        assert_eq!(run(":"), (0, "1\n".to_owned()), "after {left}");
    }
    assert_eq!(run("exit 3").0, 3);
    assert_eq!(run(":"), (0, "1\n".to_owned()), "after one that failed");
    std::fs::remove_dir_all(directory).unwrap();
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
