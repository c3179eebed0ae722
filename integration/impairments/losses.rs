//! `loss` in its three forms, `ecn`, `duplicate`, `corrupt`, `reorder` with `gap`.

use lab::{Feature, with_features};
use meter::statistics::{mean, wilson};
use meter::{Probe, Probes};
use scenarios::{Direction, Pair};
use serde_json::{Value, json};
use shaping::{Chance, Loss, Probability};

use crate::{BASE_NS, MS, assert_likely, assert_near, ms};

const COUNT: u32 = 4000;

fn request() -> Probe {
    Probe { count: COUNT, interval: ms(1), ..Probe::default() }
}

fn probed(pair: &Pair, direction: Direction, keys: &Value, request: Probe) -> Probes {
    pair.shaped(&json!({direction.key(): keys}), || pair.probe(direction, request))
}

fn share(text: &str) -> Probability {
    Probability::parse(text).unwrap_or_else(|error| panic!("{error}"))
}

fn correlated(probability: &str, correlation: &str) -> f64 {
    Chance { probability: share(probability), correlation: share(correlation) }.expected()
}

#[test]
fn what_is_lost_is_what_the_model_says() {
    with_features(&[Feature::Netem], || {
        let pair = Pair::new();
        for direction in Direction::BOTH {
            single_losses(&pair, direction);
        }
        correlated_losses(&pair);
        losses_of_gilbert_and_elliott(&pair, Direction::Upload);
        losses_of_four_states(&pair, Direction::Download);
        marks_instead_of_losses(&pair);
    });
}

fn single_losses(pair: &Pair, direction: Direction) {
    for (percent, wanted) in [("1%", 0.01), ("10%", 0.1), ("100%", 1.0)] {
        let count = if percent == "100%" { 50 } else { COUNT };
        let probes = probed(pair, direction, &json!({"loss": percent}), Probe { count, ..request() });
        assert_likely(&format!("loss of {percent}, {direction:?}"), &probes.loss_interval(), wanted);
        assert_eq!((probes.duplicated(), probes.corrupted(), probes.reordered()), (0, 0, 0));
    }
}

/// netem compares the probability with a moving average of random numbers: less is lost, and in longer rows.
fn correlated_losses(pair: &Pair) {
    for (percent, correlation) in [("20%", "25%"), ("40%", "50%")] {
        let keys = json!({"loss": {"percent": percent, "correlation": correlation}});
        let reply = pair.call("ADD", &json!({"download": keys}));
        let expected = correlated(percent, correlation);
        assert!(reply.stderr.contains(&format!("{:.2}% of all packets lost", expected * 100.0)), "{reply}");
        pair.call("DEL", &json!({"download": keys})).ok();
        let probes = probed(pair, Direction::Download, &keys, request());
        assert_likely(&format!("loss of {keys}"), &probes.loss_interval_in_bursts(), expected);
        println!("its correlation is {:.3}", probes.loss_correlation());
        assert!(probes.loss_correlation() > 0.05, "{}", probes.loss_correlation());
    }
}

fn losses_of_gilbert_and_elliott(pair: &Pair, direction: Direction) {
    let bursts =
        Loss::GilbertElliott { p: share("3%"), r: share("25%"), bad: Probability::ALWAYS, good: Probability::NEVER };
    let keys = json!({"loss": {"gilbertElliott": {"p": "3%", "r": "25%"}}});
    let probes = probed(pair, direction, &keys, Probe { count: 3 * COUNT, ..request() });
    assert_likely("all lost while bad", &probes.loss_interval_in_bursts(), bursts.expected());
    // While bad everything is lost, and one of four leaves that state: four in a row.
    let lengths: Vec<f64> = probes.loss_bursts().iter().map(|length| *length as f64).collect();
    assert_near("losses in a row", mean(&lengths), 4.0, 0.8);

    let mixed = Loss::GilbertElliott { p: share("5%"), r: share("20%"), bad: share("60%"), good: share("1%") };
    let keys = json!({"loss": {"gilbertElliott": {"p": "5%", "r": "20%", "bad": "60%", "good": "1%"}}});
    let probes = probed(pair, direction, &keys, Probe { count: 2 * COUNT, ..request() });
    assert_likely("some lost in both states", &probes.loss_interval_in_bursts(), mixed.expected());
}

