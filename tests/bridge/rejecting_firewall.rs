//! Members of a bridge on a host whose firewall ends in a rule that rejects or drops what is left, and not in a policy.

use harness::{Namespace, sh};
use serde_json::{Value, json};
use tests::firewalls::FIREWALLD;
use tests::{LATEST, Plugin, Scene, State, cites, codes, with};

/// Both families, without a gateway.
fn config() -> Value {
    let ipam = json!({"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00:1::/64"}]]});
    with(&Plugin::Bridge.config(LATEST), json!({"name": "home-net", "bridge": "home-br", "ipam": ipam}))
}

/// A host on which rules see what is bridged, with two containers.
fn host() -> (Scene, Namespace) {
    let scene = Scene::new();
    let c2 = scene.host.namespace("c2");
    sh("for file in /proc/sys/net/bridge/bridge-nf-call-ip*; do echo 1 > $file; done").ok();
    (scene, c2)
}

fn load(rules: &str) {
    std::fs::write("/run/scene/rules.nft", rules).expect("it is written");
    sh("nft -f /run/scene/rules.nft").ok();
}

fn address(result: &Value, range: usize) -> String {
    let address = result["ips"][range]["address"].as_str().expect("an address");
    address.split('/').next().expect("it has a prefix").to_owned()
}

/// As on Red Hat's systems with `iptables-services`, and as a table of an operator's own.
#[test]
fn the_rule_goes_before_the_one_that_rejects_the_rest() {
    cites!("ADD-1", "DEL-1", "CHK-1");
    let of_iptables = "for tool in iptables ip6tables; do $tool -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT; \
        $tool -A FORWARD -i eth9 -j DROP; $tool -A FORWARD -j REJECT; done";
    let of_nft = "nft 'table inet fw { chain forward { type filter hook forward priority 0; ct state established,related accept; \
        tcp dport 22 accept; counter drop; tcp dport 80 accept; }; }'";
    for (make, chains) in [(of_iptables, ["ip filter FORWARD", "ip6 filter FORWARD"]), (of_nft, ["inet fw forward"; 2])]
    {
        let (scene, c2) = host();
        sh(make).ok();
        let before = State::take(&[&scene.c1, &c2]);
        let reply = scene.call(Plugin::Bridge, "ADD", config()).run();
        assert!(!reply.stderr.contains("firewall"), "{reply}");
        let first = with(&config(), json!({"prevResult": reply.ok()}));
        let (second, last) = scene.added_for(&c2, &config());
        for family in [0, 1] {
            assert!(scene.c1.ping(&address(&second, family), 3).all_answered(), "{make}: {}", address(&second, family));
        }
        for chain in chains {
            let rules = sh(&format!("nft list chain {chain}")).ok();
            let lines: Vec<&str> = rules.lines().collect();
            let ours = lines.iter().position(|line| line.contains("plugboard: members of home-br"));
            let last = lines.iter().position(|line| {
                line.trim_start().starts_with("counter") && (line.contains("reject") || line.contains("drop"))
            });
            assert_eq!(rules.matches("plugboard:").count(), 1, "{rules}");
            assert!(ours.is_some() && ours < last, "{rules}");
        }
        let check = || scene.call(Plugin::Bridge, "CHECK", first.clone()).run();
        check().ok();
        // Another one before ours, as by an operator: it counts.
        let handles = sh(&format!("nft -a list chain {}", chains[0])).ok();
        let ours = handles.lines().find(|line| line.contains("plugboard:")).expect("our rule");
        let handle = ours.rsplit(' ').next().expect("its handle");
        sh(&format!("nft delete rule {} handle {handle}", chains[0])).ok();
        let (code, msg, _) = check().error();
        assert!(code == codes::DIFFERENT && msg.contains(chains[0]) && msg.contains("lets nothing pass"), "{msg}");
        let c3 = scene.host.namespace("c3");
        let (_, third) = scene.added_for(&c3, &config());
        check().ok();
        for (ns, config) in [(&scene.c1, first.clone()), (&c2, last), (&c3, third)] {
            scene.call_for(ns, "eth0", Plugin::Bridge, "DEL", config).run().ok();
        }
        assert_eq!(before, State::take(&[&scene.c1, &c2]));
    }
}

/// What a rule before the last one says stays so.
#[test]
fn an_operators_rule_before_it_decides() {
    let (scene, c2) = host();
    load("table inet fw { chain forward { type filter hook forward priority 0; ip protocol icmp drop; reject; }; }");
    scene.call(Plugin::Bridge, "ADD", config()).run().ok();
    let (second, _) = scene.added_for(&c2, &config());
    assert_eq!(scene.c1.ping_with(&address(&second, 0), "-c2 -i.05 -W.3").received, 0);
    assert!(scene.c1.ping(&address(&second, 1), 2).all_answered(), "the other family is not dropped");
}

