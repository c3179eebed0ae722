//! In the place of the reference's plugin `bandwidth`: its configurations work as they are, under either name.

use std::os::unix::fs::symlink;
use std::path::Path;

use harness::chance::RATE;
use harness::{Invocation, Namespace, assert_by_chance};
use serde_json::{Value, json};
use tests::{Plugin, Scene, cites, with};

/// `containernetworking-plugins` of Debian.
const REFERENCE: &str = "/usr/lib/cni";

/// The newest version that it speaks.
const VERSION: &str = "1.0.0";

const MBIT: f64 = 1e6;
/// Of what TCP carries, at layer 2.
const FRAME: f64 = 1514.0 / 1448.0;

/// What the rates are measured with.
struct Shaped {
    scene: Scene,
    peer: Namespace,
    address: String,
    made: Value,
}

impl Shaped {
    fn new() -> Self {
        let scene = Scene::new();
        let peer = scene.host.namespace("c2");
        let bridge = Plugin::Bridge.config(VERSION);
        let made = scene.call(Plugin::Bridge, "ADD", bridge.clone()).run().ok();
        let other = scene.call_for(&peer, "eth0", Plugin::Bridge, "ADD", bridge).run().ok();
        let text = other["ips"][0]["address"].as_str().expect("an address");
        let address = text.split('/').next().unwrap_or_default().to_owned();
        Self { scene, peer, address, made }
    }

    /// A call of `bandwidth` in a directory.
    fn call(&self, command: &str, directory: &Path, keys: &Value) -> Invocation {
        let program = directory.join("bandwidth");
        let call = Invocation::new(program.to_str().expect("a path"), command).path(directory);
        let least = json!({"cniVersion": VERSION, "name": "net", "type": "bandwidth", "prevResult": self.made});
        call.container("c1").netns(&self.scene.c1.path).ifname("eth0").config(with(&least, keys.clone()))
    }

    /// What the receiver gets of two flows of TCP in so many seconds, in Mbit/s at layer 2: in the first second, and in the mean.
    fn rates(&self, way: &str, seconds: u32) -> (f64, f64) {
        let report = self.scene.c1.iperf3_from(&self.peer, &self.address, &format!("{way} -P 2 -t {seconds}")).report;
        let seconds = report["intervals"].as_array().cloned().unwrap_or_default();
        let rate = |interval: &Value| interval["sum"]["bits_per_second"].as_f64().unwrap_or(f64::NAN) * FRAME / MBIT;
        let first = seconds.first().map_or(f64::NAN, rate);
        let mean = report["end"]["sum_received"]["bits_per_second"].as_f64().unwrap_or(f64::NAN) * FRAME / MBIT;
        (first, mean)
    }
}

/// Our executable under the reference's name.
fn ours(scene: &Scene) -> std::path::PathBuf {
    let directory = scene.directory("in-its-place");
    let link = directory.join("bandwidth");
    if !link.exists() {
        symlink(harness::bin("netem-shaper"), link).expect("a link to our executable");
    }
    directory
}

/// Keys as people write them, and what they ask in Mbit/s; `None` for no limit.
fn written() -> Vec<(Value, Option<u32>, Option<u32>)> {
    let runtime = |keys: Value| json!({"capabilities": {"bandwidth": true}, "runtimeConfig": {"bandwidth": keys}});
    vec![
        (json!({"ingressRate": 30_000_000, "ingressBurst": 3_000_000}), Some(30), None),
        (json!({"egressRate": 20_000_000, "egressBurst": 3_000_000}), None, Some(20)),
        (
            runtime(json!({"ingressRate": 30_000_000, "ingressBurst": 3_000_000, "egressRate": 20_000_000,
                "egressBurst": 3_000_000})),
            Some(30),
            Some(20),
        ),
        // kubelet and containerd give these bursts where nobody has said anything of one, and containerd its own names.
        (
            runtime(json!({"ingressRate": 30_000_000, "ingressBurst": i32::MAX, "egressRate": 20_000_000,
                "egressBurst": i32::MAX})),
            Some(30),
            Some(20),
        ),
        (
            runtime(json!({"IngressRate": 30_000_000, "IngressBurst": u32::MAX, "EgressRate": 20_000_000,
                "EgressBurst": u32::MAX})),
            Some(30),
            Some(20),
        ),
        (runtime(json!({"ingressRate": 0, "ingressBurst": 0, "egressRate": 0, "egressBurst": 0})), None, None),
    ]
}

