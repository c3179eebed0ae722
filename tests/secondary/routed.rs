//! `mode: "routed"`: a veth pair without a bridge.

use harness::{Namespace, Reply, row, sh};
use serde_json::{Value, json};
use tests::world::{INTERNET, INTERNET6, OUTSIDE, OUTSIDE6, internet, source_seen};
use tests::{LATEST, Plugin, Scene, State, cites, codes, with};

/// Both families, without a default route.
fn routed(keys: Value) -> Value {
    let config = json!({"cniVersion": LATEST, "name": "net", "type": "veth-secondary", "mode": "routed",
        "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00:1::/64"}]]}});
    with(&config, keys)
}

fn fixed(addresses: Value) -> Value {
    routed(json!({"ipam": {"type": "static", "addresses": addresses}}))
}

fn add(scene: &Scene, ns: &Namespace, config: Value) -> Value {
    scene.call_for(ns, "eth1", Plugin::Secondary, "ADD", config).run().ok()
}

fn del(scene: &Scene, ns: &Namespace, config: Value) {
    scene.call_for(ns, "eth1", Plugin::Secondary, "DEL", config).run().ok();
}

fn refused(scene: &Scene, config: Value) -> Reply {
    scene.call_for(&scene.c1, "eth1", Plugin::Secondary, "ADD", config).run()
}

fn own(result: &Value, place: usize) -> String {
    let address = result["ips"][place]["address"].as_str().expect("an address");
    address.split('/').next().expect("it has a prefix").to_owned()
}

fn reaches(from: &Namespace, address: &str) {
    let ping = from.ping(address, 2);
    assert!(ping.all_answered(), "{} pings {address}: {ping:?}", from.name);
}

#[test]
fn containers_reach_the_host_and_each_other_by_way_of_it() {
    cites!("ADD-1", "ADD-3", "DEL-1");
    let scene = Scene::new();
    let c2 = scene.host.namespace("c2");
    let before = State::take(&[&scene.c1, &c2]);
    let first = add(&scene, &scene.c1, routed(json!({})));
    let second = add(&scene, &c2, routed(json!({})));
    let interfaces = first["interfaces"].as_array().expect("a list");
    assert_eq!(interfaces.len(), 2, "{first:#}");
    assert_eq!((&interfaces[1]["name"], &interfaces[1]["sandbox"]), (&json!("eth1"), &json!(scene.c1.path)));
    assert_eq!(first["ips"][0]["interface"], 1);
    for target in ["10.1.0.1", "fd00:1::1", &own(&second, 0), &own(&second, 1)] {
        reaches(&scene.c1, target);
    }
    sh(&format!("ping -c1 -W2 {} && ping -c1 -W2 {}", own(&first, 0), own(&first, 1))).ok();
    let routes = scene.c1.sh("ip route; ip -6 route show dev eth1 | grep -v fe80; ip neigh show dev eth1").ok();
    assert!(!routes.contains("default"), "{routes}");
    assert!(routes.contains("10.1.0.0/24 via 10.1.0.1 dev eth1"), "the subnet is beyond the gateway: {routes}");
    assert!(routes.contains("fd00:1::/64 via fd00:1::1"), "{routes}");
    assert!(!routes.contains(&format!("{} lladdr", own(&second, 0))), "no neighbour but the host: {routes}");
    for (ns, result) in [(&scene.c1, first), (&c2, second)] {
        let config = routed(json!({"prevResult": result}));
        scene.call_for(ns, "eth1", Plugin::Secondary, "CHECK", config.clone()).run().ok();
        del(&scene, ns, config.clone());
        del(&scene, ns, config);
    }
    assert_eq!(before, State::take(&[&scene.c1, &c2]));
}