/// What firewalld says of the bridge, and what it lets into its default zone; what is told then.
#[test]
fn what_firewalld_rejects_is_told_once_with_what_opens_it() {
    let opens = "firewall-cmd --permanent --zone=trusted --add-interface=home-br";
    let members = "what members of home-br send to each other";
    let beyond = "what home-br forwards to up0";
    let gateway = json!({"isGateway": true, "ipMasq": true});
    for (zone, forward, keys, told) in [
        ("", "", json!({}), vec![members, opens, "inet firewalld filter_FWD_public"]),
        ("", "", gateway.clone(), vec![members, beyond, opens]),
        ("", "oifname \"up0\" accept", gateway.clone(), vec![members, opens]),
        ("", "oifname \"home-br\" tcp dport 80 accept", gateway.clone(), vec![members, beyond, opens]),
        ("iifname \"home-br\" goto filter_FWD_trusted", "", gateway.clone(), vec![]),
        ("iifname \"home*\" goto filter_FWD_trusted", "", gateway.clone(), vec![]),
        ("iifname != \"up0\" goto filter_FWD_trusted", "", gateway.clone(), vec![]),
        // It may be about all of them.
        ("ip saddr 10.1.0.0/24 goto filter_FWD_trusted", "", gateway.clone(), vec![]),
    ] {
        let (scene, c2) = host();
        sh("ip link add up0 up type veth peer name far0 && ip link set far0 up && ip address add 192.0.2.1/24 dev up0 && \
            ip route add default via 192.0.2.2")
        .ok();
        load(
            &FIREWALLD
                .replace("BRIDGE_ZONE", zone)
                .replace("ALLOWED", &if forward.is_empty() { String::new() } else { format!("{forward};") }),
        );
        let rules = sh("nft list table inet firewalld").ok();
        let config = with(&config(), keys);
        let reply = scene.call(Plugin::Bridge, "ADD", config.clone()).run();
        let first = with(&config, json!({"prevResult": reply.ok()}));
        let lines: Vec<&str> = reply.stderr.lines().filter(|line| line.contains("firewall")).collect();
        assert_eq!(lines.len(), usize::from(!told.is_empty()), "{zone} {forward}: {reply}");
        for text in [members, beyond, opens] {
            assert_eq!(reply.stderr.contains(text), told.contains(&text), "{zone} {forward}: {text}: {reply}");
        }
        assert!(told.iter().all(|text| reply.stderr.contains(text)), "{zone} {forward}: {reply}");
        let again = scene.call_for(&c2, "eth0", Plugin::Bridge, "ADD", config.clone()).run();
        let second = again.ok();
        assert!(!again.stderr.contains("firewall"), "once for each bridge: {again}");
        assert_eq!(sh("nft list table inet firewalld").ok(), rules, "it is firewalld's own");
        if zone.starts_with("iifname") || !told.is_empty() {
            let reached = scene.c1.ping_with(&address(&second, 0), "-c1 -W.3").received == 1;
            assert_eq!(reached, told.is_empty(), "what is told is so: {zone} {forward}");
        }
        scene.call(Plugin::Bridge, "CHECK", first).run().ok();
    }
}

/// Other firewalls, and those that refuse nothing.
#[test]
fn what_other_firewalls_refuse_is_told_with_their_commands() {
    let up = "ip link add up0 up type veth peer name far0 && ip link set far0 up && ip address add 192.0.2.1/24 dev up0 && \
        ip route add default via 192.0.2.2";
    let not_bridged = "for file in /proc/sys/net/bridge/bridge-nf-call-ip*; do echo 0 > $file; done";
    let rejecting = "nft 'table inet fw { chain forward { type filter hook forward priority 0; jump rest; }; chain rest { reject; }; }'";
    for (make, keys, told) in [
        (
            "iptables -N rest && iptables -A rest -j REJECT && iptables -A FORWARD -j rest".to_owned(),
            json!({}),
            "`iptables -I FORWARD -i home-br -o home-br -j ACCEPT`",
        ),
        (
            format!("{up} && iptables -P FORWARD DROP"),
            json!({"isGateway": true}),
            "`iptables -I FORWARD -i home-br -j ACCEPT`",
        ),
        (
            format!("{up} && {not_bridged} && {rejecting}"),
            json!({"isGateway": true}),
            "`nft 'insert rule inet fw forward iifname home-br accept'`",
        ),
        (
            rejecting.replace("reject", "drop"),
            json!({}),
            "`nft 'insert rule inet fw forward iifname home-br oifname home-br accept'`",
        ),
        (rejecting.replace("jump", "goto"), json!({}), "iifname home-br oifname home-br accept"),
        (format!("{not_bridged} && {rejecting}"), json!({}), ""),
        (rejecting.replace("jump rest", "ct state new iifname home-br accept; jump rest"), json!({}), ""),
        (rejecting.replace("jump rest", "iifname vmap { home-br : accept }; jump rest"), json!({}), ""),
        (rejecting.replace("jump rest", "meta mark 7 jump rest"), json!({}), ""),
        (rejecting.replace("jump rest", "tcp dport 22 jump rest"), json!({}), ""),
        (rejecting.replace("jump rest", "iifname eth9 jump rest"), json!({}), ""),
        (rejecting.replace("hook forward", "hook input"), json!({}), ""),
        ("iptables -A FORWARD -j ACCEPT".to_owned(), json!({}), ""),
    ] {
        let (scene, _) = host();
        sh(&make).ok();
        let reply = scene.call(Plugin::Bridge, "ADD", with(&config(), keys)).run();
        reply.ok();
        match told.is_empty() {
            true => assert!(!reply.stderr.contains("firewall"), "{make}: {reply}"),
            false => assert!(reply.stderr.contains(told), "{make}: {reply}"),
        }
    }
}

