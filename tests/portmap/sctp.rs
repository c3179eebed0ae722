//! Published ports of SCTP, which not every kernel has.

use harness::{Namespace, Output, sh, wait_until};
use lab::{Feature, with_features};
use serde_json::json;
use tests::cites;
use tests::world::{OUTSIDE, OUTSIDE6};

use crate::site::{Site, ruleset, seen_from, server, tcp};

/// Whom the server takes a client for, as by [`crate::site::seen`].
fn seen(run: impl Fn(&str) -> Output, address: &str, port: u16) -> Option<String> {
    let output = run(&format!("ncat --sctp -w 1 --recv-only {address} {port} < /dev/null 2> /dev/null"));
    let seen = output.stdout.trim().trim_start_matches("::ffff:").to_owned();
    (!seen.is_empty()).then_some(seen)
}

fn seen_from_within(ns: &Namespace, address: &str, port: u16) -> Option<String> {
    seen(|script| ns.sh(script), address, port)
}

#[test]
fn a_port_of_sctp_is_published_beside_one_of_tcp() {
    with_features(&[Feature::Sctp], || {
        cites!("ADD-1", "DEL-1", "CAP-1");
        let site = Site::new();
        let before = site.state();
        let mappings = json!([{"hostPort": 8080, "containerPort": 80, "protocol": "sctp"}, tcp(8080, 80)]);
        let first = site.published(site.c1(), &mappings, json!({}));
        let second = site.nic(&site.c2, json!({}));
        let _tcp = server(site.c1(), 80);
        let _sctp = site.c1().spawn("exec ncat --sctp -lk -p 80 -c 'printf %s \"$NCAT_REMOTE_ADDR\"' 2>/dev/null");
        let [own4, own6] = first.addresses();
        for own in [&own4, &own6] {
            wait_until("the server listens", || seen_from_within(site.c1(), own, 80).is_some());
        }
        site.await_ipv6(8080);
        for (address, source) in [(OUTSIDE, "192.0.2.254"), (OUTSIDE6, "2001:db8::fe")] {
            assert_eq!(seen_from_within(&site.world, address, 8080).as_deref(), Some(source), "{}", ruleset());
            assert_eq!(seen_from(&site.world, address, 8080).as_deref(), Some(source), "by TCP");
            assert!(seen(sh, address, 8080).is_some(), "the host by {address}");
            for ns in [site.c1(), &site.c2] {
                assert!(seen_from_within(ns, address, 8080).is_some(), "{} by {address}: {}", ns.name, ruleset());
            }
        }
        assert_eq!(seen(sh, "127.0.0.1", 8080).as_deref(), Some("10.1.0.1"));
        site.checked(site.c1(), &first);
        site.deleted(site.c1(), &first);
        assert_eq!(seen_from_within(&site.world, OUTSIDE, 8080), None);
        site.scene.call_for(&site.c2, "eth0", tests::Plugin::Bridge, "DEL", second).run().ok();
        site.stop_forwarding();
        assert_eq!(before, site.state());
    });
}
