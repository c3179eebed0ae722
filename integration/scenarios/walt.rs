//! WALT's virtual nodes: a primary network, secondary networks, and limits on each.
//!
//! Figures of iperf3 are the receiver's. A limit of 100 Mbit/s at layer 2 leaves 95.7 for TCP over IPv4 at an MTU of 1500
//! (1448 of 1514 bytes).

use harness::chance::{COMPARED, RATE, TIME};
use harness::{Host, Invocation, Namespace, assert_by_chance, ip, row, tc};
use integration::{World, call, example, links, number, with};
use lab::{Feature, on_full_kernel};
use serde_json::{Value, json};

const MBIT: f64 = 1e6;

/// Nodes on `home-net` with the addresses 10.9.0.1 and 10.9.0.2, as their users number them.
fn home_nodes(world: &World, first: &str, second: &str) -> (Namespace, Namespace) {
    let (vn1, vn2) = world.nodes(&format!("walt-net,home-net{first}"), &format!("walt-net,home-net{second}"));
    number(&vn1, "eth1", "10.9.0.1/24");
    number(&vn2, "eth1", "10.9.0.2/24");
    assert!(vn1.ping("10.9.0.2", 2).received > 0, "vn1 reaches vn2");
    (vn1, vn2)
}

/// The average round trip in milliseconds, after a ping that has the neighbours resolved.
fn round_trip_ms(from: &Namespace, to: &str) -> f64 {
    from.ping(to, 1);
    let ping = from.ping_with(to, "-c30 -i.05");
    assert_eq!(ping.received, 30, "{ping:?}");
    ping.rtt_avg_ms
}

/// What the first node receives from the second, in Mbit/s.
fn download(to: &Namespace, from: &Namespace, server: &str, seconds: u32) -> f64 {
    to.iperf3_from(from, server, &format!("-R -t {seconds}")).received_bit_s / MBIT
}

/// What the first node sends to the second, in Mbit/s.
fn upload(from: &Namespace, to: &Namespace, server: &str, seconds: u32) -> f64 {
    from.iperf3_from(to, server, &format!("-t {seconds}")).received_bit_s / MBIT
}

/// Whether an interface of a result is one of the host.
fn is_of_host(interface: &Value) -> bool {
    interface["sandbox"].as_str().is_none_or(str::is_empty)
}

/// All queues of the host that somebody configured, as `tc -j qdisc` shows them.
fn queues() -> Vec<Value> {
    let all = tc("qdisc show");
    let configured = |queue: &&Value| queue["kind"] != "noqueue" && queue["dev"] != "lo";
    all.as_array().into_iter().flatten().filter(configured).cloned().collect()
}

#[test]
fn by_default_a_node_has_one_nic_on_the_primary_network() {
    let _row = row("M01");
    let world = World::new();
    let c1 = world.node("c1");
    let results = world.attach_json("c1", "walt-net");
    assert_eq!(links(&c1), ["lo", "eth0"]);
    let interfaces = results[0]["result"]["interfaces"].as_array().expect("interfaces");
    let inside: Vec<_> = interfaces.iter().filter(|interface| !is_of_host(interface)).collect();
    assert_eq!(inside.len(), 1, "{results}");
    assert_eq!((&inside[0]["name"], &inside[0]["sandbox"]), (&"eth0".into(), &"/run/netns/c1".into()));

    world.node("c2");
    let refused = world.attach("c2", "home-net");
    assert_ne!(refused.status, 0);
    assert!(refused.stderr.contains("Mandatory network 'walt-net' is missing from specified networks."), "{refused:?}");
    world.plugboard("attach --primary home-net c2 home-net").ok();
}

#[test]
fn two_nodes_reach_each_other_on_a_secondary_network() {
    let _row = row("M02");
    let world = World::new();
    let (vn1, _vn2) = home_nodes(&world, "", "");
    assert_eq!(vn1.ping("10.9.0.2", 3).received, 3);
    let through_primary = vn1.ping_with("10.9.0.2", "-c3 -i.2 -W1 -I eth0");
    assert_eq!(through_primary.received, 0, "{through_primary:?}");
}

