//! The floor does the job that it is the measure of.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test reports by panicking")]

use std::path::Path;

use harness::{Host, Lan, Namespace, OpenVswitch, ip, sh, tc};
use serde_json::Value;

/// Runs the floor, and returns what it printed.
fn floor(arguments: &[&str]) -> String {
    sh(&format!("{} {}", env!("CARGO_BIN_EXE_floor"), arguments.join(" "))).ok()
}

/// `floor add`, and the address.
fn add(kind: &str, name: &str, container: &Namespace, options: &[&str]) -> String {
    let netns = container.path.to_str().unwrap();
    floor(&[&["add", kind, name, netns, "eth0", "/run/pool", "10.9"], options].concat())
}

/// `floor del`.
fn del(kind: &str, name: &str, container: &Namespace, address: &str, options: &[&str]) {
    let netns = container.path.to_str().unwrap();
    floor(&[&["del", kind, name, netns, "eth0", "/run/pool", address], options].concat());
    assert!(!Path::new("/run/pool").join(address).exists());
}

/// A host with a pool that forwards, and two containers.
fn host() -> (Host, [Namespace; 2]) {
    let host = Host::enter();
    sh("mkdir /run/pool && echo 1 > /proc/sys/net/ipv4/ip_forward").ok();
    let containers = ["c1", "c2"].map(|name| host.namespace(name));
    (host, containers)
}

fn has_gone(name: &str, container: &Namespace) {
    assert_ne!(sh(&format!("ip link show {name}")).status, 0);
    assert_ne!(container.sh("ip link show eth0").status, 0);
}

/// The container reaches `address` by the routes of a table alone, which its own address leads to.
fn is_reached_by_table(container: &Namespace, own: &str, address: &str) {
    let rule = container.ip("rule show table 100");
    assert_eq!((&rule[0]["src"], rule.as_array().map(Vec::len)), (&own.into(), Some(1)), "{rule}");
    container.sh("ip route flush table main").ok();
    assert_ne!(container.sh(&format!("ping -c1 -W1 {address}")).status, 0, "another table has the route");
    assert_eq!(container.ping_with(address, &format!("-c3 -i.05 -W2 -I {own}")).received, 3);
}

fn has_no_rule(container: &Namespace) {
    assert_eq!(container.sh("ip rule show table 100").ok(), "");
}

#[test]
fn what_it_adds_is_reachable_and_what_it_deletes_is_gone() {
    let (_host, containers) = host();
    sh("ip link add br0 type bridge && ip address add 10.9.0.1/16 dev br0 && ip link set br0 up").ok();

    assert_eq!(add("on=br0", "veth0", &containers[0], &[]), "10.9.0.2");
    assert_eq!(add("on=br0", "veth1", &containers[1], &["queue=12500000,65536,625000"]), "10.9.0.3");
    assert_eq!(containers[0].ping("10.9.0.1", 3).received, 3);
    assert_eq!(containers[0].ping("10.9.0.3", 3).received, 3);
    assert_eq!(containers[0].ip("route show default")[0]["gateway"], "10.9.0.1");
    assert_eq!(ip("link show veth0")[0]["master"], "br0");
    let queue = &tc("qdisc show dev veth1")[0];
    assert_eq!((&queue["kind"], &queue["options"]["rate"]), (&"tbf".into(), &12_500_000.into()));

    del("on=br0", "veth0", &containers[0], "10.9.0.2", &[]);
    has_gone("veth0", &containers[0]);
    assert!(Path::new("/run/pool/10.9.0.3").exists());
}

#[test]
fn routed_containers_reach_each_other_by_way_of_the_host() {
    let (_host, containers) = host();
    assert_eq!(add("routed", "veth0", &containers[0], &[]), "10.9.0.2");
    assert_eq!(add("routed", "veth1", &containers[1], &[]), "10.9.0.3");
    for address in ["10.9.0.1", "10.9.0.3"] {
        assert_eq!(containers[0].ping(address, 3).received, 3, "{address}");
    }
    assert_eq!(sh("ip route show 10.9.0.2").ok(), "10.9.0.2 dev veth0 scope link");
    let routes = "default via 10.9.0.1 dev eth0 \n10.9.0.0/16 via 10.9.0.1 dev eth0 \n10.9.0.1 dev eth0 scope link";
    assert_eq!(containers[0].sh("ip route").ok(), routes);

    del("routed", "veth0", &containers[0], "10.9.0.2", &[]);
    has_gone("veth0", &containers[0]);
    assert_eq!(sh("ip route show 10.9.0.2").ok(), "");
}

#[test]
fn a_device_moves_into_the_container_and_comes_back() {
    let (host, [container, _]) = host();
    let far = host.namespace("far");
    sh("ip link add dev0 up type veth peer name beyond netns far").ok();
    far.sh("ip address add 10.9.0.1/16 dev beyond && ip link set beyond up").ok();
    for options in [&[][..], &["table=100"]] {
        let address = add("device", "dev0", &container, options);
        assert_ne!(sh("ip link show dev0").status, 0, "it is still on the host");
        assert_eq!(container.ping("10.9.0.1", 3).received, 3);
        assert_eq!(container.ip("route show default")[0]["gateway"], "10.9.0.1");
        if !options.is_empty() {
            is_reached_by_table(&container, &address, "10.9.0.1");
        }
        del("device", "dev0", &container, &address, options);
        assert_ne!(container.sh("ip link show eth0").status, 0);
        has_no_rule(&container);
        assert_eq!(ip("link show dev0")[0]["flags"].as_array().map(|flags| flags.contains(&"UP".into())), Some(true));
    }
}

