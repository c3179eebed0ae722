//! Who reaches a published port, and whom the container takes them for.

use serde_json::json;
use tests::cites;
use tests::world::{INTERNET, INTERNET6, OUTSIDE, OUTSIDE6};

use crate::site::{Site, bridged_packets_come_by, route_localnet, ruleset, seen_from, seen_from_host, server, tcp};

#[test]
fn a_published_port_is_reached_from_everywhere() {
    cites!("ADD-5", "CAP-1");
    let site = Site::new();
    let before = site.state();
    for bridged in [true, false] {
        bridged_packets_come_by(bridged);
        let first = site.published(site.c1(), &json!([tcp(8080, 80)]), json!({}));
        let second = site.nic(&site.c2, json!({}));
        let [own4, own6] = first.addresses();
        let _server = server(site.c1(), 80);
        let told = |seen: Option<String>, expected: &str, who: &str| {
            assert_eq!(seen.as_deref(), Some(expected), "{who}, bridged packets filtered: {bridged}\n{}", ruleset());
        };
        site.await_ipv6(8080);
        told(seen_from(&site.world, OUTSIDE, 8080), "192.0.2.254", "the world");
        told(seen_from(&site.world, OUTSIDE6, 8080), "2001:db8::fe", "the world");
        told(seen_from_host(OUTSIDE, 8080), OUTSIDE, "the host by its own address");
        told(seen_from_host(OUTSIDE6, 8080), OUTSIDE6, "the host by its own address");
        told(seen_from_host("10.1.0.1", 8080), "10.1.0.1", "the host by the gateway");
        told(seen_from_host("127.0.0.1", 8080), "10.1.0.1", "the host by 127.0.0.1");
        told(seen_from_host("127.0.0.53", 8080), "10.1.0.1", "the host by another loopback address");
        assert_eq!(seen_from_host("::1", 8080), None);
        told(seen_from(site.c1(), OUTSIDE, 8080), "10.1.0.1", "the container itself");
        told(seen_from(site.c1(), OUTSIDE6, 8080), "fd00:1::1", "the container itself");
        for address in [OUTSIDE, "10.1.0.1", OUTSIDE6, "fd00:1::1"] {
            assert!(seen_from(&site.c2, address, 8080).is_some(), "a neighbour by {address}, {bridged}");
        }
        // What is between members, and what the host forwards elsewhere, is nobody's published port.
        assert_eq!(seen_from(&site.c2, &own4, 8080), None);
        assert!(seen_from(&site.c2, &own4, 80).is_some() && seen_from(&site.c2, &own6, 80).is_some());
        assert_eq!(seen_from(&site.c2, INTERNET, 8080), None);
        assert_eq!(seen_from(&site.c2, INTERNET6, 8080), None);
        site.checked(site.c1(), &first);
        assert_eq!(route_localnet("br0"), "1");
        site.deleted(site.c1(), &first);
        assert_eq!(route_localnet("br0"), "0");
        assert_eq!(seen_from(&site.world, OUTSIDE, 8080), None);
        site.scene.call_for(&site.c2, "eth0", tests::Plugin::Bridge, "DEL", second).run().ok();
        site.stop_forwarding();
        assert_eq!(ruleset(), "");
    }
    assert_eq!(before, site.state());
}

#[test]
fn ports_lead_to_a_service_of_the_world_as_before() {
    let site = Site::new();
    let first = site.published(site.c1(), &json!([tcp(80, 80)]), json!({}));
    let _elsewhere = server(&site.world, 80);
    assert!(seen_from(site.c1(), INTERNET, 80).is_some(), "port 80 of others is theirs");
    assert!(seen_from(site.c1(), INTERNET6, 80).is_some());
    site.deleted(site.c1(), &first);
}