#[test]
fn what_leaves_the_host_carries_its_address_and_nothing_else() {
    let scene = Scene::new();
    let (internet, c2) = (internet(&scene, "default"), scene.host.namespace("c2"));
    let before = State::take(&[&scene.c1, &c2, &internet]);
    let routes = json!([{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]);
    let mut config = routed(json!({"ipMasq": true}));
    config["ipam"]["routes"] = routes;
    let first = add(&scene, &scene.c1, config.clone());
    let second = add(&scene, &c2, config.clone());
    assert_eq!(source_seen(&internet, "eth0", &scene.c1, INTERNET), OUTSIDE);
    assert_eq!(source_seen(&internet, "eth0", &scene.c1, INTERNET6), OUTSIDE6);
    for place in [0, 1] {
        assert_eq!(source_seen(&c2, "eth1", &scene.c1, &own(&second, place)), own(&first, place));
        assert_eq!(internet.ping_with(&own(&first, place), "-c2 -i.05 -W1").received, 0, "nobody routes there");
    }
    assert!(sh("nft list ruleset").ok().contains("table inet plugboard-routed"));
    let whole = with(&config, json!({"prevResult": first}));
    scene.call_for(&scene.c1, "eth1", Plugin::Secondary, "CHECK", whole.clone()).run().ok();
    sh(&format!(
        "nft delete element inet plugboard-routed routed4 '{{ {} . {} }}'",
        first["interfaces"][0]["name"],
        own(&first, 0)
    ))
    .ok();
    let reply = scene.call_for(&scene.c1, "eth1", Plugin::Secondary, "CHECK", whole).run();
    assert!(reply.error().1.contains("routed4"), "{reply:?}");
    del(&scene, &scene.c1, config.clone());
    // The rest is GC's.
    let collection = with(&config, json!({"cni.dev/valid-attachments": []}));
    scene.call(Plugin::Secondary, "GC", collection).run().ok();
    sh("echo 0 > /proc/sys/net/ipv4/ip_forward; echo 0 > /proc/sys/net/ipv6/conf/all/forwarding").ok();
    assert_eq!(before, State::take(&[&scene.c1, &c2, &internet]));
}

#[test]
fn members_reach_each_other_where_the_firewall_drops_what_it_forwards() {
    let _row = row("M19");
    let scene = Scene::new();
    let c2 = scene.host.namespace("c2");
    for tool in ["iptables", "ip6tables"] {
        sh(&format!(
            "{tool} -P FORWARD DROP && {tool} -A FORWARD -i eth-none -m comment --comment 'of the operator' -j ACCEPT"
        ))
        .ok();
    }
    let before = State::take(&[&scene.c1, &c2]);
    let first = add(&scene, &scene.c1, routed(json!({})));
    let second = add(&scene, &c2, routed(json!({})));
    for place in [0, 1] {
        reaches(&scene.c1, &own(&second, place));
    }
    let host = first["interfaces"][0]["name"].as_str().expect("a name");
    let rule = format!("-A FORWARD -i pb+ -o {host} -m comment --comment \"plugboard: routed NIC {host}\" -j ACCEPT");
    assert!(sh("iptables -S FORWARD").ok().contains(&rule), "{}", sh("iptables -S FORWARD").ok());
    let whole = routed(json!({"prevResult": first}));
    scene.call_for(&scene.c1, "eth1", Plugin::Secondary, "CHECK", whole.clone()).run().ok();
    sh("iptables -F FORWARD").ok();
    let reply = scene.call_for(&scene.c1, "eth1", Plugin::Secondary, "CHECK", whole.clone()).run();
    assert!(reply.error().1.contains("routed NIC"), "{reply:?}");
    sh("iptables -A FORWARD -i eth-none -m comment --comment 'of the operator' -j ACCEPT").ok();
    del(&scene, &scene.c1, whole);
    scene.call(Plugin::Secondary, "GC", routed(json!({"cni.dev/valid-attachments": []}))).run().ok();
    assert_eq!(before, State::take(&[&scene.c1, &c2]));
}

#[test]
fn gc_keeps_the_rules_of_valid_attachments_and_of_other_networks() {
    cites!("GC-1");
    let scene = Scene::new();
    let c2 = scene.host.namespace("c2");
    sh("iptables -P FORWARD DROP").ok();
    add(&scene, &scene.c1, routed(json!({})));
    let other =
        routed(json!({"name": "other", "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.2.0.0/24"}]]}}));
    add(&scene, &c2, other);
    let before = State::take(&[&scene.c1, &c2]);
    let valid = json!({"cni.dev/valid-attachments": [{"containerID": "c1", "ifname": "eth1"}]});
    scene.call(Plugin::Secondary, "GC", routed(valid)).run().ok();
    assert_eq!(before, State::take(&[&scene.c1, &c2]));
}

#[test]
fn an_address_that_another_container_has_is_refused() {
    let scene = Scene::new();
    let c2 = scene.host.namespace("c2");
    let config = fixed(json!([{"address": "10.1.0.5/24"}, {"address": "fd00:1::5/64"}]));
    add(&scene, &scene.c1, config.clone());
    let before = State::take(&[&scene.c1, &c2]);
    let reply = scene.call_for(&c2, "eth1", Plugin::Secondary, "ADD", config).run();
    assert_eq!(reply.error().0, codes::CONFLICT, "{reply:?}");
    let msg = reply.error().1;
    assert!(msg.contains("plugboard: eth1 on net of c1") && msg.contains("another address"), "{msg}");
    assert_eq!(before, State::take(&[&scene.c1, &c2]));
}

