//! Where the shaper's queues go, for NICs of many makers: on the host's end, out of the container's reach, where there is one;
//! with the NIC where there is none. Everywhere both directions have their limits.
//!
//! Rates are those at layer 2. They are measured by datagrams, half again as many as pass, and by TCP.

use harness::chance::{COMPARED, RATE};
use harness::{Host, Invocation, Namespace, assert_by_chance, ip, sh};
use integration::queues::{inside, on_host};
use integration::{call, number, settled_bit_s, with};
use meter::{Place, Tcp, Throughput, Udp};
use serde_json::{Value, json};
use tests::{Guest, relay};

const MBIT: f64 = 1e6;

/// The payload of a datagram in bytes.
const DATAGRAM: u16 = 1400;

/// Of what TCP carries, at layer 2.
const FRAME: f64 = 1514.0 / 1448.0;

/// `containernetworking-plugins` of Debian.
const REFERENCE: &str = "/usr/lib/cni";

/// What Debian's release of them speaks.
const VERSION: &str = "1.0.0";

/// A shaper behind what made the NIC.
fn shaper(made: &Value, keys: &Value) -> Value {
    with(&json!({"cniVersion": VERSION, "name": "net", "type": "netem-shaper", "prevResult": made}), keys)
}

/// The limits of both directions in Mbit/s.
const DOWNLOAD: u32 = 40;
const UPLOAD: u32 = 20;

fn both() -> Value {
    json!({"download": {"rate": format!("{DOWNLOAD}Mbit")}, "upload": {"rate": format!("{UPLOAD}Mbit")}})
}

/// A call of a plugin of the reference's.
fn reference(command: &str, ns: &Namespace, interface: &str, config: &Value) -> Invocation {
    let plugin = config["type"].as_str().expect("a plugin");
    let call = Invocation::new(&format!("{REFERENCE}/{plugin}"), command).path(REFERENCE);
    call.container(&ns.name).netns(&ns.path).ifname(interface).config(config)
}

fn address(result: &Value) -> String {
    let text = result["ips"][0]["address"].as_str().expect("an address");
    text.split('/').next().unwrap_or_default().to_owned()
}

/// An end of a measurement: the address by which `ns` reaches `far`.
fn place(ns: &Namespace, far: &str) -> Place {
    let route = ns.ip(&format!("route get {far}"));
    let own = route[0]["prefsrc"].as_str().and_then(|own| own.parse().ok());
    Place::open(&ns.path, own.unwrap_or_else(|| panic!("{}: {route:#}", ns.name))).expect("a namespace")
}

/// A NIC's limits as [`both`] are what it gets from a peer and what it sends to it, to 1 % by datagrams and to 3 % by TCP.
#[track_caller]
fn assert_rates(what: &str, nic: &Namespace, peer: &Namespace, server: &str) {
    let near = place(nic, server);
    let far = Place::open(&peer.path, server.parse().expect("an address")).expect("a namespace");
    for (way, from, to, asked) in [("down", &far, &near, DOWNLOAD), ("up", &near, &far, UPLOAD)] {
        let assert_share = |kind: &str, tolerance: f64, measure: &dyn Fn() -> Throughput| {
            RATE.repeated(|| {
                let [usual, mean] = settled_bit_s(&measure()).map(|rate| rate / MBIT / f64::from(asked));
                let figures = format!("{what}: {usual:.4} of {asked} Mbit/s {way} by {kind}, {mean:.4} in the mean");
                println!("{figures}");
                assert_by_chance!((usual - 1.0).abs() <= tolerance && mean <= 1.0 + tolerance, "{figures}");
            });
        };
        let layer2_bit_s = u64::from(asked) * 1_500_000;
        let datagrams = Udp { layer2_bit_s, payload_bytes: DATAGRAM, ..Udp::default() };
        assert_share("UDP", 0.01, &|| meter::udp(from, to, datagrams).expect("a measurement"));
        let connections = Tcp { flows: 4, ..Tcp::default() };
        assert_share("TCP", 0.03, &|| meter::tcp(from, to, connections).expect("a measurement"));
    }
}

/// CHECK of the shaper, then DEL: nothing of it is left.
fn check_and_delete(ns: &Namespace, interface: &str, config: &Value) {
    call("CHECK", ns, interface, config).run().ok();
    call("DEL", ns, interface, config).run().ok();
    assert!(on_host().is_empty() && inside(ns).is_empty(), "{:?} {:?}", on_host(), inside(ns));
    for names in [sh("ls /sys/class/net").ok(), ns.sh("ls /sys/class/net").ok()] {
        assert!(!names.lines().any(|name| name.starts_with("pi")), "{names}");
    }
}

