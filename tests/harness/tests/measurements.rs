//! Pings, throughput and calls, against things that are known.

use harness::chance::RATE;
use harness::{Host, Invocation, Namespace, assert_by_chance, sh};
use serde_json::json;

fn two_containers(host: &Host) -> (Namespace, Namespace) {
    let (a, b) = (host.namespace("a"), host.namespace("b"));
    sh("ip link add e netns a type veth peer name e netns b && ip -n a addr add 10.0.0.1/24 dev e && ip -n b addr add 10.0.0.2/24 dev e")
        .ok();
    sh("ip -n a link set e up && ip -n b link set e up").ok();
    (a, b)
}

#[test]
fn pings_are_counted_and_timed() {
    let host = Host::enter();
    let (a, _b) = two_containers(&host);
    let answered = a.ping("10.0.0.2", 3);
    assert_eq!((answered.sent, answered.received), (3, 3));
    assert!(answered.rtt_min_ms <= answered.rtt_avg_ms && answered.rtt_avg_ms <= answered.rtt_max_ms);
    let unanswered = a.ping_with("10.0.0.3", "-c2 -i.2 -W1");
    assert_eq!((unanswered.sent, unanswered.received), (2, 0));
    assert!(unanswered.rtt_avg_ms.is_nan());
    assert_eq!(a.ping("192.0.2.1", 1).sent, 0, "there is no route");
}

#[test]
fn a_stream_arrives_as_it_was_sent() {
    let host = Host::enter();
    let (a, b) = two_containers(&host);
    assert_eq!(a.streams_to(&b, "10.0.0.2", 3_000_000), 3_000_000);
    b.sh("ethtool -K e tso off gso off && tc qdisc add dev e root tbf rate 20mbit burst 32kb latency 5ms").ok();
    assert_eq!(b.streams_to(&a, "10.0.0.1", 300_000), 300_000, "with losses");
}

#[test]
fn throughput_is_that_of_the_limit() {
    let host = Host::enter();
    let (a, b) = two_containers(&host);
    a.sh("tc qdisc add dev e root tbf rate 50mbit burst 32kb latency 50ms").ok();
    RATE.assert_within("TCP in Mbit/s", 40.0, 60.0, || a.iperf3_from(&b, "10.0.0.2", "-t1").received_bit_s / 1e6);
    RATE.repeated(|| {
        let udp = a.iperf3_from(&b, "10.0.0.2", "-t1 -u -b10M");
        assert_by_chance!(udp.packets > 500 && udp.lost_packets == 0, "{udp:?}");
        assert_by_chance!((9e6..11e6).contains(&udp.received_bit_s), "{udp:?}");
    });
}

#[test]
fn a_call_has_a_clean_environment_and_reaches_the_host_it_names() {
    let host = Host::enter();
    let other = host.namespace("other");
    sh("ip link add near type bridge && ip -n other link add far type bridge").ok();
    std::fs::write(
        "/run/plugin",
        "#!/bin/sh\nPATH=/usr/sbin:/usr/bin:/sbin:/bin\nenv >&2; ls /sys/class/net >&2; cat\n",
    )
    .unwrap();
    sh("chmod +x /run/plugin").ok();
    let call = || {
        Invocation::new("/run/plugin", "ADD").container("c").ifname("eth0").unset("CNI_PATH").config(json!({"a": 1}))
    };
    let reply = call().run();
    assert_eq!(reply.ok(), json!({"a": 1}));
    assert!(reply.stderr.contains("CNI_COMMAND=ADD") && reply.stderr.contains("near"), "{reply}");
    assert!(!reply.stderr.contains("HOME=") && !reply.stderr.contains("CNI_PATH="), "{reply}");
    let reply = call().on(&other).run();
    assert!(reply.stderr.contains("far") && !reply.stderr.contains("near"), "{reply}");
}
