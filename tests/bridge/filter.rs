//! `macspoofchk` and `ipspoofchk`: a port lets only what is its own pass.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use harness::sh;
use serde_json::{Value, json};
use tests::{Frames, LATEST, Plugin, Scene, State, as_older, cites, codes, ethernet, with};

const BROADCAST: [u8; 6] = [0xff; 6];
/// Of somebody else on the bridge.
const FOREIGN_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x99];
const FOREIGN4: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 99);
const FOREIGN6: Ipv6Addr = Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 0x99);
const OWN4: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 5);
const PEER6: Ipv6Addr = Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 9);
const OWN6: Ipv6Addr = Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 5);

const IPV4: u16 = 0x0800;
const ARP: u16 = 0x0806;
const IPV6: u16 = 0x86dd;
const VLAN: u16 = 0x8100;
const LLDP: u16 = 0x88cc;

/// Long enough for a frame to cross a bridge on a busy machine.
const LIMIT: Duration = Duration::from_millis(300);

fn config(keys: Value) -> Value {
    let addresses = json!([{"address": format!("{OWN4}/24")}, {"address": format!("{OWN6}/64")}]);
    let ipam = json!({"type": "static", "addresses": addresses});
    with(&with(&Plugin::Bridge.config(LATEST), json!({"ipam": ipam})), keys)
}

/// A host with `c1` as configured, and a member of the same bridge that listens to everything.
struct Stage {
    scene: Scene,
    sender: Frames,
    listener: Frames,
    mac: [u8; 6],
    config: Value,
}

impl Stage {
    fn new(keys: Value) -> Self {
        Self::after("true", keys)
    }

    /// The same on a host that an operator has prepared.
    fn after(preparation: &str, keys: Value) -> Self {
        let scene = Scene::new();
        sh(preparation).ok();
        Self::on(scene, keys)
    }

    fn on(scene: Scene, keys: Value) -> Self {
        // The checks of br_netfilter would cut the marks off.
        sh("for file in /proc/sys/net/bridge/bridge-nf-call-ip*; do echo 0 > $file; done").ok();
        let peer = scene.host.namespace("peer");
        let plain = with(&Plugin::Bridge.config(LATEST), json!({"name": "peers", "ipam": null}));
        scene.call_for(&peer, "eth0", Plugin::Bridge, "ADD", plain).run().ok();
        peer.sh("ip link set eth0 promisc on && ip address add 10.1.0.9/24 dev eth0 && ip address add fd00:1::9/64 dev eth0 nodad").ok();
        let (result, config) = scene.added(Plugin::Bridge, &config(keys));
        let mac = bytes(result["interfaces"][2]["mac"].as_str().expect("a MAC"));
        let sender = Frames::open(&scene.c1, "eth0").expect("the interface is there");
        let listener = Frames::open(&peer, "eth0").expect("the interface is there");
        Self { scene, sender, listener, mac, config }
    }

    /// Whether a frame arrives. Each is marked at its end.
    fn arrives(&self, mut frame: Vec<u8>, mark: &str) -> bool {
        frame.resize(frame.len().max(80), 0);
        frame.extend(mark.as_bytes());
        assert!(self.sender.send(&frame), "{mark} is sent");
        self.listener.ends_with(mark.as_bytes(), LIMIT)
    }
}

fn bytes(mac: &str) -> [u8; 6] {
    let bytes: Vec<u8> = mac.split(':').map(|byte| u8::from_str_radix(byte, 16).expect("hexadecimal")).collect();
    bytes.try_into().expect("six of them")
}

/// RFC 826.
fn arp(operation: u16, mac: [u8; 6], address: Ipv4Addr) -> Vec<u8> {
    let fixed = [0, 1, 8, 0, 6, 4];
    [&fixed[..], &operation.to_be_bytes(), &mac, &address.octets(), &[0; 6], &[10, 1, 0, 9]].concat()
}

/// RFC 5227, 2.1.1: the question whether an address is free.
fn arp_probe(mac: [u8; 6], target: Ipv4Addr) -> Vec<u8> {
    let mut packet = arp(1, mac, Ipv4Addr::UNSPECIFIED);
    packet.truncate(24);
    packet.extend(target.octets());
    packet
}

/// RFC 791, of a protocol for experiments (RFC 3692).
fn ipv4(from: Ipv4Addr) -> Vec<u8> {
    let mut header = vec![0x45, 0, 0, 66, 0, 0, 0, 0, 64, 253, 0, 0];
    header.extend(from.octets());
    header.extend([10, 1, 0, 9]);
    let sum: u32 = header.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let sum = !u16::try_from((sum & 0xffff) + (sum >> 16)).expect("it is folded");
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    header
}

