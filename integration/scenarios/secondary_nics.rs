//! Further NICs beside a container's first: what they reach, and how fast.

use harness::chance::COMPARED;
use harness::{Host, Namespace, assert_by_chance, ip, not_observed, row, sh, soak};
use integration::{call, with};
use serde_json::{Value, json};

/// A host far away.
const WORLD: &str = "203.0.113.9";

/// A network with addresses of its own, on a bridge of its own.
fn network(name: &str, subnet: &str, keys: &Value) -> Value {
    let config = json!({"cniVersion": "1.1.0", "name": name, "type": "veth-secondary",
        "ipam": {"type": "host-local", "ranges": [[{"subnet": subnet}]]}});
    with(&config, keys)
}

fn add(ns: &Namespace, interface: &str, config: &Value) -> Value {
    call("ADD", ns, interface, config).run().ok()
}

fn check(ns: &Namespace, interface: &str, config: &Value, result: &Value) {
    call("CHECK", ns, interface, &with(config, &json!({"prevResult": result}))).run().ok();
}

fn del(ns: &Namespace, interface: &str, config: &Value) {
    call("DEL", ns, interface, config).run().ok();
}

fn address(result: &Value) -> &str {
    result["ips"][0]["address"].as_str().and_then(|text| text.split('/').next()).expect("an address")
}

/// The world behind the host, which has no route to any container.
fn world(host: &Host) -> Namespace {
    let world = host.namespace("world");
    sh("ip link add wan type veth peer name eth0 netns world && ip link set wan up && \
        ip address add 192.0.2.1/24 dev wan && ip route add default via 192.0.2.254")
    .ok();
    world
        .sh(&format!(
            "ip link set eth0 up && ip address add 192.0.2.254/24 dev eth0 && ip address add {WORLD}/32 dev lo"
        ))
        .ok();
    world
}

fn default_routes(ns: &Namespace) -> String {
    ns.sh("ip -4 route show default; ip -6 route show default").ok()
}

/// Of two pings to the world.
fn reaches_the_world(ns: &Namespace) -> u32 {
    ns.ping_with(WORLD, "-c2 -i.2 -W1").received
}

#[test]
fn the_world_is_reached_only_where_that_was_asked_for() {
    let _row = row("M44");
    let host = Host::enter();
    let (c1, c2, _world) = (host.namespace("c1"), host.namespace("c2"), world(&host));
    let alone = network("alone", "10.40.0.0/24", &json!({}));
    let with_gateway = network("with-gateway", "10.44.0.0/24", &json!({"isGateway": true, "ipMasq": true}));
    let routed = network("routed", "10.45.0.0/24", &json!({"mode": "routed", "ipMasq": true}));
    let connected = network("connected", "10.41.0.0/24", &json!({"isDefaultGateway": true, "ipMasq": true}));
    for (config, reached) in [(&alone, 0), (&with_gateway, 0), (&routed, 0), (&connected, 2)] {
        let results = [add(&c1, "eth1", config), add(&c2, "eth1", config)];
        for (ns, result) in [&c1, &c2].into_iter().zip(&results) {
            assert_eq!(default_routes(ns).is_empty(), reached == 0, "{}: {}", config["name"], default_routes(ns));
            assert_eq!(reaches_the_world(ns), reached, "{}", config["name"]);
            check(ns, "eth1", config, result);
        }
        assert_eq!(c1.ping(address(&results[1]), 2).received, 2, "{}", config["name"]);
        assert_eq!(c2.ping(address(&results[0]), 2).received, 2, "{}", config["name"]);
        del(&c1, "eth1", config);
        del(&c2, "eth1", config);
    }
}

