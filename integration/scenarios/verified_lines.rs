//! `plugboard verify` of lines at the ends of what can be asked, and of networks that are not made for guests.

use harness::chance::VERIFIED;
use harness::{assert_by_chance, bin, bin_dir, sh, soak};
use integration::report::{assert_kept, assert_none_missed, figure, got, network, reasons, verified};
use integration::{World, number};
use lab::{Feature, with_features};
use serde_json::{Value, json};

/// `containernetworking-plugins` of Debian.
const REFERENCE: &str = "/usr/lib/cni";

/// An echo is waited for as long as what was asked says.
#[test]
#[ignore = "soaks: it waits for most of a minute and a half"]
fn a_delay_of_seconds_is_waited_for() {
    with_features(&[Feature::Netem], || {
        let world = World::new();
        let seconds = soak::size(2, 6);
        let shape =
            json!({"download": {"rate": "10Mbit", "delay": format!("{seconds}s")}, "upload": {"rate": "10Mbit"}});
        network("moon", &json!({}), &shape);
        world.node("vn1");
        world.attach("vn1", "walt-net,moon").ok();
        VERIFIED.repeated(|| {
            let report = verified(&world, "vn1 eth1 --seconds 2");
            for (direction, what) in [("roundTrip", "round trip"), ("download", "delay"), ("download", "rate, UDP")] {
                assert_kept(&report, direction, what);
            }
            let delay = got(&report, "roundTrip", "round trip");
            let more = delay - f64::from(seconds) * 1e9;
            assert_by_chance!((0.0..300_000.0).contains(&more), "{delay} ns");
        });
    });
}

/// Echoes that are closer together than the rate allows would wait for each other, and what TCP leaves in a queue is in the way
/// of the next connection for a minute.
#[test]
fn slow_lines_are_measured_by_packets_that_they_can_carry() {
    with_features(&[Feature::Netem], || {
        let world = World::new();
        network("slow", &json!({}), &json!({"download": {"rate": "8kbit"}, "upload": {"rate": "64kbit"}}));
        world.node("vn1");
        world.attach("vn1", "walt-net,slow").ok();
        VERIFIED.repeated(|| {
            let report = verified(&world, "vn1 eth1");
            assert_none_missed(&report);
            assert_by_chance!(got(&report, "roundTrip", "round trip") < 1e6, "{report:#}");
            for (direction, asked) in [("download", 8e3), ("upload", 64e3)] {
                let rate = got(&report, direction, "rate, TCP");
                assert_by_chance!((rate / asked - 1.0).abs() < 0.3, "{rate} of {asked} bit/s");
            }
        });
    });
}

/// A limit is one for all that passes the interface: what others have of it is no fault of it.
#[test]
#[ignore = "soaks: it measures for a minute and a half"]
fn what_others_send_meanwhile_is_counted() {
    with_features(&[Feature::Netem], || {
        let world = World::new();
        let node = world.node("vn1");
        let other = world.node("vn2");
        let shape = json!({"download": {"rate": "10Mbit"}, "upload": {"rate": "10Mbit"}});
        network("shared", &json!({}), &shape);
        world.attach("vn1", "walt-net,shared").ok();
        world.attach("vn2", "walt-net,shared").ok();
        number(&node, "eth1", "10.7.0.1/24");
        number(&other, "eth1", "10.7.0.2/24");
        let ping = other.sh("ping -q -i 0.005 -s 1200 10.7.0.1 > /dev/null 2>&1 & echo $!").ok();
        VERIFIED.repeated(|| {
            let report = verified(&world, "vn1 eth1 --seconds 1");
            for what in ["rate, UDP", "rate, TCP"] {
                let rate = figure(&report, "download", what);
                assert_by_chance!(
                    rate["got"].as_f64().is_some_and(|got| got < 9.8e6),
                    "the others have some: {rate:#}"
                );
                assert_kept(&report, "download", what);
                assert!(reasons(rate).contains("other traffic"), "{rate:#}");
            }
        });
        sh(&format!("kill {ping}")).ok();

        // A queue that lets less pass than it says is not excused by anybody.
        sh("for d in $(tc qdisc show | awk '$2==\"tbf\"{print $5}'); do \
            tc qdisc change dev $d root handle 7063: tbf rate 8mbit burst 10kb limit 100kb; done")
        .ok();
        let report = verified(&world, "vn1 eth1 --seconds 1");
        assert_eq!(figure(&report, "download", "rate, UDP")["verdict"], "missed", "{report:#}");
    });
}

