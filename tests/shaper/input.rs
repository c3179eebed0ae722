//! What `netem-shaper` refuses: each with code 7, the key's path, what was given, and what is accepted; and nothing is made.

use harness::{Snapshot, not_observed};
use lab::Feature;
use serde_json::{Value, json};
use tests::{LATEST, Plugin, Scene, codes, with};

/// A value, and what the message says beside the path of its key: what was given, and what is accepted.
type Case = (&'static str, Value, &'static str, &'static str);

const RATE: &str = "a number with a unit, as in 64kbit, 100Mbit or 1.5Gbit";
const TIME: &str = "a number with a unit, as in 500us, 10ms or 1.5s";
const SHARE: &str = "a number with a unit, as in 1%, 0.1% or 25%";
const SIZE: &str = "a number with a unit, as in 15000B, 64KiB or 1MB";
const PACKETS: &str = "a whole number up to 4294967295, such as 1000";
const SEED: &str = "a whole number of up to 64 bits, such as 42";
const ENTRY: &str = "whole numbers from -32768 to 32767, such as 8192";

/// Values of one key of `download` or `upload`, by the path of the key there.
fn values() -> Vec<Case> {
    vec![
        ("rate", json!("-1Mbit"), "'-1Mbit'", RATE),
        ("rate", json!("100"), "'100'", RATE),
        ("rate", json!("100MB"), "'100MB' reads as bytes per second", RATE),
        ("rate", json!("10MBps"), "'10MBps' reads as bytes per second", RATE),
        ("rate", json!("10kbps"), "'10kbps' reads as bytes per second", RATE),
        ("rate", json!(100), "'100'", RATE),
        ("rate", json!(true), "'true'", RATE),
        ("rate", json!({"bits": 1}), "{\"bits\":1}", RATE),
        ("rate", json!("0Mbit"), "'0Mbit'", "leave the rate out for no limit"),
        ("rate", json!("7999bit"), "7999 bit/s", "the least that is kept is 8kbit"),
        ("rate", json!("18446744074Gbit"), "'18446744074Gbit'", "at most 18446744073Gbit"),
        ("rate", json!("0.1bit"), "'0.1bit'", "1 bit/s"),
        ("burst", json!("15000"), "'15000'", SIZE),
        ("burst", json!(15000), "'15000'", SIZE),
        ("burst", json!("-1B"), "'-1B'", SIZE),
        ("burst", json!("2147483648B"), "'2147483648B'", "at most 2147483647B"),
        ("delay", json!("10"), "'10'", TIME),
        ("delay", json!(10), "'10'", TIME),
        ("delay", json!("-10ms"), "'-10ms'", TIME),
        ("delay", json!("10min"), "'10min'", TIME),
        ("delay", json!("1e3ms"), "'1e3ms'", TIME),
        ("delay", json!("0.1ns"), "'0.1ns'", "1 ns"),
        ("delay", json!("9223372037s"), "'9223372037s'", "at most 9223372036s"),
        ("jitter", json!("2"), "'2'", TIME),
        ("correlation", json!(25), "'25'", SHARE),
        ("correlation", json!("0.25"), "'0.25'", SHARE),
        ("correlation", json!("101%"), "'101%'", "at most 100%"),
        ("distribution", json!("gauss"), "'gauss'", "uniform, normal, pareto, paretonormal, or a table of numbers"),
        ("distribution", json!(7), "7", "a name such as \"normal\", or a table of numbers such as [-8192, 0, 8192]"),
        ("distribution", json!([]), "0 numbers", "1 to 16384"),
        ("distribution", json!(vec![0; 16_385]), "16385 numbers", "1 to 16384"),
        ("distribution[1]", json!([0, 32_768]), "32768", ENTRY),
        ("distribution[0]", json!(["8192"]), "\"8192\"", ENTRY),
        ("loss", json!("1"), "'1'", SHARE),
        ("loss", json!(0.01), "0.01", "a string such as \"1%\", or an object"),
        ("loss", json!("100.1%"), "'100.1%'", "at most 100%"),
        ("loss.percent", json!({"percent": "-1%"}), "'-1%'", SHARE),
        ("loss.percent", json!({"percent": 1}), "'1'", SHARE),
        ("loss.correlation", json!({"percent": "1%", "correlation": "200%"}), "'200%'", "at most 100%"),
        ("loss.states.p13", json!({"states": {"p13": "1", "p31": "1%"}}), "'1'", SHARE),
        ("loss.states", json!({"states": {"p13": "1%"}}), "p31", "missing"),
        ("loss.gilbertElliott.bad", json!({"gilbertElliott": {"p": "1%", "r": "1%", "bad": 5}}), "'5'", SHARE),
        ("loss", json!({"percent": "1%", "states": {"p13": "1%", "p31": "1%"}}), "states", "one of percent"),
        ("ecn", json!("yes"), "\"yes\"", "true or false"),
        ("duplicate", json!("1"), "'1'", SHARE),
        ("duplicate", json!([]), "[]", "a string such as \"1%\", or an object"),
        ("duplicate.percent", json!({"percent": "101%"}), "'101%'", "at most 100%"),
        ("corrupt.correlation", json!({"percent": "1%", "correlation": "x"}), "'x'", SHARE),
        ("corrupt", json!({"correlation": "1%"}), "percent", "missing"),
        ("reorder", json!("1 percent"), "'1 percent'", SHARE),
        ("gap", json!("5"), "\"5\"", PACKETS),
        ("gap", json!(-1), "-1", PACKETS),
        ("gap", json!(4_294_967_296_u64), "4294967296", PACKETS),
        ("slot", json!("20ms"), "20ms", "an object such as {\"minDelay\": \"20ms\"}"),
        ("slot.minDelay", json!({"minDelay": 20}), "'20'", TIME),
        ("slot.maxPackets", json!({"minDelay": "1ms", "maxPackets": 1.5}), "1.5", PACKETS),
        ("slot.maxBytes", json!({"minDelay": "1ms", "maxBytes": 1500}), "'1500'", SIZE),
        ("limit", json!(-5), "-5", PACKETS),
        ("limit", json!("1000"), "\"1000\"", PACKETS),
        ("seed", json!(-1), "-1", SEED),
        ("seed", json!(1.5), "1.5", SEED),
        ("seed", json!(18_446_744_073_709_551_616.0), "1.8446744073709552e+19", SEED),
    ]
}

/// Keys that do not go together, by the path that the message names.
fn combinations() -> Vec<Case> {
    let states = |p13: &str, p31: &str, p32: &str, p23: &str, p14: &str| json!({"loss": {"states": {"p13": p13, "p31": p31, "p32": p32, "p23": p23, "p14": p14}}});
    vec![
        ("burst", json!({"burst": "15kB"}), "burst means nothing without rate", "give both, or neither"),
        ("burst", json!({"rate": "1Mbit", "burst": "1000B"}), "1000 bytes", "give 1522B or more"),
        ("burst", json!({"rate": "8kbit", "burst": "1MB"}), "1000000 bytes take 1000 s", "274 s"),
        ("jitter", json!({"jitter": "1ms"}), "jitter means nothing without delay", "give both, or neither"),
        ("jitter", json!({"delay": "1ms", "jitter": "2ms"}), "2ms", "at most the delay"),
        ("jitter", json!({"delay": "9s", "jitter": "3s"}), "3000ms", "at most 2147483647ns"),
        ("distribution", json!({"delay": "1ms", "distribution": "normal"}), "distribution", "without jitter"),
        ("correlation", json!({"delay": "1ms", "correlation": "5%"}), "correlation", "without jitter"),
        (
            "correlation",
            json!({"delay": "2ms", "jitter": "1ms", "correlation": "100%"}),
            "100%",
            "give less, such as 25%",
        ),
        ("reorder", json!({"reorder": "1%"}), "reorder", "without delay"),
        ("gap", json!({"delay": "1ms", "gap": 5}), "gap", "without reorder"),
        ("gap", json!({"delay": "1ms", "reorder": "1%", "gap": 0}), "gap", "at least 1"),
        ("ecn", json!({"ecn": true}), "ecn", "without loss"),
        ("limit", json!({"limit": 5}), "limit", "without a delay or another impairment"),
        ("limit", json!({"delay": "1ms", "limit": 0}), "limit", "at least 1"),
        ("seed", json!({"seed": 5}), "seed", "without an impairment by chance"),
        ("loss.correlation", json!({"loss": {"percent": "0%", "correlation": "5%"}}), "correlation", "loss.percent"),
        ("loss.correlation", json!({"loss": {"percent": "5%", "correlation": "100%"}}), "100%", "such as 25%"),
        ("loss.states", states("60%", "1%", "1%", "1%", "60%"), "p13 and p14", "at most 100%"),
        ("loss.states", states("1%", "60%", "60%", "1%", "0%"), "p31 and p32", "at most 100%"),
        ("loss.states", states("1%", "0%", "0%", "1%", "0%"), "p31 with p32", "such as 10%"),
        ("loss.states", states("1%", "1%", "1%", "0%", "0%"), "p23", "such as 50%"),
        ("loss.states", states("0%", "1%", "1%", "1%", "0%"), "loss.states", "p13 or p14"),
        ("loss.gilbertElliott", json!({"loss": {"gilbertElliott": {"p": "1%", "r": "0%"}}}), "r is 0%", "such as 10%"),
        (
            "loss.gilbertElliott",
            json!({"loss": {"gilbertElliott": {"p": "0%", "r": "1%"}}}),
            "gilbertElliott",
            "p or good",
        ),
        ("slot", json!({"slot": {"minDelay": "2ms", "maxDelay": "1ms"}}), "2ms is longer than maxDelay 1ms", "at most"),
        ("slot.maxDelay", json!({"slot": {"minDelay": "0ms"}}), "slot.maxDelay", "at least 1"),
        ("slot.maxDelay", json!({"slot": {"minDelay": "1ms", "maxDelay": "5s"}}), "5000ms", "at most 2147483647ns"),
        ("dealy", json!({"dealy": "1ms"}), "\"dealy\"", "did you mean \"delay\"?"),
        ("lossPercent", json!({"lossPercent": "1%"}), "\"lossPercent\"", "Known keys: rate, burst, delay"),
        ("loss.precent", json!({"loss": {"precent": "1%"}}), "\"precent\"", "did you mean \"percent\"?"),
        ("slot.minDealy", json!({"slot": {"minDealy": "1ms"}}), "\"minDealy\"", "did you mean \"minDelay\"?"),
    ]
}

/// Keys beside `download` and `upload`.
fn others() -> Vec<(Value, &'static str, &'static str, &'static str)> {
    let bw = "a whole number of Mbps or Gbps, such as 100Mbps";
    let lat = "a whole number of ms or us, such as 10ms";
    vec![
        (json!({"bw": "100kbps"}), "bw: ", "'100kbps'", bw),
        (json!({"bw": "1.5Gbps"}), "bw: ", "'1.5Gbps'", bw),
        (json!({"bw": "100Mbit"}), "bw: ", "'100Mbit'", bw),
        (json!({"bw": 100}), "bw: ", "'100'", bw),
        (json!({"bw": "0Mbps"}), "bw: ", "'0Mbps'", "at least 1Mbps"),
        (json!({"bw": "18446744074Gbps"}), "bw: ", "'18446744074Gbps'", "at most 18446744073Gbps"),
        (json!({"lat": "1s"}), "lat: ", "'1s'", lat),
        (json!({"lat": "-1ms"}), "lat: ", "'-1ms'", lat),
        (json!({"lat": 10}), "lat: ", "'10'", lat),
        (json!({"bw": "1Mbps", "download": {"rate": "1Mbit"}}), "bw and ", "download.rate", "give one of them"),
        (json!({"lat": "1ms", "download": {"delay": "2ms"}}), "lat and ", "download.delay", "give one of them"),
        (
            json!({"download": "10ms"}),
            "download: ",
            "10ms",
            "an object such as {\"rate\": \"100Mbit\", \"delay\": \"10ms\"}",
        ),
        (json!({"preset": "modem"}), "preset ", "\"modem\"", "3g, cable, dsl, edge, fibre, lte, satellite, wifi"),
        (json!({"preset": 7}), "preset: ", "7", "a string in quotes"),
        (json!({"bw": "1Mbps", "interfaces": [""]}), "interfaces: ", "''", "names such as eth1"),
        (json!({"bw": "1Mbps", "interfaces": "eth0"}), "interfaces: ", "eth0", "a list"),
        (json!({"ingressRate": "1M"}), "ingressRate: ", "\"1M\"", "a whole number of bit/s, such as 100000000"),
        (json!({"egressRate": -1}), "egressRate: ", "-1", "a whole number of bit/s"),
        (json!({"egressBurst": 1000}), "egressBurst: ", "burst", "without egressRate"),
        (json!({"ingressRate": 8000, "ingressBurst": 1.5}), "ingressBurst: ", "1.5", "a whole number of bits"),
        (json!({"ingressRate": 8000, "ingressBurst": 99_999_999_999_u64}), "ingressBurst: ", "99999999999", "at most"),
        (json!({"runtimeConfig": {"shaping": {"bw": "1"}}}), "runtimeConfig.shaping.bw: ", "'1'", bw),
        (
            json!({"runtimeConfig": {"bandwidth": {"egressRate": "1"}}}),
            "runtimeConfig.bandwidth.egressRate: ",
            "\"1\"",
            "bit/s",
        ),
        (
            json!({"args": {"cni": {"shaping": {"upload": {"delay": "1"}}}}}),
            "args.cni.shaping.upload.delay: ",
            "'1'",
            TIME,
        ),
        (json!({"args": {"cni": {"shaping": {"preset": "x"}}}}), "args.cni.shaping: preset ", "\"x\"", "there are 3g"),
    ]
}

/// A scene whose container has a NIC, and the configuration of a shaper behind it that asks for nothing yet.
fn with_a_nic() -> (Scene, Value) {
    let scene = Scene::new();
    let config = with(&scene.config(Plugin::Shaper, LATEST), json!({"bw": null}));
    (scene, config)
}

fn state(scene: &Scene) -> Snapshot {
    Snapshot::take::<&str>(&[&scene.c1], &[])
}

fn refused(scene: &Scene, config: &Value, place: &str, given: &str, accepted: &str) {
    for command in ["ADD", "CHECK"] {
        let (code, message, _) = scene.call(Plugin::Shaper, command, config.clone()).run().error();
        let what: String = config.to_string().chars().take(1000).collect();
        assert_eq!(code, 7, "{what}: {message}");
        let path = place.trim_end_matches(": ");
        let begins = message.strip_prefix(path).is_some_and(|rest| rest.starts_with(": ") || rest.starts_with(" is "));
        assert!(begins || message.starts_with(place), "{what}: the message begins with {place:?}: {message}");
        assert!(message.contains(given), "{what}: the message shows {given}: {message}");
        assert!(message.contains(accepted), "{what}: the message shows {accepted:?}: {message}");
    }
    // A DEL of what could never be added succeeds.
    scene.call(Plugin::Shaper, "DEL", config.clone()).run().ok();
}

#[test]
fn a_value_that_cannot_be_is_refused_with_its_path_and_the_accepted_form() {
    let (scene, config) = with_a_nic();
    let before = state(&scene);
    for (path, value, given, accepted) in values() {
        for direction in ["download", "upload"] {
            let key = path.split(['.', '[']).next().unwrap_or_default();
            let mut keys = json!({direction: {}});
            keys[direction][key] = value.clone();
            if key == "rate" {
                keys[direction]["burst"] = json!("64KiB");
            }
            refused(&scene, &with(&config, keys), &format!("{direction}.{path}: "), given, accepted);
        }
    }
    assert_eq!(before, state(&scene), "nothing is made");
}

#[test]
fn keys_that_do_not_go_together_are_refused_with_what_to_change() {
    let (scene, config) = with_a_nic();
    let before = state(&scene);
    for (path, keys, given, accepted) in combinations() {
        for direction in ["download", "upload"] {
            let config = with(&config, json!({direction: keys}));
            refused(&scene, &config, &format!("{direction}.{path}: "), given, accepted);
        }
    }
    assert_eq!(before, state(&scene), "nothing is made");
}

#[test]
fn what_is_wrong_beside_them_is_refused_in_the_same_way() {
    let (scene, config) = with_a_nic();
    let before = state(&scene);
    for (keys, place, given, accepted) in others() {
        refused(&scene, &with(&config, keys), place, given, accepted);
    }
    for (args, given, accepted) in [
        ("IgnoreUnknown=1;BW=100Mbit", "BW in CNI_ARGS: '100Mbit'", "such as 100Mbps"),
        ("IgnoreUnknown=1;LAT=1s", "LAT in CNI_ARGS: '1s'", "such as 10ms"),
        ("IgnoreUnknown=1;PRESET=x", "CNI_ARGS: preset \"x\"", "there are 3g"),
    ] {
        let (code, message, _) = scene.call(Plugin::Shaper, "ADD", config.clone()).args(args).run().error();
        assert_eq!(code, 7, "{args}: {message}");
        assert!(message.starts_with(given) && message.contains(accepted), "{args}: {message}");
    }
    for key in ["shapedSubnets", "unshapedSubnets"] {
        let config = with(&config, json!({"ingressRate": 1_000_000, key: ["10.0.0.0/8"]}));
        let (code, message, _) = scene.call(Plugin::Shaper, "ADD", config).run().error();
        assert_eq!(code, 2, "{message}");
        assert!(message.contains(key) && message.contains("remove the key"), "{message}");
    }
    assert_eq!(before, state(&scene), "nothing is made");
}

#[test]
fn a_kernel_without_netem_is_told_for_what_needs_it_and_nothing_is_left() {
    if Feature::Netem.is_present() {
        not_observed("what a kernel without netem is told: this one has it");
        return;
    }
    let (scene, config) = with_a_nic();
    let before = state(&scene);
    for line in [
        json!({"delay": "10ms"}),
        json!({"rate": "10Mbit", "delay": "10ms"}),
        json!({"loss": "1%"}),
        json!({"duplicate": "1%"}),
        json!({"corrupt": "1%"}),
        json!({"slot": {"minDelay": "10ms"}}),
    ] {
        for direction in ["download", "upload"] {
            let config = with(&config, json!({direction: line}));
            let (code, message, _) = scene.call(Plugin::Shaper, "ADD", config.clone()).run().error();
            assert_eq!(code, codes::UNSUPPORTED_BY_KERNEL, "{message}");
            assert!(message.contains("sch_netem") && message.contains("modprobe sch_netem"), "{message}");
            let (code, message, _) = scene.call(Plugin::Shaper, "STATUS", config).run().error();
            assert!(code == 50 && message.contains("sch_netem"), "{code}: {message}");
        }
    }
    assert_eq!(before, state(&scene), "nothing is left");
}
