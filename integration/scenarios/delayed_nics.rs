//! Delays of NICs of many makers, and queues that hold what a long line holds: on the lab's clock, where 10 ms are 10.0.
//!
//! A guest is a namespace whose stack is behind the TAP device, which a process opens and reads as a virtual machine's monitor
//! does.

use harness::chance::{RATE, TIME};
use harness::{Host, Namespace, Ping, assert_by_chance, not_observed, sh, soak, tc};
use integration::{call, number, with};
use lab::{Feature, on_full_kernel, with_features};
use serde_json::{Value, json};
use tests::{Guest, relay};

const MBIT: f64 = 1e6;

/// What both the reference and we speak.
const VERSION: &str = "1.0.0";

/// A shaper behind what made the NIC.
fn shaper(made: &Value, keys: &Value) -> Value {
    let base =
        json!({"cniVersion": VERSION, "name": made["network"], "type": "netem-shaper", "prevResult": made["made"]});
    with(&base, keys)
}

/// A network on a bridge of its own, without addresses.
fn network() -> Value {
    json!({"cniVersion": VERSION, "name": "home-net", "type": "bridge", "bridge": "home-br"})
}

/// A NIC and a peer on the same bridge, and how to shape the NIC.
struct Pair {
    nic: Namespace,
    peer: Namespace,
    /// The container that the runtime names.
    container: Namespace,
    made: Value,
}

const NIC: &str = "10.9.0.1/24";
const PEER: &str = "10.9.0.2";

impl Pair {
    fn peer(host: &Host) -> Namespace {
        let peer = host.namespace("vn2");
        call("ADD", &peer, "eth1", &network()).run().ok();
        number(&peer, "eth1", &format!("{PEER}/24"));
        peer
    }

    /// On a veth pair of ours.
    fn on_veth(host: &Host) -> Self {
        let (nic, peer) = (host.namespace("vn1"), Self::peer(host));
        let made = call("ADD", &nic, "eth1", &network()).run().ok();
        number(&nic, "eth1", NIC);
        Self { container: nic.clone(), nic, peer, made }
    }

    /// On a TAP device of ours, on the host or in the container.
    fn on_tap(host: &Host, keys: &Value) -> Self {
        let (container, guest, peer) = (host.namespace("vn1"), host.namespace("guest"), Self::peer(host));
        let made = call("ADD", &container, "eth1", &with(&network(), keys)).run().ok();
        let mac = made["interfaces"][2]["mac"].as_str().expect("the guest's address");
        let device = if keys["tapNamespace"].is_null() {
            Guest::open(made["interfaces"][1]["name"].as_str().expect("a device"))
        } else {
            Guest::open_in(&container, "eth1")
        };
        relay(device.expect("the device can be opened"), &guest, mac);
        number(&guest, "eth0", NIC);
        Self { nic: guest, container, peer, made }
    }

    /// Calls the shaper for the NIC with these limits.
    fn shape(&self, command: &str, keys: &Value) {
        let made = json!({"network": "home-net", "made": self.made});
        call(command, &self.container, "eth1", &shaper(&made, keys)).run().ok();
    }

    /// With these limits the round trip is so much longer, in ms.
    fn assert_delay(&self, what: &str, keys: &Value, expected: f64) {
        TIME.repeated(|| {
            let base = round_trip(&self.nic).rtt_avg_ms;
            self.shape("ADD", keys);
            let added = round_trip(&self.nic).rtt_avg_ms - base;
            self.shape("CHECK", keys);
            self.shape("DEL", keys);
            println!("{what} {keys}: {added:.3} ms beside {base:.3}");
            let is_asked = (added - expected).abs() < 0.05 + expected * 0.002;
            assert_by_chance!(is_asked, "{what} {keys}: {added:.3} ms, {expected} asked");
            let after = round_trip(&self.nic).rtt_avg_ms;
            assert_by_chance!((after - base).abs() < 0.1, "{what}: {after} ms after DEL, {base} before ADD");
        });
    }

