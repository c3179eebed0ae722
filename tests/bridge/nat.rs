//! `ipMasq`: what leaves the bridge carries the host's address, and what stays on it does not.

use std::fs;
use std::time::Duration;

use harness::chance::KILLED;
use harness::{Namespace, assert_by_chance, row, sh, wait_until};
use serde_json::{Value, json};
use tests::world::{INTERNET, INTERNET6, OUTSIDE, OUTSIDE6, internet, source_seen};
use tests::{Delegate, LATEST, Plugin, Process, Scene, State, as_older, cites, codes, with};

/// Both families, with the bridge as the gateway.
fn config() -> Value {
    let ipam = json!({"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00:1::/64"}]],
        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]});
    with(&Plugin::Bridge.config(LATEST), json!({"isGateway": true, "ipMasq": true, "ipam": ipam}))
}

/// One address, as configured.
fn fixed(address: &str) -> Value {
    let ipam = json!({"type": "static", "addresses": [{"address": address}]});
    with(&config(), json!({"isGateway": false, "ipam": ipam}))
}

/// Whether bridged packets come by the rules for IP.
fn bridged_packets_come_by(yes: bool) {
    for file in ["bridge-nf-call-iptables", "bridge-nf-call-ip6tables"] {
        let written = fs::write(format!("/proc/sys/net/bridge/{file}"), if yes { "1" } else { "0" });
        written.expect("the kernel has br_netfilter");
    }
}

fn ruleset() -> String {
    sh("nft list ruleset").ok()
}

#[test]
fn guests_reach_the_internet_and_each_other_by_their_own_addresses() {
    let _row = row("M43");
    cites!("CFG-5");
    let scene = Scene::new();
    let (internet, c2) = (internet(&scene, "203.0.113.0/24"), scene.host.namespace("c2"));
    let before = State::take(&[&scene.c1, &c2, &internet]);
    for bridged in [true, false] {
        bridged_packets_come_by(bridged);
        let (_, first) = scene.added(Plugin::Bridge, &config());
        scene.call_for(&c2, "eth0", Plugin::Bridge, "ADD", config()).run().ok();
        let ping = scene.c1.ping(INTERNET, 2);
        assert_eq!((ping.received, ping.sent), (2, 2), "guest to the internet");
        assert_eq!(source_seen(&internet, "eth0", &scene.c1, INTERNET), OUTSIDE);
        assert_eq!(source_seen(&internet, "eth0", &scene.c1, INTERNET6), OUTSIDE6);
        for address in ["10.1.0.2", "fd00:1::2"] {
            assert_eq!(internet.ping_with(address, "-c2 -i.05 -W1").received, 0, "internet to guest {address}");
        }
        let own = |range: usize| {
            let address = first["prevResult"]["ips"][range]["address"].as_str().expect("an address");
            address.split('/').next().expect("it has a prefix").to_owned()
        };
        let addresses = c2.ip("address show dev eth0");
        let peer = |family: &str| {
            let all = addresses[0]["addr_info"].as_array().expect("a list").clone();
            let found = all.iter().find(|a| a["family"] == family && a["scope"] == "global").cloned();
            found.expect("an address")["local"].as_str().expect("a text").to_owned()
        };
        assert_eq!(
            source_seen(&c2, "eth0", &scene.c1, &peer("inet")),
            own(0),
            "with bridged packets filtered: {bridged}"
        );
        assert_eq!(
            source_seen(&c2, "eth0", &scene.c1, &peer("inet6")),
            own(1),
            "with bridged packets filtered: {bridged}"
        );
        scene.call(Plugin::Bridge, "CHECK", first.clone()).run().ok();
        scene.call(Plugin::Bridge, "DEL", first).run().ok();
        scene.call_for(&c2, "eth0", Plugin::Bridge, "DEL", config()).run().ok();
        isolated_guests_reach_the_internet_alone(&scene, &c2);
        sh("echo 0 > /proc/sys/net/ipv4/ip_forward; echo 0 > /proc/sys/net/ipv6/conf/all/forwarding").ok();
    }
    assert_eq!(before, State::take(&[&scene.c1, &c2, &internet]));
}

