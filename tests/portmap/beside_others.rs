//! Published ports on a host whose firewall drops what it forwards.

use harness::sh;
use serde_json::json;
use tests::world::{OUTSIDE, OUTSIDE6};
use tests::{cites, codes};

use crate::site::{Site, ruleset, seen_from, seen_from_host, server, tcp};

/// What iptables would save of FORWARD, without counters.
fn saved(tool: &str) -> Vec<String> {
    let text = sh(&format!("{tool}-save -t filter")).ok();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split(" [").next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_policy_of_dropping_lets_published_ports_pass_and_nothing_else() {
    cites!("ADD-1", "DEL-1");
    let site = Site::new();
    for tool in ["iptables", "ip6tables"] {
        sh(&format!(
            "{tool} -P FORWARD DROP && {tool} -N DOCKER-USER && {tool} -A FORWARD -j DOCKER-USER && {tool} -A DOCKER-USER -j RETURN"
        ))
        .ok();
    }
    let before: Vec<_> = ["iptables", "ip6tables"].map(saved).into();
    let first = site.published(site.c1(), &json!([tcp(8080, 80)]), json!({}));
    let second = site.published(&site.c2, &json!([tcp(8081, 80)]), json!({}));
    let _servers = (server(site.c1(), 80), server(&site.c2, 80));
    site.await_ipv6(8080);
    for (address, port) in [(OUTSIDE, 8080), (OUTSIDE, 8081), (OUTSIDE6, 8080)] {
        assert!(seen_from(&site.world, address, port).is_some(), "{address} {port}: {}", ruleset());
    }
    site.world.sh("ip route add 10.1.0.0/24 via 192.0.2.1").ok();
    assert_eq!(seen_from(&site.world, &first.addresses()[0], 80), None, "what is not published is dropped");
    for tool in ["iptables", "ip6tables"] {
        let rules = saved(tool);
        for way in ["-o", "-i"] {
            let what = if way == "-o" { "to" } else { "from" };
            let rule = format!(
                "-A FORWARD {way} br0 -m conntrack --ctstate DNAT -m comment --comment \"plugboard: {what} published ports behind br0\" -j ACCEPT"
            );
            assert_eq!(rules.iter().filter(|line| **line == rule).count(), 1, "{tool}: {rules:#?}");
        }
    }
    site.checked(site.c1(), &first);
    sh("iptables -D FORWARD -o br0 -m conntrack --ctstate DNAT -m comment --comment 'plugboard: to published ports behind br0' -j ACCEPT")
        .ok();
    let (code, msg, _) = site.call(site.c1(), "CHECK", &first.ports).error();
    assert!(code == codes::DIFFERENT && msg.contains("to published ports behind br0"), "{code}: {msg}");
    site.deleted(site.c1(), &first);
    assert!(saved("iptables").iter().any(|line| line.contains("published ports")), "the other one needs it");
    site.deleted(&site.c2, &second);
    assert_eq!(["iptables", "ip6tables"].map(saved).to_vec(), before);
}

#[test]
fn a_chain_of_nft_that_ends_in_a_reject_gets_rules_before_it() {
    let site = Site::new();
    sh("nft 'table inet mine { chain forward { type filter hook forward priority 0; ct state established,related accept; \
        iifname \"lo\" accept; reject with icmpx admin-prohibited; }; }'")
    .ok();
    let before = ruleset();
    let first = site.published(site.c1(), &json!([tcp(8080, 80)]), json!({}));
    let _server = server(site.c1(), 80);
    assert!(seen_from(&site.world, OUTSIDE, 8080).is_some(), "{}", ruleset());
    assert!(ruleset().contains("oifname \"br0\" ct status dnat counter"), "{}", ruleset());
    assert!(seen_from_host("127.0.0.1", 8080).is_some());
    site.checked(site.c1(), &first);
    site.deleted(site.c1(), &first);
    assert_eq!(ruleset(), before);
}
