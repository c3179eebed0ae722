//! Hosts on local area networks, and VDE's clients on them.

use harness::{Host, Lan, Route, VdeClient, sh};

#[test]
fn hosts_reach_each_other_on_each_of_their_segments() {
    let owner = Host::enter();
    let (_first, [a, b]) = Lan::with_hosts(&owner, ["host-a", "host-b"]);
    let second = Lan::with_mtu(&owner, "lan2", 8, 1550);
    let [on_a, on_b] = [&a, &b].map(|host| second.join(host, "eth1", Route::Nowhere));
    assert_eq!((on_a.ipv4.to_string(), on_b.ipv6.to_string()), ("192.168.8.1".into(), "fd00:8::2".into()));
    for address in ["192.168.7.2", "fd00:7::2", "192.168.8.2", "fd00:8::2"] {
        assert_eq!(a.ping(address, 2).received, 2, "{address}");
    }
    assert_eq!(a.ping_with("192.168.8.2", "-c1 -W1 -M do -s 1522").received, 1);
    second.set_mtu(&[&a, &b], "eth1", 1500);
    assert_eq!(a.ping_with("192.168.8.2", "-c1 -W1 -M do -s 1522").received, 0);
    assert_eq!(sh("ip -br link | grep -c -v '^lo '").stdout.trim(), "0", "the host has nothing of it");
}

#[test]
fn what_is_sent_to_a_group_reaches_its_members_by_the_route_to_groups() {
    let owner = Host::enter();
    let lan = Lan::new(&owner, "lan", 7);
    let [a, b] = ["host-a", "host-b"].map(|name| {
        let host = owner.namespace(name);
        lan.join(&host, "eth0", Route::Groups);
        host
    });
    assert_eq!(a.ping("203.0.113.9", 1).sent, 0, "there is no way elsewhere");
    let member = VdeClient::tap(&b, "tap0", "vxvde://234.0.0.1", "10.0.0.2/24");
    let other = VdeClient::tap(&a, "tap0", "vxvde://234.0.0.1", "10.0.0.1/24");
    assert_eq!(other.namespace.ping("10.0.0.2", 2).received, 2);
    drop(member);
    assert_eq!(other.namespace.ping_with("10.0.0.2", "-c1 -W1").received, 0, "it has ended");
}

#[test]
fn a_namespace_of_vdens_is_one_of_the_test() {
    let owner = Host::enter();
    let (_lan, [a, b]) = Lan::with_hosts(&owner, ["host-a", "host-b"]);
    let inside = VdeClient::namespace(&owner, &a, "inside", "vxvde://ff05:56de::1", "10.0.0.1/24");
    let outside = VdeClient::tap(&b, "tap0", "vxvde://ff05:56de::1", "10.0.0.2/24");
    assert_eq!(inside.namespace.ping("10.0.0.2", 2).received, 2);
    let rate = inside.namespace.iperf3_from(&outside.namespace, "10.0.0.2", "-t 1").received_bit_s;
    println!("{:.0} Mbit/s", rate / 1e6);
    assert!(rate > 0.0);
}
