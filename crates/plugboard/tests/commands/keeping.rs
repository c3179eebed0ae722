//! What neither `gc` nor `detach` takes for somebody else's or for gone, on a real kernel: attachments that names, records or namespaces
//! do not tell as they usually do.

use std::fs;
use std::io::{BufRead, BufReader};

use crate::support::{Lab, assert_refused};
use harness::{Background, Namespace, Output, Snapshot, sh};
use serde_json::{Value, json};

const RESULTS: &str = "/var/lib/cni/results";
const IPAM: &str = "/run/ipam";

fn bridge(network: &str) -> Value {
    json!({"type": "bridge", "bridge": network, "isGateway": true,
        "ipam": {"type": "host-local", "subnet": "10.8.0.0/24", "dataDir": IPAM}})
}

/// A network with a bridge of our own plugins.
fn own() -> Lab {
    let lab = Lab::with_own_plugins();
    lab.network_with("lan", &json!({"cniVersion": "1.0.0", "plugins": [bridge("lan")]}));
    lab
}

/// The same of the reference's plugins.
fn reference() -> Lab {
    let lab = Lab::with_reference_plugins();
    lab.network_with("lan", &json!({"cniVersion": "1.0.0", "plugins": [bridge("lan")]}));
    lab
}

fn taps() -> Lab {
    let lab = Lab::with_own_plugins();
    let mut plugin = bridge("vm");
    plugin["nic"] = json!("tap");
    lab.network_with("vm", &json!({"cniVersion": "1.0.0", "plugins": [plugin]}));
    lab
}

fn taken() -> String {
    sh(&format!("cd {IPAM} && find . -name '10.*' | sort")).ok()
}

/// The names of the devices on the host that containers have, and the addresses that are taken.
fn state() -> (String, String) {
    let links = "ip -br link show | grep -oE '^(veth|pb)[a-z0-9]*' | sort";
    (sh(links).ok(), taken())
}

/// A process that has a namespace open and is not in it.
fn held_open(namespace: &Namespace) -> Background {
    let mut shell = harness::spawn(&format!("exec 7< {}; echo; exec sleep 600", namespace.path.display()));
    BufReader::new(shell.child().stdout.take().expect("a pipe")).read_line(&mut String::new()).expect("a line");
    shell
}

/// A process in a namespace.
fn living_in(namespace: &Namespace) -> Background {
    let mut shell = namespace.spawn("echo; exec sleep 600");
    BufReader::new(shell.child().stdout.take().expect("a pipe")).read_line(&mut String::new()).expect("a line");
    shell
}

#[track_caller]
fn assert_line(output: &Output, words: &[&str]) {
    let is_it = |line: &str| words.iter().all(|word| line.contains(word));
    assert!(output.stdout.lines().any(is_it), "no line with {words:?}: {output:?}");
}

fn host_device() -> String {
    sh("ip -o link show | grep -o ' pb[a-z0-9]*' | tr -d ' '").ok()
}

/// Takes our key out of a record, as libcni writes it.
fn as_libcni_has_it(path: &str) {
    let mut record: Value = serde_json::from_slice(&fs::read(path).expect("a record")).expect("JSON");
    record.as_object_mut().expect("an object").remove("plugboard");
    fs::write(path, record.to_string()).expect("written");
}

#[test]
fn a_container_id_that_no_alias_has_room_for() {
    let lab = own();
    let id = "c".repeat(235);
    let c1 = lab.host.namespace("c1");
    lab.plugboard(&format!("attach --container-id {id} c1 lan --primary lan")).ok();
    let before = state();
    let holder = held_open(&c1);
    c1.delete();
    let output = lab.plugboard("gc");
    output.ok();
    assert_line(&output, &["kept", "eth0", "lan", &id]);
    assert_eq!(before, state());
    drop(holder);
    harness::wait_until("its interface is gone", || state().0.is_empty());
    lab.plugboard("gc").ok();
    lab.assert_nothing_remembered();
    assert_eq!(taken(), "");
    for force in ["", "--force"] {
        let c2 = lab.host.namespace(&format!("c2{force}"));
        lab.plugboard(&format!("attach --container-id {id} {} lan --primary lan", c2.path.display())).ok();
        let before = state();
        fs::remove_file(format!("{RESULTS}/lan-{id}-eth0")).expect("it is there");
        assert_refused(&lab.plugboard("gc"), "does not tell the whole ID");
        assert_eq!(before, state());
        let output = lab.plugboard(&format!("detach {force} --container-id {id} {}", c2.path.display()));
        output.ok();
        assert_eq!(state(), (String::new(), String::new()), "{output:?}");
    }
}

