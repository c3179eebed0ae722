//! Where `netem-shaper` takes its keys from: presets, the runtime, arguments, the configuration; and which NICs they are for.

use std::net::IpAddr;
use std::time::Duration;

use harness::chance::{IMPAIRMENT, RATE};
use harness::{Namespace, Reply, assert_by_chance, sh, soak, tc};
use integration::{Direction, Pair, call, number, settled_bit_s, with};
use lab::{Feature, with_features};
use meter::{Place, Probe, Throughput, Udp};
use serde_json::{Value, json};

const PRESETS: &str = include_str!("../../crates/shaping-keys/presets.json");
const OWN_PRESETS: &str = "/etc/plugboard/presets.json";

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn stream(mbit: f64) -> Udp {
    let layer2_bit_s = (mbit * 1.5e6).round() as u64;
    Udp {
        layer2_bit_s,
        payload_bytes: 1200,
        duration: Duration::from_millis(soak::size(2500, 4000)),
        patience: seconds(3),
        ..Udp::default()
    }
}

/// Past the path's delay and the burst, in Mbit/s.
fn settled(measured: &Throughput) -> f64 {
    measured.layer2_bit_s_after(Duration::from_millis(soak::size(1500, 2000))) / 1e6
}

/// The same on a machine's own clock, in Mbit/s: of a line without a delay.
fn usual(measured: &Throughput) -> f64 {
    let [median, _] = settled_bit_s(measured);
    median / 1e6
}

#[track_caller]
fn assert_near(what: &str, got: f64, wanted: f64, tolerance: f64) {
    println!("{what}: {got:.4}, wanted {wanted:.4} within {tolerance:.4}");
    assert_by_chance!((got - wanted).abs() <= tolerance, "{what}: {got}, wanted {wanted} within {tolerance}");
}

#[test]
fn each_preset_is_the_line_that_its_text_says() {
    with_features(&[Feature::Netem, Feature::Tbf], || {
        let pair = Pair::new();
        let presets: Value = serde_json::from_str(PRESETS).unwrap_or_default();
        let presets = presets.as_object().unwrap_or_else(|| panic!("presets are an object"));
        assert!(presets.len() >= 8);
        // They are one table, read in one place: a long run measures each line of it.
        for (name, preset) in presets.iter().step_by(soak::size(2, 1)) {
            pair.shaped(&json!({"preset": name}), || {
                for direction in Direction::BOTH {
                    is_kept(&pair, direction, name, &preset[direction.key()]);
                }
            });
        }
    });
}

fn is_kept(pair: &Pair, direction: Direction, name: &str, line: &Value) {
    let what = format!("{name}, {direction:?}");
    let text = |key: &str| line[key].as_str().unwrap_or_default();
    let delay = shaping::Delay::parse(text("delay")).unwrap_or_default().nanoseconds() as f64 / 1e6;
    let rate = shaping::Rate::parse(text("rate")).map_or(0.0, |rate| rate.bits_per_second() as f64 / 1e6);
    let request = Probe { count: 200, interval: Duration::from_millis(20), ..Probe::default() };
    IMPAIRMENT.repeated(|| {
        let probes = pair.probe(direction, request);
        // With a jitter of 2 ms the mean of 200 is off by 0.08 ms as one standard deviation.
        let tolerance = if text("jitter").is_empty() { 0.1 } else { 0.5 };
        assert_near(&format!("{what}: delay in ms"), probes.mean() / 1e6, delay + 0.05, tolerance);
        let lost = probes.lost();
        // Of 200, of which 2 in 1000 are lost at most, 10 are lost in none of 10^11 runs.
        assert_by_chance!(lost == 0 || (!text("loss").is_empty() && lost < 10), "{what}: {lost} lost");
    });
    IMPAIRMENT.repeated(|| {
        // At 200 kbit/s a datagram takes 50 ms.
        let tolerance = if rate < 2.0 { 0.04 } else { 0.01 };
        assert_near(&format!("{what}: Mbit/s"), settled(&pair.udp(direction, stream(rate))), rate, tolerance * rate);
    });
}

