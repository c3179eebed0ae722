//! Databases elsewhere.

use harness::{Datapath, Listeners, OpenVswitch};
use serde_json::json;
use tests::Scene;

use crate::site::{Site, address, network};

#[test]
fn the_database_can_listen_elsewhere() {
    let scene = Scene::new();
    let listeners = Listeners { tcp_port: Some(6640), tls_port: None };
    let ovs = OpenVswitch::listening("/run/other-ovs", &listeners);
    ovs.add_bridge_of(Datapath::Netdev, "br0");
    let site = Site::of(scene, ovs);
    let before = site.state();
    for remote in [
        "unix:/run/other-ovs/db.sock",
        "/run/other-ovs/db.sock",
        "tcp:127.0.0.1:6640",
        "tcp:127.0.0.1",
        "tcp:localhost:6640",
    ] {
        for kind in ["veth", "internal"] {
            let config = network(json!({"nic": kind, "socket_file": remote}));
            site.call(site.c1(), "eth1", "STATUS", &config).run().ok();
            let (_, first) = site.added(site.c1(), "eth1", &config);
            let (second, other) = site.added(&site.c2, "eth2", &config);
            assert!(site.c1().ping(&address(&second), 1).all_answered(), "{remote} {kind}");
            site.checked(site.c1(), "eth1", &first);
            site.deleted(site.c1(), "eth1", &first);
            site.deleted(&site.c2, "eth2", &other);
            assert_eq!(before, site.state(), "{remote} {kind}");
            site.added(site.c1(), "eth1", &config);
            site.collect(&config, &[]).ok();
            assert_eq!(before, site.state(), "{remote} {kind}");
        }
    }
    let reply = site.call(site.c1(), "eth1", "ADD", &network(json!({}))).run();
    assert!(reply.error().0 == 11 && reply.error().1.contains("unix:/var/run/openvswitch/db.sock"), "{reply}");
    let reply = site.call(site.c1(), "eth1", "ADD", &network(json!({"socket_file": "tcp:127.0.0.1:1"}))).run();
    assert!(reply.error().0 == 11 && reply.error().1.contains("tcp:127.0.0.1:1"), "{reply}");
    assert_eq!(before, site.state());
}