#[test]
fn a_device_that_somebody_has_renamed() {
    for lab in [own, taps] {
        let (lab, network) =
            (lab(), if fs::exists("/etc/cni/net.d/vm.conflist").expect("a directory") { "vm" } else { "lan" });
        let c1 = lab.host.namespace("c1");
        lab.plugboard(&format!("attach c1 {network} --primary {network}")).ok();
        fs::remove_file(format!("{RESULTS}/{network}-c1-eth0")).expect("it is there");
        let device = host_device();
        sh(&format!("ip link set {device} down; ip link set {device} name pbfoo up")).ok();
        if network == "lan" {
            let before = state();
            let output = lab.plugboard("gc");
            output.ok();
            assert_line(&output, &["kept", "eth0", network, "c1", "pbfoo"]);
            assert_eq!(before, state());
        }
        lab.plugboard("detach c1").ok();
        assert_eq!(state(), (String::new(), String::new()), "{network}");
        assert_eq!(c1.ip("link show").as_array().map(Vec::len), Some(1));
        sh("rm -f /etc/cni/net.d/*").ok();
    }
}

#[test]
fn the_record_of_somebody_else_in_a_file() {
    let lab = taps();
    for name in ["v1", "v2"] {
        lab.host.namespace(name);
        lab.plugboard(&format!("attach {name} vm --primary vm")).ok();
    }
    let before = state();
    sh(&format!("cp {RESULTS}/vm-v2-eth0 {RESULTS}/vm-v1-eth0; sleep 2.5")).ok();
    let output = lab.plugboard("gc");
    assert_refused(&output, "vm-v1-eth0");
    assert!(output.stderr.contains("it holds the record of eth0 of container v2"), "{output:?}");
    assert_eq!(before, state());
    lab.plugboard("detach v2").ok();
    assert!(fs::exists(format!("{RESULTS}/vm-v1-eth0")).expect("a directory"));
    lab.plugboard("detach v1").ok();
    lab.assert_nothing_remembered();
    // A copy is no second record, and a record without a name is none.
    lab.plugboard("attach v1 vm --primary vm").ok();
    sh(&format!("cp {RESULTS}/vm-v1-eth0 {RESULTS}/vm-v1-eth0.bak")).ok();
    assert_refused(&lab.plugboard("gc"), "vm-v1-eth0.bak");
    assert_eq!(lab.plugboard("ls").ok().lines().count(), 2);
    sh(&format!(
        "mv {RESULTS}/vm-v1-eth0.bak /run/copy; sed -i 's/\"containerId\":\"v1\"/\"containerId\":\"\"/' /run/copy"
    ))
    .ok();
    sh(&format!("cp /run/copy {RESULTS}/vm--eth0")).ok();
    assert_refused(&lab.plugboard("gc"), "has no name in it");
}

#[test]
fn a_damaged_record_whose_name_may_stand_for_two_containers() {
    let lab = reference();
    lab.network_with("lan-a", &json!({"cniVersion": "1.0.0", "plugins": [bridge("lan-a")]}));
    let (one, _other) = (lab.host.namespace("a-b"), lab.host.namespace("b"));
    lab.plugboard("attach a-b lan --primary lan").ok();
    let path = format!("{RESULTS}/lan-a-b-eth0");
    fs::write(&path, "").expect("written");
    for args in ["detach b", "detach --force b"] {
        lab.plugboard(args);
        assert!(fs::exists(&path).expect("a directory"), "{args}");
        assert_eq!(one.ip("link show").as_array().map(Vec::len), Some(2), "{args}");
    }
    let holder = held_open(&one);
    one.delete();
    assert_refused(&lab.plugboard("detach b"), "nothing tells which");
    assert_refused(&lab.plugboard("detach --force b"), "nothing tells which");
    assert!(fs::exists(&path).expect("a directory"));
    assert_eq!(taken(), "./lan/10.8.0.2");
    drop(holder);
}