/// RFC 8200, with a payload of `next`.
fn ipv6(from: Ipv6Addr, next: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len().max(26)).expect("it is short");
    let all_nodes = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    let header = [0x60, 0, 0, 0, length.to_be_bytes()[0], length.to_be_bytes()[1], next, 255];
    [&header[..], &from.octets(), &all_nodes.octets(), payload].concat()
}

/// A neighbour advertisement (RFC 4861, 4.4).
fn advertisement(target: Ipv6Addr, mac: [u8; 6]) -> Vec<u8> {
    [&[136, 0, 0, 0, 0x20, 0, 0, 0][..], &target.octets(), &[2, 1], &mac].concat()
}

const NS: u8 = 135;
const NA: u8 = 136;

/// A message of neighbour discovery to a target, with options (RFC 4861, 4.3 and 4.4), and as long as it says.
fn neighbour(kind: u8, from: Ipv6Addr, target: Ipv6Addr, options: &[u8]) -> Vec<u8> {
    exact(from, 58, &[&[kind, 0, 0, 0, 0x20, 0, 0, 0][..], &target.octets(), options].concat())
}

/// As `ipv6`, with a length that is right.
fn exact(from: Ipv6Addr, next: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = ipv6(from, next, payload);
    packet[4..6].copy_from_slice(&u16::try_from(payload.len()).expect("it is short").to_be_bytes());
    packet
}

/// An option with a hardware address: 1 for the source's, 2 for the target's.
fn told(kind: u8, mac: [u8; 6]) -> Vec<u8> {
    [&[kind, 1][..], &mac].concat()
}

/// A datagram from one port to another.
fn udp(from: u16, to: u16) -> Vec<u8> {
    [&from.to_be_bytes()[..], &to.to_be_bytes(), &[0, 8, 0, 0]].concat()
}

/// An IPv4 packet of UDP from the own address.
fn ipv4_udp(from: u16, to: u16) -> Vec<u8> {
    ipv4_of(17, &udp(from, to))
}

/// An IPv4 packet of a protocol from the own address.
fn ipv4_of(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = ipv4(OWN4);
    packet[9] = protocol;
    packet[10..12].copy_from_slice(&[0, 0]);
    let sum: u32 = packet.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let sum = !u16::try_from((sum & 0xffff) + (sum >> 16)).expect("it is folded");
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    [&packet, payload].concat()
}

/// Frames that would tell neighbours of a route, a router, a resolver or another place for an address, each with what stops it.
fn misleading(mac: [u8; 6]) -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let frame = |kind, payload: Vec<u8>| ethernet(mac, BROADCAST, kind, &payload);
    let ipv6 = |what, payload, guard| (what, frame(IPV6, payload), guard);
    let none = Ipv6Addr::UNSPECIFIED;
    let padding = [1, 4, 0, 0, 0, 0];
    let wrapped =
        |next: u8| [&[58, 0][..], &padding, &neighbour(NA, OWN6, OWN6, &told(2, FOREIGN_MAC))[40..], &[next]].concat();
    let advertised_router = [&[134, 0, 0, 0, 64, 0, 7, 8][..], &[0; 8], &told(1, mac)].concat();
    let redirect = [&[137, 0, 0, 0, 0, 0, 0, 0][..], &FOREIGN6.octets(), &OWN6.octets()].concat();
    vec![
        ipv6("router advertisement", exact(OWN6, 58, &advertised_router), "ipspoofchk"),
        ipv6(
            "router advertisement behind hop-by-hop",
            exact(OWN6, 0, &[&[58, 0][..], &padding, &advertised_router].concat()),
            "ipspoofchk",
        ),
        ipv6("redirect", exact(OWN6, 58, &redirect), "ipspoofchk"),
        ipv6("advertisement with a foreign MAC", neighbour(NA, OWN6, OWN6, &told(2, FOREIGN_MAC)), "macspoofchk"),
        ipv6("solicitation with a foreign MAC", neighbour(NS, OWN6, PEER6, &told(1, FOREIGN_MAC)), "macspoofchk"),
        ipv6(
            "a second option",
            neighbour(NA, OWN6, OWN6, &[told(2, mac), told(2, FOREIGN_MAC)].concat()),
            "macspoofchk",
        ),
        ipv6(
            "behind another option",
            neighbour(NA, OWN6, OWN6, &[told(14, mac), told(2, FOREIGN_MAC)].concat()),
            "macspoofchk",
        ),
        ipv6("another kind of option", neighbour(NA, OWN6, OWN6, &[14, 1, 0, 0, 0, 0, 0, 0, 2, 1]), "macspoofchk"),
        ipv6(
            "router solicitation with a foreign MAC",
            exact(OWN6, 58, &[&[133, 0, 0, 0, 0, 0, 0, 0][..], &told(1, FOREIGN_MAC)].concat()),
            "macspoofchk",
        ),
        ipv6("behind hop-by-hop options", exact(OWN6, 0, &wrapped(0)), "macspoofchk"),
        ipv6("behind destination options", exact(OWN6, 60, &wrapped(0)), "macspoofchk"),
        ipv6(
            "in a fragment",
            exact(
                OWN6,
                44,
                &[&[58, 0, 0, 1, 0, 0, 0, 9][..], &neighbour(NA, OWN6, OWN6, &told(2, FOREIGN_MAC))[40..]].concat(),
            ),
            "macspoofchk",
        ),
        ipv6("detection of a foreign address", neighbour(NS, none, FOREIGN6, &[]), "ipspoofchk"),
        ("DHCP server", frame(IPV4, ipv4_udp(67, 68)), "ipspoofchk"),
        ("DHCP server from another port", frame(IPV4, ipv4_udp(9, 68)), "ipspoofchk"),
        ipv6("DHCPv6 server", exact(OWN6, 17, &udp(547, 546)), "ipspoofchk"),
        ("QinQ", frame(0x88a8, [&[0, 7, 0x81, 0, 0, 8, 8, 0][..], &ipv4(FOREIGN4)].concat()), "ipspoofchk"),
        ("PPPoE", frame(0x8864, [&[0x11, 0, 0, 1, 0, 22, 0, 0x21][..], &ipv4(FOREIGN4)].concat()), "ipspoofchk"),
        ("ARP probe for a foreign address", frame(ARP, arp_probe(mac, FOREIGN4)), "ipspoofchk"),
        ("router advertisement of IPv4", frame(IPV4, ipv4_of(1, &[9, 0, 0, 0, 1, 2, 7, 8, 10, 1, 0, 5])), "ipspoofchk"),
        ("redirect of IPv4", frame(IPV4, ipv4_of(1, &[5, 1, 0, 0, 10, 1, 0, 5])), "ipspoofchk"),
        ("gratuitous ARP of a foreign address", frame(ARP, arp(1, mac, FOREIGN4)), "ipspoofchk"),
        ("gratuitous ARP of a foreign MAC", frame(ARP, arp(2, FOREIGN_MAC, OWN4)), "macspoofchk"),
    ]
}

