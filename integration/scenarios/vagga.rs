//! vagga's test networks: nodes with addresses from version control.

use harness::{Host, Invocation, row};
use serde_json::{Value, json};

fn with_static_address(address: &str) -> Value {
    json!({"cniVersion": "1.0.0", "name": "children", "type": "bridge", "bridge": "children",
        "ipam": {"type": "static", "addresses": [{"address": address}]}})
}

#[test]
fn addresses_are_those_of_the_configuration_and_only_one_node_has_each() {
    let _row = row("M40");
    let host = Host::enter();
    let (c1, c2) = (host.namespace("c1"), host.namespace("c2"));
    let call = |command: &str, node: &harness::Namespace, address: &str| {
        Invocation::new("bridge", command)
            .container(&node.name)
            .netns(&node.path)
            .ifname("eth0")
            .config(with_static_address(address))
            .run()
    };
    for _ in 0..2 {
        let result = call("ADD", &c1, "172.18.0.1/24").ok();
        assert_eq!(result["ips"][0]["address"], "172.18.0.1/24");
        let found = c1.ip("-4 address show dev eth0");
        assert_eq!(
            (&found[0]["addr_info"][0]["local"], &found[0]["addr_info"][0]["prefixlen"]),
            (&json!("172.18.0.1"), &json!(24))
        );
        call("DEL", &c1, "172.18.0.1/24").ok();
    }

    call("ADD", &c1, "172.18.0.1/24").ok();
    let (_, message, _) = call("ADD", &c2, "172.18.0.1/24").error();
    assert!(message.contains("172.18.0.1"), "{message}");
    assert_eq!(integration::links(&c2), ["lo"]);
    call("ADD", &c2, "172.18.0.2/24").ok();
    assert_eq!(c1.ping("172.18.0.2", 3).received, 3);
}