#[test]
fn check_finds_whatever_is_missing() {
    cites!("CHK-1");
    let scene = Scene::new();
    let config = fixed(json!([{"address": "10.1.0.5/24"}]));
    let result = add(&scene, &scene.c1, config.clone());
    let whole = with(&config, json!({"prevResult": result}));
    let check = || scene.call_for(&scene.c1, "eth1", Plugin::Secondary, "CHECK", whole.clone()).run();
    check().ok();
    let host = result["interfaces"][0]["name"].as_str().expect("a name");
    for (damage, repair, said) in [
        (format!("ip route del 10.1.0.5 dev {host}"), format!("ip route add 10.1.0.5 dev {host}"), "route to 10.1.0.5"),
        (
            format!("ip address del 10.1.0.1/32 dev {host}"),
            format!("ip address add 10.1.0.1/32 dev {host} && ip route replace 10.1.0.5 dev {host}"),
            "address 10.1.0.1/32",
        ),
        (
            "echo 0 > /proc/sys/net/ipv4/ip_forward".into(),
            "echo 1 > /proc/sys/net/ipv4/ip_forward".into(),
            "ip_forward",
        ),
        (
            "ip -n c1 route del 10.1.0.0/24".into(),
            "ip -n c1 route add 10.1.0.0/24 via 10.1.0.1 dev eth1".into(),
            "route 10.1.0.0/24",
        ),
    ] {
        sh(&damage).ok();
        let reply = check();
        assert!(reply.error().1.contains(said), "{damage}: {reply:?}");
        sh(&repair).ok();
        check().ok();
    }
}

#[test]
fn the_gateway_is_another_address_than_the_containers() {
    let scene = Scene::new();
    let before = scene.state();
    for (addresses, said) in [
        (json!([{"address": "10.1.0.5/32"}]), "no gateway"),
        (json!([{"address": "10.1.0.1/24"}]), "its own gateway"),
        (json!([{"address": "fd00::5/64", "gateway": "fd00::5"}]), "its own gateway"),
    ] {
        let reply = refused(&scene, fixed(addresses));
        assert_eq!(reply.error().0, 7, "{reply:?}");
        assert!(reply.error().1.contains(said), "{reply:?}");
        assert_eq!(before, scene.state());
    }
    // An address that is all of its subnet, with a gateway that is in none of the host's.
    let alone = fixed(
        json!([{"address": "10.1.0.5/32", "gateway": "169.254.1.1"}, {"address": "fd00::5/128", "gateway": "fe80::1"}]),
    );
    add(&scene, &scene.c1, alone.clone());
    reaches(&scene.c1, "169.254.1.1");
    del(&scene, &scene.c1, alone);
}

#[test]
fn keys_of_the_references_ptp_mean_the_same() {
    let scene = Scene::new();
    let (internet, before) = (internet(&scene, "default"), scene.state());
    sh("ip link set wan mtu 1400").ok();
    let ptp = json!({"cniVersion": "1.0.0", "name": "mynet", "type": "veth-secondary", "mode": "routed", "ipMasq": true,
        "ipam": {"type": "host-local", "subnet": "10.1.1.0/24", "routes": [{"dst": "0.0.0.0/0"}]},
        "dns": {"nameservers": ["10.1.1.1", "8.8.8.8"]}});
    let mtu = |result: &Value| {
        let host = result["interfaces"][0]["name"].as_str().expect("a name").to_owned();
        let inside = scene.c1.ip("link show dev eth1")[0]["mtu"].clone();
        (harness::ip(&format!("link show dev {host}"))[0]["mtu"].clone(), inside)
    };
    let result = add(&scene, &scene.c1, ptp.clone());
    assert_eq!(result["dns"]["nameservers"], json!(["10.1.1.1", "8.8.8.8"]));
    assert_eq!(mtu(&result), (json!(1400), json!(1400)), "that of the way out");
    assert_eq!(source_seen(&internet, "eth0", &scene.c1, INTERNET), OUTSIDE);
    del(&scene, &scene.c1, ptp.clone());
    let result = add(&scene, &scene.c1, with(&ptp, json!({"mtu": 1300})));
    assert_eq!(mtu(&result), (json!(1300), json!(1300)));
    del(&scene, &scene.c1, ptp);
    sh("ip link set wan mtu 1500; echo 0 > /proc/sys/net/ipv4/ip_forward").ok();
    assert_eq!(before, scene.state());
}