fn losses_of_four_states(pair: &Pair, direction: Direction) {
    let [p13, p31, p32, p23, p14] = ["5%", "50%", "20%", "50%", "2%"];
    let states = Loss::States { p13: share(p13), p31: share(p31), p32: share(p32), p23: share(p23), p14: share(p14) };
    let keys = json!({"loss": {"states": {"p13": p13, "p31": p31, "p32": p32, "p23": p23, "p14": p14}}});
    let probes = probed(pair, direction, &keys, Probe { count: 3 * COUNT, ..request() });
    // About 500 bursts in which two packets are lost on average: a deviation of 0.0045.
    assert_near("four states", probes.loss(), states.expected(), 4.0 * 0.0045);
    // In a burst, three of ten lost packets are followed by another lost one.
    let lengths: Vec<f64> = probes.loss_bursts().iter().map(|length| *length as f64).collect();
    assert!(mean(&lengths) > 1.2 && probes.longest_loss_burst() > 2, "{}", mean(&lengths));
}

fn marks_instead_of_losses(pair: &Pair) {
    let keys = json!({"loss": "20%", "ecn": true});
    let able = probed(pair, Direction::Download, &keys, Probe { ecn: true, ..request() });
    assert_eq!(able.lost(), 0);
    assert_likely("marked", &wilson(able.marked(), COUNT.into()), 0.2);
    let unable = probed(pair, Direction::Download, &keys, request());
    assert_eq!(unable.marked(), 0);
    assert_likely("lost where no mark is understood", &unable.loss_interval(), 0.2);
}

#[test]
fn packets_are_duplicated_corrupted_and_reordered_as_asked() {
    with_features(&[Feature::Netem], || {
        let pair = Pair::new();
        for direction in Direction::BOTH {
            duplicates(&pair, direction);
            corruption(&pair, direction);
            reordering(&pair, direction);
        }
    });
}

fn duplicates(pair: &Pair, direction: Direction) {
    let keys = json!({"duplicate": {"percent": "40%", "correlation": "50%"}});
    for (keys, wanted) in [(json!({"duplicate": "10%"}), 0.1), (keys, correlated("40%", "50%"))] {
        let probes = probed(pair, direction, &keys, request());
        assert_eq!(probes.lost(), 0);
        let interval = if wanted == 0.1 { wilson(probes.duplicated(), COUNT.into()) } else { repeated(&probes) };
        assert_likely(&format!("{keys}, {direction:?}"), &interval, wanted);
    }
}

/// The interval of the share of those that arrived twice, which come in rows.
fn repeated(probes: &Probes) -> meter::statistics::Interval {
    let mut times = vec![0_u32; probes.sent as usize];
    probes.arrivals.iter().for_each(|arrival| times[arrival.sequence as usize] += 1);
    let twice: Vec<bool> = times.iter().map(|times| *times > 1).collect();
    meter::statistics::wilson_of_series(&twice)
}

/// One bit anywhere in the frame: in the payload it arrives where nobody checks a sum, in the headers it is as good as lost.
fn corruption(pair: &Pair, direction: Direction) {
    let keys = json!({"corrupt": "10%"});
    let unchecked = Probe { with_checksum: false, payload_bytes: 958, ..request() };
    let probes = probed(pair, direction, &keys, unchecked);
    assert_likely("corrupted or lost", &wilson(probes.corrupted() + probes.lost(), COUNT.into()), 0.1);
    assert_likely("corrupted in the payload", &wilson(probes.corrupted(), COUNT.into()), 0.1 * 0.958);
    let checked = probed(pair, direction, &keys, Probe { with_checksum: true, ..unchecked });
    assert_eq!(checked.corrupted(), 0);
    let lost = checked.loss();
    assert_near("lost where sums are checked", lost, 0.1, 0.025);
}

/// A reordered packet is sent at once, and so overtakes the ten that wait.
fn reordering(pair: &Pair, direction: Direction) {
    let early = |probes: &Probes| {
        let delays = probes.delays();
        assert!(delays.iter().all(|delay| *delay < BASE_NS || (0.0..BASE_NS).contains(&(delay - 10.0 * MS))));
        delays.iter().filter(|delay| **delay < BASE_NS).count() as u64
    };
    let probes = probed(pair, direction, &json!({"delay": "10ms", "reorder": "25%"}), request());
    assert_likely("reordered", &wilson(early(&probes), COUNT.into()), 0.25);
    assert!(probes.reordered() > 0 && probes.lost() == 0);
    let probes = probed(pair, direction, &json!({"delay": "10ms", "reorder": "100%", "gap": 5}), request());
    assert_near("every fifth is early", early(&probes) as f64, f64::from(COUNT) / 5.0, 1.0);
    let keys = json!({"delay": "10ms", "reorder": {"percent": "40%", "correlation": "50%"}});
    let probes = probed(pair, direction, &keys, request());
    let wanted = correlated("40%", "50%");
    assert_near("reordered with correlation", early(&probes) as f64 / f64::from(COUNT), wanted, 0.05);
}
