//! What scripts that add NICs to containers do without noticing: failures, and containers that are gone.

use harness::{Host, Invocation, Namespace, Snapshot, ip, row, sh};
use integration::{call, with};
use serde_json::{Value, json};

use crate::process_container::Container;

/// A NIC on the bridge `br-int`, by each plugin that makes one.
const ON_BRIDGE: [&str; 2] = ["bridge", "veth-secondary"];

fn config(plugin: &str) -> Value {
    json!({"cniVersion": "1.1.0", "name": "net", "type": plugin, "bridge": "br-int",
        "ipam": {"type": "host-local", "ranges": [[{"subnet": "192.168.1.0/24"}]]}})
}

/// A routed one.
fn routed() -> Value {
    with(&config("veth-secondary"), &json!({"mode": "routed", "bridge": null}))
}

/// A host as people have it: with rules, a bridge, other devices, a container that has its NIC, and one that has none.
fn host_in_use(config: &Value) -> (Host, Namespace, Namespace) {
    let host = Host::enter();
    let (ctn, other) = (host.namespace("ctn-1"), host.namespace("ctn-2"));
    sh("nft 'add table inet filter; add chain inet filter input { type filter hook input priority 0; }'").ok();
    sh("ip link add br-int up type bridge && ip address add 192.168.1.1/24 dev br-int").ok();
    sh("ip link add not-a-bridge type veth peer name far && ip tuntap add t0 mode tap").ok();
    call("ADD", &ctn, "eth0", config).run().ok();
    (host, ctn, other)
}

/// What a failed call must leave as it was: links, addresses, routes and rules, and the addresses that IPAM keeps.
fn state(containers: &[&Namespace]) -> (Snapshot, String) {
    (Snapshot::take::<&str>(containers, &[]), sh("grep . /var/lib/cni/networks/net/[0-9]*").ok())
}

#[test]
fn each_failure_says_what_and_changes_nothing() {
    let _row = row("M65");
    for plugin in ON_BRIDGE {
        each_failure_of_a_nic_on_a_bridge(&config(plugin));
    }
    each_failure_of_a_routed_nic(&routed());
}

fn each_failure_of_a_nic_on_a_bridge(config: &Value) {
    let (_host, ctn, other) = host_in_use(config);
    let add = |interface: &str, keys: Value| call("ADD", &ctn, interface, &with(config, &keys));
    let taken = json!({"ipam": {"type": "static", "addresses": [{"address": "192.168.1.2/24"}]}});
    let fails: Vec<(&str, Invocation, u64, &str)> = vec![
        // usage
        ("no interface", add("eth1", json!({})).unset("CNI_IFNAME"), 4, "CNI_IFNAME"),
        ("no container", add("eth1", json!({})).unset("CNI_CONTAINERID"), 4, "CNI_CONTAINERID"),
        ("unknown command", add("eth1", json!({})).env("CNI_COMMAND", "APPEND"), 4, "APPEND"),
        ("no configuration", add("eth1", json!({})).stdin("{"), 6, ""),
        ("a wrong type", add("eth1", json!({"mtu": "big"})), 7, "mtu"),
        ("a name too long", add("eth1", json!({"bridge": "a-bridge-beyond-15-bytes"})), 7, "15 bytes"),
        ("an unusable address", add("eth1", json!({"mac": "01:00:00:00:00:01"})), 7, "01:00:00:00:00:01"),
        ("contradicting keys", add("eth1", json!({"hairpinMode": true, "promiscMode": true})), 7, "hairpinMode"),
        // an unknown container
        ("no namespace", add("eth1", json!({})).netns("/run/netns/nobody"), 8, "/run/netns/nobody"),
        ("no namespace but a file", add("eth1", json!({})).netns("/etc/passwd"), 8, "/etc/passwd"),
        // a duplicate NIC
        ("a duplicate NIC", add("eth0", json!({})), 101, "eth0"),
        (
            "a duplicate NIC, and a TAP device",
            add("eth0", json!({"nic": "tap", "tapNamespace": "container"})),
            101,
            "eth0",
        ),
        // a missing bridge: something else has its name
        ("no bridge but a veth", add("eth1", json!({"bridge": "not-a-bridge"})), 102, "not-a-bridge"),
        ("no bridge but a TAP", add("eth1", json!({"bridge": "t0", "nic": "tap"})), 102, "t0"),
        // the kernel, an operator's bridge, and IPAM
        ("an MTU beyond the bridge's", add("eth1", json!({"mtu": 9000})), 102, "1500"),
        ("an MTU beyond the kernel's", add("eth1", json!({"bridge": "br-new", "mtu": 10_000_000})), 7, "at most 65535"),
        (
            "another gateway on the bridge",
            add(
                "eth1",
                json!({"isGateway": true, "ipam": {"type": "static",
                "addresses": [{"address": "192.168.2.2/24", "gateway": "192.168.2.1"}]}}),
            ),
            102,
            "192.168.1.1/24",
        ),
        ("no such IPAM", add("eth1", json!({"ipam": {"type": "nobody"}})), 4, "nobody"),
        ("an address that is taken", call("ADD", &other, "eth0", &with(config, &taken)), 102, "192.168.1.2"),
    ];
    each_fails(fails, &ctn, &other);
    call("DEL", &ctn, "eth0", config).run().ok();
}