    /// With these limits the NIC gets and sends so many Mbit/s by TCP.
    fn assert_rates(&self, what: &str, keys: &Value, ranges: [(f64, f64); 2]) {
        self.shape("ADD", keys);
        for ((way, option), (low, high)) in [("down", "-R"), ("up", "")].into_iter().zip(ranges) {
            RATE.assert_within(&format!("{what} {keys}: Mbit/s {way}"), low, high, || {
                self.nic.iperf3_from(&self.peer, PEER, &format!("{option} -t {}", soak::size(1, 2))).received_bit_s
                    / MBIT
            });
        }
        self.shape("DEL", keys);
    }
}

fn round_trip(from: &Namespace) -> Ping {
    from.ping(PEER, 1);
    let ping = from.ping_with(PEER, "-c20 -i.05");
    assert_eq!(ping.received, 20, "{ping:?}");
    ping
}

/// The netem queue of the host's device, as `tc -s -j` shows it.
fn netem() -> Value {
    let all = tc("-s qdisc show");
    let found = all.as_array().into_iter().flatten().find(|queue| queue["kind"] == "netem");
    found.cloned().unwrap_or_else(|| panic!("no netem in {all}"))
}

/// 24 Mbit/s of datagrams of 1200 bytes for three times the delay or longer, towards the NIC.
fn queue_holds_the_line(what: &str, pair: &Pair) {
    let seconds = soak::size(2, 5);
    let packets = 24_000_000 * seconds / (1200 * 8);
    for (keys, least) in [
        (json!({"lat": "600ms"}), 100_000),
        // Twice what is on the line: 2 x bw x lat / MTU.
        (json!({"lat": "600ms", "bw": "30Mbps"}), 2 * 30_000_000 * 600 / 1000 / 8 / 1500),
    ] {
        pair.shape("ADD", &keys);
        let limit = netem()["options"]["limit"].as_u64().unwrap_or_default();
        assert!(limit >= least, "{what} {keys}: netem holds {limit} packets, {least} at least wanted");
        let report = pair.peer.iperf3_from(&pair.nic, "10.9.0.1", &format!("-u -b 24M -l 1200 -t {seconds}"));
        let queue = netem();
        let (sent, dropped) = (queue["packets"].as_u64().unwrap_or_default(), queue["drops"].as_u64());
        println!(
            "{what} {keys}: limit {limit}, {sent} packets sent, dropped {dropped:?}, lost {}",
            report.lost_packets
        );
        assert_eq!(dropped, Some(0), "{what} {keys}: {queue:#}");
        assert!(sent >= packets, "{what} {keys}: {sent} packets went through the queue, {packets} were sent");
        assert_eq!(report.lost_packets, 0, "{what} {keys}");
        pair.shape("DEL", &keys);
    }
}

