//! Limits that change while the interface is in use.

use std::collections::HashSet;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use harness::chance::{EXCHANGED, NORMAL, RATE, UNLIKELY_LOSS};
use harness::{Namespace, assert_by_chance, ip, row, sh, tc};
use integration::{World, number};
use lab::{Feature, with_features};
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::RcvBufForce;
use serde_json::{Value, json};

const MBIT: f64 = 1e6;

/// Two nodes on `home-net`, with addresses and resolved neighbours.
fn nodes(world: &World, restrictions: &str) -> (Namespace, Namespace) {
    let (vn1, vn2) = world.nodes(&format!("walt-net,home-net{restrictions}"), "walt-net,home-net");
    number(&vn1, "eth1", "10.9.0.1/24");
    number(&vn2, "eth1", "10.9.0.2/24");
    assert!(vn1.ping("10.9.0.2", 3).received > 0, "vn1 reaches vn2");
    (vn1, vn2)
}

/// What `to` receives from `from`, in Mbit/s.
fn download(to: &Namespace, from: &Namespace, server: &str) -> f64 {
    to.iperf3_from(from, server, "-R -t 3").received_bit_s / MBIT
}

/// The host's device behind an interface.
fn host_device(world: &World, node: &str, interface: &str) -> String {
    let all: Value = serde_json::from_str(&world.plugboard("ls --json").ok()).expect("JSON");
    let of = |one: &&Value| one["containerId"] == node && one["ifName"] == interface;
    let found = all.as_array().into_iter().flatten().find(of).expect("the attachment");
    found["hostInterface"].as_str().expect("a name").to_owned()
}

/// The queues of a device that somebody configured.
fn queues(device: &str) -> Vec<Value> {
    let all = tc(&format!("-s qdisc show dev {device}"));
    let configured = |queue: &&Value| queue["kind"] != "noqueue";
    all.as_array().into_iter().flatten().filter(configured).cloned().collect()
}

fn dropped(device: &str) -> u64 {
    queues(device).iter().filter_map(|queue| queue["drops"].as_u64()).sum()
}

/// What must stay as it is on both ends: indices, addresses, neighbours; and what must not begin anew.
fn untouched(node: &Namespace, device: &str) -> (Value, Vec<u64>) {
    let inside = node.ip("-s address show dev eth1")[0].clone();
    let outside = ip(&format!("-s link show dev {device}"))[0].clone();
    let same = json!([
        inside["ifindex"],
        inside["address"],
        inside["mtu"],
        inside["flags"],
        inside["addr_info"][0]["local"],
        outside["ifindex"],
        outside["address"],
        outside["mtu"],
        outside["ifalias"],
        outside["master"],
        node.ip("neighbour show dev eth1")[0]["lladdr"],
    ]);
    let count = |link: &Value, way: &str| link["stats64"][way]["packets"].as_u64().expect("a counter");
    (same, vec![count(&inside, "rx"), count(&inside, "tx"), count(&outside, "rx"), count(&outside, "tx")])
}

/// Longer than anything is on its way when a stream is stopped.
const SILENCE: Duration = Duration::from_millis(1200);

/// Datagrams with numbers, 1000 bytes each, sent at least this far apart until the stream is ended.
struct Stream {
    stop: Arc<AtomicBool>,
    sender: JoinHandle<u32>,
    receiver: JoinHandle<Vec<u32>>,
}

/// What became of a stream.
#[derive(Debug)]
struct Outcome {
    sent: u32,
    lost: Vec<u32>,
    twice: usize,
}

