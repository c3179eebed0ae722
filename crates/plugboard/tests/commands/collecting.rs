//! What `gc` keeps and what it removes, on a real kernel: an interface that somebody uses stays, whatever is recorded of it.

use std::fs;
use std::io::{BufRead, BufReader};

use crate::support::{Lab, assert_refused};
use harness::{Background, Namespace, Output, Snapshot, sh};
use serde_json::{Value, json};

const RESULTS: &str = "/var/lib/cni/results";

/// Two networks, each a bridge with addresses that are translated.
fn lab() -> Lab {
    let lab = Lab::with_own_plugins();
    for (network, number) in [("walt-net", 8), ("home-net", 9)] {
        lab.network_with(network, &json!({"cniVersion": "1.0.0", "plugins": [bridge(network, number)]}));
    }
    lab
}

fn bridge(network: &str, number: u8) -> Value {
    json!({"type": "bridge", "bridge": network, "isGateway": true, "ipMasq": true,
        "ipam": {"type": "host-local", "subnet": format!("10.{number}.0.0/24"), "dataDir": "/run/ipam"}})
}

/// The kernel's objects and the addresses that are taken.
fn state(namespaces: &[&Namespace]) -> (Snapshot, String) {
    (Snapshot::take::<&str>(namespaces, &[]), taken())
}

fn taken() -> String {
    sh("cd /run/ipam && find . -name '10.*' | sort").ok()
}

/// Asserts that a line has these words, among others.
#[track_caller]
fn assert_line(output: &Output, words: &[&str]) {
    let is_it = |line: &str| words.iter().all(|word| line.contains(word));
    assert!(output.stdout.lines().any(is_it), "no line with {words:?}: {output:?}");
}