#[test]
fn keys_of_other_kinds_are_refused() {
    let scene = Scene::new();
    let before = scene.state();
    for (keys, said) in [
        (json!({"bridge": "br0"}), "bridge means nothing for nic \"veth\" with mode \"routed\""),
        (json!({"portIsolation": true}), "portIsolation"),
        (json!({"macspoofchk": true}), "macspoofchk"),
        (json!({"uplink": "eth0"}), "uplink"),
        (json!({"vlan": 10}), "vlan"),
        (json!({"link": "eth0"}), "link"),
        (json!({"device": "eth0"}), "device"),
        (json!({"enabledad": true}), "enabledad"),
        (json!({"mode": "l2"}), "\"l2\" is none of nic \"veth\""),
        (json!({"nic": "tap"}), "\"routed\" is none of nic \"tap\""),
        (json!({"nic": "dummy"}), "nic"),
    ] {
        let reply = refused(&scene, routed(keys.clone()));
        assert_eq!(reply.error().0, 7, "{keys}: {reply:?}");
        assert!(reply.error().1.contains(said), "{keys}: {reply:?}");
        assert_eq!(before, scene.state(), "{keys}");
    }
    let unset = routed(json!({"bridge": "", "portIsolation": false, "vlan": 0, "vlanTrunk": [], "link": null}));
    add(&scene, &scene.c1, unset);
}

#[test]
fn a_container_may_have_several_nics_and_addresses_behind_one_gateway() {
    let scene = Scene::new();
    let before = scene.state();
    let config = routed(json!({"sourceRouting": true}));
    let call = |ifname: &str, command: &str, config: &Value| {
        scene.call_for(&scene.c1, ifname, Plugin::Secondary, command, config.clone()).run().ok()
    };
    let results = ["eth1", "eth2"].map(|ifname| call(ifname, "ADD", &config));
    for (ifname, result) in ["eth1", "eth2"].iter().zip(&results) {
        call(ifname, "CHECK", &with(&config, json!({"prevResult": result})));
        for place in [0, 1] {
            sh(&format!("ping -c1 -W2 {}", own(result, place))).ok();
            reaches(&scene.c1, if place == 0 { "10.1.0.1" } else { "fd00:1::1" });
        }
    }
    ["eth1", "eth2"].iter().for_each(|ifname| _ = call(ifname, "DEL", &config));
    let several = fixed(json!([{"address": "10.1.0.5/24"}, {"address": "10.1.0.6/24"}, {"address": "fd00:1::5/64"}]));
    let result = call("eth1", "ADD", &several);
    call("eth1", "CHECK", &with(&several, json!({"prevResult": result})));
    sh("ping -c1 -W2 10.1.0.5 && ping -c1 -W2 10.1.0.6 && ping -c1 -W2 fd00:1::5").ok();
    call("eth1", "DEL", &several);
    assert_eq!(before, scene.state());
}

#[test]
fn an_address_of_the_hosts_own_is_refused() {
    let scene = Scene::new();
    sh("ip link add x0 up type veth peer name x1 && ip link set x1 up").ok();
    sh("ip address add 10.9.9.9/24 dev x0 && ip address add fd09::9/64 dev x0 nodad").ok();
    let before = scene.state();
    for address in ["10.9.9.9/24", "fd09::9/64"] {
        let reply = refused(&scene, fixed(json!([{"address": address}])));
        assert_eq!(reply.error().0, codes::CONFLICT, "{reply}");
        assert!(reply.error().1.contains("is the host's own"), "{reply}");
        assert_eq!(before, scene.state());
    }
}

/// The NIC has one anyway.
#[test]
fn a_route_to_the_gateway_is_the_links() {
    let scene = Scene::new();
    let before = scene.state();
    let ipam = json!({"type": "static", "routes": [{"dst": "10.1.0.1/32"}, {"dst": "fd00:1::1/128"}, {"dst": "10.9.0.0/16"}],
        "addresses": [{"address": "10.1.0.5/24", "gateway": "10.1.0.1"}, {"address": "fd00:1::5/64", "gateway": "fd00:1::1"}]});
    for keys in [json!({}), json!({"sourceRouting": true})] {
        let config = with(&routed(json!({"ipam": ipam})), keys);
        let whole = with(&config, json!({"prevResult": add(&scene, &scene.c1, config.clone())}));
        scene.call_for(&scene.c1, "eth1", Plugin::Secondary, "CHECK", whole.clone()).run().ok();
        assert_eq!(scene.c1.sh("ip -6 route show fd00:1::1").ok().lines().count(), 1);
        reaches(&scene.c1, "10.1.0.1");
        del(&scene, &scene.c1, whole);
        assert_eq!(before, scene.state());
    }
}