/// What a host does to find neighbours, routers and addresses.
fn discovering(mac: [u8; 6]) -> Vec<(&'static str, Vec<u8>)> {
    let frame = |kind, payload: Vec<u8>| ethernet(mac, BROADCAST, kind, &payload);
    let ipv6 = |what, payload| (what, frame(IPV6, payload));
    let none = Ipv6Addr::UNSPECIFIED;
    let report = [&[143, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0][..], &OWN6.octets()].concat();
    vec![
        ipv6("duplicate detection of the own address", neighbour(NS, none, OWN6, &[])),
        ipv6("the same with a nonce", neighbour(NS, none, OWN6, &[14, 1, 1, 2, 3, 4, 5, 6])),
        ipv6("solicitation", neighbour(NS, OWN6, PEER6, &told(1, mac))),
        ipv6("solicitation of one neighbour", neighbour(NS, OWN6, PEER6, &[])),
        ipv6("advertisement", neighbour(NA, OWN6, OWN6, &told(2, mac))),
        ipv6("advertisement without options", neighbour(NA, OWN6, OWN6, &[])),
        ipv6("router solicitation", exact(OWN6, 58, &[&[133, 0, 0, 0, 0, 0, 0, 0][..], &told(1, mac)].concat())),
        ipv6("router solicitation without an address", exact(none, 58, &[133, 0, 0, 0, 0, 0, 0, 0])),
        ipv6("multicast listener report", exact(OWN6, 0, &[&[58, 0, 5, 2, 0, 0, 1, 0][..], &report].concat())),
        ipv6("echo request", exact(OWN6, 58, &[128, 0, 0, 0, 0, 1, 0, 1])),
        ipv6("DHCPv6 client", exact(OWN6, 17, &udp(546, 547))),
        ("DHCP client", frame(IPV4, ipv4_udp(68, 67))),
        ("gratuitous ARP", frame(ARP, arp(1, mac, OWN4))),
    ]
}

#[test]
fn no_neighbour_is_misled() {
    for keys in [json!({}), json!({"macspoofchk": true, "ipspoofchk": true})] {
        let stage = Stage::new(keys.clone());
        for (what, frame) in discovering(stage.mac) {
            assert!(stage.arrives(frame, what), "{what} arrives with {keys}");
        }
        let dropped = || sh("nft list table bridge plugboard | grep -o 'counter packets [0-9]*'").stdout;
        for (what, frame, guard) in misleading(stage.mac) {
            let before = dropped();
            assert_eq!(stage.arrives(frame, what), keys[guard] != true, "{what} with {keys}");
            assert_eq!(before == dropped(), keys[guard] != true, "{what} is counted with {keys}");
        }
        for address in ["10.1.0.9", "fd00:1::9"] {
            assert!(stage.scene.c1.ping(address, 2).all_answered(), "{address} with {keys}");
        }
        stage.scene.call(Plugin::Bridge, "DEL", stage.config.clone()).run().ok();
        assert_eq!(sh("nft list ruleset").ok(), "", "{keys}");
    }
}

