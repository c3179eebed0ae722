//! At which addresses of the host a port is published, and which connections get another source.

use serde_json::json;
use tests::world::OUTSIDE;
use tests::{cites, with};

use crate::site::{Site, bridged_packets_come_by, route_localnet, ruleset, seen_from, seen_from_host, server, tcp};

#[test]
fn with_masq_all_every_client_has_the_address_of_the_host() {
    let site = Site::new();
    let attached = site.published(site.c1(), &json!([tcp(8080, 80)]), json!({"masqAll": true}));
    let _server = server(site.c1(), 80);
    assert_eq!(seen_from(&site.world, OUTSIDE, 8080).as_deref(), Some("10.1.0.1"));
    assert_eq!(seen_from_host("127.0.0.1", 8080).as_deref(), Some("10.1.0.1"));
    site.checked(site.c1(), &attached);
    site.deleted(site.c1(), &attached);
    assert_eq!(ruleset(), "");
}

#[test]
fn without_snat_nothing_is_translated_but_the_destination() {
    let site = Site::new();
    let attached = site.published(site.c1(), &json!([tcp(8080, 80)]), json!({"snat": false, "masqAll": true}));
    let _server = server(site.c1(), 80);
    assert_eq!(seen_from(&site.world, OUTSIDE, 8080).as_deref(), Some("192.0.2.254"));
    assert_eq!(seen_from_host(OUTSIDE, 8080).as_deref(), Some(OUTSIDE));
    assert_eq!(seen_from_host("127.0.0.1", 8080), None);
    assert_eq!(route_localnet("br0"), "0");
    assert_eq!(seen_from(site.c1(), OUTSIDE, 8080), None, "the container itself");
    site.checked(site.c1(), &attached);
    site.deleted(site.c1(), &attached);
}

#[test]
fn neighbours_are_masqueraded_where_bridged_packets_pass_by_the_packet_filter() {
    let site = Site::new();
    bridged_packets_come_by(false);
    let attached = site.published(site.c1(), &json!([tcp(8080, 80)]), json!({}));
    site.nic(&site.c2, json!({}));
    let _server = server(site.c1(), 80);
    // Their answers would go to them directly, from an address that they have never asked.
    assert_eq!(seen_from(&site.c2, OUTSIDE, 8080).as_deref(), Some("10.1.0.1"));
    site.deleted(site.c1(), &attached);
}

#[test]
fn a_port_is_published_at_one_address() {
    cites!("CAP-1");
    let site = Site::new();
    let at = |address: &str, port: u16| with(&tcp(port, 80), json!({"hostIP": address}));
    let mappings = json!([at(OUTSIDE, 8080), at("127.0.0.1", 8081), at("0.0.0.0", 8082), at("::", 8083)]);
    let attached = site.published(site.c1(), &mappings, json!({}));
    let _server = server(site.c1(), 80);
    site.await_ipv6(8083);
    let reached = |address: &str, port: u16| seen_from_host(address, port).is_some();
    assert!(reached(OUTSIDE, 8080) && !reached("10.1.0.1", 8080) && !reached("127.0.0.1", 8080));
    assert!(reached("127.0.0.1", 8081) && !reached("127.0.0.2", 8081) && !reached(OUTSIDE, 8081));
    assert!(reached(OUTSIDE, 8082) && reached("127.0.0.1", 8082) && !reached("2001:db8::1", 8082));
    assert!(reached("2001:db8::1", 8083) && !reached(OUTSIDE, 8083));
    site.checked(site.c1(), &attached);
    site.deleted(site.c1(), &attached);
}

#[test]
fn the_more_specific_address_counts_within_one_attachment() {
    let site = Site::new();
    let mappings =
        json!([tcp(8080, 80), {"hostPort": 8080, "containerPort": 81, "protocol": "TCP", "hostIP": OUTSIDE}]);
    let attached = site.published(site.c1(), &mappings, json!({}));
    let _server = server(site.c1(), 81);
    assert!(seen_from(&site.world, OUTSIDE, 8080).is_some());
    assert_eq!(seen_from_host("10.1.0.1", 8080), None, "nobody listens at port 80");
    site.checked(site.c1(), &attached);
    site.deleted(site.c1(), &attached);
    assert_eq!(ruleset(), "");
}
