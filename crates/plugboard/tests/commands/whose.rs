//! A container that makes a NIC with another one's numbers gets neither its limits changed nor removed.

use serde_json::json;

use crate::support::Lab;

#[test]
fn shape_and_detach_leave_another_containers_limits_alone() {
    let lab = Lab::with_own_plugins();
    let ipam = json!({"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}]]});
    let shaper = json!({"type": "netem-shaper", "bw": "100Mbps", "upload": {"rate": "10Mbit"}});
    lab.network("walt-net", &json!([{"type": "bridge", "bridge": "br0", "ipam": ipam}, shaper]));
    let (c1, c2, nested) = (lab.host.namespace("c1"), lab.host.namespace("c2"), lab.host.namespace("nested"));
    lab.plugboard("attach c1 walt-net").ok();
    lab.plugboard("attach c2 walt-net").ok();
    let result = lab.remembered("walt-net", "c2", "eth0").expect("an entry")["result"].clone();
    let port = result["interfaces"][1]["name"].as_str().expect("a host interface").to_owned();
    let outside = harness::ip(&format!("link show dev {port}"))[0]["ifindex"].clone();
    let inside = c2.ip("link show dev eth0")[0]["ifindex"].clone();
    let queues = || {
        let queues = harness::sh(&format!("tc qdisc show dev {port}")).ok();
        queues + &harness::sh(&format!("tc filter show dev {port} ingress")).ok()
    };
    let before = (queues(), c2.ip("address show"));
    c1.sh("ip link del eth0").ok();
    c1.sh(&format!("ip link add eth0 index {inside} type veth peer name x index {outside} netns {}", nested.name)).ok();
    let refused = lab.plugboard("shape c1 eth0 bw=1Mbps,upload=none");
    assert_eq!((refused.status, refused.stdout.as_str()), (1, ""), "{refused:?}");
    assert!(refused.stderr.contains("no host interface for eth0"), "{refused:?}");
    assert_eq!(before, (queues(), c2.ip("address show")));
    lab.plugboard("detach c1").ok();
    assert_eq!(before, (queues(), c2.ip("address show")));
    lab.plugboard("check c2").ok();
    lab.plugboard("detach c2").ok();
}
