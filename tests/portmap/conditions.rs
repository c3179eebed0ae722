//! Conditions on connections.

use serde_json::json;
use tests::world::{OUTSIDE, OUTSIDE6};
use tests::{cites, codes};

use crate::site::{Site, ruleset, seen_from, seen_from_host, server, tcp};

#[test]
fn only_connections_that_meet_the_conditions_are_led_on() {
    cites!("CFG-1");
    let site = Site::new();
    let _neighbour = site.nic(&site.c2, json!({}));
    let before = ruleset();
    for keys in [
        json!({"conditionsV4": ["-s", "192.0.2.254"], "conditionsV6": ["-s", "2001:db8::fe"]}),
        json!({"conditionsV4": ["ip saddr 192.0.2.254"], "conditionsV6": ["ip6", "saddr", "==", "2001:db8::fe"]}),
        json!({"conditionsV4": ["!", "-s", "192.0.2.0/25"], "conditionsV6": ["!", "-s", "2001:db8::/127"]}),
        json!({"conditionsV4": ["-i", "wan"], "conditionsV6": ["iifname", "wa*"]}),
        json!({"conditionsV4": ["!", "-d", "10.1.0.0/16", "!", "-s", OUTSIDE],
            "conditionsV6": ["ip6 daddr != fd00:1::/32 ip6 saddr != 2001:db8::1"]}),
    ] {
        let attached = site.published(site.c1(), &json!([tcp(8080, 80), tcp(8081, 80)]), keys.clone());
        let _server = server(site.c1(), 80);
        site.await_ipv6(8080);
        for (address, port) in [(OUTSIDE, 8080), (OUTSIDE, 8081), (OUTSIDE6, 8080)] {
            assert!(seen_from(&site.world, address, port).is_some(), "{keys}: {address}\n{}", ruleset());
        }
        assert_eq!(seen_from_host(OUTSIDE, 8080), None, "{keys}");
        assert_eq!(seen_from_host(OUTSIDE6, 8080), None, "{keys}");
        site.checked(site.c1(), &attached);
        site.deleted(site.c1(), &attached);
        assert_eq!(ruleset(), before, "{keys}");
    }
}

#[test]
fn conditions_of_one_family_leave_the_other_alone() {
    let site = Site::new();
    let attached = site.published(site.c1(), &json!([tcp(8080, 80)]), json!({"conditionsV6": ["-s", "2001:db8::fe"]}));
    let _server = server(site.c1(), 80);
    site.await_ipv6(8080);
    assert!(seen_from_host(OUTSIDE, 8080).is_some());
    assert_eq!(seen_from_host(OUTSIDE6, 8080), None);
    // Somebody changes the chain.
    let chain =
        ruleset().lines().find_map(|line| line.trim().strip_prefix("chain pb").map(str::to_owned)).expect("a chain");
    harness::sh(&format!("nft flush chain inet plugboard-ports pb{}", chain.trim_end_matches(" {"))).ok();
    let (code, msg, _) = site.call(site.c1(), "CHECK", &attached.ports).error();
    assert!(code == codes::DIFFERENT && msg.contains("want 1, have 0 others"), "{code}: {msg}");
    site.deleted(site.c1(), &attached);
    assert_eq!(ruleset(), "");
}

#[test]
fn a_waiting_attachment_takes_over_with_its_conditions() {
    let site = Site::new();
    let keys = json!({"conditionsV4": ["-i", "wan"]});
    let first = site.published(site.c1(), &json!([tcp(8080, 80)]), keys.clone());
    let ipam = json!({"type": "host-local", "ranges": [[{"subnet": "10.2.0.0/24"}]]});
    let config = tests::with(&crate::site::bridge(), json!({"name": "net2", "bridge": "br2", "ipam": ipam}));
    let call = |plugin, command: &str, config: &serde_json::Value| {
        site.scene.call_for(site.c1(), "eth2", plugin, command, config.clone()).run()
    };
    let nic = tests::with(&config, json!({"prevResult": call(tests::Plugin::Bridge, "ADD", &config).ok()}));
    let ports = Site::ports(&nic, &json!([tcp(8080, 80)]), keys);
    call(tests::Plugin::Portmap, "ADD", &ports).ok();
    call(tests::Plugin::Portmap, "CHECK", &ports).ok();
    site.deleted(site.c1(), &first);
    site.c1().sh("ip route replace default via 10.2.0.1").ok();
    let _server = server(site.c1(), 80);
    assert!(seen_from(&site.world, OUTSIDE, 8080).is_some(), "{}", ruleset());
    assert_eq!(seen_from_host(OUTSIDE, 8080), None);
    call(tests::Plugin::Portmap, "CHECK", &ports).ok();
    call(tests::Plugin::Portmap, "DEL", &ports).ok();
    call(tests::Plugin::Bridge, "DEL", &nic).ok();
    assert_eq!(ruleset(), "");
}

#[test]
fn what_is_not_understood_is_refused() {
    cites!("CFG-1", "CAP-2");
    let site = Site::new();
    let nic = site.nic(site.c1(), json!({}));
    let before = (site.state(), ruleset());
    for (keys, mapping, part) in [
        (
            json!({"conditionsV4": ["-m", "owner"]}),
            tcp(80, 80),
            "conditionsV4: \"owner\" is not understood; what is: [!] -s",
        ),
        (json!({"conditionsV6": ["-s", "10.0.0.1"]}), tcp(80, 80), "conditionsV6: \"10.0.0.1\" is of the other family"),
        (json!({"markMasqBit": 32}), tcp(80, 80), "markMasqBit is 32: it must be a number from 0 to 31"),
        (json!({"markMasqBit": 1, "externalSetMarkChain": "X"}), tcp(80, 80), "exclude each other"),
        (json!({"backend": "ipvs"}), tcp(80, 80), "backend is \"ipvs\": it must be \"iptables\" or \"nftables\""),
        (json!({}), json!({"hostPort": 80}), "runtimeConfig.portMappings[0]: containerPort is missing"),
        (json!({}), json!(null), "runtimeConfig.portMappings[0]: hostPort and containerPort must be given"),
        (json!({}), tests::with(&tcp(80, 80), json!({"hostIP": "::1"})), "hostIP is ::1"),
        (
            json!({"snat": false}),
            tests::with(&tcp(80, 80), json!({"hostIP": "127.0.0.1"})),
            "nothing comes back without snat",
        ),
    ] {
        let (code, msg, _) = site.call(site.c1(), "ADD", &Site::ports(&nic, &json!([mapping]), keys)).error();
        assert!(code == 7 && msg.contains(part), "{code}: {msg}");
        assert_eq!(before, (site.state(), ruleset()));
    }
    let twice = json!([tcp(80, 80), tcp(80, 81)]);
    let (code, msg, _) = site.call(site.c1(), "ADD", &Site::ports(&nic, &twice, json!({}))).error();
    assert!(code == 7 && msg.contains("cannot lead to port 80 of the container and to port 81"), "{code}: {msg}");
}