/// Frames from `c1` as others would send them, each with what stops it.
fn foreign(mac: [u8; 6]) -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let own = |kind, payload: Vec<u8>| ethernet(mac, BROADCAST, kind, &payload);
    let tagged = [&[0, 7, 8, 0][..], &ipv4(FOREIGN4)].concat();
    vec![
        ("foreign MAC", ethernet(FOREIGN_MAC, BROADCAST, IPV4, &ipv4(OWN4)), "macspoofchk"),
        ("foreign ARP sender MAC", own(ARP, arp(2, FOREIGN_MAC, OWN4)), "macspoofchk"),
        ("foreign ARP question", own(ARP, arp(1, mac, FOREIGN4)), "ipspoofchk"),
        ("foreign ARP answer", own(ARP, arp(2, mac, FOREIGN4)), "ipspoofchk"),
        ("foreign IPv4 source", own(IPV4, ipv4(FOREIGN4)), "ipspoofchk"),
        ("foreign IPv6 source", own(IPV6, ipv6(FOREIGN6, 253, &[])), "ipspoofchk"),
        ("foreign advertisement", own(IPV6, ipv6(OWN6, 58, &advertisement(FOREIGN6, mac))), "ipspoofchk"),
        ("tagged frame", own(VLAN, tagged), "ipspoofchk"),
        ("another protocol", own(0x88b5, Vec::new()), "ipspoofchk"),
    ]
}

/// Frames that every guard lets pass.
fn own(mac: [u8; 6]) -> Vec<(&'static str, Vec<u8>)> {
    let frame = |kind, payload: Vec<u8>| ethernet(mac, BROADCAST, kind, &payload);
    let [a, b, c, d, e, f] = mac;
    let link_local = Ipv6Addr::from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b, c, 0xff, 0xfe, d, e, f]);
    vec![
        ("own IPv4", frame(IPV4, ipv4(OWN4))),
        ("DHCP's IPv4", frame(IPV4, ipv4(Ipv4Addr::UNSPECIFIED))),
        ("own ARP", frame(ARP, arp(1, mac, OWN4))),
        ("an ARP probe", frame(ARP, arp_probe(mac, OWN4))),
        ("own IPv6", frame(IPV6, ipv6(OWN6, 253, &[]))),
        ("link-local IPv6", frame(IPV6, ipv6(link_local, 253, &[]))),
        ("duplicate detection", frame(IPV6, ipv6(Ipv6Addr::UNSPECIFIED, 253, &[]))),
        ("own advertisement", frame(IPV6, ipv6(OWN6, 58, &advertisement(OWN6, mac)))),
        ("link-local advertisement", frame(IPV6, ipv6(link_local, 58, &advertisement(link_local, mac)))),
    ]
}

#[test]
fn each_guard_stops_what_it_is_for_and_nothing_else() {
    for keys in [
        json!({}),
        json!({"macspoofchk": true}),
        json!({"ipspoofchk": true}),
        json!({"macspoofchk": true, "ipspoofchk": true}),
    ] {
        let stage = Stage::new(keys.clone());
        for (what, frame) in own(stage.mac) {
            assert!(stage.arrives(frame, what), "{what} arrives with {keys}");
        }
        for (what, frame, guard) in foreign(stage.mac) {
            let is_stopped = keys[guard] == true;
            assert_eq!(stage.arrives(frame, what), !is_stopped, "{what} with {keys}");
        }
        for address in ["10.1.0.9", "fd00:1::9"] {
            assert!(stage.scene.c1.ping(address, 2).all_answered(), "{address} with {keys}");
        }
        stage.scene.call(Plugin::Bridge, "CHECK", stage.config.clone()).run().ok();
        stage.scene.call(Plugin::Bridge, "DEL", stage.config.clone()).run().ok();
        assert_eq!(sh("nft list ruleset").ok(), "", "{keys}");
    }
}

