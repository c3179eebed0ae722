//! Measurements of paths whose properties are known, in namespaces of their own.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::net::IpAddr;
use std::time::Duration;

use harness::chance::{IMPAIRMENT, RATE, TIME};
use harness::{Host, Namespace, assert_by_chance, sh, soak};
use lab::{Feature, with_features};
use meter::{Error, Place, Probe, Tcp, Throughput, Udp, frames, probe, round_trips, round_trips_within, tcp, udp};

const MBIT: u64 = 1_000_000;

/// Two namespaces on a bridge, `eth0` in each.
struct Pair {
    _host: Host,
    a: Namespace,
    b: Namespace,
}

impl Pair {
    fn new() -> Self {
        let host = Host::enter();
        let (a, b) = (host.namespace("a"), host.namespace("b"));
        sh("ip link add br0 type bridge mcast_snooping 0 && ip link set br0 up").ok();
        for (namespace, number) in [(&a, 1), (&b, 2)] {
            let name = &namespace.name;
            sh(&format!(
                "ip link add h{name} type veth peer name eth0 netns {name} && ip link set h{name} master br0 up"
            ))
            .ok();
            namespace
                .sh(&format!(
                    "ip link set eth0 up && ip address add 10.9.0.{number}/24 dev eth0 && \
                     ip address add fd09::{number}/64 dev eth0 nodad && ip address add fe80::{number}/64 dev eth0 nodad"
                ))
                .ok();
        }
        Self { _host: host, a, b }
    }

    /// The places at both ends: addresses that begin with `prefix`.
    fn places(&self, prefix: &str) -> (Place, Place) {
        let place = |namespace: &Namespace, number: u8| {
            let address: IpAddr = format!("{prefix}{number}").parse().unwrap();
            Place::open(&namespace.path, address).unwrap().on("eth0")
        };
        (place(&self.a, 1), place(&self.b, 2))
    }

    fn ipv4(&self) -> (Place, Place) {
        self.places("10.9.0.")
    }

    /// Puts a queue where what goes to `b` leaves the host, in place of the one before. A change of it would keep what it does
    /// not name, such as corruption (`netem_change` in `net/sched/sch_netem.c`).
    fn shape(&self, queue: &str) {
        sh("tc qdisc del dev hb root 2>/dev/null || true").ok();
        sh(&format!("tc qdisc add dev hb root {queue}")).ok();
    }
}

