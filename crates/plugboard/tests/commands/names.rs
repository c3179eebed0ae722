//! What interfaces are called.

use crate::support::{Lab, assert_refused};
use serde_json::{Value, json};

#[test]
fn a_single_interface_has_a_name_of_its_own() {
    let lab = Lab::new();
    lab.recorders(&["wire"]);
    for network in ["walt-net", "home-net"] {
        lab.network(network, &json!([{"type": "wire"}]));
    }
    let c1 = lab.host.namespace("c1");
    c1.sh("ip link add vnic-0 type veth peer name vnic-9").ok();
    for (options, message) in [
        ("--ifname vnic-0 c1 walt-net", "has an interface vnic-0 already: detach it first, or give another --ifname"),
        ("--ifname a-name-of-16-byt c1 walt-net", "no interface can be named 'a-name-of-16-byt'"),
        ("--ifname '' c1 walt-net", "no interface can be named ''"),
        ("--ifname-prefix vnic- c1 walt-net", "give another --ifname-prefix"),
    ] {
        assert_refused(&lab.plugboard(&format!("attach {options}")), message);
    }
    let usage = lab.plugboard("attach --ifname vnic-1 c1 walt-net,home-net");
    assert!(usage.status == 2 && usage.stderr.contains("there are 2 networks: use --ifname-prefix"), "{usage:?}");
    let usage = lab.plugboard("attach --ifname vnic-1 --ifname-prefix vnic c1 walt-net");
    assert!(usage.status == 2 && usage.stderr.contains("cannot be used with"), "{usage:?}");
    assert_eq!(lab.calls(), Vec::<Value>::new());

    lab.plugboard("attach --ifname vnic-1 c1 walt-net").ok();
    assert!(lab.remembered("walt-net", "c1", "vnic-1").is_some());
    assert_eq!(lab.calls()[0]["ifname"], "vnic-1");
    lab.plugboard("detach c1").ok();
    lab.assert_nothing_remembered();
}