/// A process in a namespace that it has made, and another one that lives on in it.
fn two_processes() -> (Background, u32, u32) {
    let mut shell = harness::spawn("exec unshare --net sh -c 'sleep 600 > /dev/null & echo $$ $!; exec sleep 600'");
    let mut line = String::new();
    BufReader::new(shell.child().stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
    let ids: Vec<u32> = line.split_whitespace().map(|id| id.parse().expect("a number")).collect();
    (shell, ids[0], ids[1])
}

#[test]
fn an_interface_without_a_record_is_kept_and_named_until_forced() {
    let lab = lab();
    let c1 = lab.host.namespace("c1");
    lab.plugboard("attach c1 walt-net,home-net").ok();
    let before = state(&[&c1]);
    fs::remove_file(format!("{RESULTS}/walt-net-c1-eth0")).expect("it is there");
    let output = lab.plugboard("gc");
    output.ok();
    assert_line(&output, &["kept", "eth0", "walt-net", "c1", "/run/netns/c1", "--force"]);
    assert_eq!(output.stdout.lines().count(), 1, "{output:?}");
    assert_eq!(before, state(&[&c1]));
    let script = lab.plugboard("gc --dry-run").ok();
    assert!(script.contains("# eth0 on walt-net of c1 is kept: "), "{script}");
    assert!(!script.contains("link delete"), "{script}");
    let listed: Value = serde_json::from_str(&lab.plugboard("gc --json").ok()).expect("JSON");
    let kept = &listed["attachments"][0];
    assert_eq!((&kept["action"], &kept["containerId"]), (&json!("kept"), &json!("c1")));

    let forced = lab.plugboard("gc --force");
    forced.ok();
    assert_line(&forced, &["removed", "eth0", "walt-net", "c1"]);
    assert_eq!(taken(), "./home-net/10.9.0.2");
    let links = c1.ip("link show");
    let names: Vec<_> = links.as_array().into_iter().flatten().map(|link| link["ifname"].clone()).collect();
    assert_eq!(names, ["lo", "eth1"]);
    lab.plugboard("check c1").ok();
}

#[test]
fn records_of_multus_and_in_further_directories_are_read() {
    let lab = lab();
    let c1 = lab.host.namespace("c1");
    lab.plugboard("attach c1 walt-net,home-net").ok();
    let before = state(&[&c1]);
    sh("mkdir -p /var/lib/cni/multus/results /run/other/results").ok();
    sh(&format!(
        "mv {RESULTS}/walt-net-c1-eth0 /var/lib/cni/multus/results; mv {RESULTS}/home-net-c1-eth1 /run/other/results"
    ))
    .ok();
    let output = lab.plugboard("gc --cache-dir /var/lib/cni --cache-dir /run/other");
    assert_eq!(output.ok(), "", "{output:?}");
    assert_eq!(before, state(&[&c1]));
    // They are another runtime's to remove.
    c1.delete();
    lab.plugboard("gc --cache-dir /var/lib/cni --cache-dir /run/other").ok();
    assert_eq!(taken(), "");
    assert!(fs::exists("/run/other/results/home-net-c1-eth1").expect("a directory"));
}

#[test]
fn a_damaged_record_keeps_its_network_and_fails() {
    let lab = lab();
    let c1 = lab.host.namespace("c1");
    lab.plugboard("attach c1 walt-net").ok();
    let before = state(&[&c1]).0;
    let gone = lab.host.namespace("gone");
    lab.plugboard("attach gone home-net --primary home-net").ok();
    let path = format!("{RESULTS}/walt-net-c1-eth0");
    let whole = fs::read(&path).expect("a record");
    gone.delete();
    fs::remove_file(format!("{RESULTS}/home-net-gone-eth0")).expect("it is there");
    assert_eq!(taken(), "./home-net/10.9.0.2\n./walt-net/10.8.0.2");
    let other_kind = String::from_utf8(whole.clone()).expect("text").replace("cniCacheV1", "cniCacheV9");
    let forms: [(&str, Vec<u8>); 6] = [
        ("empty", Vec::new()),
        ("cut", whole[..whole.len() / 2].to_vec()),
        ("zeroed", vec![0; whole.len()]),
        ("of another kind", other_kind.into_bytes()),
        ("something else", b"{}".to_vec()),
        ("no object", b"[1]".to_vec()),
    ];
    for (what, text) in forms {
        fs::write(&path, text).expect("written");
        for args in ["gc", "gc --dry-run", "gc walt-net"] {
            let output = lab.plugboard(args);
            assert_eq!(output.status, 1, "{what}: {output:?}");
            assert!(output.stderr.contains(&path) && output.stderr.contains("network walt-net"), "{what}: {output:?}");
            assert!(!output.stdout.contains("link delete"), "{what}: {output:?}");
        }
        assert_eq!(before, state(&[&c1]).0, "{what}");
        assert_eq!(taken(), "./walt-net/10.8.0.2", "{what}: the other network is collected");
    }
    fs::remove_file(&path).expect("it is there");
    sh(&format!("mkfifo {path}")).ok();
    assert_eq!(lab.plugboard("gc").status, 1);
    assert_eq!(before, state(&[&c1]).0);
    // A name that tells no network keeps all.
    lab.host.namespace("late").delete();
    sh(&format!("rm {path}; touch {RESULTS}/lost-and-found; mkdir -p /run/ipam/home-net")).ok();
    sh("printf 'gone\\r\\neth0' > /run/ipam/home-net/10.9.0.77").ok();
    let output = lab.plugboard("gc");
    assert_eq!(output.status, 1, "{output:?}");
    assert!(output.stderr.contains("lost-and-found") && output.stderr.contains("any network"), "{output:?}");
    assert!(taken().contains("10.9.0.77"));
    fs::remove_file(format!("{RESULTS}/lost-and-found")).expect("it is there");
    lab.plugboard("gc").ok();
    assert_eq!(taken(), "./walt-net/10.8.0.2");
}

/// libcni before 0.8 recorded the result, and nothing else.
#[test]
fn a_record_of_old_libcni_is_understood() {
    let lab = lab();
    let c1 = lab.host.namespace("c1");
    lab.plugboard("attach c1 walt-net").ok();
    let path = format!("{RESULTS}/walt-net-c1-eth0");
    let result = lab.remembered("walt-net", "c1", "eth0").expect("a record")["result"].to_string();
    fs::write(&path, &result).expect("written");
    let before = state(&[&c1]);
    let output = lab.plugboard("gc");
    assert_eq!(output.ok(), "", "{output:?}");
    assert_eq!(before, state(&[&c1]));
    c1.delete();
    let output = lab.plugboard("gc");
    output.ok();
    assert_line(&output, &["removed", "eth0", "walt-net", "c1"]);
    assert_eq!(taken(), "");
    lab.assert_nothing_remembered();
}

#[test]
fn a_namespace_that_outlives_its_process_keeps_its_interface() {
    let lab = lab();
    let (_shell, first, second) = two_processes();
    lab.plugboard(&format!("attach pid:{first} walt-net")).ok();
    let before = state(&[]);
    sh(&format!("kill -9 {first}")).ok();
    harness::wait_until("it has ended", || {
        !fs::read_to_string(format!("/proc/{first}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
    });
    let output = lab.plugboard("gc");
    output.ok();
    assert_line(&output, &["kept", "eth0", "walt-net", &format!("pid-{first}"), &format!("process {second} (sleep)")]);
    assert_eq!(before, state(&[]));
    assert!(lab.remembered("walt-net", &format!("pid-{first}"), "eth0").is_some());
    let forced = lab.plugboard("gc --force");
    forced.ok();
    assert_line(&forced, &["removed", "eth0", "walt-net", &format!("pid-{first}")]);
    lab.assert_nothing_remembered();
    assert_eq!(taken(), "");
}

/// Ports are elements of the packet filter: they tell who has published them.
#[test]
fn published_ports_stay_while_their_container_is_there_and_go_with_it() {
    let lab = Lab::with_own_plugins();
    let ports = json!([{"hostPort": 8080, "containerPort": 80}]);
    let portmap = json!({"type": "portmap", "runtimeConfig": {"portMappings": ports}});
    lab.network_with("walt-net", &json!({"cniVersion": "1.1.0", "plugins": [bridge("walt-net", 8), portmap]}));
    // Forwarding, once switched on, stays.
    sh("sysctl -qw net.ipv4.ip_forward=1").ok();
    let empty = Snapshot::take::<&str>(&[], &[]);
    for is_recorded in [true, false] {
        let c1 = lab.host.namespace("c1");
        lab.plugboard("attach c1 walt-net").ok();
        if !is_recorded {
            fs::remove_file(format!("{RESULTS}/walt-net-c1-eth0")).expect("it is there");
        }
        let before = state(&[&c1]);
        let output = lab.plugboard("gc");
        output.ok();
        assert_eq!(output.stdout.contains("kept"), !is_recorded, "{output:?}");
        assert_eq!(before, state(&[&c1]), "recorded: {is_recorded}");
        c1.delete();
        harness::wait_until("the NIC is gone", || sh("ip -br link show type veth").ok().is_empty());
        assert!(sh("nft list ruleset").ok().contains("tcp . 8080 comment \"pb"), "nobody has withdrawn the port");
        lab.plugboard("gc").ok();
        assert_eq!((&empty, ""), (&Snapshot::take::<&str>(&[], &[]), taken().as_str()), "recorded: {is_recorded}");
    }
}

/// Nothing of ours is on the host.
#[test]
fn an_interface_of_the_references_plugins_is_kept_with_its_namespace() {
    let lab = Lab::with_reference_plugins();
    lab.network_with(
        "walt-net",
        &json!({"cniVersion": "1.0.0", "plugins": [bridge("walt-net", 8), {"type": "portmap"}]}),
    );
    let (_shell, first, second) = two_processes();
    lab.plugboard(&format!("attach pid:{first} walt-net")).ok();
    let path = format!("{RESULTS}/walt-net-pid-{first}-eth0");
    let before = state(&[]);
    sh(&format!("kill -9 {first}")).ok();
    let named = format!("process {second} (sleep)");
    let mut record: Value = serde_json::from_slice(&fs::read(&path).expect("a record")).expect("JSON");
    for whose in ["ours", "libcni's"] {
        let output = lab.plugboard("gc");
        output.ok();
        assert_line(&output, &["kept", "eth0", "walt-net", &named]);
        assert_eq!(before, state(&[]), "{whose}");
        assert!(output.stderr.contains("plugin 'portmap' has no GC: it speaks CNI 0.1.0"), "{output:?}");
        record.as_object_mut().expect("an object").remove("plugboard");
        fs::write(&path, record.to_string()).expect("written");
    }
    sh(&format!("kill -9 {second}")).ok();
    harness::wait_until("the namespace is gone", || sh("ip -br link show type veth").ok().is_empty());
    let output = lab.plugboard("gc");
    output.ok();
    assert_line(&output, &["removed", "eth0", "walt-net"]);
    assert_eq!(taken(), "");
}

/// A device that another plugin has made is the bridge's port; nothing of ours is on it.
#[test]
fn the_address_and_the_rules_of_a_lent_device_are_kept() {
    let lab = Lab::with_a_maker_of("t0");
    lab.network_with(
        "walt-net",
        &json!({"cniVersion": "1.0.0", "plugins": [{"type": "maker"}, bridge("walt-net", 8)]}),
    );
    let c1 = lab.host.namespace("c1");
    lab.plugboard("attach c1 walt-net").ok();
    let before = state(&[&c1]);
    fs::remove_file(format!("{RESULTS}/walt-net-c1-eth0")).expect("it is there");
    let output = lab.plugboard("gc");
    output.ok();
    assert_line(&output, &["kept", "eth0", "walt-net", "c1", "t0", "a port of the network's bridge"]);
    assert_eq!(before, state(&[&c1]));
    // A leftover without a port.
    sh("ip link delete t0").ok();
    lab.plugboard("gc").ok();
    assert_eq!(taken(), "");
}

/// The reference's plugin does nothing without a namespace.
#[test]
fn detach_finds_a_namespace_that_outlives_its_process() {
    let lab = Lab::with_reference_plugins();
    lab.network_with("walt-net", &json!({"cniVersion": "1.0.0", "plugins": [bridge("walt-net", 8)]}));
    for whose in ["ours", "libcni's"] {
        let (_shell, first, second) = two_processes();
        lab.plugboard(&format!("attach pid:{first} walt-net")).ok();
        let path = format!("{RESULTS}/walt-net-pid-{first}-eth0");
        sh(&format!("kill -9 {first}")).ok();
        harness::wait_until("it has ended", || {
            !fs::exists(format!("/proc/{first}/ns/net")).is_ok_and(|is_there| is_there)
        });
        let links = || sh(&format!("nsenter --net=/proc/{second}/ns/net ip -br link")).ok().lines().count();
        assert_eq!(links(), 2);
        if whose == "ours" {
            lab.plugboard(&format!("detach pid:{first}")).ok();
            assert_eq!(links(), 1);
        } else {
            let mut record: Value = serde_json::from_slice(&fs::read(&path).expect("a record")).expect("JSON");
            record.as_object_mut().expect("an object").remove("plugboard");
            fs::write(&path, record.to_string()).expect("written");
            let refused = lab.plugboard(&format!("detach pid:{first}"));
            assert_refused(
                &refused,
                &format!("process {second} (sleep) keeps alive; remove it with `ip link delete veth"),
            );
            assert!(fs::exists(&path).expect("a directory"));
            sh(&format!("nsenter --net=/proc/{second}/ns/net ip link delete eth0")).ok();
            lab.plugboard(&format!("detach pid:{first}")).ok();
        }
        lab.assert_nothing_remembered();
        sh(&format!("kill -9 {second}")).ok();
    }
}

#[test]
fn a_tap_device_that_a_process_has_open_is_kept() {
    let lab = Lab::with_own_plugins();
    lab.network("walt-net", &json!([{"type": "bridge", "bridge": "walt-net", "nic": "tap"}]));
    lab.host.namespace("vm");
    let attached: Value = serde_json::from_str(&lab.plugboard("attach --json vm walt-net").ok()).expect("JSON");
    let device = attached[0]["hostInterface"].as_str().expect("a name").to_owned();
    fs::remove_file(format!("{RESULTS}/walt-net-vm-eth0")).expect("it is there");
    // TUNSETIFF with IFF_TAP, IFF_NO_PI and IFF_VNET_HDR.
    let open = format!(
        "exec python3 -c 'import fcntl, struct, time\nfd = open(\"/dev/net/tun\", \"r+b\", buffering=0)\n\
         fcntl.ioctl(fd, 0x400454ca, struct.pack(\"16sH22x\", b\"{device}\", 0x5002))\nprint(1, flush=True)\ntime.sleep(600)'"
    );
    let mut machine = harness::spawn(&open);
    BufReader::new(machine.child().stdout.take().expect("a pipe")).read_line(&mut String::new()).expect("a line");
    let id = machine.child().id();
    let output = lab.plugboard("gc");
    output.ok();
    assert_line(&output, &["kept", "eth0", "walt-net", "vm", &device, &format!("process {id} (python3)")]);
    assert!(fs::exists(format!("/sys/class/net/{device}")).expect("sysfs"));
    // Once nobody has it open, it is a leftover.
    drop(machine);
    harness::wait_until("it has no carrier", || sh(&format!("cat /sys/class/net/{device}/operstate")).ok() == "down");
    let output = lab.plugboard("gc");
    output.ok();
    assert_line(&output, &["removed", "eth0", "walt-net", "vm"]);
    assert!(!fs::exists(format!("/sys/class/net/{device}")).expect("sysfs"));
}

/// The shaper of a chain knows of no NIC, but its ifb serves one.
#[test]
fn an_ifb_that_an_interface_of_another_plugin_uses_is_kept() {
    let mut lab = Lab::with_own_plugins();
    sh(&format!("mkdir -p /run/bin && cp {0}/bridge {0}/host-local {0}/netem-shaper /run/bin/ && cp /usr/lib/cni/bridge /run/bin/veth", lab.plugin_dir.display())).ok();
    lab.plugin_dir = "/run/bin".into();
    let mut pair = bridge("walt-net", 8);
    pair["type"] = json!("veth");
    lab.network_with(
        "walt-net",
        &json!({"cniVersion": "1.0.0", "plugins": [pair, {"type": "netem-shaper", "upload": {"rate": "10Mbit"}}]}),
    );
    let c1 = lab.host.namespace("c1");
    lab.plugboard("attach c1 walt-net").ok();
    let before = state(&[&c1]);
    fs::remove_file(format!("{RESULTS}/walt-net-c1-eth0")).expect("it is there");
    let output = lab.plugboard("gc");
    output.ok();
    assert_line(&output, &["kept", "eth0", "walt-net", "c1", "sends what it receives through it"]);
    assert_eq!(before, state(&[&c1]));
}

#[test]
fn a_network_of_an_older_version_is_collected_by_plugins_that_speak_a_newer_one() {
    let lab = lab();
    let c1 = lab.host.namespace("c1");
    lab.plugboard("attach c1 walt-net").ok();
    fs::remove_file(format!("{RESULTS}/walt-net-c1-eth0")).expect("it is there");
    c1.delete();
    harness::wait_until("its interface is gone", || sh("ip -br link show type veth").ok().is_empty());
    assert_eq!(taken(), "./walt-net/10.8.0.2");
    let script = lab.plugboard("gc --dry-run").ok();
    assert!(script.contains("# leftovers on walt-net, found by bridge\n"), "{script}");
    lab.plugboard("gc").ok();
    assert_eq!(taken(), "");
    assert_eq!(sh("ip -br link show type bridge").ok(), "", "nothing uses the bridge");
    assert!(lab.plugboard("status").ok().lines().all(|line| line.trim_end().ends_with("  ready")));
}

/// Its IPAM plugin has no GC: the bridge is asked all the same.
#[test]
fn an_ipam_plugin_without_gc_is_named() {
    let mut lab = Lab::with_own_plugins();
    sh(&format!(
        "mkdir -p /run/bin && cp {}/bridge /run/bin/ && cp /usr/lib/cni/host-local /run/bin/",
        lab.plugin_dir.display()
    ))
    .ok();
    lab.plugin_dir = "/run/bin".into();
    lab.network_with("walt-net", &json!({"cniVersion": "1.0.0", "plugins": [bridge("walt-net", 8)]}));
    let output = lab.plugboard("gc");
    output.ok();
    assert!(output.stderr.contains("plugin 'host-local' has no GC: it speaks CNI 0.1.0"), "{output:?}");
    assert!(lab.plugboard("status").ok().ends_with("ready, as far as can be asked: host-local has no STATUS"));
}

#[test]
fn what_an_attach_left_that_was_killed_while_writing_goes_with_the_next_command() {
    let lab = lab();
    lab.host.namespace("c1");
    let draft = format!("{RESULTS}/.walt-net-c1-eth0");
    for command in ["attach c1 walt-net", "detach c1", "gc"] {
        fs::create_dir_all(RESULTS).expect("made");
        fs::write(&draft, "{").expect("written");
        lab.plugboard(command).ok();
        assert!(!fs::exists(&draft).expect("a directory"), "{command}");
    }
    lab.assert_nothing_remembered();
}

#[test]
fn detach_takes_down_by_name_and_alias_what_a_record_does_not_tell() {
    let lab = lab();
    let c1 = lab.host.namespace("c1");
    lab.plugboard("attach c1 walt-net").ok();
    lab.plugboard("detach c1").ok();
    let before = state(&[&c1]);
    for damage in [": >", "truncate -s 20", "rm"] {
        lab.plugboard("attach c1 'walt-net,home-net[bw=10Mbps]'").ok();
        sh(&format!("{damage} {RESULTS}/home-net-c1-eth1")).ok();
        let script = lab.plugboard("detach --dry-run c1").ok();
        assert!(script.contains("# eth1 on home-net of c1, by bridge\n"), "{damage}: {script}");
        let output = lab.plugboard("detach c1");
        output.ok();
        assert!(output.stderr.contains("home-net"), "{damage}: {output:?}");
        assert_eq!(before, state(&[&c1]), "{damage}");
        lab.assert_nothing_remembered();
    }
    // Nobody attaches over it: the undoing would take the interface that is in use.
    let c2 = lab.host.namespace("c2");
    for damage in [": >", "rm"] {
        lab.plugboard("attach c1 walt-net").ok();
        sh(&format!("{damage} {RESULTS}/walt-net-c1-eth0")).ok();
        assert_refused(&lab.plugboard(&format!("attach --container-id c1 {} walt-net", c2.path.display())), "detach");
        assert_eq!(c1.ip("link show").as_array().map(Vec::len), Some(2), "{damage}");
        lab.plugboard("detach c1").ok();
        assert_eq!(before, state(&[&c1]), "{damage}");
    }
    // What is not configured any more cannot be taken down, and is not passed over.
    for damage in [": >", "rm"] {
        lab.plugboard("attach c1 walt-net,home-net").ok();
        sh(&format!("{damage} {RESULTS}/home-net-c1-eth1; mv /etc/cni/net.d/home-net.conflist /run")).ok();
        assert_refused(&lab.plugboard("detach c1"), "network 'home-net', which");
        assert_eq!(c1.ip("link show").as_array().map(Vec::len), Some(2), "{damage}");
        sh("mv /run/home-net.conflist /etc/cni/net.d").ok();
        lab.plugboard("detach c1").ok();
        assert_eq!(before, state(&[&c1]), "{damage}");
        lab.assert_nothing_remembered();
    }
}