/// The rates of the host's queues in bit/s, as `tc` shows them: of downloads, and of uploads, which are on an ifb.
fn rates() -> (Option<u64>, Option<u64>) {
    let queues = tc("qdisc show");
    let rate_where = |is_upload: bool| {
        let mut all = queues.as_array().into_iter().flatten().filter(|queue| queue["kind"] == "tbf");
        let is_on_ifb = |device: &Value| {
            let link = harness::ip(&format!("link show dev {}", device.as_str().unwrap_or_default()));
            link[0]["linkinfo"]["info_kind"] == "ifb"
        };
        all.find(|queue| is_on_ifb(&queue["dev"]) == is_upload).and_then(|queue| queue["options"]["rate"].as_u64())
    };
    (rate_where(false).map(|rate| rate * 8), rate_where(true).map(|rate| rate * 8))
}

const MBIT: u64 = 1_000_000;

#[test]
fn the_nearest_source_counts_for_each_key() {
    let pair = Pair::new();
    let own = json!({"download": {"rate": "9Mbit"}, "ingressRate": 7 * MBIT, "egressRate": 6 * MBIT});
    let near = |keys: Value| with(&own, &keys);
    let args = |bw: &str| json!({"cni": {"shaping": {"bw": bw}}});
    let runtime = json!({"shaping": {"download": {"rate": "1Mbit"}}, "bandwidth": {"ingressRate": 2 * MBIT, "egressRate": 5 * MBIT}});
    let cases = [
        (own.clone(), "", 9, 6),
        (near(json!({"download": null, "bw": "8Mbps"})), "", 8, 6),
        (near(json!({"download": null})), "", 7, 6),
        (near(json!({"upload": {"rate": "11Mbit"}})), "", 9, 11),
        (own.clone(), "IgnoreUnknown=1;BW=4Mbps", 4, 6),
        (near(json!({"args": args("3Mbps")})), "IgnoreUnknown=1;BW=4Mbps", 3, 6),
        (near(json!({"args": args("3Mbps"), "runtimeConfig": {"bandwidth": {"ingressRate": 2 * MBIT}}})), "", 2, 6),
        (near(json!({"args": args("3Mbps"), "runtimeConfig": runtime})), "IgnoreUnknown=1;BW=4Mbps", 1, 5),
    ];
    for (keys, arguments, download, upload) in cases {
        let config = pair.config(&keys);
        let run = |command: &str| call(command, &pair.vn1, "eth1", &config).args(arguments).run();
        run("ADD").ok();
        assert_eq!(rates(), (Some(download * MBIT), Some(upload * MBIT)), "{keys} {arguments}");
        run("CHECK").ok();
        run("DEL").ok();
        assert_eq!(rates(), (None, None));
    }
}