fn isolated_guests_reach_the_internet_alone(scene: &Scene, c2: &Namespace) {
    let isolated = with(&config(), json!({"portIsolation": true}));
    scene.call(Plugin::Bridge, "ADD", isolated.clone()).run().ok();
    let (second, _) = scene.added_for(c2, &isolated);
    let address = second["ips"][0]["address"].as_str().expect("an address").trim_end_matches("/24").to_owned();
    assert_eq!(scene.c1.ping_with(&address, "-c2 -i.05 -W1").received, 0, "isolated guests");
    assert!(scene.c1.ping(INTERNET, 2).all_answered(), "they reach the gateway");
    scene.call(Plugin::Bridge, "DEL", isolated.clone()).run().ok();
    scene.call_for(c2, "eth0", Plugin::Bridge, "DEL", isolated).run().ok();
}

#[test]
fn two_subnets_on_one_bridge_see_each_other_as_they_are() {
    let scene = Scene::new();
    let c2 = scene.host.namespace("c2");
    let network = |number: u8| {
        let ipam = json!({"type": "host-local", "ranges": [[{"subnet": format!("10.{number}.0.0/24")}]],
            "routes": [{"dst": "0.0.0.0/0"}]});
        with(&config(), json!({"name": format!("net{number}"), "isGateway": false, "hairpinMode": true, "ipam": ipam}))
    };
    sh("ip link add br0 type bridge && ip link set br0 up && echo 1 > /proc/sys/net/ipv4/ip_forward").ok();
    sh("ip address add 10.1.0.1/24 dev br0 && ip address add 10.2.0.1/24 dev br0").ok();
    for bridged in [true, false] {
        bridged_packets_come_by(bridged);
        scene.call(Plugin::Bridge, "ADD", network(1)).run().ok();
        scene.call_for(&c2, "eth0", Plugin::Bridge, "ADD", network(2)).run().ok();
        let peer = c2.ip("-4 address show dev eth0")[0]["addr_info"][0]["local"].as_str().expect("a text").to_owned();
        let own = scene.c1.ip("-4 address show dev eth0")[0]["addr_info"][0]["local"].as_str().expect("one").to_owned();
        assert_eq!(
            source_seen(&c2, "eth0", &scene.c1, &peer),
            own,
            "routed back through the bridge, filtered: {bridged}"
        );
        scene.call(Plugin::Bridge, "DEL", network(1)).run().ok();
        scene.call_for(&c2, "eth0", Plugin::Bridge, "DEL", network(2)).run().ok();
    }
    assert_eq!(ruleset(), "");
}

#[test]
fn a_guest_that_reaches_itself_through_the_host_keeps_its_address() {
    let scene = Scene::new();
    bridged_packets_come_by(true);
    let config = with(&config(), json!({"hairpinMode": true}));
    scene.call(Plugin::Bridge, "ADD", config.clone()).run().ok();
    sh("nft 'table ip publish { chain in { type nat hook prerouting priority dstnat; ip daddr 198.51.100.1 dnat to 10.1.0.2; }; }'")
        .ok();
    scene.c1.sh("echo 1 > /proc/sys/net/ipv4/conf/eth0/accept_local").ok();
    let mut watch = scene.c1.spawn("exec timeout 30 tcpdump -n -t -l -c1 -Q in -i eth0 icmp 2>/run/watching");
    wait_until("tcpdump listens", || fs::read_to_string("/run/watching").is_ok_and(|text| text.contains("listening")));
    scene.c1.ping_with("198.51.100.1", "-c2 -i.05 -W1");
    let mut line = String::new();
    let stdout = watch.child().stdout.as_mut().expect("its output is ours");
    std::io::Read::read_to_string(stdout, &mut line).expect("tcpdump prints text");
    assert!(line.starts_with("IP 10.1.0.2 > 10.1.0.2"), "{line}");
}