#[test]
fn its_configurations_work_as_they_are_and_keep_their_rates() {
    cites!("CAP-1");
    assert!(Path::new(REFERENCE).join("bandwidth").is_file(), "Debian's containernetworking-plugins are not installed");
    let shaped = Shaped::new();
    let ours = ours(&shaped.scene);
    let before = shaped.scene.state();
    for (keys, download, upload) in written() {
        let result = shaped.call("ADD", &ours, &keys).run().ok();
        assert_eq!(result["ips"], shaped.made["ips"]);
        shaped.call("CHECK", &ours, &keys).run().ok();
        for (way, asked) in [("-R", download), ("", upload)] {
            RATE.repeated(|| {
                let (first, mean) = shaped.rates(way, if asked.is_some() { 3 } else { 1 });
                let name = if way.is_empty() { "up" } else { "down" };
                println!(
                    "{keys}: {asked:?} Mbit/s {name} asked, {first:.1} in the first second, {mean:.1} in the mean"
                );
                let Some(asked) = asked else {
                    assert_by_chance!(mean > 100.0, "{keys}: {mean:.1} Mbit/s {name} without a limit");
                    return;
                };
                // The queue of 50 ms may come in one piece, and the burst before.
                let share = mean / f64::from(asked);
                assert_by_chance!((0.9..1.12).contains(&share), "{keys}: {mean:.1} of {asked} Mbit/s {name}");
                // Of an upload, the seconds are those of the sender, whose buffers fill first.
                let is_right = way != "-R" || first < f64::from(asked) * 1.15;
                assert_by_chance!(is_right, "{keys}: {first:.1} in the first second {name}");
            });
        }
        shaped.call("DEL", &ours, &keys).run().ok();
        assert_eq!(before, shaped.scene.state(), "{keys}");
    }
}

/// Side by side on the same NIC: no slower than asked where the reference is not, and without its first second.
#[test]
fn beside_the_reference() {
    let shaped = Shaped::new();
    let ours = ours(&shaped.scene);
    let port = shaped.made["interfaces"][1]["name"].as_str().expect("a host interface").to_owned();
    for burst in [3_000_000, i32::MAX] {
        let keys = json!({"ingressRate": 30_000_000, "ingressBurst": burst});
        RATE.repeated(|| {
            let mut means = Vec::new();
            for (who, directory) in [("ours", ours.as_path()), ("the reference", Path::new(REFERENCE))] {
                shaped.call("ADD", directory, &keys).run().ok();
                let (first, mean) = shaped.rates("-R", 4);
                println!("30 Mbit/s, burst {burst} bits: {who}: {first:.1} in the first second, {mean:.1} in 4 s");
                means.push((first, mean));
                shaped.call("DEL", directory, &keys).run().ok();
                let _ = harness::sh(&format!("tc qdisc del dev {port} root"));
            }
            let (first, mean) = means[0];
            let is_kept = first < 34.5 && (27.9..31.8).contains(&mean);
            assert_by_chance!(is_kept, "burst {burst}: {first:.1}, then {mean:.1}");
        });
    }
}

/// What the reference accepts and we do not keep is refused, and what it refuses too.
#[test]
fn what_is_not_kept_is_refused() {
    cites!("ADD-7");
    let shaped = Shaped::new();
    let ours = ours(&shaped.scene);
    let before = shaped.scene.state();
    for (keys, culprit) in [
        (json!({"ingressRate": 30_000_000, "ingressBurst": 80, "unshapedSubnets": ["10.0.0.0/8"]}), "unshapedSubnets"),
        (json!({"ingressBurst": 3_000_000}), "ingressBurst"),
        (json!({"ingressRate": -1}), "ingressRate"),
        (json!({"egressRate": 30_000_000, "egressBurst": 80}), "urst"),
    ] {
        let (_, msg, _) = shaped.call("ADD", &ours, &keys).run().error();
        assert!(msg.contains(culprit), "{keys}: {msg}");
        assert_eq!(before, shaped.scene.state());
    }
}
