//! What is printed of each impairment: `tc`, given the printed text, makes what we make; and CHECK says in the same words what

//! somebody else changed.

use attachment::{Creation, Description, Device, Item, LinkQdisc, Session, commands, differences};
use harness::{Host, sh};
use lab::{Feature, with_features};
use netlink::qdisc::netem::{Chance, LossModel, Slot};
use netlink::qdisc::{self, Kind, Netem, Parent, Tbf};
use shaping::Distribution;

const DEVICE: &str = "port";

fn hung(parent: Parent, handle: u16, kind: Kind) -> Item {
    Item::Object(Box::new(LinkQdisc { device: Device::host(DEVICE), qdisc: qdisc::Qdisc { parent, handle, kind } }))
}

fn root(netem: &Netem) -> Description {
    Description::from_iter([hung(Parent::Root, 0x7062, Kind::Netem(netem.clone()))])
}

fn share(percent: u32) -> u32 {
    u32::try_from((u64::from(u32::MAX) * u64::from(percent) + 50) / 100).unwrap_or(u32::MAX)
}

fn chance(percent: u32, correlation: u32) -> Chance {
    Chance { probability: share(percent), correlation: share(correlation) }
}

/// Each impairment, with and without what belongs to it, and the words for it.
fn all() -> Vec<(&'static str, Netem)> {
    let delay = Netem { delay_ns: 10_000_000, limit_packets: 1000, ..Netem::default() };
    let jitter = Netem { jitter_ns: 2_000_000, ..delay.clone() };
    let table = |distribution: Distribution| distribution.table().unwrap_or_default();
    let slot = Slot { min_delay_ns: 20_000_000, max_delay_ns: 30_000_000, max_packets: 0, max_bytes: 0 };
    vec![
        ("limit 1000 delay 10000us", delay.clone()),
        ("limit 4000000000", Netem { limit_packets: 4_000_000_000, ..delay.clone() }),
        ("delay 60000000us", Netem { delay_ns: 60_000_000_000, ..delay.clone() }),
        ("delay 10000us 2000us", jitter.clone()),
        ("2000us 25%", Netem { delay_correlation: share(25), ..jitter.clone() }),
        ("distribution normal", Netem { table: table(Distribution::Normal), ..jitter.clone() }),
        ("distribution pareto", Netem { table: table(Distribution::Pareto), ..jitter.clone() }),
        ("distribution paretonormal", Netem { table: table(Distribution::ParetoNormal), ..jitter.clone() }),
        ("echo -8192 8192 > $TC_LIB_DIR/own.dist", Netem { table: vec![-8192, 8192], ..jitter }),
        ("loss random 1%", Netem { loss: LossModel::Random(chance(1, 0)), ..delay.clone() }),
        ("loss random", Netem { loss: LossModel::Random(chance(1, 25)), ecn: true, ..delay.clone() }),
        (
            "loss state",
            Netem {
                loss: LossModel::States { p13: share(1), p31: share(19), p32: share(3), p14: share(2), p23: share(5) },
                ..delay.clone()
            },
        ),
        (
            "loss gemodel",
            Netem {
                loss: LossModel::GilbertElliott { p: share(1), r: share(9), h: share(30), k1: share(2) },
                ecn: true,
                ..delay.clone()
            },
        ),
        ("duplicate", Netem { duplicate: chance(1, 0), ..delay.clone() }),
        ("duplicate", Netem { duplicate: chance(1, 25), ..delay.clone() }),
        ("corrupt", Netem { corrupt: chance(1, 25), ..delay.clone() }),
        ("gap 1", Netem { reorder: chance(25, 0), gap: 1, ..delay.clone() }),
        ("gap 5", Netem { reorder: chance(25, 50), gap: 5, ..delay.clone() }),
        ("slot 20000us 30000us", Netem { slot: Some(slot), ..delay.clone() }),
        ("packets 5 bytes 9000", Netem { slot: Some(Slot { max_packets: 5, max_bytes: 9000, ..slot }), ..delay }),
    ]
}