#[test]
fn equal_addresses_behind_two_gateways_do_not_meet() {
    let scene = Scene::new();
    let c2 = scene.host.namespace("c2");
    let before = State::take(&[]);
    let other = with(&fixed("10.1.0.5/24"), json!({"name": "net2", "bridge": "br1"}));
    scene.call(Plugin::Bridge, "ADD", fixed("10.1.0.5/24")).run().ok();
    scene.call_for(&c2, "eth0", Plugin::Bridge, "ADD", other.clone()).run().ok();
    let rules = ruleset();
    for element in ["\"br0\" . 10.1.0.5", "\"br1\" . 10.1.0.5"] {
        assert!(rules.contains(element), "{element}\n{rules}");
    }
    scene.call(Plugin::Bridge, "DEL", fixed("10.1.0.5/24")).run().ok();
    let rules = ruleset();
    assert!(!rules.contains("\"br0\"") && rules.contains("\"br1\" . 10.1.0.5"), "{rules}");
    scene.call_for(&c2, "eth0", Plugin::Bridge, "DEL", other).run().ok();
    assert_eq!(before, State::take(&[]));
}

#[test]
fn an_element_of_somebody_else_is_a_conflict_and_stays() {
    cites!("ADD-6");
    let scene = Scene::new();
    let (_, config) = scene.added(Plugin::Bridge, &fixed("10.1.0.5/24"));
    sh("nft add element inet plugboard masquerade4 '{ \"br0\" . 10.1.0.6 comment \"the operator\" }'").ok();
    let c2 = scene.host.namespace("c2");
    let before = State::take(&[&scene.c1, &c2]);
    let (code, msg, _) = scene.call_for(&c2, "eth0", Plugin::Bridge, "ADD", fixed("10.1.0.6/24")).run().error();
    assert_eq!(code, codes::CONFLICT, "{msg}");
    assert!(msg.contains("\"br0\" . 10.1.0.6") && msg.contains("the operator"), "{msg}");
    assert_eq!(before, State::take(&[&scene.c1, &c2]), "nothing is lost");
    scene.call(Plugin::Bridge, "DEL", config).run().ok();
    assert!(ruleset().contains("the operator"), "the table stays while somebody has an element in it");
}

#[test]
fn what_is_not_to_be_translated_needs_no_table() {
    let scene = Scene::new();
    let before = scene.state();
    // As the reference: there is nothing to translate, which is no error.
    let without = with(&config(), json!({"ipam": null, "isGateway": false}));
    scene.call(Plugin::Bridge, "ADD", without.clone()).run().ok();
    assert_eq!(ruleset(), "");
    scene.call(Plugin::Bridge, "DEL", without).run().ok();
    assert_eq!(before, scene.state());
}

#[test]
fn both_backends_mean_the_same() {
    let scene = Scene::new();
    let before = scene.state();
    let rules: Vec<String> = ["iptables", "nftables"]
        .iter()
        .map(|backend| {
            let config = with(&fixed("10.1.0.5/24"), json!({"ipMasqBackend": backend}));
            let (_, config) = scene.added(Plugin::Bridge, &config);
            let rules = ruleset();
            scene.call(Plugin::Bridge, "CHECK", config.clone()).run().ok();
            scene.call(Plugin::Bridge, "DEL", config).run().ok();
            rules
        })
        .collect();
    assert!(rules[0] == rules[1] && rules[0].contains("masquerade"), "{rules:?}");
    let (code, msg, _) =
        scene.call(Plugin::Bridge, "ADD", with(&config(), json!({"ipMasqBackend": "pf"}))).run().error();
    assert!(code == 7 && msg.contains("pf"), "{msg}");
    assert_eq!(before, scene.state());
}