#[test]
fn what_is_stopped_is_counted() {
    let stage = Stage::new(json!({"macspoofchk": true}));
    let packets = || {
        let rules = sh("nft -j list chain bridge plugboard prerouting").ok();
        let rules: Value = serde_json::from_str(&rules).expect("JSON");
        let counters: Vec<u64> = rules["nftables"]
            .as_array()
            .expect("a list")
            .iter()
            .flat_map(|entry| {
                entry["rule"]["expr"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(|e| e["counter"]["packets"].as_u64())
                    .collect::<Vec<_>>()
            })
            .collect();
        counters.iter().sum::<u64>()
    };
    assert_eq!(packets(), 0);
    stage.arrives(ethernet(FOREIGN_MAC, BROADCAST, 0x88b5, &[]), "foreign");
    assert_eq!(packets(), 1);
}

/// Frames to a bridge's own group addresses are not forwarded, but an operator's bridge learns from them where an address is. One
/// that is made here does not (`no_linklocal_learn`), guarded or not.
#[test]
fn the_bridge_learns_no_foreign_address_from_a_guarded_port() {
    let learned = |preparation, keys: Value| {
        let stage = Stage::after(preparation, keys);
        for group in [0x02, 0x03, 0x0e] {
            let frame = ethernet([0x02, 0, 0, 0, 0, group], [0x01, 0x80, 0xc2, 0, 0, group], LLDP, &[0; 60]);
            assert!(stage.sender.send(&frame));
        }
        assert!(stage.arrives(ethernet(stage.mac, BROADCAST, 0x88b5, &[]), "a frame behind it"));
        let found = sh("bridge fdb show br br0 | grep -o '^02:00:00:00:00:0.'").stdout;
        let mut found: Vec<String> = found.lines().map(str::to_owned).collect();
        found.sort();
        found
    };
    let none: [&str; 0] = [];
    let operators = "ip link add br0 up type bridge";
    let all = ["02:00:00:00:00:02", "02:00:00:00:00:03", "02:00:00:00:00:0e"];
    assert_eq!(learned(operators, json!({})), all, "what the guard is for");
    // The kernel asks no rule about frames to LLDP's address (br_handle_frame in net/bridge/br_input.c).
    assert_eq!(learned(operators, json!({"macspoofchk": true})), all[2..]);
    assert_eq!(learned("true", json!({})), none);
    assert_eq!(learned("true", json!({"macspoofchk": true})), none);
}

/// Sends foreign frames from `c1` as fast as it can, as soon as there is an interface, while `work` is done.
fn flooding(scene: &Scene, work: impl FnOnce()) {
    let is_over = AtomicBool::new(false);
    let c1 = &scene.c1;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let namespace = std::fs::File::open(&c1.path).expect("the namespace is there");
            nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET).expect("it can be entered");
            let frame = [&ethernet(FOREIGN_MAC, BROADCAST, 0x88b5, &[0; 60])[..], b"foreign"].concat();
            let mut frames = None;
            while !is_over.load(Ordering::Relaxed) {
                match &frames {
                    None => frames = Frames::open_here("eth0").ok(),
                    Some(open) => _ = Frames::send(open, &frame),
                }
            }
        });
        work();
        is_over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn not_one_frame_passes_before_the_guard_stands_or_after_it_has_gone() {
    cites!("ADD-1", "DEL-1");
    for (keys, passes) in
        [(json!({}), true), (json!({"macspoofchk": true}), false), (json!({"ipspoofchk": true}), false)]
    {
        let scene = Scene::new();
        let peer = scene.host.namespace("peer");
        let plain = with(&Plugin::Bridge.config(LATEST), json!({"name": "peers", "ipam": null}));
        scene.call_for(&peer, "eth0", Plugin::Bridge, "ADD", plain).run().ok();
        peer.sh("ip link set eth0 promisc on").ok();
        let listener = Frames::open(&peer, "eth0").expect("the interface is there");
        let mut passed = false;
        for _ in 0..5 {
            flooding(&scene, || {
                scene.call(Plugin::Bridge, "ADD", config(keys.clone())).run().ok();
                passed |= listener.ends_with(b"foreign", Duration::from_millis(20));
                scene.call(Plugin::Bridge, "DEL", config(keys.clone())).run().ok();
                passed |= listener.ends_with(b"foreign", Duration::from_millis(20));
            });
        }
        assert_eq!(passed, passes, "{keys}");
    }
}

#[test]
fn ipspoofchk_without_addresses_is_refused() {
    cites!("ERR-5");
    let scene = Scene::new();
    let before = scene.state();
    let (code, msg, _) =
        scene.call(Plugin::Bridge, "ADD", config(json!({"ipspoofchk": true, "ipam": null}))).run().error();
    assert!(code == 7 && msg.contains("ipspoofchk") && msg.contains("add ipam"), "{code}: {msg}");
    assert_eq!(before, scene.state());
}

#[test]
fn a_device_of_another_plugin_is_not_guarded() {
    cites!("ERR-5");
    let scene = Scene::new();
    sh("ip tuntap add mode tap name tap9").ok();
    let before = scene.state();
    let previous = json!({"cniVersion": LATEST, "interfaces": [{"name": "tap9"}]});
    for key in ["macspoofchk", "ipspoofchk"] {
        let call = scene.call(Plugin::Bridge, "ADD", config(json!({key: true, "prevResult": previous.clone()})));
        let (code, msg, _) = call.run().error();
        assert!(code == 7 && msg.contains(key) && msg.contains("tap9"), "{code}: {msg}");
        assert_eq!(before, scene.state());
    }
}

