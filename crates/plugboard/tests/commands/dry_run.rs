//! `--dry-run`: what is printed is what would be done, anybody may ask, and nothing is changed.

use std::fs;

use crate::support::{Lab, REFERENCE, assert_refused};
use harness::{Host, Invocation, Namespace, Output, Snapshot, sh};
use serde_json::{Value, json};

/// One of Linux, who may do nothing.
const ANYBODY: &str = "setpriv --reuid 65534 --regid 65534 --clear-groups";

fn host_local(subnet: &str) -> Value {
    json!({"type": "host-local", "subnet": subnet, "dataDir": "/run/ipam"})
}

fn fixed(address: &str, gateway: &str) -> Value {
    json!({"type": "static", "addresses": [{"address": address, "gateway": gateway}],
        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "10.77.0.0/16"}]})
}

/// A bridge with all that a plain one may have.
fn guarded(bridge: &str, ipam: &Value) -> Value {
    json!({"type": "bridge", "bridge": bridge, "isGateway": true, "ipMasq": true, "macspoofchk": true,
        "ipspoofchk": true, "ipam": ipam})
}

/// A bridge that any `nft` can be told about; that before 1.0.8 does not read the rule for advertised addresses.
fn plain(bridge: &str, ipam: &Value) -> Value {
    json!({"type": "bridge", "bridge": bridge, "isGateway": true, "isDefaultGateway": true, "ipMasq": true,
        "mtu": 1400, "ipam": ipam})
}

fn lab() -> Lab {
    let lab = Lab::with_own_plugins();
    // Forwarding, once switched on, stays.
    sh("sysctl -qw net.ipv4.ip_forward=1").ok();
    lab
}

/// The same call by a user who may do nothing.
fn by_anybody(lab: &Lab, args: &str) -> Output {
    let command = lab.command(args);
    let (environment, command) = command.split_once("; ").expect("an executable behind the environment");
    sh(&format!("{environment}; {ANYBODY} {command}"))
}

fn state(namespaces: &[&Namespace]) -> Snapshot {
    Snapshot::take(namespaces, &["/run/plugboard", "/run/ipam", "/var/lib/cni"])
}