/// The first NIC's default route stays the way out, whatever a second network asks for.
#[test]
fn the_first_default_route_stays() {
    let host = Host::enter();
    let (c1, _world) = (host.namespace("c1"), world(&host));
    let first = with(
        &network("first", "10.42.0.0/24", &json!({"isDefaultGateway": true, "ipMasq": true})),
        &json!({"type": "bridge", "bridge": "first-br"}),
    );
    add(&c1, "eth0", &first);
    let before = default_routes(&c1);
    assert!(before.contains("via 10.42.0.1 dev eth0"), "{before}");
    let second = json!({"isDefaultGateway": true});
    let by_routes = json!({"isGateway": true, "ipam": {"type": "host-local",
        "ranges": [[{"subnet": "10.43.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}});
    for keys in [second.clone(), by_routes, with(&second, &json!({"mode": "routed"}))] {
        let config = network("second", "10.43.0.0/24", &keys);
        let result = add(&c1, "eth1", &config);
        assert_eq!(default_routes(&c1).lines().next(), Some(before.as_str()), "{keys}");
        let way = c1.ip(&format!("route get {WORLD}"));
        assert_eq!(way[0]["dev"], "eth0", "{keys}: {way:#}");
        assert_eq!(reaches_the_world(&c1), 2, "{keys}");
        assert_eq!(c1.ping("10.43.0.1", 2).received, 2, "{keys}");
        check(&c1, "eth1", &config, &result);
        del(&c1, "eth1", &config);
        assert_eq!(default_routes(&c1), before, "{keys}");
    }
}

/// Whether a link can be used: it is set up, and so is the other end.
fn is_connected(link: &Value) -> bool {
    let flags = link[0]["flags"].as_array().cloned().unwrap_or_default();
    ["UP", "LOWER_UP"].iter().all(|flag| flags.contains(&(*flag).into())) && !flags.contains(&"NO-CARRIER".into())
}

#[test]
fn both_ends_of_a_veth_pair_are_up_and_carry_tcp() {
    let _row = row("M61");
    let host = Host::enter();
    let (c1, c2) = (host.namespace("ctn-1"), host.namespace("ctn-2"));
    sh("ip link add br-int up type bridge").ok();
    let config = network("net", "192.168.1.0/24", &json!({"bridge": "br-int"}));
    let results = [add(&c1, "vnic-1", &config), add(&c2, "vnic-1", &config)];
    for (ns, result) in [&c1, &c2].into_iter().zip(&results) {
        let inside = ns.ip("link show dev vnic-1");
        let host = result["interfaces"][1]["name"].as_str().expect("a name");
        let outside = ip(&format!("link show dev {host}"));
        assert!(is_connected(&inside), "{inside:#}");
        assert!(is_connected(&outside) && outside[0]["master"] == "br-int", "{outside:#}");
    }
    assert_eq!(c1.ping(address(&results[1]), 3).received, 3);
    assert_eq!(c1.streams_to(&c2, address(&results[1]), 10_000_000), 10_000_000, "bytes by TCP");
    del(&c1, "vnic-1", &config);
    del(&c2, "vnic-1", &config);
}

/// Two containers on a bridge, as one connects them by `ip link`.
fn pair_by_hand(host: &Host) -> (Namespace, Namespace) {
    let pair = (host.namespace("hand1"), host.namespace("hand2"));
    sh("ip link add br-hand up type bridge").ok();
    for (ns, last) in [(&pair.0, 1), (&pair.1, 2)] {
        let name = &ns.name;
        sh(&format!("ip link add {name} up master br-hand type veth peer name eth1 netns {name}")).ok();
        ns.sh(&format!("ip link set eth1 up && ip address add 10.51.0.{last}/24 dev eth1")).ok();
    }
    pair
}

/// The same without a bridge: the host has routes to both.
fn routed_pair_by_hand(host: &Host) -> (Namespace, Namespace) {
    let pair = (host.namespace("way1"), host.namespace("way2"));
    for (ns, last) in [(&pair.0, 1), (&pair.1, 2)] {
        let name = &ns.name;
        sh(&format!("ip link add {name} type veth peer name eth1 netns {name} && ip link set {name} up")).ok();
        ns.sh(&format!("ip link set eth1 up && ip address add 10.52.0.{last}/24 dev eth1")).ok();
        let far = 3 - last;
        ns.sh(&format!("ip route add 10.52.0.254 dev eth1 && ip route add 10.52.0.{far} via 10.52.0.254")).ok();
        sh(&format!("ip address add 10.52.0.254/32 dev {name} && ip route add 10.52.0.{last} dev {name}")).ok();
    }
    sh("echo 1 > /proc/sys/net/ipv4/ip_forward").ok();
    pair
}

#[test]
fn a_nic_is_as_fast_as_one_made_by_hand() {
    let _row = row("M64");
    let host = Host::enter();
    let seconds = soak::size(1, 10);
    let on_bridge = network("fast", "10.50.0.0/24", &json!({}));
    let routed = network("fast-routed", "10.53.0.0/24", &json!({"mode": "routed"}));
    let by_hand = [pair_by_hand(&host), routed_pair_by_hand(&host)];
    for (config, (hand1, hand2), far) in [(&on_bridge, &by_hand[0], "10.51.0.2"), (&routed, &by_hand[1], "10.52.0.2")] {
        let name = config["name"].as_str().expect("a name");
        let (c1, c2) = (host.namespace(&format!("{name}1")), host.namespace(&format!("{name}2")));
        add(&c1, "eth1", config);
        let peer = add(&c2, "eth1", config);
        COMPARED.repeated(|| {
            let gbit = |from: &Namespace, to: &Namespace, address: &str| {
                from.iperf3_from(to, address, &format!("-t {seconds}")).received_bit_s / 1e9
            };
            let (ours, theirs) = (gbit(&c1, &c2, address(&peer)), gbit(hand1, hand2, far));
            println!("{name}: {ours:.2} Gbit/s, by hand {theirs:.2}");
            assert_by_chance!(ours >= 0.9 * theirs, "{name}: {ours:.2} Gbit/s, by hand {theirs:.2}");
        });
        let many = c1.iperf3_from(&c2, address(&peer), &format!("-u -b 100M -P 100 -t {seconds}"));
        let streams = many.report["end"]["streams"].as_array().map(Vec::len);
        println!("{name}: 100 streams of UDP: {:.2} Gbit/s sent", many.sent_bit_s / 1e9);
        assert_eq!(streams, Some(100), "{name}");
        assert!(many.packets > 0 && many.packets > many.lost_packets, "{name}: {:#}", many.report["end"]["sum"]);
        del(&c1, "eth1", config);
        del(&c2, "eth1", config);
    }
    not_observed("M64 on hardware: 40 Gbit/s through a NIC");
}