#[test]
fn check_reports_a_guard_that_is_gone() {
    cites!("CHK-1");
    let scene = Scene::new();
    let keys = json!({"macspoofchk": true, "ipspoofchk": true});
    for (loss, part) in [
        ("nft flush set bridge plugboard guarded", "in set guarded"),
        ("nft flush set bridge plugboard macs", "in set macs"),
        ("nft flush set bridge plugboard ipguarded", "in set ipguarded"),
        ("nft flush set bridge plugboard addresses4", "in set addresses4"),
        ("nft flush set bridge plugboard addresses6", "in set addresses6"),
        ("nft flush set bridge plugboard neighbours", "in set neighbours"),
        ("nft flush set bridge plugboard toldmacs", "in set toldmacs"),
        ("nft flush chain bridge plugboard discovery", "discovery: want 13, have 0"),
        ("nft flush chain bridge plugboard prerouting", "prerouting: want 7, have 0"),
        ("nft flush chain bridge plugboard input", "input: want 1, have 0"),
        ("nft delete table bridge plugboard", "bridge plugboard"),
    ] {
        let (_, attached) = scene.added(Plugin::Bridge, &config(keys.clone()));
        scene.call(Plugin::Bridge, "CHECK", attached.clone()).run().ok();
        sh(loss).ok();
        let (code, msg, _) = scene.call(Plugin::Bridge, "CHECK", attached.clone()).run().error();
        assert!(code == codes::DIFFERENT && msg.contains(part), "{loss}: {code} {msg}");
        scene.call(Plugin::Bridge, "DEL", attached).run().ok();
        assert_eq!(sh("nft list ruleset").ok(), "");
    }
}

#[test]
fn guards_end_where_the_bridge_decides_about_its_ports() {
    let scene = Scene::new();
    // The ageing time is what a change of the topology makes it for a while.
    sh("ip link add br0 type bridge stp_state 1 forward_delay 200 ageing_time 400 && ip link set br0 up").ok();
    let before = State::take(&[]);
    let keys = json!({"macspoofchk": true, "ipspoofchk": true});
    scene.call(Plugin::Bridge, "ADD", config(keys.clone())).run().ok();
    scene.call(Plugin::Bridge, "DEL", config(keys)).run().ok();
    assert_eq!(before, State::take(&[]));
}

#[test]
fn a_tap_device_is_guarded_as_well() {
    let scene = Scene::new();
    let keys = json!({"nic": "tap", "macspoofchk": true, "ipspoofchk": true});
    let (result, attached) = scene.added(Plugin::Bridge, &config(keys));
    let rules = sh("nft list table bridge plugboard").ok();
    for key in ["name", "mac"] {
        let interface = if key == "name" { 1 } else { 2 };
        let value = result["interfaces"][interface][key].as_str().expect("a text");
        assert!(rules.contains(value), "{value}\n{rules}");
    }
    scene.call(Plugin::Bridge, "CHECK", attached.clone()).run().ok();
    scene.call(Plugin::Bridge, "DEL", attached).run().ok();
    assert_eq!(sh("nft list ruleset").ok(), "");
}

/// What names the owner of an element fits wherever a network's name does.
#[test]
fn long_names_are_found_again() {
    let scene = Scene::new();
    let before = scene.state();
    let container = "c".repeat(200);
    let long = |keys: Value| with(&config(keys), json!({"name": "n".repeat(128), "cni.dev/valid-attachments": []}));
    for command in ["DEL", "GC"] {
        let keys = json!({"macspoofchk": true, "ipspoofchk": true, "ipMasq": true});
        let call = |command: &str| {
            let call = scene.call(Plugin::Bridge, command, long(keys.clone()));
            if command == "GC" { call } else { call.container(&container) }
        };
        let result = call("ADD").run().ok();
        let rules = sh("nft list ruleset").ok();
        for part in [result["interfaces"][2]["mac"].as_str().expect("a MAC"), "10.1.0.5", "fd00:1::5", "eth0 on nnn"] {
            assert!(rules.contains(part), "{part}\n{rules}");
        }
        call(command).run().ok();
        assert_eq!(before, scene.state(), "{command}");
    }
}

/// The table as a release without `ipspoofchk` would make it: without labels, too.
const OLDER: &str = "table bridge plugboard {
	set guarded {
		type ifname
	}

	set macs {
		type ifname . ether_addr
	}

	chain prerouting {
		type filter hook prerouting priority dstnat; policy accept;
		iifname @guarded iifname . ether saddr != @macs counter drop
		iifname @guarded meta protocol arp iifname . arp saddr ether != @macs counter drop
	}

	chain input {
		type filter hook input priority -300; policy accept;
		iifname @guarded iifname . ether saddr != @macs counter drop
	}
}
";