impl Stream {
    fn start(from: &Namespace, to: &Namespace, address: &str, each: Duration) -> Self {
        let inlet = to.within(|| UdpSocket::bind("0.0.0.0:0")).expect("a socket");
        let port = inlet.local_addr().expect("its address").port();
        // A machine that is busy elsewhere for a second loses nothing here.
        setsockopt(&inlet, RcvBufForce, &(64 << 20)).expect("a large buffer");
        inlet.set_read_timeout(Some(SILENCE)).expect("a time limit");
        let outlet = from.within(|| UdpSocket::bind("0.0.0.0:0")).expect("a socket");
        outlet.connect((address, port)).expect("an address");
        let stop = Arc::new(AtomicBool::new(false));
        let [is_stopped, is_over] = [Arc::clone(&stop), Arc::clone(&stop)];
        let receiver = std::thread::spawn(move || {
            let mut bytes = [0; 2000];
            let mut seen = Vec::new();
            loop {
                let was_over = is_over.load(Ordering::Relaxed);
                match inlet.recv(&mut bytes) {
                    Ok(length) => {
                        assert_eq!(length, 1000);
                        seen.push(u32::from_be_bytes(bytes[..4].try_into().expect("four bytes")));
                    }
                    // It ends when nothing has come for as long as that since it was stopped.
                    Err(_) if was_over => return seen,
                    Err(_) => {}
                }
            }
        });
        let sender = std::thread::spawn(move || {
            let mut bytes = [0; 1000];
            let mut sent = 0;
            while !is_stopped.load(Ordering::Relaxed) {
                bytes[..4].copy_from_slice(&u32::to_be_bytes(sent));
                outlet.send(&bytes).expect("a datagram is sent");
                sent += 1;
                sleep(each);
            }
            sent
        });
        Self { stop, sender, receiver }
    }

    fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    fn end(self) -> Outcome {
        self.stop();
        let sent = self.sender.join().expect("the sender");
        let seen = self.receiver.join().expect("the receiver");
        let different: HashSet<u32> = seen.iter().copied().collect();
        let lost = (0..sent).filter(|number| !different.contains(number)).collect();
        Outcome { sent, lost, twice: seen.len() - different.len() }
    }
}

#[test]
fn bandwidth_changes_with_a_new_attachment_and_live() {
    let _row = row("M15");
    let world = World::new();
    let (vn1, vn2) = nodes(&world, "[bw=100Mbps]");
    RATE.assert_within("download at 100 Mbit/s", 93.0, 98.0, || download(&vn1, &vn2, "10.9.0.2"));

    world.plugboard("detach vn1").ok();
    world.attach("vn1", "walt-net,home-net[bw=50Mbps]").ok();
    number(&vn1, "eth1", "10.9.0.1/24");
    assert!(vn1.ping("10.9.0.2", 3).received > 0);
    RATE.assert_within("download at 50 Mbit/s", 46.0, 49.0, || download(&vn1, &vn2, "10.9.0.2"));

    let device = host_device(&world, "vn1", "eth1");
    let (same, before) = untouched(&vn1, &device);
    let mut flood = vn2.spawn("LC_ALL=C ping -n -q -f -w 6 10.9.0.1");
    sleep(Duration::from_secs(1));
    world.plugboard("shape vn1 eth1 bw=200Mbps").ok();
    for bw in [20, 700, 200] {
        sleep(Duration::from_millis(300));
        world.plugboard(&format!("shape vn1 eth1 bw={bw}Mbps")).ok();
    }
    let said = std::io::read_to_string(flood.child().stdout.take().expect("its stdout")).expect("a summary");
    println!("{said}");
    assert!(said.contains(" 0% packet loss") && said.contains("packets transmitted"), "{said}");
    let (after, counters) = untouched(&vn1, &device);
    assert_eq!(same, after, "the interface is as it was");
    assert!(counters.iter().zip(&before).all(|(after, before)| after > before), "{before:?} {counters:?}");
    RATE.assert_within("download at 200 Mbit/s", 190.0, 196.0, || download(&vn1, &vn2, "10.9.0.2"));

    world.plugboard("check vn1").ok();
    assert!(world.plugboard("ls").ok().contains("bw=200Mbps"));
    world.plugboard("detach vn1").ok();
    assert!(queues(&device_or_none(&device)).is_empty());
}

/// A device's name, or that of the loopback device when it has gone.
fn device_or_none(device: &str) -> String {
    if sh(&format!("ip link show dev {device}")).status == 0 { device.to_owned() } else { "lo".to_owned() }
}