#[test]
fn an_interface_of_the_references_plugins_whose_namespace_no_path_leads_to() {
    let lab = reference();
    let path = format!("{RESULTS}/lan-c1-eth0");
    for how in ["held open", "record emptied", "libcni's"] {
        let c1 = lab.host.namespace("c1");
        lab.plugboard("attach c1 lan --primary lan").ok();
        let before = state();
        let holder = if how == "held open" { held_open(&c1) } else { living_in(&c1) };
        match how {
            "record emptied" => fs::write(&path, "").expect("written"),
            "libcni's" => as_libcni_has_it(&path),
            _ => {}
        }
        c1.delete();
        for args in ["detach c1", "detach --force c1"] {
            assert_refused(&lab.plugboard(args), "ip link delete");
            assert_eq!(before, state(), "{how}: {args}");
        }
        assert!(fs::exists(&path).expect("a directory"), "{how}");
        drop(holder);
        lab.plugboard("detach c1").ok();
        assert_eq!(state().0, "", "{how}");
        lab.assert_nothing_remembered();
        sh(&format!("rm -f {IPAM}/lan/10.*")).ok();
    }
}

#[test]
fn a_path_that_leads_to_another_containers_namespace_by_now() {
    let lab = reference();
    let (gone, c2) = (lab.host.namespace("c1"), lab.host.namespace("c2"));
    lab.plugboard("attach c1 lan --primary lan").ok();
    lab.plugboard("attach c2 lan --primary lan").ok();
    let path = format!("{RESULTS}/lan-c1-eth0");
    as_libcni_has_it(&path);
    gone.delete();
    sh(&format!("sed -i 's#/run/netns/c1#/run/netns/c2#' {path}")).ok();
    lab.plugboard("detach c1").ok();
    assert_eq!(c2.ip("link show").as_array().map(Vec::len), Some(2));
    lab.plugboard("check c2").ok();
    assert_eq!(taken(), "./lan/10.8.0.3");
}

#[test]
fn what_a_readable_record_elsewhere_says_is_in_use_is_not_even_forced() {
    let lab = own();
    let c1 = lab.host.namespace("c1");
    lab.plugboard("attach c1 lan --primary lan").ok();
    let before = (state(), Snapshot::take::<&str>(&[&c1], &[]));
    sh(&format!("mkdir -p /run/other/results && cp {RESULTS}/lan-c1-eth0 /run/other/results")).ok();
    sh(&format!("sed -i 's#/run/netns/c1#/run/netns/gone#' {RESULTS}/lan-c1-eth0")).ok();
    for args in ["gc", "gc --force"] {
        lab.plugboard(&format!("--cache-dir /var/lib/cni --cache-dir /run/other {args}")).ok();
        assert_eq!(before, (state(), Snapshot::take::<&str>(&[&c1], &[])), "{args}");
    }
}

#[test]
fn a_command_in_the_containers_own_namespace_is_refused() {
    let lab = own();
    let c1 = lab.host.namespace("c1");
    lab.plugboard("attach c1 lan --primary lan").ok();
    for whose in ["ours", "libcni's"] {
        let before = (state(), Snapshot::take(&[&c1], &[RESULTS]));
        for args in ["gc", "gc --force", "gc --dry-run", "detach c1", "detach --force c1"] {
            assert_refused(&c1.sh(&lab.command(args)), "run it in that of the host");
            assert_eq!(before, (state(), Snapshot::take(&[&c1], &[RESULTS])), "{whose}: {args}");
        }
        as_libcni_has_it(&format!("{RESULTS}/lan-c1-eth0"));
    }
}

