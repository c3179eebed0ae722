//! What a test does on its host stays there: the machine sees nothing of it, neither during nor after.

use harness::{Host, Snapshot, ip, sh, spawn, wait_until};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::channel;

/// What the machine itself has; run from a thread that has entered no host.
fn machine() -> String {
    let script = "ip -o link; ip -o address; ip route; cat /proc/self/mounts; ls -laR /run /etc/cni /var/lib/cni 2>&1; \
                  ls -la /etc /var/lib; nft --stateless list ruleset";
    let output = Command::new("sh").args(["-c", script]).output().expect("sh");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_machine_is_untouched_during_and_after() {
    let before = machine();
    let (made, seen) = std::sync::mpsc::channel();
    let (done, leave) = std::sync::mpsc::channel();
    let test = std::thread::spawn(move || {
        let host = Host::enter();
        let container = host.namespace("c1");
        sh("ip link add br7 type bridge && ip link add v0 type veth peer name eth0 netns c1 && ip addr add 10.1.0.1/24 dev br7")
            .ok();
        sh("nft add table ip t && touch /run/x /etc/cni/x /var/lib/cni/x").ok();
        assert!(Path::new("/sys/class/net/br7").exists(), "/sys shows another namespace");
        assert!(container.sh("ls /sys/class/net").ok().contains("eth0"));
        made.send(()).unwrap();
        leave.recv().unwrap();
    });
    seen.recv().expect("the host's thread failed");
    let during = machine();
    done.send(()).unwrap();
    test.join().unwrap();
    assert_eq!(before, during);
    assert_eq!(before, machine());
}

#[test]
fn a_host_begins_empty() {
    let _host = Host::enter();
    let links = ip("link show");
    assert_eq!(links.as_array().map(Vec::len), Some(1), "{links}");
    assert!(links[0]["flags"].as_array().unwrap().contains(&"UP".into()));
    assert_eq!(sh("ls -A /run/netns /etc/cni /var/lib/cni | grep -v :").stdout.trim(), "");
    assert_eq!(sh("test -e /etc/passwd && test -d /var/lib/dpkg").status, 0, "the machine's own files are hidden");
}

#[test]
fn two_hosts_do_not_see_each_other() {
    let names = std::thread::scope(|scope| {
        ["a", "b"]
            .map(|name| {
                scope.spawn(move || {
                    let host = Host::enter();
                    host.namespace(name);
                    std::thread::sleep(std::time::Duration::from_millis(100));
                    sh("ls /run/netns").ok()
                })
            })
            .map(|thread| thread.join().unwrap())
    });
    assert_eq!(names, ["a", "b"]);
}

#[test]
fn what_still_runs_is_killed_with_the_host() {
    let marker = format!("8{}", std::process::id());
    {
        let host = Host::enter();
        host.namespace("c1").sh(&format!("sleep {marker} >/dev/null 2>&1 &")).ok();
        sh(&format!("sleep {marker} >/dev/null 2>&1 &")).ok();
        assert_eq!(running(&marker), 2);
    }
    for _ in 0..100 {
        if running(&marker) == 0 {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("{} processes are left", running(&marker));
}

/// As plugins do that go through all namespaces that they can reach.
#[test]
fn what_looks_into_a_host_from_another_outlives_it() {
    let (tell, told) = channel();
    let (leave, left) = channel();
    let visited = std::thread::spawn(move || {
        let _host = Host::enter();
        tell.send(format!("/proc/{}/task/{}/ns/net", std::process::id(), nix::unistd::gettid())).unwrap();
        left.recv().unwrap();
    });
    let _host = Host::enter();
    let namespace = told.recv().unwrap();
    let mut visitor = spawn(&format!("exec nsenter --net={namespace} sleep 100"));
    let its_own = format!("/proc/{}/ns/net", visitor.child().id());
    let number = |path: &str| std::fs::read_link(path).ok();
    wait_until("it has entered", || number(&its_own) == number(&namespace));
    leave.send(()).unwrap();
    visited.join().unwrap();
    assert_eq!(visitor.child().try_wait().unwrap(), None, "it was killed with a host that is not its own");
}

/// How many live processes are `sleep MARKER`.
fn running(marker: &str) -> usize {
    let wanted = format!("sleep\0{marker}\0");
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes.filter(|p| std::fs::read(p.path().join("cmdline")).is_ok_and(|line| line == wanted.as_bytes())).count()
}

#[test]
fn a_snapshot_shows_what_was_left_and_not_what_moves() {
    let host = Host::enter();
    let container = host.namespace("c1");
    sh("ip link add br0 type bridge && ip link set br0 up && ip addr add 10.9.0.1/24 dev br0").ok();
    let take = || Snapshot::take(&[&container], &["/var/lib/cni"]);
    let before = take();
    sh("ip link add v0 type veth peer name eth0 netns c1 && ip link set v0 master br0 up && ip -n c1 link set eth0 up")
        .ok();
    sh("ip -n c1 addr add 10.9.0.2/24 dev eth0; echo 10.9.0.2 > /var/lib/cni/lease; nft add table ip left").ok();
    assert!(container.ping("10.9.0.1", 2).all_answered());
    let difference = before.difference(&take());
    for left in ["+ host link", "+ c1 link", "+ c1 address", "+ c1 route", "+ file /var/lib/cni/lease", "table ip left"]
    {
        assert!(difference.contains(left), "no `{left}` in:\n{difference}");
    }
    sh("ip link del v0 && rm /var/lib/cni/lease && nft delete table ip left").ok();
    assert_eq!(before, take());
}