/// The commands of a script, without its comments.
fn commands(script: &str) -> Vec<&str> {
    script.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

/// Runs a script to its first failure, but for `arping`, which not every machine has.
#[track_caller]
pub(crate) fn run(script: &str) {
    let lines: Vec<&str> = script.lines().filter(|line| !line.contains(" arping ")).collect();
    sh(&format!("set -e\n{}", lines.join("\n"))).ok();
}

#[track_caller]
fn assert_in_order(script: &str, expected: &[&str]) {
    let mut rest = script;
    for part in expected {
        let Some(place) = rest.find(part) else { panic!("{part}\nis missing, or comes too early, in\n{script}") };
        rest = &rest[place + part.trim_end_matches('\n').len()..];
    }
}

#[test]
fn anybody_sees_what_attach_would_do_and_nothing_is_changed() {
    let lab = lab();
    lab.network("walt-net", &json!([guarded("walt-net", &host_local("10.8.0.0/24"))]));
    lab.network("home-net", &json!([{"type": "bridge", "bridge": "home-net", "ipam": {"type": "dhcp"}}]));
    // It is found, and would fail.
    lab.network("other-net", &json!([{"type": "bridge", "bridge": "other-net", "nic": "tap"}]));
    let c1 = lab.host.namespace("c1");
    let before = state(&[&c1]);
    let mut lab = lab;
    lab.plugin_dir = format!("{}:{REFERENCE}", harness::bin_dir().display()).into();
    let printed = by_anybody(&lab, "attach --dry-run c1 'walt-net[bw=50Mbps],home-net,other-net'");
    let script = printed.ok();
    assert_in_order(
        &script,
        &[
            "# eth0 on walt-net, by bridge\n# ETH0_ADDRESS stands for the address that host-local would give, from 10.8.0.0/24\n",
            "# this user may not enter /run/netns/c1, which counts as empty\n",
            "\nip link add walt-net up type bridge",
            "\nnft 'create element bridge plugboard macs { \"pb",
            "\nip link add pb",
            " peer name eth0 address ",
            " netns c1\n",
            "\nip -n c1 link set eth0 up\n",
            "\n# with addresses from host-local (not called in a dry run):\n",
            "\nnft 'create element inet plugboard masquerade4 { \"walt-net\" . ETH0_ADDRESS comment \"pb",
            "\nip -n c1 address add ETH0_ADDRESS/24 dev eth0 brd +\n",
            "\nip address add 10.8.0.1/24 dev walt-net brd +\n",
            "\n# eth0 on walt-net, by netem-shaper\ntc qdisc add dev pb",
            " root handle 7063: tbf rate 6250000bps",
            "\n# eth1 on home-net, by bridge\n# ETH1_ADDRESS, ETH1_PREFIX and ETH1_GATEWAY are what dhcp gives",
            "\nip -n c1 address add ETH1_ADDRESS/ETH1_PREFIX dev eth1 brd +\n",
            "\n# eth2 on other-net, by bridge\nip link add other-net up type bridge",
            "\nip tuntap add dev pb",
        ],
    );
    assert_eq!(before, state(&[&c1]));
    assert!(!fs::exists("/run/plugboard").expect("it can be asked") && !fs::exists("/run/ipam").expect("as well"));
    let by_root = lab.plugboard("attach --dry-run c1 'walt-net[bw=50Mbps],home-net,other-net'").ok();
    let unprivileged = |line: &&str| !["iptables", "ip6tables", "link set lo up"].iter().any(|one| line.contains(one));
    assert_eq!(
        commands(&by_root).into_iter().filter(unprivileged).collect::<Vec<_>>(),
        commands(&script).into_iter().filter(unprivileged).collect::<Vec<_>>()
    );
    assert_eq!(before, state(&[&c1]));
    assert!(!fs::exists("/run/plugboard").expect("it can be asked"));
}

/// Both on a host on which nothing is left of the other.
fn both_ways_are_one(lab: &Lab, networks: &str, words: &[(&str, &str)]) {
    let c1 = Namespace { name: "c1".to_owned(), path: "/run/netns/c1".into() };
    let before = Snapshot::take::<&str>(&[&c1], &[]);
    let script = lab.plugboard(&format!("attach --dry-run c1 '{networks}'")).ok();
    assert_eq!(before, Snapshot::take::<&str>(&[&c1], &[]));
    lab.plugboard(&format!("attach c1 '{networks}'")).ok();
    let made = Snapshot::take::<&str>(&[&c1], &[]);
    lab.plugboard("detach c1").ok();
    assert_eq!(before, Snapshot::take::<&str>(&[&c1], &[]));
    let script = words.iter().fold(script, |script, (word, meaning)| script.replace(word, meaning));
    assert!(!script.contains("_ADDRESS") && !script.contains("_GATEWAY"), "{script}");
    run(&script);
    assert_eq!(made, Snapshot::take::<&str>(&[&c1], &[]));
}

#[test]
fn the_script_makes_what_attach_makes() {
    let lab = lab();
    lab.network("walt-net", &json!([plain("walt-net", &host_local("10.8.0.0/24"))]));
    lab.network("home-net", &json!([plain("home-net", &fixed("10.9.0.7/24", "10.9.0.1"))]));
    lab.host.namespace("c1");
    both_ways_are_one(&lab, "walt-net[bw=50Mbps],home-net", &[("ETH0_ADDRESS", "10.8.0.2")]);
}

/// A second default route of either family stays out, as when it is made.
#[test]
fn a_default_route_that_is_there_is_not_added_again() {
    let lab = lab();
    let ipam = |number: u8| {
        json!({"type": "static", "addresses": [
        {"address": format!("10.{number}.0.2/24"), "gateway": format!("10.{number}.0.1")},
        {"address": format!("fd00:{number}::2/64"), "gateway": format!("fd00:{number}::1")}]})
    };
    lab.network("walt-net", &json!([plain("walt-net", &ipam(8))]));
    lab.network("home-net", &json!([plain("home-net", &ipam(9))]));
    let c1 = lab.host.namespace("c1");
    lab.plugboard("attach c1 walt-net").ok();
    let script = lab.plugboard("attach --dry-run --primary home-net --ifname-prefix net c1 home-net").ok();
    assert_eq!(script.matches("exists already, and stays").count(), 2, "{script}");
    run(&script);
    assert_eq!(c1.ip("-6 route show default").as_array().map(Vec::len), Some(1));
}

/// What somebody has written into an alias is a comment, and a name that a shell interprets is in no script.
#[test]
fn a_script_has_nothing_that_somebody_else_has_written() {
    let lab = lab();
    lab.network("walt-net", &json!([{"type": "bridge", "bridge": "b;reboot"}]));
    lab.host.namespace("c1");
    lab.plugboard("attach c1 walt-net").ok();
    let refused = lab.plugboard("detach --dry-run c1");
    assert!(refused.status == 1 && !refused.stdout.contains("reboot"), "{refused:?}");
    assert!(refused.stderr.contains("a shell interprets"), "{refused:?}");
    lab.plugboard("detach c1").ok();

    sh("ip link add pbnobody type veth peer name far").ok();
    sh("ip link set pbnobody alias \"$(printf 'plugboard: eth0 on walt-net of c9\\necho INJECTED')\"").ok();
    let script = lab.plugboard("gc --dry-run walt-net").ok();
    assert!(!script.lines().any(|line| line.starts_with("echo")), "{script}");
}

/// The host's addresses and routes move to the bridge, and back.
#[test]
fn the_scripts_move_a_host_to_its_bridge_and_back() {
    let lab = lab();
    sh("ip link add eth0 address 02:00:00:00:00:01 type veth peer name far && ip link set far up && ip link set eth0 up").ok();
    sh("ip address add 10.2.0.1/24 dev eth0 brd + && ip route add default via 10.2.0.254").ok();
    sh("ip route add 10.7.0.0/16 via 10.2.0.9 metric 7").ok();
    lab.network("walt-net", &json!([{"type": "bridge", "uplink": "eth0"}]));
    let c1 = lab.host.namespace("c1");
    let before = Snapshot::take::<&str>(&[&c1], &[]);
    both_ways_are_one(&lab, "walt-net", &[]);
    sh("ip link del br-eth0 && ip -n c1 link del eth0; ip address add 10.2.0.1/24 dev eth0 brd +").ok();
    sh("ip route add default via 10.2.0.254 && ip route add 10.7.0.0/16 via 10.2.0.9 metric 7").ok();
    assert_eq!(before, Snapshot::take::<&str>(&[&c1], &[]));
    lab.plugboard("attach c1 walt-net").ok();
    let script = lab.plugboard("detach --dry-run c1").ok();
    assert_in_order(&script, &["ip link delete pb", "ip address add $address dev eth0", "ip link delete br-eth0"]);
    run(&script);
    assert_eq!(before, Snapshot::take::<&str>(&[&c1], &[]));
}

/// A limit is between the NIC and its ports, which the configuration itself names.
#[test]
fn the_scripts_publish_ports_and_withdraw_them() {
    let lab = lab();
    let ports = json!([{"hostPort": 8080, "containerPort": 80},
        {"hostPort": 5353, "containerPort": 53, "protocol": "udp", "hostIP": "127.0.0.1"}]);
    let portmap = json!({"type": "portmap", "conditionsV4": ["!", "-d", "192.0.2.0/24"],
        "runtimeConfig": {"portMappings": ports}});
    let nic = plain("walt-net", &fixed("10.8.0.2/24", "10.8.0.1"));
    lab.network("walt-net", &json!([nic, {"type": "netem-shaper", "bw": "50Mbps"}, portmap]));
    let c1 = lab.host.namespace("c1");
    // With it the port would get hairpin, which is not printed where the port is still to be made.
    sh("sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0 || true").ok();
    let before = Snapshot::take::<&str>(&[&c1], &[]);
    let setting = || sh("cat /proc/sys/net/ipv4/conf/walt-net/route_localnet").ok();
    both_ways_are_one(&lab, "walt-net", &[]);
    assert_eq!(setting(), "1", "127.0.0.1 reaches the container");
    assert!(sh("nft list ruleset").ok().contains("tcp . 8080 comment \"pb"));
    // What a script has made has no record, and is known by its alias.
    lab.plugboard("detach c1").ok();
    assert_eq!(before, Snapshot::take::<&str>(&[&c1], &[]));

    lab.plugboard("attach c1 walt-net").ok();
    let made = state(&[&c1]);
    let script = lab.plugboard("detach --dry-run c1").ok();
    assert_eq!(made, state(&[&c1]));
    assert_in_order(
        &script,
        &[
            "# eth0 on walt-net of c1, by portmap\n",
            "nft 'delete element inet plugboard-ports ",
            "\n# eth0 on walt-net of c1, by netem-shaper\n",
            "\n# eth0 on walt-net of c1, by bridge\n",
        ],
    );
    run(&script);
    assert_eq!(before, Snapshot::take::<&str>(&[&c1], &[]));
    lab.plugboard("detach c1").ok();

    // The container and its record are gone, its ports are not.
    lab.plugboard("attach c1 walt-net").ok();
    fs::remove_file("/var/lib/cni/results/walt-net-c1-eth0").expect("it is there");
    sh("ip -n c1 link delete eth0").ok();
    let script = lab.plugboard("gc --dry-run").ok();
    assert_in_order(
        &script,
        &[
            "# leftovers on walt-net, found by portmap\n",
            "\nnft 'delete element inet plugboard-ports published4 { \"walt-net\" . 10.8.0.2 }'\n",
        ],
    );
    lab.plugboard("gc").ok();
    assert_eq!(before, Snapshot::take::<&str>(&[&c1], &[]));
}

#[test]
fn networks_on_one_bridge_make_it_once() {
    let lab = lab();
    let on = |vlan: u16, address: &str| json!([{"type": "bridge", "bridge": "br0", "vlan": vlan, "ipam": {"type": "static", "addresses": [{"address": address}]}}]);
    lab.network("walt-net", &on(10, "10.8.0.2/24"));
    lab.network("home-net", &on(20, "10.9.0.2/24"));
    lab.host.namespace("c1");
    let script = lab.plugboard("attach --dry-run c1 walt-net,home-net").ok();
    assert_eq!(script.matches("ip link add br0 ").count(), 1, "{script}");
    assert!(script.contains("# bridge br0: see above\n"), "{script}");
    assert_in_order(&script, &["bridge vlan add dev pb", " vid 10 pvid untagged", " vid 20 pvid untagged"]);
}

#[test]
fn what_is_there_is_not_made_again() {
    let lab = lab();
    lab.network("walt-net", &json!([plain("walt-net", &host_local("10.8.0.0/24"))]));
    lab.host.namespace("c1");
    lab.host.namespace("c2");
    lab.plugboard("attach c1 walt-net").ok();
    for script in
        [lab.plugboard("attach --dry-run c2 walt-net").ok(), by_anybody(&lab, "attach --dry-run c2 walt-net").ok()]
    {
        assert_in_order(
            &script,
            &[
                "# bridge walt-net exists already\n",
                " master walt-net\n",
                "# address 10.8.0.1/24 on walt-net exists already",
            ],
        );
        for absent in ["ip link add walt-net", "ip address add 10.8.0.1", "ip_forward"] {
            assert!(!script.contains(absent), "{absent} in {script}");
        }
    }
    assert_refused(&lab.plugboard("attach --dry-run c1 walt-net"), "c1 is on network 'walt-net' already, by eth0");
    assert_refused(&lab.plugboard("attach --dry-run c3 walt-net"), "there is no network namespace at /run/netns/c3");
}

#[test]
fn a_namespace_without_a_name_is_entered_by_its_path() {
    let lab = lab();
    lab.network("walt-net", &json!([plain("walt-net", &fixed("10.8.0.2/24", "10.8.0.1"))]));
    let c1 = lab.host.namespace("c1");
    sh("touch /run/elsewhere && mount --bind /run/netns/c1 /run/elsewhere").ok();
    let script = lab.plugboard("attach --dry-run /run/elsewhere walt-net").ok();
    assert_in_order(
        &script,
        &[" netns /run/elsewhere\n", "\nnsenter --net=/run/elsewhere ip address add 10.8.0.2/24 dev eth0 brd +\n"],
    );
    run(&script);
    assert_eq!(c1.ping("10.8.0.1", 1).received, 1);
}

#[test]
fn a_plugin_that_does_not_know_it_is_named() {
    let lab = Lab::new();
    for plugin in ["bridge", "netem-shaper", "static"] {
        fs::copy(harness::bin(plugin), lab.plugin_dir.join(plugin)).expect("a copy");
    }
    lab.recorders(&["silent"]);
    let foreign = lab.plugin_dir.join("foreign");
    let text = r#"#!/bin/sh
[ $CNI_COMMAND = VERSION ] && exec cat ${0%foreign}version
[ $CNI_COMMAND = PRINT ] && { echo '{"cniVersion":"1.1.0","code":4,"msg":"unknown CNI_COMMAND: PRINT"}'; exit 1; }
touch /run/called"#;
    lab.file("foreign", text);
    assert!(foreign.is_file());
    let ipam = fixed("10.8.0.2/24", "10.8.0.1");
    let limited = json!({"type": "netem-shaper", "bw": "50Mbps"});
    lab.network("walt-net", &json!([plain("walt-net", &ipam), {"type": "foreign"}, {"type": "silent"}, limited]));
    // The shaper needs what the first one would have said.
    lab.network("home-net", &json!([{"type": "foreign"}, limited]));
    lab.host.namespace("c1");
    let script = lab.plugboard("attach --dry-run c1 walt-net,home-net").ok();
    assert_in_order(
        &script,
        &[
            "# eth0 on walt-net, by foreign\n# this plugin cannot print what it would do\n",
            "# eth0 on walt-net, by silent\n# this plugin cannot print what it would do\n",
            "# eth0 on walt-net, by netem-shaper\ntc qdisc add dev pb",
            "# eth1 on home-net, by foreign\n# this plugin cannot print what it would do\n",
            "# eth1 on home-net, by netem-shaper\n# not known until what stands before has been done: ",
            "prevResult is missing",
        ],
    );
    assert!(!fs::exists("/run/called").expect("it can be asked"));
    if !std::path::Path::new(REFERENCE).join("tuning").is_file() {
        harness::not_observed("a plugin of the reference: tuning is not installed");
        return;
    }
    fs::copy(format!("{REFERENCE}/tuning"), lab.plugin_dir.join("tuning")).expect("a copy");
    let list = json!({"cniVersion": "1.0.0", "plugins": [plain("walt-net", &ipam), {"type": "tuning"}]});
    lab.network_with("walt-net", &list);
    let script = lab.plugboard("attach --dry-run c1 walt-net").ok();
    assert!(script.contains("by tuning\n# this plugin cannot print what it would do"), "{script}");
}

#[test]
fn what_cannot_be_done_is_refused_as_by_attach() {
    let lab = lab();
    lab.network("walt-net", &json!([{"type": "bridge", "bridge": "walt-net", "vlan": 5000}]));
    lab.host.namespace("c1");
    let told = |args: &str| lab.plugboard(args).stderr.replace("CNI_PRINT", "CNI_COMMAND");
    let expected = told("attach c1 walt-net");
    assert!(expected.contains("vlan is 5000"), "{expected}");
    let refused = lab.plugboard("attach --dry-run c1 walt-net");
    assert_eq!((refused.status, refused.stdout.as_str(), refused.stderr), (1, "", expected));
    assert_refused(&lab.plugboard("attach --dry-run c1 no-net --primary no-net"), "'no-net' is not configured");
    lab.network("walt-net", &json!([{"type": "bridge", "bridge": "br;reboot"}]));
    assert_refused(
        &lab.plugboard("attach --dry-run c1 walt-net"),
        "the interface \"br;reboot\" has characters in its name",
    );
}

#[test]
fn detach_prints_what_it_would_remove() {
    let lab = lab();
    lab.network("walt-net", &json!([guarded("walt-net", &host_local("10.8.0.0/24"))]));
    lab.network("home-net", &json!([{"type": "bridge", "bridge": "home-net"}]));
    let (c1, c2) = (lab.host.namespace("c1"), lab.host.namespace("c2"));
    let empty = Snapshot::take::<&str>(&[&c1, &c2], &[]);
    lab.plugboard("attach c2 walt-net").ok();
    let with_c2 = Snapshot::take::<&str>(&[&c1, &c2], &[]);
    lab.plugboard("attach c1 'walt-net[bw=50Mbps],home-net'").ok();
    let before = state(&[&c1, &c2]);
    let script = lab.plugboard("detach --dry-run c1").ok();
    assert_eq!(before, state(&[&c1, &c2]));
    assert_in_order(
        &script,
        &[
            "# eth1 on home-net of c1, by bridge\nip link delete pb",
            "\nip link delete home-net\n",
            "# then /var/lib/cni/results/home-net-c1-eth1 is removed\n",
            "\n# eth0 on walt-net of c1, by netem-shaper\ntc qdisc del dev pb",
            " root handle 7063:\n",
            "\n# eth0 on walt-net of c1, by bridge\nip link set pb",
            " down\nnft 'delete element inet plugboard masquerade4 { \"walt-net\" . 10.8.0.3 }'\n",
            "\nnft 'delete element bridge plugboard addresses4 { \"pb",
            " . 10.8.0.3 }'\n",
            "\nip link delete pb",
            "\n# then host-local takes back the addresses of this attachment\n",
        ],
    );
    assert!(!script.contains("ip link delete walt-net"), "{script}");
    run(&script);
    assert_eq!(with_c2, Snapshot::take::<&str>(&[&c1, &c2], &[]));
    let last = lab.plugboard("detach --dry-run c2").ok();
    assert_in_order(&last, &["nft delete table inet plugboard\n", "nft delete table bridge plugboard\n"]);
    run(&last);
    assert_eq!(empty, Snapshot::take::<&str>(&[&c1, &c2], &[]));
    lab.plugboard("detach c2").ok();
    let nothing = lab.plugboard("detach --dry-run c2").ok();
    assert_eq!(nothing, "# container c2 is not attached to any network");
    assert_refused(
        &lab.plugboard("detach --dry-run c3"),
        "'c3' is neither a container that is attached nor a network namespace",
    );
}

#[test]
fn who_may_not_read_what_is_remembered_is_told_so() {
    let lab = lab();
    lab.network("walt-net", &json!([plain("walt-net", &host_local("10.8.0.0/24"))]));
    lab.host.namespace("c1");
    lab.plugboard("attach c1 walt-net").ok();
    for args in ["detach --dry-run c1", "gc --dry-run"] {
        assert_refused(&by_anybody(&lab, args), "/var/lib/cni/results: Permission denied");
    }
    sh("chmod 755 /var/lib/cni/results").ok();
    for args in ["detach --dry-run c1", "gc --dry-run"] {
        assert_refused(&by_anybody(&lab, args), "cannot read /var/lib/cni/results/walt-net-c1-eth0: Permission denied");
    }
    sh("chmod 644 /var/lib/cni/results/*").ok();
    let before = state(&[]);
    let script = by_anybody(&lab, "detach --dry-run c1").ok();
    assert_in_order(
        &script,
        &["# cannot talk to the packet filter", "\nip link delete pb", "\nip link delete walt-net\n"],
    );
    by_anybody(&lab, "gc --dry-run").ok();
    assert_eq!(before, state(&[]));
}

#[test]
fn gc_prints_what_it_would_remove_and_whose_it_was() {
    let lab = lab();
    lab.network("walt-net", &json!([plain("walt-net", &host_local("10.8.0.0/24"))]));
    lab.network("home-net", &json!([{"type": "bridge", "bridge": "home-net"}]));
    let c1 = lab.host.namespace("c1");
    let mut kept_state = Vec::new();
    for (name, networks) in [("c1", "walt-net"), ("gone", "walt-net"), ("lost", "walt-net,home-net")] {
        let container = if name == "c1" { c1.clone() } else { lab.host.namespace(name) };
        lab.plugboard(&format!("attach {name} {networks}")).ok();
        if name == "c1" {
            kept_state.push(Snapshot::take::<&str>(&[&c1], &[]));
        }
        if name == "gone" {
            // Its devices are kept by a process.
            sh("ip netns exec gone sleep 60 > /dev/null 2>&1 &").ok();
            harness::wait_until("it is in there", || !sh("ip netns pids gone").ok().is_empty());
            container.delete();
        }
    }
    fs::remove_file("/var/lib/cni/results/walt-net-lost-eth0").expect("it is there");
    fs::remove_file("/var/lib/cni/results/home-net-lost-eth1").expect("it is there");
    let before = state(&[&c1]);
    let kept = lab.plugboard("gc --dry-run").ok();
    for who in ["eth0 on walt-net of gone", "eth0 on walt-net of lost", "eth1 on home-net of lost"] {
        assert!(kept.contains(&format!("# {who} is kept: ")), "{kept}");
    }
    assert!(!kept.contains("link delete"), "{kept}");
    let script = lab.plugboard("gc --dry-run --force").ok();
    assert_eq!(before, state(&[&c1]));
    assert_in_order(
        &script,
        &[
            "# eth0 on walt-net of gone, by bridge\n",
            "# then /var/lib/cni/results/walt-net-gone-eth0 is removed\n",
            "# leftovers on home-net, found by bridge\n# pb",
            " of eth1 on home-net of lost\nip link delete pb",
            "\nip link delete home-net\n",
            "# leftovers on walt-net, found by bridge\n# elements of the packet filter of pb",
            "\nnft 'delete element inet plugboard masquerade4 { \"walt-net\" . 10.8.0.4 }'\n# pb",
            " of eth0 on walt-net of lost\nip link delete pb",
            "\n# then host-local takes back the addresses of attachments that are gone",
        ],
    );
    assert!(!script.contains("10.8.0.2"), "{script}");
    let only = lab.plugboard("gc --dry-run --force home-net").ok();
    assert!(!only.contains("walt-net"), "{only}");
    run(&script);
    assert_eq!(kept_state, [Snapshot::take::<&str>(&[&c1], &[])]);
    lab.plugboard("check c1").ok();
}

#[test]
fn check_is_content_with_what_the_commands_made() {
    let host = Host::enter();
    let c1 = host.namespace("c1");
    let mut config = plain("br0", &fixed("10.8.0.2/24", "10.8.0.1"));
    config["cniVersion"] = json!("1.1.0");
    config["name"] = json!("lan");
    let call = |command: &str, config: &Value| {
        Invocation::new("bridge", command).container("c1").netns(&c1.path).ifname("eth0").config(config.clone())
    };
    let mut asked = config.clone();
    asked["plugboard/ipam-result"] = json!({"cniVersion": "1.1.0",
        "ips": [{"address": "10.8.0.2/24", "gateway": "10.8.0.1"}], "routes": [{"dst": "0.0.0.0/0"}, {"dst": "10.77.0.0/16"}]});
    let printed = call("PRINT", &asked).env("CNI_PRINT", "ADD").run();
    let answer: Value = serde_json::from_str(&printed.stdout).expect("an object");
    assert_eq!((printed.status, &answer["made"]), (0, &json!(["bridge br0"])));
    for command in answer["commands"].as_array().expect("a list") {
        run(&command.as_str().expect("a text").replace("CONTAINER", "c1"));
    }
    let mut made = config.clone();
    made["prevResult"] = answer["result"].clone();
    call("CHECK", &made).run().ok();
    let left = call("PRINT", &made).env("CNI_PRINT", "DEL").run();
    let answer: Value = serde_json::from_str(&left.stdout).expect("an object");
    assert_eq!(answer["gone"].as_array().map(Vec::len), Some(3), "elements, port and bridge: {answer}");
    // Without a word on the addresses there is an example.
    call("DEL", &made).run().ok();
    let example = call("PRINT", &config).env("CNI_PRINT", "ADD").run();
    assert!(example.stdout.contains("address add 192.0.2.2/24 dev eth0"), "{}", example.stdout);
    for plugin in ["static", "host-local"] {
        let (code, msg, _) = Invocation::new(plugin, "PRINT")
            .env("CNI_PRINT", "ADD")
            .container("c1")
            .netns(&c1.path)
            .ifname("eth0")
            .config(config.clone())
            .run()
            .error();
        assert!(code == 4 && msg.contains("\"PRINT\", an unknown command"), "{msg}");
    }
}