#[test]
fn nothing_is_translated_on_an_uplink() {
    let scene = Scene::new();
    let before = scene.state();
    let (code, msg, _) =
        scene.call(Plugin::Bridge, "ADD", with(&config(), json!({"uplink": "eth9", "isGateway": false}))).run().error();
    assert!(code == 7 && msg.contains("ipMasq") && msg.contains("uplink"), "{code}: {msg}");
    assert_eq!(before, scene.state());
}

#[test]
fn check_reports_what_the_firewall_has_lost() {
    cites!("CHK-1", "CHK-3");
    let scene = Scene::new();
    for (loss, parts) in [
        ("nft delete element inet plugboard masquerade4 '{ \"br0\" . 10.1.0.2 }'", "\"br0\" . 10.1.0.2"),
        ("nft flush set inet plugboard masquerade6", "\"br0\" . fd00:1::2"),
        ("nft flush chain inet plugboard postrouting", "want 6, have 0"),
        (
            "nft flush chain inet plugboard postrouting; nft delete chain inet plugboard postrouting",
            "postrouting: want present, have missing",
        ),
        ("nft delete table inet plugboard", "masquerade4 of table inet plugboard"),
        ("nft flush ruleset", "masquerade4 of table inet plugboard"),
    ] {
        let (_, attached) = scene.added(Plugin::Bridge, &config());
        let number = attached["prevResult"]["ips"][0]["address"].as_str().expect("an address").to_owned();
        let last = number.trim_end_matches("/24").trim_start_matches("10.1.0.");
        let at = |text: &str| {
            text.replace("10.1.0.2", &format!("10.1.0.{last}")).replace("fd00:1::2", &format!("fd00:1::{last}"))
        };
        scene.call(Plugin::Bridge, "CHECK", attached.clone()).run().ok();
        sh(&at(loss)).ok();
        let (code, msg, _) = scene.call(Plugin::Bridge, "CHECK", attached.clone()).run().error();
        assert_eq!(code, codes::DIFFERENT, "{msg}");
        assert!(msg.contains(&at(parts)), "{loss}: {msg}");
        scene.call(Plugin::Bridge, "DEL", attached).run().ok();
        assert_eq!(ruleset(), "", "after {loss}");
    }
}

#[test]
fn fifty_first_users_of_the_table_share_it_and_the_last_removes_it() {
    cites!("ADD-8", "DEL-3");
    let scene = Scene::new();
    let before = State::take(&[]);
    let containers: Vec<Namespace> = (0..50).map(|number| scene.host.namespace(&format!("p{number}"))).collect();
    let guarded = with(&config(), json!({"isGateway": false, "macspoofchk": true, "ipspoofchk": true}));
    let all_at_once = |command: &str| {
        std::thread::scope(|scope| {
            let calls =
                containers.iter().map(|ns| scene.call_for(ns, "eth0", Plugin::Bridge, command, guarded.clone()));
            let running: Vec<_> = calls.map(|call| scope.spawn(move || call.run())).collect();
            for call in running {
                call.join().expect("the call ends").ok();
            }
        });
    };
    for _ in 0..2 {
        all_at_once("ADD");
        assert_eq!(ruleset().matches("\"br0\" . 10.1.0.").count(), containers.len());
        all_at_once("DEL");
        assert_eq!(ruleset(), "", "no table is left");
    }
    assert_eq!(before, State::take(&[]));
}

#[test]
fn the_rules_go_when_the_namespace_has_vanished() {
    cites!("DEL-4", "GC-5");
    let stale = with(&config(), json!({"cni.dev/valid-attachments": []}));
    for (command, is_link_gone) in [("DEL", false), ("GC", false), ("DEL", true), ("GC", true)] {
        let scene = Scene::new();
        let guarded = with(&stale, json!({"macspoofchk": true, "ipspoofchk": true}));
        scene.call(Plugin::Bridge, "ADD", guarded).run().ok();
        let _holder = scene.c1.spawn("exec sleep 100");
        scene.c1.delete();
        if is_link_gone {
            sh("ip link del $(ls /sys/class/net/br0/brif)"); // or it has gone with the namespace already
        }
        for _ in 0..2 {
            // The present configuration asks for nothing of it any more.
            let plain = with(&stale, json!({"ipMasq": false}));
            scene.call(Plugin::Bridge, command, plain).run().ok();
            assert_eq!(ruleset(), "", "{command}, the link gone before: {is_link_gone}");
        }
    }
}

