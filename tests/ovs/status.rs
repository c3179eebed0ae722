//! STATUS: whether ADD could succeed, without writing anything.

use harness::wait_until;
use serde_json::{Value, json};
use tests::{cites, with};

use crate::site::{Site, network};

fn unavailable(site: &Site, config: &Value, said: &str) {
    let reply = site.call(site.c1(), "eth1", "STATUS", config).run();
    let (code, message, _) = reply.error();
    assert_eq!(code, 50, "{reply}");
    assert!(message.contains(said), "{said:?} is said: {reply}");
}

/// What a change of the configuration counts up.
fn counter(site: &Site) -> Value {
    site.ovs
        .transact(&[json!({"op": "select", "table": "Open_vSwitch", "where": [], "columns": ["next_cfg", "cur_cfg"]})])
}

#[test]
fn what_is_ready_says_nothing_and_writes_nothing() {
    cites!("STA-1", "STA-2");
    let site = Site::new();
    site.ovs.add_bridge_of(harness::Datapath::Netdev, "br-up");
    let before = (site.state(), counter(&site));
    for keys in [
        json!({}),
        json!({"nic": "internal"}),
        json!({"nic": "tap"}),
        json!({"vlan": 10, "trunk": [{"id": 20}], "mtu": 1400, "max_rate": 1_000_000}),
        json!({"bridge": "br-made", "datapath_type": "netdev"}),
        json!({"bridge": "br-made", "datapath_type": "netdev", "nic": "internal"}),
        json!({"patchTo": "br-up", "mirrors": [{"name": "m1", "output": true}]}),
        json!({"type": "ovs-mirror-producer", "mirrors": [{"name": "m1", "ingress": true}], "ipam": null}),
    ] {
        let reply = site.call(site.c1(), "eth1", "STATUS", &with(&network(json!({})), keys)).run();
        reply.ok();
        assert_eq!((reply.stdout.as_str(), reply.stderr.as_str()), ("", ""), "{reply}");
        assert_eq!(before, (site.unsettled(), counter(&site)), "{reply}");
    }
}

#[test]
fn what_is_missing_is_named() {
    cites!("STA-1", "STA-2", "STA-3");
    let site = Site::new();
    let config = network(json!({}));
    let before = (site.state(), counter(&site));
    unavailable(&site, &network(json!({"bridge": "br9"})), "there is no bridge br9");
    unavailable(&site, &network(json!({"patchTo": "br9"})), "there is no bridge br9");
    unavailable(&site, &network(json!({"datapath_type": "system"})), "datapath_type");
    unavailable(&site, &with(&config, json!({"socket_file": "unix:/run/nobody.sock"})), "unix:/run/nobody.sock");
    unavailable(&site, &with(&config, json!({"socket_file": "tcp:127.0.0.1:1"})), "tcp:127.0.0.1:1");
    assert_eq!(before, (site.unsettled(), counter(&site)));
    let before = (site.unsettled(), counter(&site));
    site.ovs.switch().kill();
    // The server takes its time to see that the connection has ended.
    let dead = |site: &Site| site.call(site.c1(), "eth1", "STATUS", &config).run().status != 0;
    wait_until("the lock of the dead is free", || dead(&site));
    for config in [
        &config,
        &network(json!({"nic": "internal"})),
        &network(json!({"bridge": "br-made", "datapath_type": "netdev"})),
    ] {
        unavailable(&site, config, "ovs-vswitchd is not running");
        // Asking has not kept the lock.
        unavailable(&site, config, "ovs-vswitchd is not running");
    }
    assert_eq!(before.1, counter(&site));
    site.ovs.restart_switch();
    site.call(site.c1(), "eth1", "STATUS", &config).run().ok();
    site.ovs.database().kill();
    unavailable(&site, &config, "ovsdb-server");
}