fn each_failure_of_a_routed_nic(config: &Value) {
    let (_host, ctn, other) = host_in_use(config);
    let add = |interface: &str, keys: Value| call("ADD", &ctn, interface, &with(config, &keys));
    let address = |address: &str| json!({"ipam": {"type": "static", "addresses": [{"address": address}]}});
    let fails: Vec<(&str, Invocation, u64, &str)> = vec![
        ("no interface", add("eth1", json!({})).unset("CNI_IFNAME"), 4, "CNI_IFNAME"),
        ("a key of a bridge", add("eth1", json!({"bridge": "br-int"})), 7, "bridge"),
        ("a mode of another kind", add("eth1", json!({"mode": "l3"})), 7, "l3"),
        ("an address without a gateway", add("eth1", address("192.168.3.9/32")), 7, "192.168.3.9/32"),
        ("no namespace", add("eth1", json!({})).netns("/run/netns/nobody"), 8, "/run/netns/nobody"),
        ("a duplicate NIC", add("eth0", json!({})), 101, "eth0"),
        ("an MTU beyond the kernel's", add("eth1", json!({"mtu": 10_000_000})), 7, "at most 65535"),
        ("no such IPAM", add("eth1", json!({"ipam": {"type": "nobody"}})), 4, "nobody"),
        (
            "an address that is taken",
            call("ADD", &other, "eth0", &with(config, &address("192.168.1.2/24"))),
            102,
            "192.168.1.2",
        ),
    ];
    each_fails(fails, &ctn, &other);
    call("DEL", &ctn, "eth0", config).run().ok();
}

/// Each call with its name, its code, and what its message names.
fn each_fails(fails: Vec<(&str, Invocation, u64, &str)>, ctn: &Namespace, other: &Namespace) {
    let before = state(&[ctn, other]);
    for (what, call, expected, culprit) in fails {
        let reply = call.run();
        assert_ne!(reply.status, 0, "{what}");
        let (code, msg, details) = reply.error();
        println!("{what}: {code} {msg} {details}");
        assert_eq!(code, expected, "{what}\n{reply}");
        assert!(!msg.is_empty() && format!("{msg} {details}").contains(culprit), "{what}: {culprit}\n{reply}");
        assert!(["cniVersion", "details"].iter().all(|key| reply.json()[key].is_string()), "{what}\n{reply}");
        assert_eq!(before, state(&[ctn, other]), "{what} changes nothing");
    }
}

/// How the host knows a NIC: by its address on the bridge, or by the route to it; and what its host end is called.
fn nic(result: &Value) -> (String, String) {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let interfaces = result["interfaces"].as_array().expect("interfaces");
    match interfaces.as_slice() {
        [_, host, inside] => (text(&inside["mac"]), text(&host["name"])),
        [host, _] => (text(&result["ips"][0]["address"]).replace("/24", " dev"), text(&host["name"])),
        others => panic!("{others:?}"),
    }
}

/// What the host has learned, or has routes to.
fn known() -> String {
    sh("bridge fdb show; ip route show").ok()
}

#[test]
fn a_container_that_is_gone_leaves_nothing() {
    let _row = row("M66");
    for config in ON_BRIDGE.map(config).into_iter().chain([routed()]) {
        println!("{config}");
        nothing_is_left_of(&config);
    }
}

fn nothing_is_left_of(config: &Value) {
    let _host = Host::enter();
    let mut containers = ["gone", "forgotten", "stays"].map(|id| Container::start(id, "vnic-1", config));
    let nics = containers.each_mut().map(|container| nic(&container.call("ADD").run().ok()));
    let [gone, forgotten, stays] = &mut containers;
    for (container, peer) in
        [(&mut *gone, "192.168.1.4"), (&mut *forgotten, "192.168.1.4"), (&mut *stays, "192.168.1.2")]
    {
        let id = container.child().id();
        sh(&format!("nsenter --net=/proc/{id}/ns/net ping -c1 -W2 {peer}")).ok();
    }
    assert!(nics.iter().all(|(known_by, _)| known().contains(known_by)), "the host knows all of them: {}", known());

    gone.kill();
    gone.call("DEL").run().ok();
    let links = || ip("link show").to_string();
    assert!(!links().contains(&nics[0].1), "its host end has gone");
    assert!(!known().contains(&nics[0].0), "and the host has forgotten it");
    gone.call("DEL").run().ok();

    forgotten.kill();
    let valid = json!({"cni.dev/valid-attachments": [{"containerID": "stays", "ifname": "vnic-1"}]});
    Invocation::new(config["type"].as_str().expect("a plugin"), "GC").config(with(config, &valid)).run().ok();
    assert!(!links().contains(&nics[1].1) && !known().contains(&nics[1].0), "GC has removed the rest");
    let allocated = sh("ls /var/lib/cni/networks/net").ok();
    assert!(allocated.contains("192.168.1.4") && !allocated.contains("192.168.1.3"), "{allocated}");
    assert!(!allocated.contains("192.168.1.2"), "{allocated}");
    assert!(links().contains(&nics[2].1) && known().contains(&nics[2].0), "the valid one is left alone");

    stays.call("DEL").run().ok();
    stays.call("DEL").run().ok();
    assert_eq!(ip("link show").as_array().map(Vec::len), Some(1), "nothing is left with the last");
}