fn on_a_host_of_its_own(work: impl FnOnce(&Host) + Send) {
    std::thread::scope(|scope| {
        let done = scope.spawn(|| work(&Host::enter()));
        done.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}

#[test]
fn a_queue_holds_what_is_on_a_long_line() {
    on_full_kernel("M14", &[Feature::Netem, Feature::Tap], || {
        on_a_host_of_its_own(|host| queue_holds_the_line("veth", &Pair::on_veth(host)));
        on_a_host_of_its_own(|host| queue_holds_the_line("TAP", &Pair::on_tap(host, &json!({"nic": "tap"}))));
    });
}

/// The units, both ends and both directions of WALT's limits, for a guest behind a TAP device.
#[test]
fn limits_hold_for_a_guest_behind_a_tap_device() {
    with_features(&[Feature::Netem, Feature::Tap], || {
        for tap in [json!({"nic": "tap"}), json!({"nic": "tap", "tapNamespace": "container"})] {
            on_a_host_of_its_own(|host| {
                let what = tap.to_string();
                let pair = Pair::on_tap(host, &tap);
                pair.assert_delay(&what, &json!({"lat": "10ms"}), 10.0);
                pair.assert_delay(&what, &json!({"lat": "500us"}), 0.5);
                pair.assert_delay(&what, &json!({"lat": "10ms", "upload": {"delay": "20ms"}}), 30.0);
                if soak::is_on() {
                    pair.assert_delay(&what, &json!({"upload": {"delay": "10ms"}}), 10.0);
                    let free = (100.0, f64::INFINITY);
                    pair.assert_rates(&what, &json!({"bw": "50Mbps"}), [(46.0, 49.0), free]);
                    pair.assert_rates(&what, &json!({"upload": {"rate": "50Mbit"}}), [free, (46.0, 49.0)]);
                }
                let both = json!({"bw": "50Mbps", "lat": "10ms", "upload": {"rate": "20Mbit", "delay": "10ms"}});
                pair.assert_rates(&what, &both, [(45.0, 49.0), (17.5, 19.5)]);
            });
        }
    });
}

/// NICs as the reference's macvlan and ipvlan make them have no end on the host: delays in both directions, by queues that are inside.
#[test]
fn delays_of_nics_without_a_host_side() {
    with_features(&[Feature::Netem, Feature::Macvlan, Feature::Ipvlan], || {
        for (kind, mode) in [("macvlan", ""), ("ipvlan", " mode l2")] {
            on_a_host_of_its_own(|host| {
                let (nic, peer) = (host.namespace("vn1"), host.namespace("vn2"));
                sh("ip link add up0 type veth peer name eth1 netns vn2 && ip link set up0 up").ok();
                peer.sh("ip link set eth1 up").ok();
                number(&peer, "eth1", &format!("{PEER}/24"));
                sh(&format!("ip link add link up0 name x0 type {kind}{mode} && ip link set x0 netns vn1")).ok();
                nic.sh("ip link set x0 name eth1 && ip link set eth1 up").ok();
                number(&nic, "eth1", NIC);
                let made = json!({"cniVersion": VERSION, "interfaces": [{"name": "eth1", "sandbox": nic.path}]});
                let pair = Pair { container: nic.clone(), nic, peer, made };
                pair.assert_delay(kind, &json!({"lat": "10ms"}), 10.0);
                pair.assert_delay(kind, &json!({"upload": {"delay": "10ms"}}), 10.0);
                pair.assert_delay(kind, &json!({"lat": "10ms", "upload": {"delay": "5ms"}}), 15.0);
                let both = json!({"bw": "40Mbps", "upload": {"rate": "20Mbit"}});
                pair.assert_rates(kind, &both, [(37.0, 39.5), (18.0, 19.8)]);
            });
        }
    });
}

/// The modules of the lab's own kernel are taken away one by one: STATUS names what is missing, and ADD leaves nothing behind.
#[test]
fn what_the_kernel_lacks_is_named() {
    with_features(&[Feature::Netem, Feature::Tbf], || {
        if std::env::var_os(lab::IN_LAB).is_none() {
            not_observed("a kernel without modules: this machine's own are not to be taken away");
            return;
        }
        let host = Host::enter();
        let pair = Pair::on_veth(&host);
        let both = json!({"download": {"rate": "50Mbit", "delay": "1ms"}, "upload": {"rate": "50Mbit"}});
        let made = json!({"network": "home-net", "made": pair.made});
        let config = with(&shaper(&made, &both), &json!({"cniVersion": "1.1.0"}));
        let call = |command: &str| call(command, &pair.container, "eth1", &config).run();
        let modules = ["sch_netem", "sch_tbf", "ifb", "sch_ingress", "cls_u32", "act_mirred"];
        for module in modules {
            // Those that the others use may have been loaded by the test before.
            let file = sh(&format!("modprobe -r {} 2>/dev/null; modinfo -n {module}", modules.join(" "))).ok();
            sh(&format!("mv {file} {file}.away && ! grep -q ^{module} /proc/modules")).ok();
            let state = harness::Snapshot::take::<&str>(&[&pair.container], &[]);
            let (code, msg, _) = call("STATUS").error();
            println!("without {module}: {msg}");
            assert_eq!(code, 50, "{module}: {msg}");
            assert!(msg.contains("modprobe") && msg.contains(module), "{module}: {msg}");
            let (code, msg, _) = call("ADD").error();
            assert_eq!(code, 100, "{module}: {msg}");
            assert!(msg.contains(module), "{module}: {msg}");
            assert_eq!(state, harness::Snapshot::take::<&str>(&[&pair.container], &[]), "{module}");
            sh(&format!("mv {file}.away {file}")).ok();
        }
        assert_eq!(call("STATUS").status, 0);
        call("ADD").ok();
        call("DEL").ok();
    });
}