/// What is asked of a packet, rule by rule in each chain, without labels and counts.
fn rules() -> Vec<String> {
    let listed = sh("nft list table bridge plugboard").ok();
    let mut chain = String::new();
    let mut rules = Vec::new();
    for line in listed.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("chain ") {
            name.clone_into(&mut chain);
        } else if line.contains("iifname @") {
            rules.push((chain.clone(), line.split(" counter ").next().unwrap_or_default().to_owned()));
        }
    }
    rules.sort_by(|one, other| one.0.cmp(&other.0));
    rules.into_iter().map(|(_, rule)| rule).collect()
}

/// A network of others on the same bridge.
fn neighbours(keys: Value) -> Value {
    let pool = json!({"subnet": "10.1.0.0/24", "rangeStart": "10.1.0.100", "rangeEnd": "10.1.0.200"});
    let ipam = json!({"type": "host-local", "ranges": [[pool]]});
    with(&config(keys), json!({"name": "neighbours", "ipam": ipam}))
}

#[test]
fn a_table_of_an_older_release_grows_while_it_is_used() {
    let scene = Scene::new();
    let both = json!({"macspoofchk": true, "ipspoofchk": true});
    scene.call(Plugin::Bridge, "ADD", config(both.clone())).run().ok();
    let fresh = rules();
    scene.call(Plugin::Bridge, "DEL", config(both.clone())).run().ok();
    let c2 = scene.host.namespace("c2");
    let (result, older) = scene.added_for(&c2, &neighbours(json!({"macspoofchk": true})));
    as_older("bridge plugboard", OLDER);
    assert_eq!(rules().len(), 3);
    let check = |stage: &Scene| stage.call_for(&c2, "eth0", Plugin::Bridge, "CHECK", older.clone()).run();
    let (code, msg, _) = check(&scene).error();
    assert_eq!(code, codes::DIFFERENT);
    for part in ["set ipguarded of table bridge plugboard", "want 7, have 2, without protocol, source4, arp-source4"] {
        assert!(msg.contains(part), "{part}: {msg}");
    }

    let stage = Stage::on(scene, both);
    assert_eq!(rules(), fresh);
    check(&stage.scene).ok();
    stage.scene.call(Plugin::Bridge, "CHECK", stage.config.clone()).run().ok();
    for (what, frame) in own(stage.mac) {
        assert!(stage.arrives(frame, what), "{what} arrives");
    }
    for (what, frame, _) in foreign(stage.mac) {
        assert!(!stage.arrives(frame, what), "{what} is stopped");
    }
    // The older attachment keeps its guard, and gets no other.
    let sender = Frames::open(&c2, "eth0").expect("the interface is there");
    let mac = bytes(result["interfaces"][2]["mac"].as_str().expect("a MAC"));
    for (what, mut frame, guard) in foreign(mac) {
        frame.resize(frame.len().max(80), 0);
        frame.extend(what.as_bytes());
        assert!(sender.send(&frame));
        assert_eq!(stage.listener.ends_with(what.as_bytes(), LIMIT), guard != "macspoofchk", "{what} from c2");
    }
    stage.scene.call(Plugin::Bridge, "DEL", stage.config.clone()).run().ok();
    assert_eq!(rules(), fresh, "while it is used");
    check(&stage.scene).ok();
    stage.scene.call_for(&c2, "eth0", Plugin::Bridge, "DEL", older.clone()).run().ok();
    assert_eq!(sh("nft list ruleset").ok(), "");
}

#[test]
fn twenty_at_once_complete_an_older_table_together() {
    cites!("ADD-8");
    let scene = Scene::new();
    let c2 = scene.host.namespace("c2");
    let (_, older) = scene.added_for(&c2, &neighbours(json!({"macspoofchk": true})));
    as_older("bridge plugboard", OLDER);
    let containers: Vec<_> = (0..20).map(|number| scene.host.namespace(&format!("p{number}"))).collect();
    let all_at_once = |command: &str| {
        std::thread::scope(|scope| {
            let keys = json!({"macspoofchk": true, "ipspoofchk": true});
            let calls = containers
                .iter()
                .map(|ns| scene.call_for(ns, "eth0", Plugin::Bridge, command, neighbours(keys.clone())));
            let running: Vec<_> = calls.map(|call| scope.spawn(move || call.run())).collect();
            for call in running {
                call.join().expect("the call ends").ok();
            }
        });
    };
    all_at_once("ADD");
    scene.call_for(&c2, "eth0", Plugin::Bridge, "CHECK", older.clone()).run().ok();
    assert_eq!(rules().len(), 21);
    all_at_once("DEL");
    scene.call_for(&c2, "eth0", Plugin::Bridge, "CHECK", older.clone()).run().ok();
    scene.call_for(&c2, "eth0", Plugin::Bridge, "DEL", older).run().ok();
    assert_eq!(sh("nft list ruleset").ok(), "");
}

