//! Members of a bridge on a host whose firewall drops what it forwards, as Docker leaves it.

use std::time::Duration;

use harness::chance::KILLED;
use harness::{Namespace, assert_by_chance, row, sh};
use serde_json::{Value, json};
use tests::{LATEST, Plugin, Process, Scene, State, cites, codes, with};

/// Both families.
fn config() -> Value {
    let ipam = json!({"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00:1::/64"}]]});
    with(&Plugin::Bridge.config(LATEST), json!({"name": "home-net", "bridge": "home-br", "ipam": ipam}))
}

/// A host with two containers, rules of others, and a policy of dropping what is forwarded.
fn docker_host() -> (Scene, Namespace) {
    let scene = Scene::new();
    let c2 = scene.host.namespace("c2");
    for tool in ["iptables", "ip6tables"] {
        sh(&format!(
            "{tool} -P FORWARD DROP && {tool} -N DOCKER-USER && {tool} -A FORWARD -j DOCKER-USER && \
             {tool} -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT && \
             {tool} -A DOCKER-USER -m comment --comment 'of the operator' -j RETURN"
        ))
        .ok();
    }
    sh("for file in /proc/sys/net/bridge/bridge-nf-call-ip*; do echo 1 > $file; done").ok();
    (scene, c2)
}

/// What iptables would save: policies and rules, without counters and dates.
fn saved(tool: &str) -> Vec<String> {
    let text = sh(&format!("{tool}-save")).ok();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split(" [").next().unwrap_or_default().to_owned()).collect()
}

fn is_ours(line: &str) -> bool {
    line == "-A FORWARD -i home-br -o home-br -m comment --comment \"plugboard: members of home-br\" -j ACCEPT"
}

fn address(result: &Value, range: usize) -> String {
    let address = result["ips"][range]["address"].as_str().expect("an address");
    address.split('/').next().expect("it has a prefix").to_owned()
}

#[test]
fn members_reach_each_other_and_foreign_rules_stay() {
    let _row = row("M19");
    cites!("ADD-1", "DEL-1");
    let (scene, c2) = docker_host();
    let before = State::take(&[&scene.c1, &c2]);
    let rules: Vec<_> = ["iptables", "ip6tables"].map(saved).into();
    let (_, first) = scene.added_for(&scene.c1, &config());
    let (second, last) = scene.added_for(&c2, &config());
    for family in [0, 1] {
        let ping = scene.c1.ping(&address(&second, family), 3);
        assert_eq!((ping.received, ping.sent), (3, 3), "{}", address(&second, family));
    }
    for (tool, before) in ["iptables", "ip6tables"].iter().zip(&rules) {
        let (ours, others): (Vec<String>, Vec<String>) = saved(tool).into_iter().partition(|line| is_ours(line));
        assert_eq!(ours.len(), 1, "one rule for all members");
        assert_eq!(&others, before, "{tool}: policy, rules and order of others");
        let listed = sh(&format!("{tool} -S FORWARD")).ok();
        assert!(is_ours(listed.lines().last().unwrap_or_default()), "it is the last: {listed}");
    }
    scene.call(Plugin::Bridge, "CHECK", first.clone()).run().ok();
    scene.call(Plugin::Bridge, "DEL", first).run().ok();
    assert!(saved("iptables").iter().any(|line| is_ours(line)), "somebody needs it still");
    scene.call_for(&c2, "eth0", Plugin::Bridge, "DEL", last).run().ok();
    assert_eq!(["iptables", "ip6tables"].map(saved).to_vec(), rules);
    assert_eq!(before, State::take(&[&scene.c1, &c2]));
}

#[test]
fn without_the_rule_they_would_not() {
    let (scene, c2) = docker_host();
    scene.call(Plugin::Bridge, "ADD", config()).run().ok();
    let (second, _) = scene.added_for(&c2, &config());
    let reached = || scene.c1.ping_with(&address(&second, 0), "-c2 -i.05 -W1").received;
    assert_eq!(reached(), 2);
    sh("iptables -D FORWARD -i home-br -o home-br -m comment --comment 'plugboard: members of home-br' -j ACCEPT").ok();
    assert_eq!(reached(), 0);
}

/// As after a reload of rules that were saved.
#[test]
fn a_rule_that_iptables_has_restored_is_still_ours() {
    let (scene, c2) = docker_host();
    let before = ["iptables", "ip6tables"].map(saved);
    let (_, first) = scene.added_for(&scene.c1, &config());
    let made = ["iptables", "ip6tables"].map(saved);
    let restore = || sh("iptables-save | iptables-restore && ip6tables-save | ip6tables-restore").ok();
    restore();
    assert_eq!(["iptables", "ip6tables"].map(saved), made);
    scene.call(Plugin::Bridge, "CHECK", first.clone()).run().ok();
    let (second, last) = scene.added_for(&c2, &config());
    assert_eq!(["iptables", "ip6tables"].map(saved), made, "the second member needs no other");
    assert_eq!(scene.c1.ping(&address(&second, 0), 3).received, 3);
    restore();
    scene.call(Plugin::Bridge, "DEL", first).run().ok();
    scene.call_for(&c2, "eth0", Plugin::Bridge, "DEL", last).run().ok();
    assert_eq!(["iptables", "ip6tables"].map(saved), before, "it goes with the last member");
}