/// One on the bridge of `maker`, and its neighbour.
fn on_a_bridge(maker: fn(&str, &Namespace, &str, &Value) -> Invocation) {
    let host = Host::enter();
    let (c1, c2) = (host.namespace("c1"), host.namespace("c2"));
    let config = json!({"cniVersion": VERSION, "name": "net", "type": "bridge", "bridge": "br0",
        "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}]]}});
    let (made, peer) = (maker("ADD", &c1, "eth0", &config).run().ok(), maker("ADD", &c2, "eth0", &config).run().ok());
    let shaper = shaper(&made, &both());
    assert_eq!(call("ADD", &c1, "eth0", &shaper).run().ok()["ips"], made["ips"]);
    let (port, ifb) =
        (made["interfaces"][1]["name"].as_str().expect("a name"), sh("ls /sys/class/net | grep ^pi").ok());
    let mut expected = [format!("{port} ingress"), format!("{port} tbf"), format!("{ifb} tbf")];
    expected.sort();
    assert_eq!(on_host(), expected);
    assert!(inside(&c1).is_empty(), "out of the container's reach");
    assert_rates("veth", &c1, &c2, &address(&peer));
    check_and_delete(&c1, "eth0", &shaper);
}

#[test]
fn a_nic_of_ours() {
    on_a_bridge(call);
}

#[test]
fn a_nic_of_the_references_bridge() {
    on_a_bridge(reference);
}

#[test]
fn a_nic_of_the_references_ptp() {
    let host = Host::enter();
    let (c1, c2) = (host.namespace("c1"), host.namespace("c2"));
    let ptp = |number: u8| {
        json!({"cniVersion": VERSION, "name": "net", "type": "ptp", "ipam": {"type": "host-local",
            "dataDir": format!("/var/lib/cni/{number}"), "ranges": [[{"subnet": format!("10.{number}.0.0/24")}]],
            "routes": [{"dst": "0.0.0.0/0"}]}})
    };
    let made = reference("ADD", &c1, "eth0", &ptp(1)).run().ok();
    let peer = reference("ADD", &c2, "eth0", &ptp(2)).run().ok();
    let shaper = shaper(&made, &both());
    call("ADD", &c1, "eth0", &shaper).run().ok();
    assert_eq!(on_host().len(), 3, "{:?}", on_host());
    assert!(inside(&c1).is_empty());
    assert_rates("ptp", &c1, &c2, &address(&peer));
    check_and_delete(&c1, "eth0", &shaper);
}

/// It has no other end: what it sends is shaped on itself, what it receives on an ifb beside it.
#[test]
fn a_nic_of_the_references_macvlan() {
    let host = Host::enter();
    let (c1, far) = (host.namespace("c1"), host.namespace("far"));
    sh("ip link add up0 type veth peer name eth0 netns far && ip link set up0 up").ok();
    far.sh("ip link set eth0 up && ip address add 10.1.0.254/24 dev eth0").ok();
    let macvlan = json!({"cniVersion": VERSION, "name": "net", "type": "macvlan", "master": "up0",
        "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}]]}});
    let made = reference("ADD", &c1, "eth0", &macvlan).run().ok();
    let shaper = shaper(&made, &both());
    call("ADD", &c1, "eth0", &shaper).run().ok();
    let ifb = c1.sh("ls /sys/class/net | grep ^pi").ok();
    assert_eq!(inside(&c1), ["eth0 ingress".to_owned(), "eth0 tbf".to_owned(), format!("{ifb} tbf")]);
    assert!(on_host().is_empty());
    assert_rates("macvlan", &c1, &far, "10.1.0.254");
    check_and_delete(&c1, "eth0", &shaper);
    reference("DEL", &c1, "eth0", &with(&macvlan, &json!({"prevResult": made}))).run().ok();
}

/// What the device sends is what the guest receives, although it is in the container.
#[test]
fn a_tap_device_that_somebody_made_in_the_container() {
    let host = Host::enter();
    let (c1, guest) = (host.namespace("c1"), host.namespace("guest"));
    c1.sh("ip tuntap add eth0 mode tap vnet_hdr && ip link set eth0 up && ip address add 10.1.0.1/24 dev eth0").ok();
    let made = json!({"cniVersion": VERSION, "interfaces": [{"name": "eth0", "sandbox": c1.path}]});
    let shaper = shaper(&made, &both());
    call("ADD", &c1, "eth0", &shaper).run().ok();
    assert_eq!(inside(&c1).len(), 3, "{:?}", inside(&c1));
    relay(Guest::open_in(&c1, "eth0").expect("the device can be opened"), &guest, "02:00:00:00:00:07");
    number(&guest, "eth0", "10.1.0.2/24");
    assert!(guest.ping("10.1.0.1", 2).received > 0);
    assert_rates("a TAP in the container", &guest, &c1, "10.1.0.1");
    check_and_delete(&c1, "eth0", &shaper);
}

/// `interfaces` names all NICs of the container that one call shapes; the others stay as they are.
#[test]
fn two_nics_of_three() {
    let host = Host::enter();
    let (c1, c2) = (host.namespace("c1"), host.namespace("c2"));
    let mut last = Value::Null;
    for number in 0..3 {
        let config = json!({"cniVersion": VERSION, "name": format!("net{number}"), "type": "bridge",
            "bridge": format!("br{number}")});
        for (ns, host) in [(&c1, 1), (&c2, 2)] {
            let interface = format!("eth{number}");
            let result = call("ADD", ns, &interface, &config).run().ok();
            if ns == &c1 {
                last = result;
            }
            integration::number(ns, &interface, &format!("10.{number}.0.{host}/24"));
        }
    }
    let shaper = with(&shaper(&last, &both()), &json!({"name": "net2", "interfaces": ["eth0", "eth2"]}));
    call("ADD", &c1, "eth2", &shaper).run().ok();
    assert_eq!(on_host().len(), 6, "{:?}", on_host());
    for number in [0, 2] {
        assert_rates(&format!("eth{number}"), &c1, &c2, &format!("10.{number}.0.2"));
    }
    for way in ["-R", ""] {
        RATE.assert_within(&format!("eth1 has no limit {way}, Mbit/s"), 100.0, f64::INFINITY, || {
            c1.iperf3_from(&c2, "10.1.0.2", &format!("{way} -t 1")).received_bit_s / MBIT
        });
    }
    let (code, msg, _) =
        call("ADD", &c1, "eth2", &with(&shaper, &json!({"interfaces": ["eth1", "eth7"]}))).run().error();
    assert!(code == 7 && msg.contains("eth7"), "{code} {msg}");
    assert_eq!(on_host().len(), 6, "eth1 was left alone");
    check_and_delete(&c1, "eth2", &shaper);
}

/// Super-packets pass an ifb undivided, and count as the frames that they become.
#[test]
fn super_packets_keep_the_rate_of_an_upload() {
    let host = Host::enter();
    let (c1, c2) = (host.namespace("c1"), host.namespace("c2"));
    let config = json!({"cniVersion": VERSION, "name": "net", "type": "bridge",
        "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}]]}});
    let (made, peer) = (call("ADD", &c1, "eth0", &config).run().ok(), call("ADD", &c2, "eth0", &config).run().ok());
    call("ADD", &c1, "eth0", &shaper(&made, &json!({"upload": {"rate": "200Mbit"}}))).run().ok();
    let ifb = sh("ls /sys/class/net | grep ^pi").ok();
    RATE.repeated(|| {
        let up = c1.iperf3_from(&c2, &address(&peer), "-O 1 -t 5").received_bit_s * FRAME / MBIT;
        let sent = &ip(&format!("-s link show dev {ifb}"))[0]["stats64"]["tx"];
        let mean = sent["bytes"].as_f64().unwrap_or_default() / sent["packets"].as_f64().unwrap_or(1.0);
        println!("{up:.2} of 200 Mbit/s up, in packets of {mean:.0} bytes in the mean");
        assert_by_chance!((198.0..202.0).contains(&up), "{up:.2} of 200 Mbit/s");
        assert_by_chance!(mean > 2.0 * 1514.0, "packets of {mean:.0} bytes in the mean");
    });
}

/// The direction without a limit is compared with an unshaped pair in the same run.
#[test]
fn the_direction_without_a_limit_stays_as_fast_as_an_unshaped_one() {
    let host = Host::enter();
    let nodes = ["c1", "c2", "c3", "c4"].map(|name| host.namespace(name));
    let config = json!({"cniVersion": VERSION, "name": "net", "type": "bridge",
        "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}]]}});
    let results: Vec<Value> = nodes.iter().map(|ns| call("ADD", ns, "eth0", &config).run().ok()).collect();
    for (keys, way) in [(json!({"download": {"rate": "100Mbit"}}), ""), (json!({"upload": {"rate": "100Mbit"}}), "-R")]
    {
        let shaper = shaper(&results[0], &keys);
        call("ADD", &nodes[0], "eth0", &shaper).run().ok();
        let measure = |pair: usize| {
            let (nic, peer, server) = (&nodes[pair], &nodes[pair + 1], address(&results[pair + 1]));
            nic.iperf3_from(peer, &server, &format!("{way} -t 1")).received_bit_s / MBIT
        };
        COMPARED.repeated(|| {
            let (unshaped, shaped) = (measure(2), measure(0));
            println!("{keys}: the other direction {shaped:.0} Mbit/s, of an unshaped pair {unshaped:.0}");
            let share = shaped / unshaped;
            assert_by_chance!(share >= 0.9, "{keys}: the other direction has {share:.2} of an unshaped pair's rate");
        });
        call("DEL", &nodes[0], "eth0", &shaper).run().ok();
    }
}
