//! Frames on a guarded port: what is its own arrives, what is not does not.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use harness::Namespace;
use netlink::Mac;
use openflow::guard::Guard;
use tests::{Frames, ethernet};

use crate::open_vswitch::Switch;

const BROADCAST: [u8; 6] = [0xff; 6];
const OWN: Mac = Mac([2, 0, 0, 0, 0, 5]);
const OWN4: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 5);
const OWN6: Ipv6Addr = Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 5);
/// Of somebody else on the bridge.
const FOREIGN: Mac = Mac([2, 0, 0, 0, 0, 0x99]);
const FOREIGN4: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 99);
const FOREIGN6: Ipv6Addr = Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 0x99);
const PEER4: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 9);
const PEER6: Ipv6Addr = Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 9);
const NOBODY4: Ipv4Addr = Ipv4Addr::UNSPECIFIED;
const NOBODY6: Ipv6Addr = Ipv6Addr::UNSPECIFIED;

const IPV4: u16 = 0x0800;
const ARP: u16 = 0x0806;
const IPV6: u16 = 0x86dd;
const VLAN: u16 = 0x8100;
const QINQ: u16 = 0x88a8;

const RS: u8 = 133;
const NS: u8 = 135;
const NA: u8 = 136;

const PORT: u32 = 11;
const COOKIE: u64 = 0xc0;

/// Long enough for a frame to cross a switch on a busy machine.
const LIMIT: Duration = Duration::from_secs(10);

/// After as long without another frame none comes.
const QUIET: Duration = Duration::from_millis(300);

/// RFC 826.
fn arp(operation: u16, mac: Mac, address: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    let fixed = [0, 1, 8, 0, 6, 4];
    [&fixed[..], &operation.to_be_bytes(), &mac.0, &address.octets(), &[0; 6], &target.octets()].concat()
}

/// RFC 791, with a payload of `protocol`.
fn ipv4(from: Ipv4Addr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len() + 20).expect("it is short").to_be_bytes();
    let mut header = vec![0x45, 0, length[0], length[1], 0, 0, 0, 0, 64, protocol, 0, 0];
    header.extend([from.octets(), [10, 1, 0, 9]].concat());
    let sum: u32 = header.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let sum = !u16::try_from((sum & 0xffff) + (sum >> 16)).expect("it is folded");
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    [&header, payload].concat()
}

/// RFC 8200, with a payload of `next`.
fn ipv6(from: Ipv6Addr, next: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("it is short").to_be_bytes();
    let all_nodes = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    [&[0x60, 0, 0, 0, length[0], length[1], next, 255][..], &from.octets(), &all_nodes.octets(), payload].concat()
}

/// A message of neighbour discovery (RFC 4861, sections 4.3 and 4.4).
fn neighbour(kind: u8, from: Ipv6Addr, target: Ipv6Addr, options: &[u8]) -> Vec<u8> {
    ipv6(from, 58, &discovery(kind, target, options))
}

fn discovery(kind: u8, target: Ipv6Addr, options: &[u8]) -> Vec<u8> {
    [&[kind, 0, 0, 0, 0x20, 0, 0, 0][..], &target.octets(), options].concat()
}

/// An option with a hardware address: 1 for the source's, 2 for the target's.
fn told(kind: u8, mac: Mac) -> Vec<u8> {
    [&[kind, 1][..], &mac.0].concat()
}

/// A datagram from one port to another.
fn udp(from: u16, to: u16) -> Vec<u8> {
    [&from.to_be_bytes()[..], &to.to_be_bytes(), &[0, 8, 0, 0]].concat()
}

/// What is checked, and so stops a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Check {
    Mac,
    Addresses,
    Either,
}