#[test]
fn a_preset_of_the_host_comes_before_ours_and_keys_before_both() {
    let pair = Pair::new();
    // The test's own /etc, for no other host is to have presets.
    sh("cp -a /etc /run/etc && mount --bind /run/etc /etc && mkdir -p /etc/plugboard").ok();
    let write = |text: &str| std::fs::write(OWN_PRESETS, text).unwrap_or_else(|error| panic!("{OWN_PRESETS}: {error}"));
    let add = |keys: &Value| -> Reply { pair.call("ADD", keys) };
    let shaped = |keys: &Value| {
        add(keys).ok();
        let rates = rates();
        pair.call("DEL", keys).ok();
        rates
    };
    let office = json!({"preset": "office"});
    let (code, message, _) = add(&office).error();
    assert!(code == 7 && message.contains("\"office\" is not known; there are 3g, cable, dsl"), "{message}");

    write(
        r#"{"office": {"download": {"rate": "50Mbit"}, "upload": {"rate": "20Mbit"}}, "lte": {"download": {"rate": "60Mbit"}}}"#,
    );
    assert_eq!(shaped(&office), (Some(50 * MBIT), Some(20 * MBIT)));
    assert_eq!(shaped(&json!({"preset": "lte"})), (Some(60 * MBIT), None), "the host's own, whole");
    assert_eq!(shaped(&with(&office, &json!({"bw": "5Mbps"}))), (Some(5 * MBIT), Some(20 * MBIT)));
    assert_eq!(shaped(&with(&office, &json!({"upload": {"burst": "90kB"}}))), (Some(50 * MBIT), Some(20 * MBIT)));
    let (_, message, _) = add(&json!({"preset": "modem"})).error();
    assert!(message.contains("3g, cable, dsl, edge, fibre, lte, office, satellite, wifi"), "{message}");

    for (text, part) in [
        ("{", "EOF"),
        (r#"{"office": {"download": {"rate": "fast"}}}"#, "'fast' is not a rate"),
        (r#"{"office": {"downlaod": {}}}"#, "downlaod"),
        ("[]", "map"),
    ] {
        write(text);
        let (code, message, _) = add(&office).error();
        assert_eq!(code, 7, "{message}");
        assert!(message.starts_with(OWN_PRESETS) && message.contains(part), "{text}: {message}");
        assert_eq!(rates(), (None, None));
        // Whoever asks for no preset is not concerned.
        assert_eq!(shaped(&json!({"bw": "5Mbps"})), (Some(5 * MBIT), None));
    }
}

#[test]
fn the_keys_of_the_reference_limit_what_the_pod_receives_and_sends() {
    let pair = Pair::new();
    let filled_in = i64::from(i32::MAX);
    let limits = json!({
        "ingressRate": 20 * MBIT, "ingressBurst": filled_in, "egressRate": 10 * MBIT, "egressBurst": 400_000
    });
    for keys in [limits.clone(), json!({"runtimeConfig": {"bandwidth": limits}})] {
        RATE.repeated(|| {
            let measure = || (pair.udp(Direction::Download, stream(20.0)), pair.udp(Direction::Upload, stream(10.0)));
            let (down, up) = pair.shaped(&keys, measure);
            assert_near("ingress in Mbit/s", usual(&down), 20.0, 0.4);
            assert_near("egress in Mbit/s", usual(&up), 10.0, 0.2);
            // A burst that a runtime fills in where nobody asked for one does not let 268 MB pass.
            let first = down.layer2_bit_s_by_second()[0] / 1e6;
            assert_by_chance!(first < 21.5, "{first} Mbit/s in the first second");
        });
    }
}

#[test]
fn each_of_several_interfaces_is_limited_by_itself() {
    let pair = Pair::new();
    let bridge = json!({"cniVersion": "1.1.0", "name": "home-net", "type": "bridge", "bridge": "home-br"});
    call("ADD", &pair.vn1, "eth2", &bridge).run().ok();
    number(&pair.vn1, "eth2", "10.10.0.1/24");
    // Both are on one bridge: each is to answer for its own address only.
    pair.vn1.sh("sysctl -qw net.ipv4.conf.all.arp_ignore=1").ok();
    pair.vn2.sh("ip address add 10.10.0.2/24 dev eth1").ok();
    let place = |node: &Namespace, interface: &str, address: [u8; 4]| {
        let opened = Place::open(&node.path, IpAddr::from(address));
        opened.unwrap_or_else(|error| panic!("{}: {error}", node.name)).on(interface)
    };
    let keys = json!({"download": {"rate": "20Mbit"}, "upload": {"rate": "10Mbit"}, "interfaces": ["eth1", "eth2"]});
    pair.shaped(&keys, || {
        for (interface, net) in [("eth1", 9), ("eth2", 10)] {
            let inside = || place(&pair.vn1, interface, [10, net, 0, 1]);
            let outside = || place(&pair.vn2, "eth1", [10, net, 0, 2]);
            let rate = |from: &Place, to: &Place, mbit| {
                let request = Udp { duration: Duration::from_millis(1500), ..stream(mbit) };
                usual(&meter::udp(from, to, request).unwrap_or_else(|error| panic!("{error}")))
            };
            RATE.assert_within(&format!("download of {interface}"), 19.6, 20.4, || rate(&outside(), &inside(), 20.0));
            RATE.assert_within(&format!("upload of {interface}"), 9.8, 10.2, || rate(&inside(), &outside(), 10.0));
        }
    });
    assert_eq!(rates(), (None, None), "both are as before");
}