/// A table with these rules, and a chain that it leads to last.
fn table(flags: &str, rules: &str, rest: &str) -> String {
    format!(
        "table inet fw {{ {flags} chain forward {{ type filter hook forward priority 0; {rules} }}; chain rest {{ {rest} }}; }}"
    )
}

/// What is said when the first of two members comes, and whether they reach each other then, by IPv4 and by IPv6.
fn told_and_reached(make: impl Fn()) -> (String, [bool; 2]) {
    let (scene, c2) = host();
    make();
    let reply = scene.call(Plugin::Bridge, "ADD", config()).run();
    reply.ok();
    let (second, _) = scene.added_for(&c2, &config());
    let reached = [0, 1].map(|family| scene.c1.ping_with(&address(&second, family), "-c1 -W.2").received == 1);
    let told = reply.stderr.lines().find(|line| line.contains("firewall refuses")).unwrap_or_default();
    (told.to_owned(), reached)
}

/// By the state of a connection, or for one family.
#[test]
fn who_refuses_what_opens_a_connection_is_told_about() {
    let both = "what members of home-br send to each other (chain inet fw forward)";
    for (rules, told, reached) in [
        ("ct state established,related accept; ct state new drop;", both, [false; 2]),
        ("ct state vmap { established : accept, related : accept, new : drop };", both, [false; 2]),
        ("meta nfproto ipv4 drop;", "send to each other over IPv4 (chain inet fw forward)", [false, true]),
    ] {
        let (line, seen) = told_and_reached(|| load(&table("", rules, "")));
        assert!(line.contains(told), "{rules}: {line}");
        assert_eq!(seen, reached, "{rules}");
    }
    let (line, reached) = told_and_reached(|| {
        sh("iptables -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT && \
            iptables -A FORWARD -m conntrack --ctstate NEW -j REJECT")
        .ok();
    });
    assert!(line.contains("what members of home-br send to each other (chain ip filter FORWARD)"), "{line}");
    assert_eq!(reached, [false, true]);
}

/// By IPv4: neighbour discovery of IPv6 is untracked, and has no state that these accept.
#[test]
fn nothing_is_told_of_what_lets_members_pass() {
    let tables = [
        ("", "ct state new,established,related accept; drop;"),
        ("", "ct state established,related accept; ct state new accept; drop;"),
        ("", "ct state { new, established } accept; drop;"),
        ("", "ct state vmap { new : accept, established : accept }; drop;"),
        ("", "ct state != invalid accept; drop;"),
        ("", "meta l4proto { tcp, udp, icmp, icmpv6 } accept; reject;"),
        ("", "meta nfproto { ipv4, ipv6 } accept; reject;"),
        ("", "iifname { \"home-br\", \"eth9\" } accept; drop;"),
        ("", "limit rate 1000/second accept; drop;"),
        ("flags dormant;", "drop;"),
    ];
    for (flags, rest) in tables {
        let (line, [reached, _]) = told_and_reached(|| load(&table(flags, "jump rest;", rest)));
        assert_eq!((line.as_str(), reached), ("", true), "{flags} {rest}");
    }
    let (line, [reached, _]) = told_and_reached(|| {
        sh("iptables -N rest && iptables -A FORWARD -j rest && \
            iptables -A rest -m conntrack --ctstate NEW,ESTABLISHED,RELATED -j ACCEPT && iptables -A rest -j DROP")
        .ok();
    });
    assert_eq!((line.as_str(), reached), ("", true));
}

#[test]
fn a_routed_nic_is_told_about_too() {
    let (scene, _) = host();
    sh("ip link add up0 up type veth peer name far0 && ip link set far0 up && ip address add 192.0.2.1/24 dev up0 && \
        ip route add default via 192.0.2.2")
    .ok();
    load(&FIREWALLD.replace("BRIDGE_ZONE", "").replace("ALLOWED", ""));
    let config = with(&Plugin::Secondary.config(LATEST), json!({"mode": "routed", "bridge": null}));
    let call = |command| scene.call_for(&scene.c1, "eth1", Plugin::Secondary, command, config.clone());
    let reply = call("ADD").run();
    reply.ok();
    assert!(reply.stderr.contains("--zone=trusted --add-interface=pb+"), "{reply}");
    call("DEL").run().ok();
    sh("nft insert rule inet firewalld filter_FORWARD_ZONES iifname '\"pb*\"' goto filter_FWD_trusted").ok();
    let reply = call("ADD").run();
    reply.ok();
    assert!(!reply.stderr.contains("firewall"), "{reply}");
}