/// What `tc` shows of the device's queues, random seeds aside.
fn shown() -> String {
    let text = sh(&format!("tc qdisc show dev {DEVICE}")).ok();
    text.lines().map(|line| line.split(" seed ").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

fn remove() {
    sh(&format!("tc qdisc del dev {DEVICE} root")).ok();
}

#[track_caller]
fn difference(objects: &Description) -> Vec<String> {
    let found = differences(&mut Session::new(None), objects).expect("the kernel can be asked");
    found.iter().map(ToString::to_string).collect()
}

#[test]
fn tc_given_the_printed_text_makes_what_is_made() {
    with_features(&[Feature::Netem, Feature::Tbf], || {
        let _host = Host::enter();
        sh(&format!("ip link add {DEVICE} type veth peer name far")).ok();
        for (words, netem) in all() {
            let objects = root(&netem);
            let printed = commands(&objects);
            assert!(printed.len() == 1 && printed[0].contains(words), "{words}: {printed:?}");
            Creation::new().make(&mut Session::new(None), root(&netem)).expect("the kernel has netem");
            let by_itself = shown();
            assert_eq!(difference(&objects), [""; 0], "{words}: made by itself");
            remove();
            sh(&printed[0]).ok();
            assert_eq!(difference(&objects), [""; 0], "{words}: made by hand with {printed:?}");
            assert_eq!(shown(), by_itself, "{words}");
            remove();
        }
    });
}

/// A parameter that somebody else changes: the text in which CHECK says what is wanted, and that for what is there.
const CHANGES: [(&str, &str, &str, &str); 16] = [
    ("limit 1000 delay 10ms", "limit 1001 delay 10ms", "limit 1000", "limit 1001"),
    ("delay 10ms", "delay 11ms", "delay 10000us", "delay 11000us"),
    ("delay 10ms 2ms", "delay 10ms 3ms", "10000us 2000us", "10000us 3000us"),
    ("delay 10ms 2ms 25%", "delay 10ms 2ms 50%", "25%", "50%"),
    ("delay 10ms loss 1%", "delay 10ms loss 2%", "loss random 1%", "loss random 2%"),
    ("delay 10ms loss 1% 25%", "delay 10ms loss 1% 50%", "1% 25%", "1% 50%"),
    (
        "loss state 1% 10% 5% 5% 1%",
        "loss state 1% 10% 5% 6% 1%",
        "loss state 1% 10% 5% 5% 1%",
        "loss state 1% 10% 5% 6% 1%",
    ),
    ("loss gemodel 1% 10% 90% 1%", "loss gemodel 1% 10% 80% 1%", "90%", "80%"),
    ("loss 1% ecn", "loss 1%", "ecn", "loss random 1%"),
    ("duplicate 1%", "duplicate 2%", "duplicate 1%", "duplicate 2%"),
    ("corrupt 1%", "corrupt 2%", "corrupt 1%", "corrupt 2%"),
    ("delay 10ms reorder 25% 50%", "delay 10ms reorder 25% 60%", "50%", "60%"),
    ("delay 10ms reorder 25% gap 5", "delay 10ms reorder 25% gap 6", "gap 5", "gap 6"),
    ("slot 20ms 30ms packets 5", "slot 20ms 30ms packets 6", "packets 5", "packets 6"),
    ("slot 20ms 30ms bytes 900", "slot 21ms 30ms bytes 900", "slot 20000us", "slot 21000us"),
    ("delay 10ms", "delay 10ms rate 1mbit", "delay 10000us", "rate 125000bps"),
];

/// The queues that the device has, as objects.
fn as_found() -> Description {
    let device = Device::host(DEVICE);
    let mut session = Session::new(None);
    let index = session.index(&device).expect("the device is there");
    let found = qdisc::list(session.socket(device.side).expect("a socket"), index).expect("a list");
    found.into_iter().map(|found| hung(found.parent, found.handle, found.kind)).collect()
}

#[test]
fn a_parameter_that_somebody_changed_is_told_as_wanted_and_found() {
    with_features(&[Feature::Netem, Feature::Tbf], || {
        let _host = Host::enter();
        sh(&format!("ip link add {DEVICE} type veth peer name far")).ok();
        let hang = |what: &str| sh(&format!("tc qdisc replace dev {DEVICE} root handle 7062: netem {what}")).ok();
        for (asked, changed, want, have) in CHANGES {
            hang(asked);
            let objects = as_found();
            assert_eq!(difference(&objects), [""; 0], "{asked}");
            remove();
            hang(changed);
            let told = difference(&objects);
            let words = told.first().and_then(|told| told.split_once("have "));
            let (wanted, found) = words.unwrap_or_else(|| panic!("{asked}, then {changed}: {told:?}"));
            assert!(told.len() == 1 && wanted.contains(want) && found.contains(have), "{changed}: {told:?}");
            remove();
        }
        let tbf = Tbf { rate_bytes_per_s: 12_500_000, burst_bytes: 25_000, limit_bytes: 650_000 };
        let wanted = Description::from_iter([hung(Parent::Root, 0x7062, Kind::Tbf(tbf))]);
        for (words, have) in [
            ("rate 99mbit burst 25000 limit 650000", "rate 12375000bps"),
            ("rate 100mbit burst 26000 limit 650000", "burst 26000"),
            ("rate 100mbit burst 25000 limit 650001", "limit 650001"),
        ] {
            sh(&format!("tc qdisc add dev {DEVICE} root handle 7062: tbf {words}")).ok();
            let told = difference(&wanted);
            assert!(told.len() == 1 && told[0].contains(have), "{words}: {told:?}");
            remove();
        }
    });
}

/// The seed of random numbers came with Linux 6.6. A kernel without it takes the attribute and does nothing.
#[test]
fn what_the_kernel_takes_and_ignores_is_an_error() {
    with_features(&[Feature::Netem], || {
        let _host = Host::enter();
        sh(&format!("ip link add {DEVICE} type veth peer name far")).ok();
        let seeded =
            Netem { seed: Some(42), loss: LossModel::Random(chance(1, 0)), limit_packets: 1000, ..Netem::default() };
        let mut creation = Creation::new();
        let mut session = Session::new(None);
        match creation.make(&mut session, root(&seeded)) {
            Ok(()) => {
                println!("this kernel has seeds: they are read back");
                assert_eq!(difference(&root(&seeded)), [""; 0]);
            }
            Err(error) => {
                let message = error.to_string();
                assert!(message.contains("TCA_NETEM_PRNG_SEED") && message.contains("Linux 6.6"), "{message}");
                assert!(creation.undo(&mut session).is_empty());
                assert!(!shown().contains("netem"), "nothing is left: {}", shown());
            }
        }
    });
}
