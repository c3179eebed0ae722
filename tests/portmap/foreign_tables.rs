//! Published ports on a host that has rules of firewalld or of Podman.

use harness::sh;
use serde_json::json;
use tests::firewalls::{FIREWALLD, NETAVARK};
use tests::world::{OUTSIDE, OUTSIDE6};

use crate::site::{Site, ruleset, seen_from, seen_from_host, server, tcp};

fn load(rules: &str) {
    std::fs::write("/run/scene/rules.nft", rules).expect("it is written");
    sh("nft -f /run/scene/rules.nft").ok();
}

/// It accepts what was led elsewhere, and its table is its own.
#[test]
fn firewalld_lets_published_ports_pass() {
    let site = Site::new();
    load(&FIREWALLD.replace("BRIDGE_ZONE", "").replace("ALLOWED", "").replace("up0", "wan"));
    let before = ruleset();
    let table = || sh("nft list table inet firewalld").ok();
    let of_firewalld = table();
    let first = site.published(site.c1(), &json!([tcp(8080, 80)]), json!({}));
    let _server = server(site.c1(), 80);
    site.await_ipv6(8080);
    for address in [OUTSIDE, OUTSIDE6] {
        assert!(seen_from(&site.world, address, 8080).is_some(), "{address}: {}", ruleset());
        assert!(seen_from_host(address, 8080).is_some(), "{address}");
    }
    site.world.sh("ip route add 10.1.0.0/24 via 192.0.2.1").ok();
    assert_eq!(seen_from(&site.world, &first.addresses()[0], 80), None, "what is not published is rejected");
    assert_eq!(table(), of_firewalld);
    site.checked(site.c1(), &first);
    site.deleted(site.c1(), &first);
    assert_eq!(seen_from(&site.world, OUTSIDE, 8080), None);
    assert_eq!(ruleset(), before);
}

/// Podman's own container, and one of ours.
#[test]
fn ports_of_podman_and_ours_are_published_at_once() {
    let site = Site::new();
    load(NETAVARK);
    sh("ip link add podman0 type bridge && ip address add 10.88.0.1/16 dev podman0 && ip link set podman0 up && \
        ip link add veth0 master podman0 type veth peer name eth0 netns c2 && ip link set veth0 up type bridge_slave hairpin on && \
        echo 1 > /proc/sys/net/ipv4/ip_forward && echo 1 > /proc/sys/net/ipv4/conf/podman0/route_localnet")
    .ok();
    site.c2
        .sh("ip link set eth0 up && ip address add 10.88.0.2/16 dev eth0 && ip route add default via 10.88.0.1")
        .ok();
    let before = ruleset();
    let _servers = (server(site.c1(), 80), server(&site.c2, 80));
    let first = site.published(site.c1(), &json!([tcp(8080, 80)]), json!({}));
    for port in [8080, 8081] {
        assert_eq!(seen_from(&site.world, OUTSIDE, port).as_deref(), Some("192.0.2.254"), "{port}: {}", ruleset());
        for address in [OUTSIDE, "127.0.0.1"] {
            assert!(seen_from_host(address, port).is_some(), "{address} {port}");
        }
    }
    // From one's container to the port of the other's, and to the own.
    for ns in [site.c1(), &site.c2] {
        for port in [8080, 8081] {
            assert!(seen_from(ns, OUTSIDE, port).is_some(), "{} to {port}", ns.name);
        }
    }
    site.checked(site.c1(), &first);
    site.deleted(site.c1(), &first);
    assert_eq!(ruleset(), before);
    assert!(seen_from(&site.world, OUTSIDE, 8081).is_some());
    assert_eq!(seen_from(&site.world, OUTSIDE, 8080), None);
}