#[test]
fn gc_keeps_the_rules_of_valid_attachments_and_other_networks() {
    cites!("GC-1", "GC-7");
    let scene = Scene::new();
    let (c2, c3) = (scene.host.namespace("c2"), scene.host.namespace("c3"));
    let other = with(
        &config(),
        json!({"name": "net2", "bridge": "br1",
        "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.2.0.0/24"}]]}}),
    );
    scene.call(Plugin::Bridge, "ADD", config()).run().ok();
    let (_, kept) = scene.added_for(&c2, &config());
    let (_, others) = scene.added_for(&c3, &other);
    let valid = json!({"cni.dev/valid-attachments": [{"containerID": "c2", "ifname": "eth0"}]});
    scene.call(Plugin::Bridge, "GC", with(&config(), valid)).run().ok();
    let rules = ruleset();
    assert!(!rules.contains("of c1") && rules.contains("of c2") && rules.contains("of c3"), "{rules}");
    scene.call_for(&c2, "eth0", Plugin::Bridge, "CHECK", kept).run().ok();
    scene.call_for(&c3, "eth0", Plugin::Bridge, "CHECK", others).run().ok();
}

#[test]
fn a_failed_add_leaves_no_rule() {
    cites!("ADD-6");
    let scene = Scene::new();
    let error = json!({"cniVersion": LATEST, "code": 120, "msg": "no addresses today"});
    let delegate = Delegate::failing(&scene, &json!({}), "ADD", &error);
    let before = scene.state();
    let keys = json!({"ipam": {"type": "made-up"}, "macspoofchk": true, "ipspoofchk": true});
    scene.call(Plugin::Bridge, "ADD", with(&config(), keys)).path(delegate.path()).run().error();
    assert_eq!(before, scene.state());
    // The last step fails when the addresses, and with them the rules, are in place.
    let route = json!({"type": "static", "addresses": [{"address": "10.1.0.5/24"}], "routes": [{"dst": "10.9.0.0/16", "gw": "10.200.0.1"}]});
    scene.call(Plugin::Bridge, "ADD", with(&config(), json!({"isGateway": false, "ipam": route}))).run().error();
    assert_eq!(before, scene.state());
}

#[test]
fn rules_that_were_left_by_a_kill_go_with_del_or_gc() {
    cites!("DEL-8", "GC-1");
    let scene = Scene::new();
    let whole = with(&config(), json!({"macspoofchk": true, "ipspoofchk": true, "cni.dev/valid-attachments": []}));
    KILLED.repeated(|| {
        let mut half_done = 0;
        for moment in 0..120u32 {
            let add = Process::new(Plugin::Bridge, "ADD").attachment(&scene.c1, "eth0");
            add.kill_after(&whole, Duration::from_micros(50) * moment);
            half_done += u32::from(!ruleset().is_empty());
            let command = if moment % 2 == 0 { "DEL" } else { "GC" };
            scene.call(Plugin::Bridge, command, whole.clone()).run().ok();
            assert_eq!(ruleset(), "", "killed at moment {moment}, then {command}");
            assert!(!fs::exists("/sys/class/net/br0").expect("/sys can be read"), "at moment {moment}");
        }
        assert_by_chance!(half_done > 5, "there was something to clean up {half_done} times");
    });
}