/// A new TAP device says for a while that it has a carrier.
#[test]
fn a_tap_device_that_nobody_has_opened_yet_is_a_leftover() {
    let lab = taps();
    lab.host.namespace("c1");
    lab.plugboard("attach c1 vm --primary vm").ok();
    fs::remove_file(format!("{RESULTS}/vm-c1-eth0")).expect("it is there");
    let output = lab.plugboard("gc");
    output.ok();
    assert_line(&output, &["removed", "eth0", "vm", "c1"]);
    assert_eq!(output.stdout.lines().count(), 1, "{output:?}");
    assert_eq!(state(), (String::new(), String::new()));
}

#[test]
fn gc_tells_of_whom_it_gave_addresses_back() {
    let lab = own();
    let c1 = lab.host.namespace("c1");
    lab.host.namespace("c2");
    lab.plugboard("attach c1 lan --primary lan").ok();
    lab.plugboard("attach c2 lan --primary lan").ok();
    c1.delete();
    fs::remove_file(format!("{RESULTS}/lan-c1-eth0")).expect("it is there");
    harness::wait_until("its interface is gone", || state().0.lines().count() == 1);
    let listed: Value = serde_json::from_str(&lab.plugboard("gc --json").ok()).expect("JSON");
    let removed = json!([{"action": "removed", "containerId": "c1", "ifName": "eth0", "network": "lan", "reason": ""}]);
    assert_eq!(listed, json!({"attachments": removed, "problems": []}));
    assert_eq!(taken(), "./lan/10.8.0.3");
}

#[test]
fn detach_and_gc_wait_for_each_other() {
    let lab = Lab::new();
    lab.recorders(&["wire"]);
    lab.network("lan", &json!([{"type": "wire"}]));
    lab.host.namespace("c1");
    lab.plugboard("attach c1 lan --primary lan").ok();
    let plugin = fs::read_to_string("/run/plugins/wire").expect("a script");
    // It goes on when somebody writes to the pipe.
    sh("mkfifo /run/go /run/begun").ok();
    lab.file(
        "wire",
        &plugin.replace(
            "stdin=$(cat)",
            "stdin=$(cat)\n[ \"$CNI_COMMAND\" != DEL ] || { echo > /run/begun; cat /run/go > /dev/null; }",
        ),
    );
    let mut detach = harness::spawn(&lab.command("detach c1"));
    sh("cat /run/begun").ok();
    assert_refused(&lab.plugboard("--lock-timeout 1 gc"), "has been locked by");
    sh("echo > /run/go").ok();
    assert!(detach.child().wait().expect("it is ours").success());
    lab.plugboard("gc").ok();
}

#[test]
fn what_is_in_the_place_of_a_record_is_no_record_and_not_nothing() {
    let lab = own();
    let path = format!("{RESULTS}/lan-c1-eth0");
    for what in ["mkdir", "ln -s /nowhere"] {
        let c1 = lab.host.namespace("c1");
        lab.plugboard("attach c1 lan --primary lan").ok();
        sh(&format!("rm {path}; {what} {path}; mkdir -p {RESULTS}/another-runtimes-own")).ok();
        let before = (state(), Snapshot::take::<&str>(&[&c1], &[]));
        let output = lab.plugboard("gc");
        assert!(output.status == 1 && output.stderr.contains(&path), "{what}: {output:?}");
        assert_eq!(before, (state(), Snapshot::take::<&str>(&[&c1], &[])), "{what}");
        lab.plugboard("detach c1").ok();
        assert_eq!(state(), (String::new(), String::new()), "{what}");
        assert!(fs::symlink_metadata(&path).is_err(), "{what}");
        lab.plugboard("gc").ok();
        // With something in it, a directory is not ours to remove.
        if what == "mkdir" {
            sh(&format!("mkdir -p {path}/inside")).ok();
            assert_refused(&lab.plugboard("detach --force c1"), &path);
            sh(&format!("rmdir {path}/inside")).ok();
        }
        c1.delete();
        lab.plugboard("gc --force").ok();
        assert!(fs::symlink_metadata(&path).is_err(), "{what}");
    }
}