#[test]
fn what_somebody_removed_comes_back_with_the_next_add() {
    cites!("CHK-1");
    let scene = Scene::new();
    let c2 = scene.host.namespace("c2");
    let handle = |name: &str| {
        format!("$(nft -a list chain bridge plugboard prerouting | sed -n 's/.*: {name} 1\".* handle //p')")
    };
    let next = neighbours(json!({"macspoofchk": true}));
    let (_, attached) = scene.added(Plugin::Bridge, &config(json!({"macspoofchk": true})));
    let fresh = rules();
    for (loss, part) in [
        (
            format!("nft delete rule bridge plugboard prerouting handle {}", handle("source-mac")),
            "want 7, have 6, without source-mac",
        ),
        (
            format!("nft delete rule bridge plugboard prerouting handle {}", handle("source4")),
            "want 7, have 6, without source4",
        ),
        ("nft flush chain bridge plugboard input".to_owned(), "input: want 1, have 0, without source-mac"),
        (
            "nft 'flush chain bridge plugboard input; delete chain bridge plugboard input'".to_owned(),
            "chain bridge plugboard input: want present",
        ),
        (
            "nft 'flush chain bridge plugboard prerouting; delete chain bridge plugboard prerouting; \
              flush chain bridge plugboard input; delete chain bridge plugboard input'"
                .to_owned(),
            "chain bridge plugboard prerouting: want present",
        ),
        (
            "nft 'flush chain bridge plugboard prerouting; flush chain bridge plugboard discovery; delete set bridge plugboard addresses6'".to_owned(),
            "set addresses6 of table bridge plugboard: want present",
        ),
    ] {
        sh(&loss).ok();
        let (code, msg, _) = scene.call(Plugin::Bridge, "CHECK", attached.clone()).run().error();
        assert!(code == codes::DIFFERENT && msg.contains(part), "{loss}: {code} {msg}");
        scene.call_for(&c2, "eth0", Plugin::Bridge, "ADD", next.clone()).run().ok();
        scene.call(Plugin::Bridge, "CHECK", attached.clone()).run().ok();
        assert_eq!(rules(), fresh, "{loss}");
        scene.call_for(&c2, "eth0", Plugin::Bridge, "DEL", next.clone()).run().ok();
    }
    // A set that the attachment itself needs.
    sh("nft 'flush chain bridge plugboard prerouting; flush chain bridge plugboard input; delete set bridge plugboard macs'").ok();
    scene.call_for(&c2, "eth0", Plugin::Bridge, "ADD", next.clone()).run().ok();
    assert_eq!(rules(), fresh);
    let (_, msg, _) = scene.call(Plugin::Bridge, "CHECK", attached.clone()).run().error();
    assert!(msg.contains("in set macs") && !msg.contains("rules in chain"), "only its element is missing: {msg}");
    scene.call(Plugin::Bridge, "DEL", attached).run().ok();
    scene.call_for(&c2, "eth0", Plugin::Bridge, "DEL", next).run().ok();
    assert_eq!(sh("nft list ruleset").ok(), "");
}

#[test]
fn a_chain_without_its_hook_is_a_conflict() {
    cites!("ADD-6");
    let scene = Scene::new();
    sh("nft 'table bridge plugboard { chain prerouting { }; }'").ok();
    let before = scene.state();
    let (code, msg, _) = scene.call(Plugin::Bridge, "ADD", config(json!({"macspoofchk": true}))).run().error();
    assert!(code == codes::CONFLICT && msg.contains("chain bridge plugboard prerouting"), "{code}: {msg}");
    assert_eq!(before, scene.state());
}

#[test]
fn a_table_stays_while_a_later_release_has_something_in_it() {
    let scene = Scene::new();
    let (_, attached) = scene.added(Plugin::Bridge, &config(json!({"macspoofchk": true})));
    sh("nft 'add set bridge plugboard later { type ifname; }; \
             add element bridge plugboard later { \"pbxyz\" comment \"pbxyz eth0 on home-net of vn9\" }'")
    .ok();
    scene.call(Plugin::Bridge, "CHECK", attached.clone()).run().ok();
    scene.call(Plugin::Bridge, "DEL", attached.clone()).run().ok();
    let rules = sh("nft list ruleset").ok();
    assert!(rules.contains("pbxyz") && rules.matches("elements").count() == 1, "{rules}");
    scene.call(Plugin::Bridge, "ADD", config(json!({"macspoofchk": true}))).run().ok();
    sh("nft flush set bridge plugboard later").ok();
    scene.call(Plugin::Bridge, "DEL", attached).run().ok();
    assert_eq!(sh("nft list ruleset").ok(), "");
}