/// Frames that no guard stops.
fn honest() -> Vec<(&'static str, Vec<u8>)> {
    let frame = |kind, payload: Vec<u8>| ethernet(OWN.0, BROADCAST, kind, &payload);
    let four = |what, payload| (what, frame(IPV4, payload));
    let six = |what, payload| (what, frame(IPV6, payload));
    let link_local = OWN.link_local();
    let router = [RS, 0, 0, 0, 0, 0, 0, 0];
    let report = [&[143, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0][..], &OWN6.octets()].concat();
    vec![
        four("IPv4", ipv4(OWN4, 253, &[1; 20])),
        four("IPv4 without an address", ipv4(NOBODY4, 253, &[2; 20])),
        four("a client of DHCP", ipv4(NOBODY4, 17, &udp(68, 67))),
        four("a client of DHCP with an address", ipv4(OWN4, 17, &udp(68, 67))),
        four("a ping", ipv4(OWN4, 1, &[8, 0, 0, 0, 0, 1, 0, 1])),
        ("an ARP question", frame(ARP, arp(1, OWN, OWN4, PEER4))),
        ("an ARP answer", frame(ARP, arp(2, OWN, OWN4, PEER4))),
        ("gratuitous ARP", frame(ARP, arp(1, OWN, OWN4, OWN4))),
        ("an ARP probe", frame(ARP, arp(1, OWN, NOBODY4, OWN4))),
        six("IPv6", ipv6(OWN6, 253, &[1; 20])),
        six("IPv6, link-local", ipv6(link_local, 253, &[2; 20])),
        six("IPv6 without an address", ipv6(NOBODY6, 253, &[3; 20])),
        six("a client of DHCPv6", ipv6(link_local, 17, &udp(546, 547))),
        six("an echo request", ipv6(OWN6, 58, &[128, 0, 0, 0, 0, 1, 0, 1])),
        six("a listener's report", ipv6(OWN6, 0, &[&[58, 0, 5, 2, 0, 0, 1, 0][..], &report].concat())),
        six("a router solicitation", ipv6(link_local, 58, &[&router[..], &told(1, OWN)].concat())),
        six("a router solicitation without an address", ipv6(NOBODY6, 58, &router)),
        six("duplicate detection", neighbour(NS, NOBODY6, OWN6, &[])),
        six("duplicate detection with a nonce", neighbour(NS, NOBODY6, link_local, &[14, 1, 1, 2, 3, 4, 5, 6])),
        six("a solicitation", neighbour(NS, OWN6, PEER6, &told(1, OWN))),
        six("a solicitation without options", neighbour(NS, link_local, PEER6, &[])),
        six("an advertisement", neighbour(NA, OWN6, OWN6, &told(2, OWN))),
        six("an advertisement without options", neighbour(NA, OWN6, OWN6, &[])),
        six("a link-local advertisement", neighbour(NA, link_local, link_local, &told(2, OWN))),
        six("an advertisement from another own address", neighbour(NA, link_local, OWN6, &told(2, OWN))),
        six("a second option", neighbour(NA, OWN6, OWN6, &[&[14, 1, 1, 2, 3, 4, 5, 6][..], &told(2, OWN)].concat())),
    ]
}

