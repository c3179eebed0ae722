//! WALT's limits for a virtual machine: a guest with a kernel of its own, on a TAP device of `bridge` or `veth-secondary`, on the lab's
//! clock.
//!
//! Times and rates are those that the guest measures, and its iperf3 is one end of every stream. A guest keeps its TAP device
//! through all of them: limits come and go by ADD and DEL of the shaper, and at last by `plugboard shape`.

use harness::chance::{RATE, TIME};
use harness::{Namespace, tc};
use integration::{World, call, with};
use lab::{Nic, Vm, with_guests_on_virtual_clock};
use serde_json::{Value, json};

const MBIT: f64 = 1e6;

/// The network of the guest and its peer.
fn network(plugin: &str) -> Value {
    json!({"cniVersion": "1.1.0", "name": "guest-net", "type": plugin, "bridge": "guest-br",
        "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.9.0.0/24"}]]}})
}

/// One end of the line: a container, its interface, and what `bridge` made of it.
struct End {
    container: Namespace,
    made: Value,
}

impl End {
    /// Calls the shaper with limits for this end: what it passes on.
    fn shape(&self, command: &str, limits: &Value) -> Value {
        let shaper =
            json!({"cniVersion": "1.1.0", "name": "guest-net", "type": "netem-shaper", "prevResult": self.made});
        call(command, &self.container, "eth0", &with(&shaper, limits)).run().ok()
    }

    fn address(&self) -> &str {
        self.made["ips"][0]["address"].as_str().and_then(|text| text.split('/').next()).expect("an address")
    }
}

/// A guest that is `vn1`'s virtual machine, and a namespace on the same bridge.
struct Line {
    world: World,
    near: End,
    far: End,
    guest: Vm,
    tap: String,
}

impl Line {
    fn new(plugin: &str) -> Self {
        let world = World::new();
        let bridge = with(&network(plugin), &json!({"nic": "tap"}));
        let list = json!({"cniVersion": "1.1.0", "name": "guest-net",
            "plugins": [bridge, {"type": "netem-shaper", "capabilities": {"shaping": true}}]});
        std::fs::write("/etc/cni/net.d/guest-net.conflist", list.to_string()).expect("a configuration");
        let (vn1, vn2) = (world.node("vn1"), world.node("vn2"));
        let results = world.plugboard("attach --json --primary guest-net vn1 guest-net").ok();
        let results: Value = serde_json::from_str(&results).expect("JSON");
        let near = End { container: vn1, made: results[0]["result"].clone() };
        let far = End { made: call("ADD", &vn2, "eth0", &network(plugin)).run().ok(), container: vn2 };

        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let tap = text(&near.made["interfaces"][1]["name"]);
        let mac = text(&near.made["interfaces"][2]["mac"]);
        let guest = Vm::boot(&[Nic::new(&tap, &mac, &text(&near.made["ips"][0]["address"]))]);
        println!("the guest's kernel is {}", guest.sh("uname -r").ok());
        Self { world, near, far, guest, tap }
    }

    /// Does something while the ends have these limits.
    fn with_limits<T>(&self, near: Value, far: Value, work: impl FnOnce() -> T) -> T {
        let ends = [(&self.near, near), (&self.far, far)];
        let limited = || ends.iter().filter(|(_, limits)| !limits.is_null());
        for (end, limits) in limited() {
            assert_eq!(end.shape("ADD", limits), end.made, "the shaper passes on what bridge made");
        }
        let done = work();
        for (end, limits) in limited() {
            end.shape("CHECK", limits);
            end.shape("DEL", limits);
        }
        assert_eq!(queues(), Vec::<Value>::new(), "what ADD made is gone");
        done
    }

    /// The mean round trip in ms, from the guest, with resolved neighbours.
    fn round_trip_ms(&self) -> f64 {
        self.guest.ping(self.far.address(), 1);
        let ping = self.guest.ping(self.far.address(), 30);
        assert_eq!(ping.received, 30, "{ping:?}");
        ping.rtt_avg_ms
    }

    /// What the guest receives by TCP, in Mbit/s.
    fn download(&self, seconds: u32) -> f64 {
        self.tcp(&format!("-R -t {seconds}"))
    }

    /// What the guest sends by TCP and the peer receives, in Mbit/s.
    fn upload(&self, seconds: u32) -> f64 {
        self.tcp(&format!("-t {seconds}"))
    }

    fn tcp(&self, options: &str) -> f64 {
        let report = self.guest.iperf3_from(&self.far.container, self.far.address(), options);
        report.received_bit_s / MBIT
    }
}

/// All queues of the host that a shaper makes.
fn queues() -> Vec<Value> {
    let all = tc("-s qdisc show");
    let of_a_shaper = |queue: &&Value| ["netem", "tbf", "ingress"].iter().any(|kind| queue["kind"] == *kind);
    all.as_array().into_iter().flatten().filter(of_a_shaper).cloned().collect()
}

#[test]
#[ignore = "soaks: two kernels in each other take a minute and a half"]
fn on_a_tap_with_a_guest_delays_are_those_that_were_asked_for() {
    with_guests_on_virtual_clock(|| {
        let line = Line::new("bridge");
        delays_are_added_once_for_each_end(&line);
        limits_on_both_ends_limit_both_directions(&line);
        a_queue_holds_what_is_on_a_long_line(&line);
    });
}