#[test]
fn an_mtu_may_be_too_small_for_ipv6() {
    let scene = Scene::new();
    let before = scene.state();
    let bridged = json!({"cniVersion": LATEST, "name": "net", "type": "veth-secondary", "isGateway": true});
    for config in [routed(json!({})), bridged] {
        let ipam =
            |address: &str| json!({"mtu": 1000, "ipam": {"type": "static", "addresses": [{"address": address}]}});
        let config4 = with(&config, ipam("10.1.0.5/24"));
        let result = add(&scene, &scene.c1, config4.clone());
        assert_eq!(scene.c1.ip("link show dev eth1")[0]["mtu"], 1000);
        reaches(&scene.c1, "10.1.0.1");
        let whole = with(&config4, json!({"prevResult": result}));
        scene.call_for(&scene.c1, "eth1", Plugin::Secondary, "CHECK", whole.clone()).run().ok();
        scene.call(Plugin::Secondary, "STATUS", config4).run().ok();
        del(&scene, &scene.c1, whole);
        let reply = refused(&scene, with(&config, ipam("fd00:1::5/64")));
        assert_eq!(reply.error().0, 7, "{reply}");
        assert!(reply.error().1.contains("IPv6 needs 1280"), "{reply}");
        assert_eq!(before, scene.state());
    }
}

#[test]
fn an_mtu_is_what_a_veth_can_have() {
    let scene = Scene::new();
    let before = scene.state();
    for (bytes, bound) in [(67, "68"), (65_536, "65535")] {
        let reply = refused(&scene, with(&fixed(json!([{"address": "10.1.0.5/24"}])), json!({"mtu": bytes})));
        assert!(reply.error().0 == 7 && reply.error().1.contains(bound), "{reply}");
        assert_eq!(before, scene.state());
    }
    for bytes in [68, 1279, 65_535] {
        sh(&format!("ip link add wan mtu {bytes} up type veth peer name far mtu {bytes} && ip link set far up")).ok();
        sh("ip address add 192.0.2.1/24 dev wan && ip route add default via 192.0.2.9").ok();
        let config = fixed(json!([{"address": "10.1.0.5/24"}]));
        let result = add(&scene, &scene.c1, config.clone());
        assert_eq!(result["interfaces"][1]["mtu"], bytes, "by the default route");
        let whole = with(&config, json!({"prevResult": result}));
        scene.call_for(&scene.c1, "eth1", Plugin::Secondary, "CHECK", whole.clone()).run().ok();
        del(&scene, &scene.c1, whole);
        sh("ip link del wan").ok();
    }
}

/// The subnet is behind either gateway, and only the route of the first is made.
#[test]
fn addresses_of_one_subnet_may_have_different_gateways() {
    let scene = Scene::new();
    let before = scene.state();
    let config = fixed(json!([{"address": "10.1.0.5/24", "gateway": "10.1.0.1"},
        {"address": "10.1.0.6/24", "gateway": "10.1.0.2"}, {"address": "fd00:1::5/64", "gateway": "fd00:1::1"},
        {"address": "fd00:1::6/64", "gateway": "fd00:1::2"}]));
    let result = add(&scene, &scene.c1, config.clone());
    for gateway in ["10.1.0.1", "10.1.0.2", "fd00:1::1", "fd00:1::2"] {
        reaches(&scene.c1, gateway);
    }
    let whole = with(&config, json!({"prevResult": result}));
    scene.call_for(&scene.c1, "eth1", Plugin::Secondary, "CHECK", whole.clone()).run().ok();
    del(&scene, &scene.c1, whole);
    assert_eq!(before, scene.state());
}

/// A route that is asked for is not left out because another NIC has one of the same destination.
#[test]
fn a_route_of_another_nic_is_in_the_way() {
    let scene = Scene::new();
    let ipam = |number: u8| {
        json!({"type": "static", "addresses": [{"address": format!("10.{number}.0.5/24")}],
            "routes": [{"dst": "198.51.100.0/24"}]})
    };
    let call = |ifname: &str, number| {
        scene.call_for(&scene.c1, ifname, Plugin::Secondary, "ADD", routed(json!({"ipam": ipam(number)}))).run()
    };
    call("eth1", 1).ok();
    let before = scene.state();
    let reply = call("eth2", 2);
    assert!(
        reply.error().0 == codes::CONFLICT && reply.error().1.contains("198.51.100.0/24 via 10.1.0.1 dev eth1"),
        "{reply}"
    );
    assert_eq!(before, scene.state());
}