#[test]
fn nics_are_named_in_the_order_of_the_networks() {
    let _row = row("M03");
    let world = World::new();
    let all = "walt-net,net-a,net-b,net-c";
    let (vn1, vn2) = world.nodes(all, all);
    assert_eq!(links(&vn1), ["lo", "eth0", "eth1", "eth2", "eth3"]);
    for (place, bridge) in ["walt-br", "net-a", "net-b", "net-c"].into_iter().enumerate() {
        let ports = ip(&format!("link show master {bridge}"));
        assert_eq!(ports.as_array().map(Vec::len), Some(2), "{bridge}");
        let device = format!("eth{place}");
        number(&vn1, &device, &format!("10.9.{place}.1/24"));
        number(&vn2, &device, &format!("10.9.{place}.2/24"));
        assert_eq!(vn1.ping(&format!("10.9.{place}.2"), 3).received, 3, "{bridge}");
    }
}

#[test]
fn a_node_keeps_its_address_on_a_network_and_the_host_interface_says_whose_it_is() {
    let _row = row("M16");
    let host = Host::enter();
    let vn1 = host.namespace("vn1");
    let config = &example("20-home-net.conflist")[0];
    let attach = |config: &Value| {
        let result = call("ADD", &vn1, "eth1", config).run().ok();
        let mac = vn1.ip("link show dev eth1")[0]["address"].as_str().expect("an address").to_owned();
        let host_interface = result["interfaces"][1]["name"].as_str().expect("a name").to_owned();
        let alias = ip(&format!("link show dev {host_interface}"))[0]["ifalias"].as_str().map(str::to_owned);
        call("DEL", &vn1, "eth1", config).run().ok();
        (mac, alias.unwrap_or_default())
    };
    let (first, alias) = attach(config);
    assert!(alias.ends_with("home-net of vn1"), "{alias}");
    assert_eq!(attach(config), (first.clone(), alias), "the same after DEL and ADD");
    let byte = u8::from_str_radix(&first[..2], 16).expect("hexadecimal");
    assert_eq!(byte & 0b11, 0b10, "locally administered, and of one station: {first}");

    let explicit = with(config, &json!({"mac": "02:00:00:00:00:42"}));
    assert_eq!(attach(&explicit).0, "02:00:00:00:00:42");
    let other = with(config, &json!({"name": "other-net"}));
    assert_ne!(attach(&other).0, first, "another network, another address");
}

#[test]
fn an_unmanaged_network_leaves_addresses_to_the_node() {
    let _row = row("M05");
    let world = World::new();
    let vn1 = world.node("vn1");
    let results = world.attach_json("vn1", "walt-net,home-net");
    assert!(results[1]["result"]["ips"].as_array().is_none_or(Vec::is_empty), "{results}");
    let addresses = |link: &Value| -> Vec<String> {
        let all = link[0]["addr_info"].as_array().cloned().unwrap_or_default();
        all.iter().filter_map(|address| address["local"].as_str().map(str::to_owned)).collect()
    };
    let eth1 = vn1.ip("address show dev eth1");
    assert!(eth1[0]["flags"].as_array().expect("flags").contains(&"UP".into()), "{eth1}");
    let own = addresses(&eth1);
    assert!(own.len() == 1 && own[0].starts_with("fe80::"), "{own:?}");
    let bridge = addresses(&ip("address show dev home-br"));
    assert!(bridge.iter().all(|address| address.starts_with("fe80::")), "{bridge:?}");

    number(&vn1, "eth1", "10.9.0.1/24");
    world.plugboard("check vn1").ok();
    assert!(addresses(&vn1.ip("address show dev eth1")).contains(&"10.9.0.1".to_owned()));
}