#[test]
fn upload_begins_changes_and_ends_while_in_use() {
    let world = World::new();
    let (vn1, vn2) = nodes(&world, "[bw=100Mbps]");
    let ifbs = || ip("link show type ifb").as_array().into_iter().flatten().filter(|link| link["ifname"] != "").count();
    let before = ifbs();
    let upload_for = |seconds: u32| vn1.iperf3_from(&vn2, "10.9.0.2", &format!("-t {seconds}")).received_bit_s / MBIT;
    let upload = || upload_for(3);
    world.plugboard("shape vn1 eth1 upload.rate=50Mbit").ok();
    assert_eq!(ifbs(), before + 1);
    RATE.assert_within("upload at 50 Mbit/s", 46.0, 49.0, upload);
    RATE.assert_within("download at 100 Mbit/s", 93.0, 98.0, || download(&vn1, &vn2, "10.9.0.2"));
    world.plugboard("check vn1").ok();
    world.plugboard("shape vn1 eth1 upload.rate=20Mbit").ok();
    RATE.assert_within("upload at 20 Mbit/s", 18.5, 19.6, upload);
    world.plugboard("check vn1").ok();
    world.plugboard("shape vn1 eth1 upload=none").ok();
    assert_eq!(ifbs(), before, "the ifb is gone");
    let device = host_device(&world, "vn1", "eth1");
    let left = queues(&device);
    assert_eq!(left.len(), 1, "{left:?}");
    RATE.assert_within("upload without a limit", 200.0, f64::INFINITY, || upload_for(1));
    world.plugboard("check vn1").ok();
    world.plugboard("shape vn1 eth1 upload.rate=20Mbit").ok();
    world.plugboard("detach vn1").ok();
    assert_eq!(ifbs(), before, "detach finds what shape has made");
}

#[test]
fn a_stream_loses_nothing_over_changes_up_and_down() {
    with_features(&[Feature::Netem], || {
        let world = World::new();
        let (vn1, vn2) = nodes(&world, "[bw=40Mbps,lat=20ms]");
        let device = host_device(&world, "vn1", "eth1");
        let (same, before) = untouched(&vn1, &device);
        // 16 Mbit/s, below all rates.
        let stream = Stream::start(&vn2, &vn1, "10.9.0.1", Duration::from_micros(500));
        sleep(Duration::from_millis(500));
        for change in [
            "bw=20Mbps",
            "lat=600ms",
            "bw=400Mbps",
            "lat=1ms",
            "lat=600ms,download.limit=20000",
            "lat=1ms,download.limit=500", // 1200 are still on the line
            "download.limit=none",
            "bw=18Mbps,lat=300ms",
            "bw=100Mbps,lat=5ms",
            "download.loss=0.0000001%", // a chance of one in a billion (`UNLIKELY_LOSS`): it is there, and loses nothing
            "download.loss=none",
            "lat=100ms,download.jitter=50ms,download.distribution=normal",
            "download=none",
            "bw=none",
            "bw=30Mbps",
        ] {
            let began = Instant::now();
            world.plugboard(&format!("shape vn1 eth1 {change}")).ok();
            println!("{change}: {:.1?}", began.elapsed());
            world.plugboard("check vn1").ok();
            sleep(Duration::from_millis(700));
        }
        let outcome = stream.end();
        UNLIKELY_LOSS.repeated(|| assert_by_chance!(outcome.lost.is_empty(), "{:?} are lost", outcome.lost));
        assert_eq!(outcome.twice, 0);
        assert!(outcome.sent > 12_000);
        assert_eq!(dropped(&device), 0);
        let (after, counters) = untouched(&vn1, &device);
        assert_eq!(same, after, "the interface is as it was");
        assert!(counters.iter().zip(&before).all(|(after, before)| after > before), "{before:?} {counters:?}");
        world.plugboard("detach vn1").ok();
    });
}

/// Makes each change while datagrams pass both ways at equal steps, and counts those that are lost.
fn exchange(changes: &[&str], each: Duration, most: usize) {
    let world = World::new();
    let (vn1, vn2) = nodes(&world, "");
    let device = host_device(&world, "vn1", "eth1");
    for change in changes {
        let there = Stream::start(&vn2, &vn1, "10.9.0.1", each);
        let back = Stream::start(&vn1, &vn2, "10.9.0.2", each);
        sleep(Duration::from_millis(500));
        let began = Instant::now();
        world.plugboard(&format!("shape vn1 eth1 {change}")).ok();
        let took = began.elapsed();
        sleep(Duration::from_millis(500));
        // Both wait at the same time for what is on its way.
        there.stop();
        back.stop();
        let (there, back) = (there.end(), back.end());
        println!("{change}: {took:.1?}; lost of the download {}, of the upload {}", there.lost.len(), back.lost.len());
        for outcome in [there, back] {
            assert_by_chance!(outcome.lost.len() <= most, "{change}: {:?}", outcome.lost);
            assert!(outcome.sent > 500);
        }
        world.plugboard("check vn1").ok();
    }
    assert_eq!(queues(&device), Vec::<Value>::new());
    assert!(ip("link show type ifb").as_array().into_iter().flatten().all(|link| link["ifname"].is_null()));
}