/// libcni before 1.2 does not record the path; the result tells it.
#[test]
fn a_record_without_the_path_of_its_namespace() {
    let lab = own();
    let c1 = lab.host.namespace("c1");
    lab.plugboard("attach c1 lan --primary lan").ok();
    let path = format!("{RESULTS}/lan-c1-eth0");
    as_libcni_has_it(&path);
    let mut record: Value = serde_json::from_slice(&fs::read(&path).expect("a record")).expect("JSON");
    record.as_object_mut().expect("an object").remove("netns");
    fs::write(&path, record.to_string()).expect("written");
    let before = state();
    assert_eq!(lab.plugboard("gc").ok(), "");
    assert_eq!(before, state());
    c1.delete();
    let output = lab.plugboard("gc");
    output.ok();
    assert_line(&output, &["removed", "eth0", "lan", "c1"]);
    lab.assert_nothing_remembered();
    assert_eq!(taken(), "");
}

#[test]
fn a_record_that_the_caller_may_not_read_is_named() {
    let lab = own();
    lab.host.namespace("c1");
    lab.plugboard("attach c1 lan --primary lan").ok();
    sh(&format!("mkdir -p /run/copy/results && cp {RESULTS}/lan-c1-eth0 /run/copy/results/")).ok();
    sh("chmod 755 /run/copy /run/copy/results && chmod 0 /run/copy/results/lan-c1-eth0").ok();
    for args in ["ls", "check c1", "shape c1 eth0"] {
        let command = lab.command(&format!("--cache-dir /run/copy {args}"));
        let command = command.replacen("; ", "; setpriv --reuid 65534 --regid 65534 --clear-groups ", 1);
        assert_refused(&sh(&command), "/run/copy/results/lan-c1-eth0");
    }
}

/// The comment of a rule has no room for it either.
#[test]
fn a_long_container_id_of_a_device_that_another_plugin_made() {
    let lab = Lab::with_a_maker_of("vetht0");
    let mut plugin = bridge("lan");
    plugin["ipMasq"] = json!(true);
    lab.network_with("lan", &json!({"cniVersion": "1.0.0", "plugins": [{"type": "maker"}, plugin]}));
    lab.host.namespace("c1");
    let id = "c".repeat(235);
    lab.plugboard(&format!("attach --container-id {id} c1 lan --primary lan")).ok();
    let before = (state(), sh("nft list ruleset").ok());
    fs::remove_file(format!("{RESULTS}/lan-{id}-eth0")).expect("it is there");
    assert_refused(&lab.plugboard("gc"), "a rule of the packet filter does not tell the whole ID");
    assert_eq!(before, (state(), sh("nft list ruleset").ok()));
    sh("ip link delete vetht0").ok();
    lab.plugboard("gc").ok();
    assert_eq!(state(), (String::new(), String::new()));
}

#[test]
fn an_ifb_that_somebody_has_renamed() {
    let lab = Lab::with_own_plugins();
    let shaper = json!({"type": "netem-shaper", "upload": {"rate": "10Mbit"}});
    lab.network_with("lan", &json!({"cniVersion": "1.0.0", "plugins": [bridge("lan"), shaper]}));
    let c1 = lab.host.namespace("c1");
    lab.plugboard("attach c1 lan --primary lan").ok();
    let ifb = sh("ip -br link show type ifb | grep -o '^pi[a-z0-9]*'").ok();
    sh(&format!("ip link set {ifb} down; ip link set {ifb} name foo0 up")).ok();
    let look = || (state(), sh("ip -br link show type ifb").ok());
    let before = look();
    lab.plugboard("gc").ok();
    assert_eq!(before, look());
    fs::remove_file(format!("{RESULTS}/lan-c1-eth0")).expect("it is there");
    let output = lab.plugboard("gc");
    output.ok();
    assert_line(&output, &["kept", "eth0", "lan", "c1"]);
    assert_eq!(before, look());
    lab.plugboard("detach c1").ok();
    assert_eq!(look(), ((String::new(), String::new()), String::new()));
    assert_eq!(c1.ip("link show").as_array().map(Vec::len), Some(1));
}