#[test]
fn latency_on_one_side_is_added_once_to_the_round_trip() {
    on_full_kernel("M07", &[Feature::Netem], || {
        let world = World::new();
        let (vn1, vn2) = home_nodes(&world, "[lat=10ms]", "");
        TIME.assert_within("round trip in ms", 9.5, 10.5, || round_trip_ms(&vn1, "10.9.0.2"));
        let queues = queues();
        assert_eq!(queues.len(), 1, "{queues:?}");
        assert_eq!(queues[0]["kind"], "netem");
        for node in [&vn1, &vn2] {
            assert!(!node.sh("tc qdisc show").ok().contains("netem"), "the queue is out of the node's reach");
        }
    });
}

#[test]
fn latency_on_both_ends_adds_up() {
    on_full_kernel("M08", &[Feature::Netem], || {
        let world = World::new();
        let (vn1, _vn2) = home_nodes(&world, "[lat=10ms]", "[lat=10ms]");
        TIME.assert_within("round trip in ms", 19.0, 21.0, || round_trip_ms(&vn1, "10.9.0.2"));
    });
}

/// The unlimited direction is compared with an unlimited pair in the same run.
#[test]
fn bandwidth_limits_the_download_only() {
    let _row = row("M09");
    let world = World::new();
    let (vn1, vn2) = home_nodes(&world, "[bw=100Mbps]", "");
    for (name, address) in [("vn3", "10.9.0.3/24"), ("vn4", "10.9.0.4/24")] {
        let node = world.node(name);
        world.attach(name, "walt-net,home-net").ok();
        number(&node, "eth1", address);
    }
    let (vn3, vn4) = (namespace("vn3"), namespace("vn4"));
    RATE.assert_within("download in Mbit/s", 93.0, 98.0, || download(&vn1, &vn2, "10.9.0.2", 3));

    COMPARED.repeated(|| {
        let unlimited = upload(&vn3, &vn4, "10.9.0.4", 1);
        let limited = upload(&vn1, &vn2, "10.9.0.2", 1);
        println!("upload in Mbit/s: {limited:.0}, without a limit on the other direction {unlimited:.0}");
        let share = limited / unlimited;
        assert_by_chance!(share >= 0.9, "upload is {share:.2} of that of an unlimited pair");
    });
}

fn namespace(name: &str) -> Namespace {
    Namespace { name: name.to_owned(), path: format!("/run/netns/{name}").into() }
}

#[test]
fn limits_on_both_ends_limit_both_directions() {
    on_full_kernel("M10", &[Feature::Netem], || {
        let world = World::new();
        let limit = "[bw=100Mbps,lat=10ms]";
        let (vn1, vn2) = home_nodes(&world, limit, limit);
        TIME.assert_within("round trip in ms", 19.0, 21.0, || round_trip_ms(&vn1, "10.9.0.2"));
        RATE.assert_within("upload in Mbit/s", 93.0, 98.0, || upload(&vn1, &vn2, "10.9.0.2", 5));
        RATE.assert_within("download in Mbit/s", 93.0, 98.0, || download(&vn1, &vn2, "10.9.0.2", 5));
    });
}

#[test]
fn rates_and_delays_have_their_units() {
    on_full_kernel("M11", &[Feature::Netem], || {
        gigabits_are_a_thousand_megabits();
        microseconds_are_kept_and_not_compensated_for();
        other_units_are_refused();
    });
}

fn gigabits_are_a_thousand_megabits() {
    let world = World::new();
    let (vn1, vn2) = home_nodes(&world, "[bw=1Gbps]", "");
    let queues = queues();
    assert_eq!(queues.len(), 1, "{queues:?}");
    assert_eq!(queues[0]["options"]["rate"], 125_000_000);
    RATE.assert_within("download in Mbit/s", 930.0, 980.0, || download(&vn1, &vn2, "10.9.0.2", 2));
}