/// Each takes the queues off the device for a moment. What is on the line, here 200 datagrams, is not lost with them.
#[test]
fn an_exchange_loses_at_most_what_arrives_in_its_moment() {
    with_features(&[Feature::Netem], || {
        let changes = [
            "bw=100Mbps",         // nothing -> tbf
            "lat=100ms",          // tbf -> netem and tbf
            "upload.rate=50Mbit", // an ingress queue comes
            "upload.delay=50ms",  // tbf -> netem and tbf on the ifb
            "upload=none",        // an ingress queue goes
            "lat=none",           // netem and tbf -> tbf
            "lat=100ms,bw=none",  // tbf -> netem
            "lat=none",           // netem -> nothing
        ];
        EXCHANGED.repeated(|| exchange(&changes, Duration::from_micros(500), 20));
    });
}

/// The same on whatever kernel this is, closer together, and without netem.
#[test]
fn the_moment_of_an_exchange_is_short() {
    let changes = ["bw=1Gbps", "upload.rate=1Gbit", "upload=none", "bw=none", "upload.rate=1Gbit", "upload=none"];
    EXCHANGED.repeated(|| exchange(&changes, Duration::from_micros(100), 500));
}

const EVERYTHING: &str = "download.delay=40ms download.jitter=10ms download.correlation=25% download.distribution=normal \
     download.loss.gilbertElliott.p=1% download.loss.gilbertElliott.r=30% download.ecn=true download.duplicate=1% \
     download.corrupt.percent=1% download.corrupt.correlation=10% download.reorder=25% download.gap=5 \
     download.slot.minDelay=1ms download.slot.maxDelay=2ms download.slot.maxPackets=20 download.limit=5000";

#[test]
fn an_impairment_that_is_taken_back_leaves_nothing() {
    with_features(&[Feature::Netem], || {
        let world = World::new();
        nodes(&world, "[bw=100Mbps,lat=10ms]");
        let device = host_device(&world, "vn1", "eth1");
        let options = || queues(&device)[0]["options"].clone();
        let plain = options();
        let without_seed = |mut options: Value| {
            options.as_object_mut().map(|options| options.remove("seed"));
            options
        };
        world.plugboard(&format!("shape vn1 eth1 {EVERYTHING}")).ok();
        world.plugboard("check vn1").ok();
        let all = options();
        for key in ["delay", "loss-gemodel", "duplicate", "corrupt", "reorder", "ecn", "gap", "slot"] {
            assert!(all.get(key).is_some(), "{key} in {all}");
        }
        world.plugboard("shape vn1 eth1 download=none lat=10ms").ok();
        world.plugboard("check vn1").ok();
        assert_eq!(without_seed(options()), without_seed(plain));

        // Each loss model in the place of the others.
        for loss in
            ["download.loss.states.p13=1% download.loss.states.p31=50%", "download.loss=1%", "download.loss=none"]
        {
            world.plugboard("shape vn1 eth1 download.loss=none").ok();
            world.plugboard(&format!("shape vn1 eth1 {loss}")).ok();
            world.plugboard("check vn1").ok();
        }
    });
}