/// A limit with a bucket of 40 ms and a queue of 240. A busy machine serves a queue late by up to 20 ms, and one whose bucket is smaller
/// loses the tokens of that time: with 2.8 ms 10 Mbit/s were 9.77, nothing was lost, and the meter was right. It also leaves a sender
/// waiting, which a queue outlasts that is long enough.
fn limited(mbit: u32) -> String {
    format!("tbf rate {mbit}mbit burst {} limit {}", 5000 * mbit, 30_000 * mbit)
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn assert_near(what: &str, got: f64, wanted: f64, tolerance: f64) {
    println!("{what}: {got:.4}, wanted {wanted} within {tolerance}");
    assert_by_chance!((got - wanted).abs() <= tolerance, "{what}: {got}, wanted {wanted} within {tolerance}");
}

/// Measures a limit on the machine's own clock, and keeps it to 2 %.
fn assert_keeps(what: &str, limit: f64, measure: impl Fn() -> f64) {
    RATE.assert_within(what, limit * 0.98, limit * 1.02, measure);
}

/// The rate past the burst and TCP's start.
fn settled_mbit(measured: &Throughput) -> f64 {
    measured.layer2_bit_s_after(Duration::from_millis(500)) / 1e6
}

#[test]
fn a_limit_is_measured_by_tcp_and_udp() {
    let pair = Pair::new();
    let cases = [(10u32, "10.9.0.", 1), (10, "fe80::", 4), (100, "10.9.0.", 8), (100, "fd09::", 1)];
    for (mbit, prefix, flows) in cases {
        pair.shape(&limited(mbit));
        let wanted = f64::from(mbit);
        let (a, b) = pair.places(prefix);
        assert_keeps(&format!("TCP x {flows} to {b}, Mbit/s"), wanted, || {
            let measured = tcp(&a, &b, Tcp { flows, ..Tcp::default() }).unwrap();
            assert_eq!(measured.packet_payload_bytes, if prefix == "10.9.0." { 1448 } else { 1428 });
            assert_eq!(measured.packet_payload_bytes + measured.packet_header_bytes, 1514);
            settled_mbit(&measured)
        });
        let layer2_bit_s = MBIT * u64::from(mbit) * 3 / 2;
        assert_keeps(&format!("UDP to {b}, Mbit/s"), wanted, || {
            let measured = udp(&a, &b, Udp { layer2_bit_s, payload_bytes: 1200, ..Udp::default() }).unwrap();
            let datagrams = measured.datagrams.as_ref().unwrap();
            assert_by_chance!(datagrams.lost() > datagrams.sent / 10, "{datagrams:?}");
            assert_eq!(datagrams.duplicated, 0);
            assert_by_chance!(datagrams.dropped_by_receiver == 0, "{datagrams:?}");
            settled_mbit(&measured)
        });
    }
}

/// TCP's own view of the same seconds shows its retransmissions; the interface's shows the queue.
#[test]
fn frames_are_counted_where_they_arrive() {
    let pair = Pair::new();
    pair.shape(&limited(20));
    for prefix in ["10.9.0.", "fd09::"] {
        let (a, b) = pair.places(prefix);
        assert_keeps("poorest second of TCP, Mbit/s", 20.0, || {
            let request = Tcp { duration: seconds(3), ..Tcp::default() };
            let (measured, seen) = frames(&b, || tcp(&a, &b, request)).unwrap();
            assert_eq!(measured.unwrap().packet_header_bytes, if prefix == "fd09::" { 86 } else { 66 });
            let windows = seen.curve.windows(Duration::from_secs(1), seconds(1), Duration::from_millis(50));
            assert_by_chance!(windows.len() > 15, "{} windows", windows.len());
            assert_by_chance!(windows.iter().all(|rate| *rate <= 20.4e6), "{windows:?}");
            windows.into_iter().fold(f64::INFINITY, f64::min) / 1e6
        });
        let request = Udp { layer2_bit_s: 10 * MBIT, payload_bytes: 1200, duration: seconds(1), ..Udp::default() };
        RATE.repeated(|| {
            let (measured, seen) = frames(&b, || udp(&a, &b, request)).unwrap();
            assert_by_chance!(seen.dropped == 0, "{} frames dropped", seen.dropped);
            let datagrams = measured.unwrap().datagrams.unwrap();
            assert_by_chance!(datagrams.dropped_by_receiver == 0, "{datagrams:?}");
            assert_eq!(seen.curve.arrivals() as u64, datagrams.received, "the greeting does not count");
        });
    }
}

/// A busy machine wakes the sender up late, and what it leaves out for that was not sent: it sends no more than asked, and what is
/// sent arrives. On the lab's clock it is never late.
#[test]
fn datagrams_below_a_limit_arrive_at_the_rate_at_which_they_are_sent() {
    let pair = Pair::new();
    let (a, b) = pair.ipv4();
    for per_packet in [1, 10] {
        RATE.repeated(|| {
            let measured = udp(&a, &b, at_50_mbit(per_packet)).unwrap();
            let (arrived, sent) = (measured.layer2_bit_s() / 1e6, measured.offered_layer2_bit_s().unwrap() / 1e6);
            let datagrams = measured.datagrams.unwrap();
            assert_eq!(datagrams.duplicated, 0, "{datagrams:?}");
            assert_eq!(measured.payload_bytes, datagrams.received * 1000);
            assert_eq!(measured.slices.len(), 20);
            let [first, second] = measured.layer2_bit_s_by_second()[..] else { panic!("two seconds") };
            assert!(((first + second) / 2e6 - arrived).abs() < 1e-6, "{first}, {second}: {arrived}");
            assert_by_chance!((5.0..50.1).contains(&sent), "{sent} Mbit/s were sent");
            assert_near("arrived of what was sent", arrived / sent, 1.0, 0.005);
            assert_by_chance!(datagrams.lost() == 0, "{datagrams:?}");
        });
    }
}

fn at_50_mbit(per_packet: u8) -> Udp {
    Udp { layer2_bit_s: 50 * MBIT, payload_bytes: 1000, per_packet, ..Udp::default() }
}

#[test]
fn a_plain_path_loses_nothing() {
    let pair = Pair::new();
    for prefix in ["10.9.0.", "fd09::", "fe80::"] {
        let (a, b) = pair.places(prefix);
        let request = Probe { count: 500, interval: Duration::from_millis(1), ..Probe::default() };
        TIME.repeated(|| {
            let probes = probe(&a, &b, request).unwrap();
            let figures = (probes.lost(), probes.duplicated(), probes.reordered(), probes.corrupted(), probes.marked());
            assert_eq!(figures, (0, 0, 0, 0, 0), "{b}");
            assert!(probes.median() > 0.0, "median {} ns", probes.median());
            assert_by_chance!(probes.median() < 1e6, "median {} ns", probes.median());
            let echoes = round_trips(&a, &b, 50, Duration::from_millis(2)).unwrap();
            assert_eq!((echoes.lost(), echoes.duplicated), (0, 0), "{b}");
            assert!(echoes.min() > 0.0, "{echoes:?}");
            assert_by_chance!(echoes.median() < 1e6 && echoes.max() < 1e9, "{echoes:?}");
        });
    }
}

#[test]
fn a_path_to_nowhere_ends_in_time() {
    let pair = Pair::new();
    let (a, b) = pair.ipv4();
    pair.b.sh("ip link set eth0 down").ok();
    let patience = Duration::from_millis(500);
    let error = tcp(&a, &b, Tcp { patience, ..Tcp::default() }).unwrap_err();
    assert!(
        error.to_string().starts_with("no connection from 10.9.0.1 on eth0 in namespace /run/netns/a to"),
        "{error}"
    );
    let measured = udp(&a, &b, Udp { patience, ..Udp::default() }).unwrap();
    assert_eq!((measured.layer2_bit_s(), measured.datagrams.unwrap().received), (0.0, 0));
    let probes = probe(&a, &b, Probe { count: 10, patience, ..Probe::default() }).unwrap();
    assert_eq!((probes.sent, probes.lost()), (10, 10));
    assert_eq!(round_trips(&a, &b, 3, Duration::ZERO).unwrap().lost(), 3);
}

#[test]
fn another_interface_than_the_named_one_is_not_taken() {
    let pair = Pair::new();
    let (a, b) = pair.ipv4();
    let request = Probe { count: 10, patience: Duration::from_millis(300), ..Probe::default() };
    assert_eq!(probe(&a, &b.clone().on("eth0"), request).unwrap().lost(), 0);
    assert_eq!(probe(&a, &b.on("lo"), request).unwrap().lost(), 10);
}

#[test]
fn what_cannot_be_measured_is_an_error_that_says_why() {
    let pair = Pair::new();
    let ((a, b), (_, b6)) = (pair.ipv4(), pair.places("fd09::"));
    let message = |error: Error| error.to_string();
    let families = message(probe(&a, &b6, Probe::default()).unwrap_err());
    assert!(families.ends_with("one is IPv4 and the other IPv6"), "{families}");
    let other = a.clone().on("eth7");
    assert!(message(tcp(&other, &b, Tcp::default()).unwrap_err()).ends_with("there is no such interface"));
    let foreign = Place::open(&pair.a.path, "10.9.0.77".parse().unwrap()).unwrap();
    let foreign = message(udp(&foreign, &b, Udp::default()).unwrap_err());
    assert!(foreign.contains("10.9.0.77 in namespace") && foreign.contains("bind: Cannot assign"), "{foreign}");
    let long = message(udp(&a, &b, Udp { payload_bytes: 1473, ..Udp::default() }).unwrap_err());
    assert!(long.contains("send 1473 bytes to 10.9.0.2") && long.contains("Message too long"), "{long}");
    assert!(matches!(tcp(&a, &b, Tcp { flows: 0, ..Tcp::default() }), Err(Error::Request(_))));
    assert!(matches!(udp(&a, &b, Udp { layer2_bit_s: 0, ..Udp::default() }), Err(Error::Request(_))));
    for per_packet in [0, 45, 65] {
        assert!(matches!(udp(&a, &b, Udp { per_packet, ..Udp::default() }), Err(Error::Request(_))), "{per_packet}");
    }
    assert!(matches!(probe(&a, &b, Probe { payload_bytes: 15, ..Probe::default() }), Err(Error::Request(_))));
    let (a6, b6) = pair.places("fd09::");
    assert!(matches!(probe(&a6, &b6, Probe { with_checksum: false, ..Probe::default() }), Err(Error::Request(_))));
}

#[test]
fn impairments_are_measured_as_they_were_made() {
    with_features(&[Feature::Netem], || {
        let pair = Pair::new();
        let (a, b) = pair.ipv4();
        let count = soak::size(1000, 2000);
        let often = Probe { count, interval: Duration::from_millis(2), ..Probe::default() };

        // A fifth of them, within three standard deviations.
        let is_a_fifth =
            |hits: u64| (hits as f64 - 0.2 * f64::from(count)).abs() < 3.0 * (0.16 * f64::from(count)).sqrt();

        for per_packet in [1, 10] {
            IMPAIRMENT.repeated(|| {
                let measured = udp(&a, &b, at_50_mbit(per_packet)).unwrap();
                let by_second = measured.layer2_bit_s_by_second();
                assert_near("sent in Mbit/s", measured.offered_layer2_bit_s().unwrap() / 1e6, 50.0, 0.05);
                by_second.iter().for_each(|rate| assert_near("in a second", rate / 1e6, 50.0, 0.1));
            });
        }

        IMPAIRMENT.repeated(|| {
            sh("tc qdisc del dev hb root 2>/dev/null || true").ok();
            let base = probe(&a, &b, often).unwrap().median();
            pair.shape("netem delay 10ms loss 10% limit 10000");
            let probes = probe(&a, &b, often).unwrap();
            assert_eq!((probes.duplicated(), probes.reordered(), probes.corrupted()), (0, 0, 0));
            assert_near("delay in ms", (probes.median() - base) / 1e6, 10.0, 0.05);
            // Three standard deviations.
            assert_near("loss", probes.loss(), 0.1, 3.0 * (0.1 * 0.9 / f64::from(count)).sqrt());
            let echoes = round_trips(&a, &b, 100, Duration::from_millis(5)).unwrap();
            assert_near("round trip in ms", echoes.median() / 1e6, 10.0, 0.2);
            assert_by_chance!((1..30).contains(&echoes.lost()), "{} lost", echoes.lost());
        });

        pair.shape("netem duplicate 20%");
        IMPAIRMENT.repeated(|| {
            let duplicated = probe(&a, &b, often).unwrap().duplicated();
            assert_by_chance!(is_a_fifth(duplicated), "{duplicated} duplicates");
        });

        pair.shape("netem corrupt 10%");
        IMPAIRMENT.repeated(|| {
            let corrupted = probe(&a, &b, Probe { with_checksum: false, ..often }).unwrap().corrupted();
            assert_by_chance!(corrupted > u64::from(count / 25), "{corrupted} corrupted");
        });
        assert_eq!(probe(&a, &b, often).unwrap().corrupted(), 0, "the kernel drops what its checksum betrays");

        pair.shape("netem delay 20ms reorder 25% gap 5");
        IMPAIRMENT.repeated(|| {
            let reordered = probe(&a, &b, often).unwrap().reordered();
            assert_by_chance!(reordered > u64::from(count / 20), "{reordered} reordered");
        });

        pair.shape("netem loss 20% ecn");
        IMPAIRMENT.repeated(|| {
            let probes = probe(&a, &b, Probe { ecn: true, ..often }).unwrap();
            assert_eq!(probes.lost(), 0);
            assert_by_chance!(is_a_fifth(probes.marked()), "{} marked", probes.marked());
            assert_eq!(probe(&a, &b, often).unwrap().marked(), 0);
        });

        pair.shape("netem loss gemodel 2% 20%");
        IMPAIRMENT.repeated(|| {
            let probes = probe(&a, &b, Probe { count: 10_000, ..often }).unwrap();
            assert_near("loss in bursts", probes.loss(), 1.0 / 11.0, 3.0 * 0.0082);
            let (single, bursts) = (probes.loss_interval(), probes.loss_interval_in_bursts());
            let wider = (bursts.high - bursts.low) / (single.high - single.low);
            // The larger of two estimates, of which that by blocks varies by a tenth.
            assert_by_chance!((2.35..4.0).contains(&wider), "{wider} times as wide, 2.85 is true");
            assert_near("correlation of losses", probes.loss_correlation(), 0.78, 0.08);
        });

        pair.shape("netem delay 600ms limit 100000");
        let request = Udp { layer2_bit_s: 24 * MBIT, payload_bytes: 1200, patience: seconds(3), ..Udp::default() };
        IMPAIRMENT.repeated(|| {
            let measured = udp(&a, &b, request).unwrap();
            assert_eq!(measured.datagrams.unwrap().lost(), 0, "{measured:?}");
            assert_near("UDP in Mbit/s", measured.layer2_bit_s() / 1e6, 24.0, 0.1);
        });

        pair.shape("tbf rate 1gbit burst 200000 limit 12500000");
        let request = Udp { layer2_bit_s: 1500 * MBIT, per_packet: 44, ..Udp::default() };
        RATE.repeated(|| {
            assert_near("UDP in Mbit/s", settled_mbit(&udp(&a, &b, request).unwrap()), 1000.0, 5.0);
            assert_near("TCP in Mbit/s", settled_mbit(&tcp(&a, &b, Tcp::default()).unwrap()), 1000.0, 5.0);
        });

        pair.shape("netem delay 6s limit 10000");
        assert_eq!(round_trips(&a, &b, 3, Duration::ZERO).unwrap().lost(), 3);
        IMPAIRMENT.repeated(|| {
            let echoes = round_trips_within(&a, &b, 3, Duration::from_millis(1), seconds(10)).unwrap();
            assert_eq!(echoes.lost(), 0);
            assert_near("round trip in ms", echoes.median() / 1e6, 6000.0, 0.2);
        });
    });
}