#[test]
fn rules_that_a_killed_del_left_go_with_the_next() {
    cites!("DEL-3", "DEL-8");
    let scene = Scene::new();
    let whole = with(&config(), json!({"macspoofchk": true, "ipspoofchk": true}));
    let state = || (sh("ls /sys/class/net").ok(), ruleset(), State::allocations());
    let empty = state();
    let mut half_done = 0;
    for count in (0..).step_by(2) {
        scene.call(Plugin::Bridge, "ADD", whole.clone()).run().ok();
        let full = state();
        let was_killed = scene.call(Plugin::Bridge, "DEL", whole.clone()).kill_after_system_calls(count);
        half_done += u32::from(was_killed && ![&full, &empty].contains(&&state()));
        scene.call(Plugin::Bridge, "DEL", whole.clone()).run().ok();
        assert_eq!(state(), empty, "killed after {count} system calls");
        if !was_killed {
            break;
        }
    }
    assert!(half_done > 0, "a part was left {half_done} times");
}

/// The table as a release for IPv4 alone would make it.
const OLDER: &str = "table inet plugboard {
	set masquerade4 {
		type ifname . ipv4_addr
	}

	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		oifname . ip saddr @masquerade4 return
		ip daddr 224.0.0.0/4 return
		iifname . ip saddr @masquerade4 masquerade
	}
}
";

#[test]
fn a_table_of_an_older_release_grows_while_it_is_used() {
    let scene = Scene::new();
    let (internet, c2) = (internet(&scene, "203.0.113.0/24"), scene.host.namespace("c2"));
    let (_, older) = scene.added_for(&c2, &with(&fixed("10.1.0.5/24"), json!({"name": "net2"})));
    as_older("inet plugboard", OLDER);
    let check = || scene.call_for(&c2, "eth0", Plugin::Bridge, "CHECK", older.clone()).run();
    let (code, msg, _) = check().error();
    assert!(code == codes::DIFFERENT && msg.contains("set masquerade6"), "{msg}");
    assert!(msg.contains("want 6, have 3, without members6, multicast6, masquerade6"), "{msg}");

    let (_, attached) = scene.added(Plugin::Bridge, &config());
    check().ok();
    scene.call(Plugin::Bridge, "CHECK", attached.clone()).run().ok();
    assert_eq!(source_seen(&internet, "eth0", &scene.c1, INTERNET), OUTSIDE);
    assert_eq!(source_seen(&internet, "eth0", &scene.c1, INTERNET6), OUTSIDE6);
    let grown = sh("nft list chain inet plugboard postrouting").ok();
    scene.call(Plugin::Bridge, "DEL", attached).run().ok();
    check().ok();
    scene.call_for(&c2, "eth0", Plugin::Bridge, "DEL", older.clone()).run().ok();
    assert_eq!(ruleset(), "");

    scene.call(Plugin::Bridge, "ADD", config()).run().ok();
    let fresh = sh("nft list chain inet plugboard postrouting").ok();
    let meaning = |rules: &str| {
        let line = |line: &str| line.split(" comment ").next().unwrap_or_default().to_owned();
        rules.lines().map(line).collect::<Vec<String>>()
    };
    assert_eq!(meaning(&grown), meaning(&fresh));
}

/// Tables come and go while others need them.
#[test]
fn a_table_that_is_removed_again_and_again_is_made_again() {
    let scene = Scene::new();
    let config = with(&fixed("10.1.0.5/24"), json!({"macspoofchk": true}));
    let is_over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                sh("nft delete table inet plugboard; nft 'table bridge plugboard { set macs { type ifname . ether_addr; }; }'; \
                    nft delete table bridge plugboard");
            }
        });
        for _ in 0..10 {
            scene.call(Plugin::Bridge, "ADD", config.clone()).run().ok();
            scene.call(Plugin::Bridge, "DEL", config.clone()).run().ok();
        }
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    sh("nft flush ruleset").ok();
    let (_, attached) = scene.added(Plugin::Bridge, &config);
    scene.call(Plugin::Bridge, "CHECK", attached.clone()).run().ok();
    scene.call(Plugin::Bridge, "DEL", attached).run().ok();
    assert_eq!(ruleset(), "");
}