/// Where all is lost one way, no neighbour is found either way: that is what was asked, not a fault of other figures.
#[test]
#[ignore = "soaks: it measures for most of a minute"]
fn a_line_that_loses_everything_keeps_what_was_asked() {
    with_features(&[Feature::Netem], || {
        let world = World::new();
        network(
            "gone",
            &json!({}),
            &json!({"download": {"rate": "10Mbit", "loss": "100%"}, "upload": {"rate": "10Mbit"}}),
        );
        world.node("vn1");
        world.attach("vn1", "walt-net,gone").ok();
        VERIFIED.repeated(|| {
            let report = verified(&world, "vn1 eth1 --seconds 1");
            let loss = figure(&report, "download", "loss");
            assert_eq!((&loss["verdict"], &loss["got"]), (&"kept".into(), &1.0.into()), "{loss:#}");
            let round_trip = figure(&report, "roundTrip", "round trip");
            assert!(round_trip["got"].is_null() && reasons(round_trip).contains("no neighbour is found"), "{report:#}");
            assert_none_missed(&report);
        });

        // Somebody takes the loss away: that is missed.
        sh("for d in $(tc qdisc show | awk '$2==\"netem\"{print $5}'); do tc qdisc del dev $d root; done").ok();
        let report = verified(&world, "vn1 eth1 --seconds 1");
        assert_eq!(figure(&report, "download", "loss")["verdict"], "missed", "{report:#}");
    });
}

#[test]
#[ignore = "soaks: it measures for a minute"]
fn several_connections_share_the_rate() {
    with_features(&[Feature::Netem], || {
        let world = World::new();
        world.node("vn1");
        world.attach("vn1", "walt-net,home-net[bw=20Mbps,lat=5ms]").ok();
        VERIFIED.repeated(|| {
            let report = verified(&world, &format!("vn1 eth1 --flows 8 --seconds {}", soak::size(2, 3)));
            assert_none_missed(&report);
            let rate = got(&report, "download", "rate, 8 x TCP");
            assert_by_chance!((19.8e6..20.2e6).contains(&rate), "{rate}");
            assert_by_chance!(got(&report, "upload", "rate, 8 x TCP") > 100e6, "{report:#}");
        });
    });
}

/// Ports that do not reach each other, and interfaces that are left down: the containers that measure are neither.
#[test]
fn networks_that_keep_containers_apart_are_measured() {
    let world = World::new();
    let node = world.node("vn1");
    world.plugboard("attach --primary tenants vn1 tenants,machines").ok();
    node.sh("ip link set eth1 up").ok();
    for name in ["eth0", "eth1"] {
        VERIFIED.repeated(|| {
            let report = verified(&world, &format!("vn1 {name} --seconds 1"));
            assert_by_chance!(got(&report, "download", "rate, TCP") > 100e6, "{report:#}");
        });
    }
    let ports: Value = harness::ip("link show type bridge_slave");
    let port = |port: &Value| port["linkinfo"]["info_slave_data"]["isolated"] == true;
    assert_eq!(ports.as_array().into_iter().flatten().filter(|found| port(found)).count(), 1, "{ports:#}");
}

/// The limits of the reference's `bandwidth` are read as its own, each direction for itself.
#[test]
fn limits_of_the_reference_are_compared_too() {
    let world = World::new();
    let list = json!({"cniVersion": "1.0.0", "name": "pods", "plugins": [
        {"type": "bridge", "bridge": "pods-br"},
        {"type": "bandwidth", "ingressRate": 30_000_000, "ingressBurst": 3_000_000,
            "egressRate": 20_000_000, "egressBurst": 2_000_000}]});
    std::fs::write("/etc/cni/net.d/60-pods.conflist", list.to_string()).expect("a file");
    world.node("vn1");
    let plugboard = |args: &str| {
        let output = sh(&format!("CNI_PATH={}:{REFERENCE} {} {args}", bin_dir().display(), bin("plugboard").display()));
        println!("{}", output.stderr);
        output.ok()
    };
    plugboard("attach --primary pods vn1 pods");
    VERIFIED.repeated(|| {
        let report: Value = serde_json::from_str(&plugboard("verify --json vn1 eth0 --seconds 3")).expect("JSON");
        for (direction, asked) in [("download", 30e6), ("upload", 20e6)] {
            for what in ["rate, UDP", "rate, TCP"] {
                let rate = figure(&report, direction, what);
                assert_eq!(rate["asked"], asked, "{rate:#}");
                let got = got(&report, direction, what);
                // A busy machine carries less, never more.
                assert_by_chance!((0.5..1.03).contains(&(got / asked)), "{rate:#}");
            }
        }
    });
    plugboard("detach vn1");
}