#[test]
#[ignore = "soaks: two kernels in each other take a minute"]
fn on_a_tap_with_a_guest_rates_are_those_that_were_asked_for() {
    with_guests_on_virtual_clock(|| {
        let line = Line::new("veth-secondary");
        a_download_is_limited_and_the_upload_is_not(&line);
        limits_change_live(&line);
    });
}

fn delays_are_added_once_for_each_end(line: &Line) {
    let base = line.round_trip_ms();
    let ten = json!({"lat": "10ms"});
    line.with_limits(ten.clone(), Value::Null, || {
        TIME.assert_within("round trip in ms with 10 ms at one end", 9.5, 10.5, || line.round_trip_ms());
        let queues = queues();
        assert_eq!(queues.len(), 1, "{queues:?}");
        assert_eq!((&queues[0]["kind"], &queues[0]["dev"]), (&"netem".into(), &line.tap.as_str().into()));
        assert!(!line.near.container.sh("tc qdisc show").ok().contains("netem"), "out of the container's reach");
    });
    line.with_limits(ten.clone(), ten, || {
        TIME.assert_within("round trip in ms with 10 ms at both", 19.0, 21.0, || line.round_trip_ms());
    });
    line.with_limits(json!({"lat": "500us"}), Value::Null, || {
        TIME.assert_within("added by 500 us, in ms", 0.35, 0.65, || line.round_trip_ms() - base);
    });
    TIME.assert_within("round trip in ms without limits", 0.0, 0.5, || line.round_trip_ms());
}

fn a_download_is_limited_and_the_upload_is_not(line: &Line) {
    let free = line.tcp("-n 20M");
    line.with_limits(json!({"bw": "100Mbps"}), Value::Null, || {
        RATE.assert_within("download in Mbit/s of 100", 93.0, 98.0, || line.download(2));
        RATE.assert_within("upload beside one without limits", 0.9, 1.1, || line.tcp("-n 20M") / free);
    });
    line.with_limits(json!({"bw": "50Mbps"}), Value::Null, || {
        RATE.assert_within("download in Mbit/s of 50", 46.0, 49.0, || line.download(2));
    });
    line.with_limits(json!({"bw": "1Gbps"}), Value::Null, || {
        RATE.assert_within("download in Mbit/s of 1000", 930.0, 980.0, || line.tcp("-R -n 40M"));
    });
}

fn limits_on_both_ends_limit_both_directions(line: &Line) {
    let both = json!({"bw": "100Mbps", "lat": "10ms"});
    line.with_limits(both.clone(), both, || {
        TIME.assert_within("round trip in ms", 19.0, 21.0, || line.round_trip_ms());
        RATE.assert_within("upload in Mbit/s of 100", 93.0, 98.0, || line.upload(5));
        RATE.assert_within("download in Mbit/s of 100", 93.0, 98.0, || line.download(5));
    });
}

/// 24 Mbit/s of datagrams of 1200 bytes for 5 s, towards the guest.
fn a_queue_holds_what_is_on_a_long_line(line: &Line) {
    const PACKETS: u64 = 24_000_000 * 5 / (1200 * 8);
    line.with_limits(json!({"lat": "600ms"}), Value::Null, || {
        let report = line.guest.iperf3_from(&line.far.container, line.far.address(), "-R -u -b 24M -l 1200 -t 5");
        let queue = &queues()[0];
        let count = |key: &str| queue[key].as_u64().expect("a counter");
        println!(
            "600 ms: {} packets through netem, {} dropped; {} lost",
            count("packets"),
            count("drops"),
            report.lost_packets
        );
        assert_eq!(count("drops"), 0, "{queue:#}");
        assert!(count("packets") >= PACKETS, "{queue:#}");
        assert!(queue["options"]["limit"].as_u64() >= Some(100_000), "{queue:#}");
        assert_eq!(report.lost_packets, 0);
    });
}

fn limits_change_live(line: &Line) {
    line.world.plugboard("shape vn1 eth0 bw=100Mbps").ok();
    RATE.assert_within("download in Mbit/s of 100", 93.0, 98.0, || line.download(1));
    // Some 10000 a second, for longer than the changes take.
    let flood = format!("LC_ALL=C ping -n -q -f -c 6000 {}", line.near.address());
    let mut flood = line.far.container.spawn(&flood);
    for bw in [20, 700, 200] {
        std::thread::sleep(std::time::Duration::from_millis(150));
        line.world.plugboard(&format!("shape vn1 eth0 bw={bw}Mbps")).ok();
    }
    let said = std::io::read_to_string(flood.child().stdout.take().expect("its stdout")).expect("a summary");
    println!("{said}");
    assert!(said.contains("6000 received, 0% packet loss"), "{said}");
    RATE.assert_within("download in Mbit/s of 200", 190.0, 196.0, || line.download(2));
    line.world.plugboard("check vn1").ok();
    line.world.plugboard("detach vn1").ok();
    assert_eq!(queues(), Vec::<Value>::new());
}