#[test]
fn what_an_operators_rule_drops_stays_dropped() {
    let (scene, c2) = docker_host();
    let (first, _) = scene.added_for(&scene.c1, &config());
    sh(&format!("iptables -I DOCKER-USER -i home-br -o home-br -s {} -j DROP", address(&first, 0))).ok();
    let (second, _) = scene.added_for(&c2, &config());
    assert_eq!(scene.c1.ping_with(&address(&second, 0), "-c2 -i.05 -W1").received, 0);
    assert_eq!(scene.c1.ping(&address(&second, 1), 2).received, 2, "the other family is not dropped");
}

#[test]
fn the_bridge_and_its_rule_live_from_the_first_member_to_the_last() {
    let _row = row("M18");
    cites!("DEL-2", "DEL-8");
    for plugin in [Plugin::Bridge, Plugin::Secondary] {
        println!("{plugin:?}");
        live_from_the_first_member_to_the_last(plugin);
    }
}

fn live_from_the_first_member_to_the_last(plugin: Plugin) {
    let config = || with(&config(), json!({"type": plugin.name()}));
    let (scene, c2) = docker_host();
    let before = State::take(&[&scene.c1, &c2]);
    let exist = || (sh("ip link show home-br").status == 0, saved("iptables").iter().any(|line| is_ours(line)));
    scene.call(plugin, "ADD", config()).run().ok();
    scene.call_for(&c2, "eth0", plugin, "ADD", config()).run().ok();
    assert_eq!(exist(), (true, true));
    scene.call(plugin, "DEL", config()).run().ok();
    assert_eq!(exist(), (true, true));
    scene.call_for(&c2, "eth0", plugin, "DEL", config()).run().ok();
    assert_eq!(exist(), (false, false));
    assert_eq!(before, State::take(&[&scene.c1, &c2]));
    KILLED.repeated(|| {
        let (mut killed, mut half_done) = (0, 0);
        for moment in 0..100u32 {
            let add = Process::new(plugin, "ADD").attachment(&scene.c1, "eth0");
            killed += u32::from(add.kill_after(&config(), Duration::from_micros(50) * moment));
            half_done += u32::from(exist() != (false, false));
            scene.call(plugin, "DEL", config()).run().ok();
            assert_eq!(exist(), (false, false), "killed at moment {moment}");
        }
        assert_eq!(before, State::take(&[&scene.c1, &c2]), "nothing is left");
        let is_in_the_middle = killed > 10 && half_done > 5;
        assert_by_chance!(is_in_the_middle, "killed {killed} times, something to clean up {half_done} times");
    });
}

#[test]
fn the_rule_goes_from_an_operators_bridge_with_the_last_attachment() {
    cites!("GC-7");
    for command in ["DEL", "GC"] {
        let (scene, _) = docker_host();
        sh("ip link add home-br type bridge && ip link set home-br up").ok();
        sh("ip link add uplink type veth peer name far && ip link set uplink up master home-br").ok();
        let before = scene.state();
        let config = with(&config(), json!({"cni.dev/valid-attachments": []}));
        scene.call(Plugin::Bridge, "ADD", config.clone()).run().ok();
        assert!(saved("iptables").iter().any(|line| is_ours(line)));
        scene.call(Plugin::Bridge, command, config).run().ok();
        assert_eq!(before, scene.state(), "after {command}");
    }
}

#[test]
fn the_rule_goes_when_somebody_has_removed_the_bridge_or_changed_the_policy() {
    for command in ["DEL", "GC"] {
        let (scene, _) = docker_host();
        let config = with(&config(), json!({"cni.dev/valid-attachments": []}));
        for change in ["ip link del home-br", "iptables -P FORWARD ACCEPT && ip6tables -P FORWARD ACCEPT"] {
            scene.call(Plugin::Bridge, "ADD", config.clone()).run().ok();
            sh(change).ok();
            scene.call(Plugin::Bridge, command, config.clone()).run().ok();
            assert!(!saved("iptables").iter().any(|line| is_ours(line)), "{change}, then {command}");
            assert!(!saved("ip6tables").iter().any(|line| is_ours(line)), "{change}, then {command}");
        }
    }
}

#[test]
fn a_failed_add_leaves_no_rule() {
    cites!("ADD-6");
    let (scene, _) = docker_host();
    sh("ip link add home-br type bridge && ip link set home-br up").ok();
    let before = scene.state();
    let failing = with(
        &config(),
        json!({"ipam": {"type": "static", "addresses": [{"address": "10.1.0.5/24"}],
        "routes": [{"dst": "10.9.0.0/16", "gw": "10.200.0.1"}]}}),
    );
    scene.call(Plugin::Bridge, "ADD", failing).run().error();
    assert_eq!(before, scene.state());
}