/// Frames with what stops them.
fn false_frames() -> Vec<(&'static str, Vec<u8>, Check)> {
    use Check::{Addresses, Either, Mac as Macs};
    let frame = |kind, payload: Vec<u8>| ethernet(OWN.0, BROADCAST, kind, &payload);
    let foreign = |kind, payload: Vec<u8>| ethernet(FOREIGN.0, BROADCAST, kind, &payload);
    let four = |what, payload, check| (what, frame(IPV4, payload), check);
    let six = |what, payload, check| (what, frame(IPV6, payload), check);
    let padding = [1, 4, 0, 0, 0, 0];
    let lie = discovery(NA, OWN6, &told(2, FOREIGN));
    let behind = |next, lie: &[u8]| ipv6(OWN6, next, &[&[58, 0][..], &padding, lie].concat());
    let router = [&[134, 0, 0, 0, 64, 0, 7, 8][..], &[0; 8], &told(1, OWN)].concat();
    let redirect = [&[137, 0, 0, 0, 0, 0, 0, 0][..], &FOREIGN6.octets(), &OWN6.octets()].concat();
    let twice = |kind| [told(kind, OWN), told(kind, FOREIGN)].concat();
    let arp_of_another_kind = [&[0, 6][..], &arp(2, OWN, OWN4, PEER4)[2..]].concat();
    vec![
        ("IPv4 of another MAC", foreign(IPV4, ipv4(OWN4, 253, &[0; 20])), Macs),
        ("IPv6 of another MAC", foreign(IPV6, ipv6(OWN6, 253, &[0; 20])), Macs),
        ("ARP of another MAC", foreign(ARP, arp(1, OWN, OWN4, PEER4)), Macs),
        ("a solicitation of another MAC", foreign(IPV6, neighbour(NS, OWN6, PEER6, &told(1, OWN))), Macs),
        ("ARP that claims another MAC", frame(ARP, arp(2, FOREIGN, OWN4, PEER4)), Macs),
        ("gratuitous ARP that claims another MAC", frame(ARP, arp(1, FOREIGN, OWN4, OWN4)), Macs),
        ("ARP of another kind of hardware", frame(ARP, arp_of_another_kind), Either),
        six("an advertisement of another MAC", neighbour(NA, OWN6, OWN6, &told(2, FOREIGN)), Macs),
        six("a solicitation that tells another MAC", neighbour(NS, OWN6, PEER6, &told(1, FOREIGN)), Macs),
        six("an advertisement of both MACs", neighbour(NA, OWN6, OWN6, &twice(2)), Either),
        six("a solicitation that tells both MACs", neighbour(NS, OWN6, PEER6, &twice(1)), Either),
        six(
            "another MAC behind another option",
            neighbour(NA, OWN6, OWN6, &[&[14, 1, 1, 2, 3, 4, 5, 6][..], &told(2, FOREIGN)].concat()),
            Macs,
        ),
        six("another MAC behind hop-by-hop options", behind(0, &lie), Macs),
        six("another MAC behind destination options", behind(60, &lie), Macs),
        four("another IPv4 source", ipv4(FOREIGN4, 253, &[0; 20]), Addresses),
        six("another IPv6 source", ipv6(FOREIGN6, 253, &[0; 20]), Addresses),
        six("another link-local source", ipv6(FOREIGN.link_local(), 253, &[0; 20]), Addresses),
        ("an ARP question of another address", frame(ARP, arp(1, OWN, FOREIGN4, PEER4)), Addresses),
        ("an ARP answer of another address", frame(ARP, arp(2, OWN, FOREIGN4, PEER4)), Addresses),
        ("gratuitous ARP of another address", frame(ARP, arp(1, OWN, FOREIGN4, FOREIGN4)), Addresses),
        ("an ARP probe for another address", frame(ARP, arp(1, OWN, NOBODY4, FOREIGN4)), Addresses),
        six("an advertisement of another address", neighbour(NA, OWN6, FOREIGN6, &told(2, OWN)), Addresses),
        six("an advertisement from another address", neighbour(NA, FOREIGN6, OWN6, &told(2, OWN)), Addresses),
        six("a solicitation from another address", neighbour(NS, FOREIGN6, PEER6, &told(1, OWN)), Addresses),
        six("duplicate detection of another address", neighbour(NS, NOBODY6, FOREIGN6, &[]), Addresses),
        six("a router advertisement", ipv6(OWN.link_local(), 58, &router), Addresses),
        six("a router advertisement behind hop-by-hop options", behind(0, &router), Addresses),
        six("a redirect", ipv6(OWN6, 58, &redirect), Addresses),
        four("a router advertisement of IPv4", ipv4(OWN4, 1, &[9, 0, 0, 0, 1, 2, 7, 8, 10, 1, 0, 5]), Addresses),
        four("a redirect of IPv4", ipv4(OWN4, 1, &[5, 1, 0, 0, 10, 1, 0, 5]), Addresses),
        four("an answer of DHCP", ipv4(OWN4, 17, &udp(67, 68)), Addresses),
        four("an answer of DHCP from no address", ipv4(NOBODY4, 17, &udp(9, 68)), Addresses),
        six("an answer of DHCPv6", ipv6(OWN6, 17, &udp(547, 546)), Addresses),
        ("another protocol", frame(0x88b5, vec![0; 20]), Addresses),
        ("PPPoE", frame(0x8864, [&[0x11, 0, 0, 1, 0, 22, 0, 0x21][..], &ipv4(OWN4, 253, &[])].concat()), Addresses),
    ]
}

/// A guarded member of a bridge and one that listens.
struct Stage {
    switch: Switch,
    sender: Namespace,
    receiver: Namespace,
    from: Frames,
    to: Frames,
}

impl Stage {
    fn new() -> Self {
        Self::on(Switch::new())
    }