/// The kernel keeps a table for ever. One of equal steps takes the place of the normal distribution's.
#[test]
fn a_distribution_that_is_taken_back_is_uniform_again() {
    with_features(&[Feature::Netem], || {
        let world = World::new();
        let (_vn1, vn2) = nodes(&world, "[lat=100ms]");
        let beyond = || {
            let said = vn2.sh("LC_ALL=C ping -n -c300 -i.01 10.9.0.1").ok();
            let times = said.lines().filter_map(|line| line.split_once("time=")?.1.split(' ').next()?.parse().ok());
            let times: Vec<f64> = times.collect();
            assert_eq!(times.len(), 300);
            let mean = times.iter().sum::<f64>() / 300.0;
            let deviation = (times.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / 300.0).sqrt();
            let outside = times.iter().filter(|time| !(79.9..=120.5).contains(*time)).count();
            println!("mean {mean:.2} ms, deviation {deviation:.2} ms, {outside} of 300 beyond 20 ms");
            (mean, deviation, outside)
        };
        world.plugboard("shape vn1 eth1 download.jitter=20ms download.distribution=normal").ok();
        NORMAL.repeated(|| {
            let (mean, deviation, outside) = beyond();
            let is_normal = (96.0..104.0).contains(&mean) && (17.0..23.0).contains(&deviation) && outside > 50;
            assert_by_chance!(is_normal, "mean {mean:.2} ms, deviation {deviation:.2} ms, {outside} outside");
        });
        world.plugboard("shape vn1 eth1 download.distribution=none").ok();
        NORMAL.repeated(|| {
            let (mean, deviation, outside) = beyond();
            // 20 / sqrt(3)
            let is_uniform = (96.0..104.0).contains(&mean) && (10.2..12.9).contains(&deviation) && outside == 0;
            assert_by_chance!(is_uniform, "mean {mean:.2} ms, deviation {deviation:.2} ms, {outside} outside");
        });
    });
}

#[test]
fn a_change_that_fails_leaves_the_limits_as_they_were() {
    let world = World::new();
    nodes(&world, "[bw=100Mbps]");
    let device = host_device(&world, "vn1", "eth1");
    // Somebody else looks at what comes in.
    sh(&format!("tc qdisc add dev {device} ingress && tc filter add dev {device} parent ffff: protocol all prio 7 u32 match u32 0 0 classid 1:1")).ok();
    let state =
        || (tc(&format!("qdisc show dev {device}")), ip("link show type ifb"), world.plugboard("ls --json").ok());
    let before = state();
    for (change, status, problem) in [
        ("upload.rate=10Mbit,bw=200Mbps", 1, "one shaper in each direction"),
        ("download.burst=100", 1, "burst"),
        ("download.speed=1", 1, "speed"),
        ("preset=modem", 1, "modem"),
        ("bw=5kbps", 2, "whole number of Mbps or Gbps"),
        ("download.rate=10MBps", 2, "reads as bytes per second"),
        ("bw=5Mbps,download.rate=6Mbit", 2, "give one of them"),
    ] {
        let refused = world.plugboard(&format!("shape vn1 eth1 {change}"));
        assert_eq!(refused.status, status, "{refused:?}");
        assert!(refused.stderr.contains(problem), "{refused:?}");
        assert_eq!(before, state(), "{change}");
        world.plugboard("check vn1").ok();
    }
    for (words, problem) in [("vn1 eth7 bw=1Mbps", "it has eth0, eth1"), ("vn9 eth0", "the nearest is 'vn1'")] {
        let refused = world.plugboard(&format!("shape {words}"));
        assert!(refused.status == 1 && refused.stderr.contains(problem), "{refused:?}");
    }
}

#[test]
fn without_a_limit_the_networks_own_holds_again() {
    let world = World::new();
    let config = json!({"cniVersion": "1.0.0", "name": "slow-net", "plugins": [
        {"type": "bridge", "bridge": "slow-br"}, {"type": "netem-shaper", "bw": "50Mbps"}]});
    std::fs::write("/etc/cni/net.d/slow-net.conflist", config.to_string()).expect("a configuration");
    world.node("vn1");
    world.attach("vn1", "walt-net,slow-net").ok();
    let device = host_device(&world, "vn1", "eth1");
    let rate = || queues(&device)[0]["options"]["rate"].as_u64().expect("a rate") * 8 / 1_000_000;
    let shown = || world.plugboard("shape vn1 eth1").ok();
    assert_eq!(rate(), 50);
    assert!(shown().ends_with("bw=50Mbps"), "{}", shown());
    world.plugboard("shape vn1 eth1 download.rate=70Mbit").ok();
    assert_eq!(rate(), 70);
    assert!(shown().ends_with("download.rate=70Mbit"), "{}", shown());
    world.plugboard("shape vn1 eth1 bw=80Mbps").ok();
    assert_eq!(rate(), 80);
    world.plugboard("check vn1").ok();
    world.plugboard("shape vn1 eth1 bw=none").ok();
    assert_eq!(rate(), 50);
    world.plugboard("check vn1").ok();
    world.plugboard("detach vn1").ok();
}