#[test]
fn with_a_table_its_routes_and_a_rule_come_and_go() {
    let (_host, containers) = host();
    sh("ip link add br0 type bridge && ip address add 10.9.0.1/16 dev br0 && ip link set br0 up").ok();
    // An address beyond the subnet, by the default route.
    sh("ip address add 192.0.2.1/32 dev lo").ok();
    let kinds = [("on=br0", "veth0"), ("routed", "veth1")];
    for ((kind, name), container) in kinds.iter().zip(&containers) {
        let address = add(kind, name, container, &["table=100"]);
        assert_eq!(container.ip("route show default")[0]["gateway"], "10.9.0.1");
        for beyond in ["10.9.0.1", "192.0.2.1"] {
            is_reached_by_table(container, &address, beyond);
        }
        del(kind, name, container, &address, &["table=100"]);
        has_gone(name, container);
        has_no_rule(container);
    }
}

#[test]
fn members_of_a_lac_reach_each_other_across_hosts() {
    let owner = Host::enter();
    sh("mkdir /run/pool").ok();
    let (_lan, hosts) = Lan::with_hosts(&owner, ["h1", "h2"]);
    let [c1, c2, c3] = ["c1", "c2", "c3"].map(|name| owner.namespace(name));
    let on = |host: &Namespace, arguments: &[&str]| host.within(|| floor(arguments));
    let vxlan = |host: &Namespace| host.ip("link show dev vx1")[0]["linkinfo"]["info_data"].clone();
    for (remotes, pool, expected) in [
        (["239.0.0.1", "239.0.0.1"], "/run/pool", ["10.9.0.2", "10.9.0.3"]),
        (["192.168.7.2", "192.168.7.1"], "-", ["", ""]),
    ] {
        let lac = remotes.map(|remotes| format!("make=vx1,1,eth0,{remotes}"));
        for ((host, container), (lac, address)) in hosts.iter().zip([&c1, &c2]).zip(lac.iter().zip(expected)) {
            let netns = container.path.to_str().unwrap();
            assert_eq!(on(host, &["add", "lac=lac1", "port1", netns, "eth1", pool, "10.9", "mtu=1450", lac]), address);
            assert_eq!(vxlan(host)["port"], 14789);
            let of_ipv6 = host.sh("ip -6 -brief address show scope link").ok();
            assert_eq!(of_ipv6.lines().filter(|line| !line.starts_with("eth0")).count(), 0, "{of_ipv6}");
        }
        let netns = c3.path.to_str().unwrap();
        on(&hosts[1], &["add", "lac=lac1", "port2", netns, "eth1", pool, "10.9", "mtu=1450"]);
        if pool == "-" {
            for (container, address) in [(&c1, "10.9.0.2"), (&c2, "10.9.0.3"), (&c3, "10.9.0.4")] {
                container.sh(&format!("ip address add {address}/16 dev eth1")).ok();
            }
        }
        for far in ["10.9.0.3", "10.9.0.4"] {
            assert_eq!(c1.ping_with(far, "-c3 -i.05 -W2 -s1422 -Mdo").received, 3, "{far} by {remotes:?}");
        }
        assert_eq!(c1.sh("ip route show default").ok(), "");

        on(&hosts[1], &["del", "lac=lac1", "port2", netns, "eth1", pool, "10.9.0.4"]);
        assert_eq!(c1.ping("10.9.0.3", 3).received, 3);
        for ((host, container), (lac, address)) in
            hosts.iter().zip([&c1, &c2]).zip(lac.iter().zip(["10.9.0.2", "10.9.0.3"]))
        {
            let netns = container.path.to_str().unwrap();
            on(host, &["del", "lac=lac1", "port1", netns, "eth1", pool, address, lac]);
            assert_eq!(host.sh("ip -brief link").ok().lines().count(), 2, "only lo and eth0 are left");
            assert_ne!(container.sh("ip link show eth1").status, 0);
            assert!(!Path::new("/run/pool").join(address).exists() || pool == "-");
        }
    }
}

#[test]
fn ports_of_open_vswitch_reach_each_other() {
    let (_host, containers) = host();
    let switch = OpenVswitch::start();
    switch.add_bridge("br0");
    let nics = [("ovs-veth=br0", "veth0", "eth0"), ("ovs-internal=br0", "internal0", "internal0")];
    for ((kind, name, inside), container) in nics.iter().zip(&containers) {
        let netns = container.path.to_str().unwrap();
        floor(&["add", kind, name, netns, inside, "/run/pool", "10.9"]);
        assert!(switch.column("Interface", name, "ofport").as_u64().is_some(), "{name}");
    }
    assert_eq!(containers[0].ping("10.9.0.3", 3).received, 3);
    assert_eq!(containers[0].sh("ip route show default").ok(), "");

    for (((kind, name, inside), container), address) in nics.iter().zip(&containers).zip(["10.9.0.2", "10.9.0.3"]) {
        let netns = container.path.to_str().unwrap();
        floor(&["del", kind, name, netns, inside, "/run/pool", address]);
        switch.settle();
        assert_eq!(switch.column("Port", name, "name"), Value::Null);
        assert_ne!(container.sh(&format!("ip link show {inside}")).status, 0);
        assert!(!Path::new("/run/pool").join(address).exists());
    }
    assert_ne!(sh("ip link show veth0").status, 0);
}