    fn on(switch: Switch) -> Self {
        let (sender, receiver) = (switch.join("c1", PORT), switch.join("c2", PORT + 1));
        sender.sh(&format!("ip link set eth0 address {OWN}")).ok();
        for (namespace, last) in [(&sender, 5), (&receiver, 9)] {
            let script = format!(
                "ip address add 10.1.0.{last}/24 dev eth0 && ip address add fd00:1::{last}/64 dev eth0 nodad && \
                 ip link set eth0 promisc on"
            );
            namespace.sh(&script).ok();
        }
        let (from, to) =
            (Frames::open(&sender, "eth0").expect("it is there"), Frames::open(&receiver, "eth0").expect("too"));
        harness::wait_until("the switch forwards", || sender.ping_with("10.1.0.9", "-c1 -W1").all_answered());
        Self { switch, sender, receiver, from, to }
    }

    fn guard(&self, checks: &[Check]) -> usize {
        let addresses = [IpAddr::from(OWN4), OWN6.into()];
        let (checks_mac, checks_addresses) = (checks.contains(&Check::Mac), checks.contains(&Check::Addresses));
        let guard = Guard { port: PORT, cookie: COOKIE, mac: OWN, addresses: &addresses, checks_mac, checks_addresses };
        let flows = guard.flows();
        let mut connection = self.switch.connect();
        connection.delete(COOKIE, u64::MAX).expect("they are deleted");
        connection.add(&flows).expect("they are added");
        self.switch.settle();
        flows.len()
    }

    /// Which of the frames arrive, by their places. Each is marked at its end. One that is honest is sent behind them all and arrives
    /// in any case. It may overtake others: the userspace datapath sorts a batch by flow, the kernel's asks about what it has not
    /// seen yet. So it is waited for a while longer.
    fn arriving(&self, frames: &[Vec<u8>]) -> Vec<usize> {
        let mark = |place: usize| format!("frame {place:04}").into_bytes();
        let last = ethernet(OWN.0, BROADCAST, IPV4, &ipv4(OWN4, 253, &[9; 20]));
        for (place, frame) in frames.iter().chain([&last]).enumerate() {
            let mut frame = frame.clone();
            frame.resize(frame.len().max(100), 0);
            assert!(self.from.send(&[frame, mark(place)].concat()), "it is sent");
        }
        let (mut arrived, mut end) = (Vec::new(), Instant::now() + LIMIT);
        while Instant::now() < end {
            let Some(frame) = self.to.next() else {
                std::thread::sleep(Duration::from_millis(1));
                continue;
            };
            let Some(place) = (0..=frames.len()).find(|place| frame.ends_with(&mark(*place))) else { continue };
            arrived.push(place);
            if arrived.contains(&frames.len()) {
                end = Instant::now() + QUIET;
            }
        }
        arrived.sort_unstable();
        assert_eq!(arrived.pop(), Some(frames.len()), "the last frame arrives");
        arrived
    }

    /// Sends each kind of frame, behind `tags`, and compares what arrives with what should.
    fn try_all(&self, checks: &[Check], tags: &[u8]) {
        let tag = |frame: &[u8]| [&frame[..12], tags, &frame[12..]].concat();
        let (honest, false_ones) = (honest(), false_frames());
        let mut frames: Vec<Vec<u8>> = honest.iter().map(|(_, frame)| tag(frame)).collect();
        frames.extend(false_ones.iter().map(|(_, frame, _)| tag(frame)));
        let stopped = false_ones
            .iter()
            .map(|(what, _, check)| (*what, checks.contains(check) || *check == Check::Either && !checks.is_empty()));
        let all: Vec<(&str, bool)> = honest.iter().map(|(what, _)| (*what, false)).chain(stopped).collect();
        let arrived = self.arriving(&frames);
        for (place, (what, is_stopped)) in all.iter().enumerate() {
            assert_eq!(arrived.contains(&place), !is_stopped, "{what} arrives, with {checks:?} and tags {tags:?}");
        }
    }
}

#[test]
fn each_guard_stops_what_it_is_for_and_nothing_else() {
    guards_stop_what_they_are_for(&Stage::new());
}

#[test]
fn guards_are_the_same_in_the_kernel() {
    if let Some(switch) = Switch::in_kernel() {
        let stage = Stage::on(switch);
        guards_stop_what_they_are_for(&stage);
        limits_are_found(&stage);
    }
}