#[test]
fn fifty_at_once_make_one_rule() {
    cites!("ADD-8");
    let (scene, _) = docker_host();
    let before = State::take(&[]);
    let containers: Vec<Namespace> = (0..50).map(|number| scene.host.namespace(&format!("p{number}"))).collect();
    for (command, rules) in [("ADD", 1), ("DEL", 0)] {
        std::thread::scope(|scope| {
            let calls = containers.iter().map(|ns| scene.call_for(ns, "eth0", Plugin::Bridge, command, config()));
            let running: Vec<_> = calls.map(|call| scope.spawn(move || call.run())).collect();
            for call in running {
                call.join().expect("the call ends").ok();
            }
        });
        assert_eq!(saved("iptables").iter().filter(|line| is_ours(line)).count(), rules, "after {command}");
    }
    assert_eq!(before, State::take(&[]));
}

#[test]
fn any_chain_that_drops_gets_the_rule_and_others_do_not() {
    let scene = Scene::new();
    sh(
        "nft 'table inet fw { chain guard { type filter hook forward priority 10; policy drop; tcp dport 22 accept; }; \
        chain open { type filter hook forward priority 20; policy accept; }; \
        chain entry { type filter hook input priority 0; policy drop; }; }'",
    )
    .ok();
    sh("nft 'table netdev early { }' && nft 'table bridge frames { chain f { type filter hook forward priority 0; policy accept; }; }'").ok();
    let before = scene.state();
    scene.call(Plugin::Bridge, "ADD", config()).run().ok();
    let rules = sh("nft list ruleset").ok();
    assert_eq!(rules.matches("plugboard: members of home-br").count(), 1, "{rules}");
    let guard = sh("nft list chain inet fw guard").ok();
    let rule = "iifname \"home-br\" oifname \"home-br\" counter packets 0 bytes 0 accept comment \"plugboard: members of home-br\"";
    assert!(guard.lines().nth(4).is_some_and(|line| line.trim() == rule), "{guard}");
    scene.call(Plugin::Bridge, "DEL", config()).run().ok();
    assert_eq!(before, scene.state());
}

#[test]
fn check_reports_a_policy_that_came_later_and_the_next_add_heals_it() {
    cites!("CHK-1", "CHK-3");
    let scene = Scene::new();
    let c2 = scene.host.namespace("c2");
    let (_, attached) = scene.added_for(&scene.c1, &config());
    assert_eq!(sh("nft list ruleset").ok(), "", "where nothing is dropped nothing is made");
    scene.call(Plugin::Bridge, "CHECK", attached.clone()).run().ok();
    sh("iptables -P FORWARD DROP").ok();
    let (code, msg, _) = scene.call(Plugin::Bridge, "CHECK", attached.clone()).run().error();
    assert_eq!(code, codes::DIFFERENT, "{msg}");
    assert!(msg.contains("plugboard: members of home-br") && msg.contains("ip filter FORWARD"), "{msg}");
    scene.call_for(&c2, "eth0", Plugin::Bridge, "ADD", config()).run().ok();
    scene.call(Plugin::Bridge, "CHECK", attached).run().ok();
}

#[test]
fn the_older_iptables_is_told_about() {
    let scene = Scene::new();
    let dropping = sh("iptables-legacy -P FORWARD DROP");
    assert_eq!(
        dropping.status, 0,
        "this test needs iptables-legacy (Debian's package iptables) and a kernel with ip_tables \
         (CONFIG_IP_NF_IPTABLES_LEGACY, CONFIG_IP_NF_FILTER): {}",
        dropping.stderr
    );
    let reply = scene.call(Plugin::Bridge, "ADD", config()).run();
    reply.ok();
    assert!(reply.stderr.contains("iptables-legacy -I FORWARD -i home-br -o home-br -j ACCEPT"), "{reply}");
    sh("ip link add eth0 type veth peer name far && ip link set far up && ip link set eth0 up").ok();
    let uplink = with(
        &config(),
        json!({"name": "phys", "bridge": "phys-br", "uplink": "eth0", "isGateway": null,
        "isDefaultGateway": null, "ipMasq": null, "ipam": null}),
    );
    let c2 = scene.host.namespace("c2");
    let reply = scene.call_for(&c2, "eth0", Plugin::Bridge, "ADD", uplink.clone()).run();
    reply.ok();
    assert!(reply.stderr.contains("iptables-legacy -I FORWARD -i phys-br -o phys-br -j ACCEPT"), "{reply}");
    let reply = scene.call_for(&c2, "eth1", Plugin::Bridge, "ADD", uplink).run();
    reply.ok();
    assert!(!reply.stderr.contains("iptables-legacy"), "once for each bridge: {reply}");
}
