//! STATUS: whether ADD could succeed, without changing anything.

use serde_json::json;
use tests::cites;

use crate::site::{Site, listed, network};

#[test]
fn what_is_ready_says_nothing_and_changes_nothing() {
    cites!("STA-1", "STA-2");
    let site = Site::new();
    let ready = |config: &serde_json::Value| {
        let before = site.state();
        let reply = site.call(site.c1(), "eth1", "STATUS", config).run();
        reply.ok();
        assert_eq!((reply.stdout.as_str(), reply.stderr.as_str()), ("", ""), "{reply}");
        assert_eq!(before, site.state(), "{reply}");
    };
    let configurations = [
        network(json!({})),
        network(json!({"nic": "tap"})),
        network(json!({"nic": "tap", "tapNamespace": "container"})),
        network(json!({"mode": "vxvde"})),
        network(json!({"group": "ff05:56de::1", "mtu": 1400})),
        network(json!({"ipam": {"type": "host-local", "subnet": "10.1.0.0/24"}, "macspoofchk": true})),
        listed(&["192.0.2.2", "192.0.2.3"]),
        listed(&["2001:db8::2"]),
    ];
    configurations.iter().for_each(&ready);
    let (_, attached) = site.added(site.c1(), "eth1", &network(json!({})));
    ready(&network(json!({})));
    site.deleted(site.c1(), "eth1", &attached);
}
