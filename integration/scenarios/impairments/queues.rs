//! `slot`, `limit`, `rate`, `burst`: what is held, for how long, and how much of it.

use std::time::Duration;

use harness::assert_by_chance;
use harness::chance::IMPAIRMENT;
use integration::{Direction, Pair, with};
use lab::{Feature, with_features};
use meter::{Probe, Probes, Tcp, Udp};
use serde_json::{Value, json};

use super::{BASE_NS, MS, assert_near, ms};

#[test]
fn queues_hold_and_let_pass_what_is_asked() {
    with_features(&[Feature::Netem, Feature::Tbf], || {
        let pair = Pair::new();
        for direction in Direction::BOTH {
            slots(&pair, direction);
            limits(&pair, direction);
            bursts(&pair, direction);
        }
        rates(&pair);
    });
}

/// Arrivals with less than 5 ms between them: how many, and when the first came.
fn groups(probes: &Probes) -> Vec<(usize, f64)> {
    let mut groups: Vec<(usize, f64)> = Vec::new();
    let mut last = f64::NEG_INFINITY;
    let start = probes.sent_ns[0];
    for arrival in &probes.arrivals {
        let time = (arrival.received_ns - start) as f64 / MS;
        match groups.last_mut() {
            Some((count, _)) if time - last < 5.0 => *count += 1,
            _ => groups.push((1, time)),
        }
        last = time;
    }
    groups
}

/// Packets sent 1 ms apart arrive together, once in a slot.
fn slots(pair: &Pair, direction: Direction) {
    // 958 bytes are 1000 with their headers.
    let request = Probe { count: 300, interval: ms(1), payload_bytes: 958, patience: ms(3000), ..Probe::default() };
    let measured = |slot: Value| {
        let keys = json!({direction.key(): {"slot": slot}});
        let probes = pair.shaped(&keys, || pair.probe(direction, request));
        assert_eq!((probes.lost(), probes.reordered()), (0, 0), "{keys}");
        let groups = groups(&probes);
        let between: Vec<f64> = groups.windows(2).map(|pair| pair[1].1 - pair[0].1).collect();
        let sizes: Vec<usize> = groups.iter().map(|(count, _)| *count).collect();
        println!("{keys}: slots of {sizes:?}, {between:.1?} ms apart");
        // The first and the last may be cut.
        (sizes[1..sizes.len() - 1].to_vec(), between[1..between.len() - 1].to_vec())
    };
    IMPAIRMENT.repeated(|| {
        let (sizes, between) = measured(json!({"minDelay": "20ms"}));
        assert_by_chance!(between.iter().all(|time| (19.9..21.2).contains(time)), "{between:?}");
        assert_by_chance!(sizes.iter().all(|size| (19..=22).contains(size)), "{sizes:?}");
    });
    IMPAIRMENT.repeated(|| {
        let (_, between) = measured(json!({"minDelay": "10ms", "maxDelay": "30ms"}));
        assert_by_chance!(between.iter().all(|time| (9.9..31.2).contains(time)), "{between:?}");
        let spread = between.iter().fold(0.0_f64, |most, time| most.max((time - between[0]).abs()));
        assert_by_chance!(spread > 3.0, "slots are of different lengths: {between:?}");
    });
    for (slot, most) in [(json!({"maxPackets": 5}), 5), (json!({"maxBytes": "3000B"}), 3)] {
        IMPAIRMENT.repeated(|| {
            let (sizes, _) = measured(with(&slot, &json!({"minDelay": "20ms"})));
            assert_full(&sizes, most);
        });
    }
    // The kernel counts up to 2^31 - 1, which it takes for no limit.
    for most in [i32::MAX.unsigned_abs(), u32::MAX] {
        pair.shaped(&json!({direction.key(): {"slot": {"minDelay": "20ms", "maxPackets": most}}}), || {
            assert_eq!(pair.probe(direction, Probe { count: 40, ..request }).lost(), 0);
        });
    }
}

/// No slot has more than `most`, and nearly all have that many.
#[track_caller]
fn assert_full(sizes: &[usize], most: usize) {
    let full = sizes.iter().filter(|size| **size == most).count();
    assert_by_chance!(sizes.iter().all(|size| *size <= most) && full * 10 >= sizes.len() * 9, "{sizes:?}");
}

