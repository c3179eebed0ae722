//! A limit is what was asked: in every second, the first included, and a delay to 50 us.
//!
//! The figures are those of the lab's virtual clock, on which no other work of the machine takes time. `make bench-shaping`
//! measures more of them, and on this machine's clock too.

use std::time::Duration;

use harness::Namespace;
use integration::{World, number};
use lab::on_virtual_clock;
use meter::{Curve, Frames, Place, Tcp, Udp, frames, round_trips, tcp, udp};

const MBIT: u64 = 1_000_000;
const SECOND: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(10);

/// How long data are sent.
const DURATION: Duration = Duration::from_secs(3);

/// Of a rate, in any second.
const RATE_TOLERANCE: f64 = 0.01;

/// Of a median delay.
const DELAY_TOLERANCE_MS: f64 = 0.05;

const ADDRESSES: [&str; 2] = ["10.9.0.1", "10.9.0.2"];

/// Two nodes on `home-net`, the first limited as `limit` says: its place and the other's.
fn places(world: &World, limit: &str) -> [Place; 2] {
    let (vn1, vn2) = world.nodes(&format!("walt-net,home-net{limit}"), "walt-net,home-net");
    let nodes = [&vn1, &vn2];
    for (node, address) in nodes.into_iter().zip(ADDRESSES) {
        number(node, "eth1", &format!("{address}/24"));
    }
    // A neighbour that is asked for while the queue is full would answer late.
    resolve(&vn1, &vn2, ADDRESSES[1]);
    resolve(&vn2, &vn1, ADDRESSES[0]);
    [(&vn1, ADDRESSES[0]), (&vn2, ADDRESSES[1])].map(|(node, address)| {
        Place::open(&node.path, address.parse().expect("an address")).expect("a namespace").on("eth1")
    })
}

fn resolve(node: &Namespace, peer: &Namespace, address: &str) {
    let link = peer.ip("link show dev eth1");
    let mac = link[0]["address"].as_str().expect("an address");
    node.sh(&format!("ip neigh replace {address} lladdr {mac} dev eth1 nud permanent")).ok();
}

/// Every second of what arrived while the sender was at work has the rate, wherever it begins.
fn assert_every_second(what: &str, curve: &Curve, mbit: u64) {
    let seconds = curve.windows(Duration::ZERO, SECOND, STEP);
    let begins = (DURATION - SECOND).as_millis() / STEP.as_millis();
    let begins = usize::try_from(begins).expect("few");
    assert!(seconds.len() >= begins, "{what}: {} seconds were seen", seconds.len());
    let asked = (mbit * MBIT) as f64;
    let worst =
        seconds.into_iter().take(begins).map(|rate| rate / asked - 1.0).max_by(|a, b| a.abs().total_cmp(&b.abs()));
    let worst = worst.expect("a second");
    println!("{what}: the worst second of {mbit} Mbit/s is off by {:+.3} %", worst * 100.0);
    assert!(worst.abs() <= RATE_TOLERANCE, "{what}: a second is off by {:+.3} %", worst * 100.0);
}

fn seen<T>((measured, seen): (Result<T, meter::Error>, Frames)) -> Curve {
    measured.expect("the measurement");
    assert_eq!(seen.dropped, 0, "frames that the measurement missed");
    seen.curve
}

fn the_rate_holds_in_every_second(mbit: u64) {
    let world = World::new();
    let [near, far] = places(&world, &format!("[bw={mbit}Mbps]"));
    let request = Tcp { duration: DURATION, ..Tcp::default() };
    let curve = seen(frames(&near, || tcp(&far, &near, request)).expect("frames"));
    assert_every_second("TCP", &curve, mbit);

    // Long enough for the bucket to be full again.
    std::thread::sleep(SECOND);
    let request = Udp { layer2_bit_s: mbit * MBIT * 3 / 2, duration: DURATION + STEP * 5, ..Udp::default() };
    let curve = seen(frames(&near, || udp(&far, &near, request)).expect("frames"));
    assert_every_second("UDP", &curve, mbit);
}

#[test]
fn ten_megabits_are_ten_megabits_in_every_second() {
    on_virtual_clock(|| the_rate_holds_in_every_second(10));
}

#[test]
fn a_hundred_megabits_are_a_hundred_megabits_in_every_second() {
    on_virtual_clock(|| the_rate_holds_in_every_second(100));
}

#[test]
fn a_delay_is_added_to_the_median_round_trip() {
    on_virtual_clock(|| {
        let median_ms = |limit: &str| {
            let world = World::new();
            let [near, far] = places(&world, limit);
            let trips = round_trips(&near, &far, 100, STEP).expect("round trips");
            assert_eq!(trips.lost(), 0);
            trips.median() / 1e6
        };
        let base = median_ms("");
        for (asked, asked_ms) in [("500us", 0.5), ("100ms", 100.0)] {
            let error = median_ms(&format!("[lat={asked}]")) - base - asked_ms;
            println!("lat={asked}: the median is off by {error:+.4} ms (base {base:.4} ms)");
            assert!(error.abs() <= DELAY_TOLERANCE_MS, "lat={asked}: the median is off by {error:+.4} ms");
        }
    });
}