fn guards_stop_what_they_are_for(stage: &Stage) {
    for checks in [&[][..], &[Check::Mac], &[Check::Addresses], &[Check::Mac, Check::Addresses]] {
        println!("{checks:?}: {} flows", stage.guard(checks));
        stage.try_all(checks, &[]);
        // Below a tag, on a port that is a trunk.
        stage.try_all(checks, &[VLAN.to_be_bytes(), 7_u16.to_be_bytes()].concat());
        // The frames that nothing stopped have misled them.
        for namespace in [&stage.sender, &stage.receiver] {
            namespace.sh("ip neigh flush dev eth0").ok();
        }
        for address in ["10.1.0.9", "fd00:1::9"] {
            assert!(stage.sender.ping(address, 3).all_answered(), "{address} with {checks:?}");
        }
    }
    // What was dropped is counted.
    let found = || stage.switch.connect().list(COOKIE, u64::MAX).expect("a list");
    harness::wait_until("the switch has counted", || {
        found().iter().any(|flow| flow.priority == 60_000 && flow.packets > 0)
    });
}

/// What the documentation of the module says that it does not do.
#[test]
fn limits_are_as_documented() {
    limits_are_found(&Stage::new());
}

fn limits_are_found(stage: &Stage) {
    let frame = |kind, payload: Vec<u8>| ethernet(OWN.0, BROADCAST, kind, &payload);
    let router = [&[RS, 0, 0, 0, 0, 0, 0, 0][..], &told(1, FOREIGN)].concat();
    let mut dhcp = ipv4(OWN4, 17, &[&udp(67, 68)[..], &[0; 16]].concat());
    dhcp[6] = 0x20; // more fragments
    dhcp[10..12].copy_from_slice(&[0x45, 0x01]); // which nobody on the way looks at
    let nothing = Mac([0; 6]);
    let inner = [&QINQ.to_be_bytes()[..], &[0, 7], &VLAN.to_be_bytes(), &[0, 8], &IPV4.to_be_bytes()].concat();
    let doubly = |payload: &[u8]| [&BROADCAST[..], &OWN.0, &inner, payload].concat();
    let frames = [
        frame(IPV6, ipv6(OWN6, 58, &router)),
        frame(IPV4, dhcp),
        frame(IPV6, neighbour(NA, OWN6, OWN6, &told(2, nothing))),
        doubly(&ipv4(FOREIGN4, 253, &[0; 20])),
    ];
    stage.guard(&[Check::Mac, Check::Addresses]);
    assert_eq!(stage.arriving(&frames), [0, 1, 2], "with both");
    stage.guard(&[Check::Mac]);
    assert_eq!(stage.arriving(&frames), [0, 1, 2, 3], "with macspoofchk");
}

/// On a port with a VLAN of its own.
#[test]
fn a_port_of_a_vlan_is_guarded() {
    let stage = Stage::new();
    stage.switch.configure("set port c1 tag=10 -- set port c2 tag=10");
    stage.guard(&[Check::Mac, Check::Addresses]);
    stage.try_all(&[Check::Mac, Check::Addresses], &[]);
    assert!(stage.sender.ping("10.1.0.9", 2).all_answered());
}

/// A container that takes an address of another.
#[test]
fn a_container_with_another_address_reaches_nobody() {
    let stage = Stage::new();
    stage.guard(&[Check::Mac, Check::Addresses]);
    assert!(stage.sender.ping("10.1.0.9", 2).all_answered());
    stage.sender.sh("ip address flush dev eth0 && ip address add 10.1.0.99/24 dev eth0").ok();
    let ping = stage.sender.ping_with("10.1.0.9", "-c2 -i.05 -W1");
    assert!(!ping.all_answered(), "{ping:?}");
    stage.sender.sh(&format!("ip address flush dev eth0 && ip address add {OWN4}/24 dev eth0")).ok();
    assert!(stage.sender.ping("10.1.0.9", 2).all_answered());
    stage.sender.sh(&format!("ip link set eth0 address {FOREIGN}")).ok();
    let ping = stage.sender.ping_with("10.1.0.9", "-c2 -i.05 -W1");
    assert!(!ping.all_answered(), "{ping:?}");
}