fn limits(pair: &Pair, direction: Direction) {
    let request = Probe { count: 200, interval: ms(1), ..Probe::default() };
    let keys = json!({direction.key(): {"delay": "100ms", "limit": 10}});
    IMPAIRMENT.repeated(|| {
        let losses = pair.shaped(&keys, || pair.probe(direction, request)).losses();
        let is_full = losses[..10].iter().all(|lost| !lost) && losses[10..95].iter().all(|lost| *lost);
        assert_by_chance!(is_full, "{losses:?}");
    });
    let keys = json!({direction.key(): {"delay": "100ms"}});
    let probes = pair.shaped(&keys, || pair.probe(direction, request));
    assert_eq!(probes.lost(), 0, "without a limit of one's own the queue is long enough");
}

/// Frames of 1000 bytes, all sent at once: those that the bucket holds pass, each of the others takes 8 ms.
fn bursts(pair: &Pair, direction: Direction) {
    let request = Probe { count: 50, interval: Duration::ZERO, payload_bytes: 958, ..Probe::default() };
    for burst in [10_u32, 30] {
        let keys = json!({direction.key(): {"rate": "1Mbit", "burst": format!("{burst}kB")}});
        IMPAIRMENT.repeated(|| {
            let probes = pair.shaped(&keys, || {
                // The greeting of the measurement has taken tokens: they come back in silence.
                pair.probe(direction, Probe { count: 1, ..request });
                std::thread::sleep(ms(500));
                pair.probe(direction, request)
            });
            assert_eq!(probes.lost(), 0, "{keys}");
            let delays = probes.delays();
            let at_once = delays.iter().filter(|delay| **delay < 4.0 * MS).count();
            println!("{keys}: {at_once} pass at once");
            let is_burst = (burst as usize - 1..=burst as usize).contains(&at_once);
            assert_by_chance!(is_burst, "{keys}: {at_once} pass at once");
            let last = delays[49] / MS;
            assert_near("the last one's delay in ms", last, 8.0 * f64::from(50 - burst), 8.5);
        });
    }
}

fn rates(pair: &Pair) {
    for direction in Direction::BOTH {
        let keys = json!({direction.key(): {"rate": "10Mbit"}});
        IMPAIRMENT.repeated(|| {
            let (udp, tcp) = pair.shaped(&keys, || {
                let request =
                    Udp { layer2_bit_s: 15_000_000, payload_bytes: 1200, duration: ms(3000), ..Udp::default() };
                let udp = pair.udp(direction, request);
                (udp, pair.tcp(direction, Tcp { duration: ms(3000), ..Tcp::default() }))
            });
            let rate = |measured: &meter::Throughput| measured.layer2_bit_s_after(ms(1000)) / 1e6;
            assert_near(&format!("UDP in Mbit/s, {direction:?}"), rate(&udp), 10.0, 0.1);
            assert_near(&format!("TCP in Mbit/s, {direction:?}"), rate(&tcp), 10.0, 0.1);
        });
    }
    // With a delay, a rate and losses at once, and the other way at another rate.
    let keys = json!({
        "download": {"rate": "20Mbit", "delay": "10ms"},
        "upload": {"rate": "5Mbit", "delay": "5ms", "loss": "5%"}
    });
    pair.shaped(&keys, || {
        let request = Probe { count: 50, interval: ms(5), ..Probe::default() };
        for (direction, delay) in [(Direction::Download, 10.0), (Direction::Upload, 5.0)] {
            IMPAIRMENT.repeated(|| {
                let added = pair.probe(direction, request).median() - delay * MS;
                assert_by_chance!((0.0..BASE_NS).contains(&added), "{direction:?}: {added} ns more than asked");
            });
        }
        let stream = |rate: u64| Udp { layer2_bit_s: rate, payload_bytes: 1200, duration: ms(3000), ..Udp::default() };
        for (direction, offered, rate) in [(Direction::Download, 30_000_000, 20.0), (Direction::Upload, 7_500_000, 5.0)]
        {
            IMPAIRMENT.repeated(|| {
                let got = pair.udp(direction, stream(offered)).layer2_bit_s_after(ms(1000)) / 1e6;
                assert_near(&format!("{direction:?} in Mbit/s"), got, rate, 0.01 * rate);
            });
        }
    });
}