fn microseconds_are_kept_and_not_compensated_for() {
    let world = World::new();
    let (vn1, _vn2) = home_nodes(&world, "[lat=500us]", "");
    let (vn3, vn4) = (world.node("vn3"), world.node("vn4"));
    world.attach("vn3", "walt-net,home-net").ok();
    world.attach("vn4", "walt-net,home-net").ok();
    number(&vn3, "eth1", "10.9.0.3/24");
    number(&vn4, "eth1", "10.9.0.4/24");
    TIME.assert_within("added round trip in ms", 0.35, 0.65, || {
        let base = round_trip_ms(&vn3, "10.9.0.4");
        round_trip_ms(&vn1, "10.9.0.2") - base
    });
    // tc computes in ticks and shows its own 500 us as 0.000499 s.
    let delay = queues()[0]["options"]["delay"]["delay"].as_f64().unwrap_or_default();
    assert!((delay - 0.0005).abs() < 1.5e-6, "tc shows {delay} s");
}

fn other_units_are_refused() {
    let host = Host::enter();
    let vn1 = host.namespace("vn1");
    let call = |kind: &str, config: &Value| {
        Invocation::new(kind, "ADD").container("vn1").netns(&vn1.path).ifname("eth1").config(config).run()
    };
    let made = call("bridge", &json!({"cniVersion": "1.0.0", "name": "home-net", "type": "bridge"})).ok();
    for (key, text) in [("bw", "100kbps"), ("bw", "1.5Gbps"), ("lat", "1s"), ("bw", "0Mbps"), ("lat", "-1ms")] {
        let mut config = json!({"cniVersion": "1.0.0", "name": "home-net", "type": "netem-shaper", "prevResult": made});
        config[key] = text.into();
        let (code, message, _) = call("netem-shaper", &config).error();
        assert_eq!(code, 7, "{key}={text}: {message}");
        assert!(message.contains(text), "{message}");
        assert!(queues().is_empty());
    }
}

#[test]
fn the_primary_network_can_be_limited_too() {
    let _row = row("M12");
    let world = World::new();
    let unlimited = world.node("vn2");
    let plain = world.attach_json("vn2", "walt-net");
    let limited = world.node("vn1");
    let shaped = world.attach_json("vn1", "walt-net[bw=50Mbps]");
    let address = |results: &Value| -> String {
        let text = results[0]["result"]["ips"][0]["address"].as_str().expect("an address");
        text.split('/').next().unwrap_or_default().to_owned()
    };
    let (plain_address, shaped_address) = (address(&plain), address(&shaped));
    RATE.assert_within("download in Mbit/s", 46.0, 49.0, || download(&limited, &unlimited, &plain_address, 3));
    RATE.assert_within("the other node's, in Mbit/s", 200.0, f64::INFINITY, || {
        download(&unlimited, &limited, &shaped_address, 1)
    });

    // What the shaper returns is what bridge returned before it.
    let vn3 = world.node("vn3");
    let bridge = &example("10-walt-net.conflist")[0];
    let made = call("ADD", &vn3, "eth0", bridge).run().ok();
    let interfaces = made["interfaces"].as_array().expect("interfaces");
    assert_eq!((interfaces.len(), made["ips"].as_array().map(Vec::len)), (3, Some(1)), "{made:#}");
    let shaper = json!({"cniVersion": bridge["cniVersion"], "name": bridge["name"], "type": "netem-shaper",
        "bw": "50Mbps", "prevResult": made});
    let passed_on = call("ADD", &vn3, "eth0", &shaper).run().ok();
    assert_eq!(passed_on, made, "the shaper passes on what bridge made");
    // So does the list that the runtime runs: the same keys, and the interfaces as the kernel has them.
    let shape = |results: &Value| -> Vec<String> {
        results[0]["result"].as_object().expect("a result").keys().cloned().collect()
    };
    assert_eq!(shape(&plain), shape(&shaped));
    let interfaces = shaped[0]["result"]["interfaces"].as_array().expect("interfaces").clone();
    assert_eq!(interfaces.len(), 3, "{shaped}");
    for interface in interfaces.iter().filter(|interface| is_of_host(interface)) {
        let name = interface["name"].as_str().expect("a name");
        assert_eq!(ip(&format!("link show {name}"))[0]["address"], interface["mac"]);
    }
}
