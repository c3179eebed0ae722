//! `loss` in its three forms, `ecn`, `duplicate`, `corrupt`, `reorder` with `gap`.

use harness::assert_by_chance;
use harness::chance::IMPAIRMENT;
use integration::{Direction, Pair};
use lab::{Feature, with_features};
use meter::statistics::mean;
use meter::{Probe, Probes};
use serde_json::{Value, json};
use shaping::{Chance, Loss, Probability};

use super::{BASE_NS, MS, assert_near, assert_share, count, ms, wider};

fn request() -> Probe {
    Probe { count: count(), interval: ms(1), ..Probe::default() }
}

fn probed(pair: &Pair, direction: Direction, keys: &Value, request: Probe) -> Probes {
    pair.shaped(&json!({direction.key(): keys}), || pair.probe(direction, request))
}

fn share(text: &str) -> Probability {
    Probability::parse(text).unwrap_or_else(|error| panic!("{error}"))
}

fn correlated(probability: &str, correlation: &str) -> Chance {
    Chance { probability: share(probability), correlation: share(correlation) }
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
        let count = match percent {
            "1%" => 4000,
            "100%" => 50,
            _ => count(),
        };
        IMPAIRMENT.repeated(|| {
            let probes = probed(pair, direction, &json!({"loss": percent}), Probe { count, ..request() });
            assert_eq!((probes.duplicated(), probes.corrupted(), probes.reordered()), (0, 0, 0));
            assert_share(&format!("loss of {percent}, {direction:?}"), probes.lost(), count, 1.0, wanted);
        });
    }
}

/// netem compares the probability with a moving average of random numbers: less is lost, and in longer rows.
fn correlated_losses(pair: &Pair) {
    for (percent, correlation) in [("20%", "25%"), ("40%", "50%")] {
        let keys = json!({"loss": {"percent": percent, "correlation": correlation}});
        let reply = pair.call("ADD", &json!({"download": keys}));
        let chance = correlated(percent, correlation);
        assert!(reply.stderr.contains(&format!("{:.2}% of all packets lost", chance.expected() * 100.0)), "{reply}");
        pair.call("DEL", &json!({"download": keys})).ok();
        IMPAIRMENT.repeated(|| {
            let probes = probed(pair, Direction::Download, &keys, request());
            assert_losses(&format!("loss of {keys}"), &probes, &Loss::Random(chance));
            println!("its correlation is {:.3}", probes.loss_correlation());
            assert_by_chance!(probes.loss_correlation() > 0.05, "{}", probes.loss_correlation());
        });
    }
}

/// What was lost is what the model says, in rows as long as it says.
fn assert_losses(what: &str, probes: &Probes, model: &Loss) {
    assert_share(what, probes.lost(), probes.sent, model.variance_factor(probes.sent), model.expected());
}

fn losses_of_gilbert_and_elliott(pair: &Pair, direction: Direction) {
    let bursts =
        Loss::GilbertElliott { p: share("3%"), r: share("25%"), bad: Probability::ALWAYS, good: Probability::NEVER };
    let keys = json!({"loss": {"gilbertElliott": {"p": "3%", "r": "25%"}}});
    IMPAIRMENT.repeated(|| {
        let probes = probed(pair, direction, &keys, Probe { count: 3 * count(), ..request() });
        assert_losses("all lost while bad", &probes, &bursts);
        // While bad everything is lost, and one of four leaves that state: four in a row.
        let lengths: Vec<f64> = probes.loss_bursts().iter().map(|length| *length as f64).collect();
        assert_near("losses in a row", mean(&lengths), 4.0, 0.8 * wider());
    });

    let mixed = Loss::GilbertElliott { p: share("5%"), r: share("20%"), bad: share("60%"), good: share("1%") };
    let keys = json!({"loss": {"gilbertElliott": {"p": "5%", "r": "20%", "bad": "60%", "good": "1%"}}});
    IMPAIRMENT.repeated(|| {
        let probes = probed(pair, direction, &keys, Probe { count: 2 * count(), ..request() });
        assert_losses("some lost in both states", &probes, &mixed);
    });
}

fn losses_of_four_states(pair: &Pair, direction: Direction) {
    let [p13, p31, p32, p23, p14] = ["5%", "50%", "20%", "50%", "2%"];
    let states = Loss::States { p13: share(p13), p31: share(p31), p32: share(p32), p23: share(p23), p14: share(p14) };
    let keys = json!({"loss": {"states": {"p13": p13, "p31": p31, "p32": p32, "p23": p23, "p14": p14}}});
    IMPAIRMENT.repeated(|| {
        let probes = probed(pair, direction, &keys, Probe { count: 3 * count(), ..request() });
        assert_losses("four states", &probes, &states);
        // In a burst, three of ten lost packets are followed by another lost one.
        let lengths: Vec<f64> = probes.loss_bursts().iter().map(|length| *length as f64).collect();
        assert_by_chance!(mean(&lengths) > 1.2 && probes.longest_loss_burst() > 2, "{}", mean(&lengths));
    });
}

fn marks_instead_of_losses(pair: &Pair) {
    let keys = json!({"loss": "20%", "ecn": true});
    IMPAIRMENT.repeated(|| {
        let able = probed(pair, Direction::Download, &keys, Probe { ecn: true, ..request() });
        assert_eq!(able.lost(), 0);
        assert_share("marked", able.marked(), count(), 1.0, 0.2);
        let unable = probed(pair, Direction::Download, &keys, request());
        assert_eq!(unable.marked(), 0);
        assert_share("lost where no mark is understood", unable.lost(), count(), 1.0, 0.2);
    });
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
    for (keys, chance) in [(json!({"duplicate": "10%"}), correlated("10%", "0%")), (keys, correlated("40%", "50%"))] {
        IMPAIRMENT.repeated(|| {
            let probes = probed(pair, direction, &keys, request());
            assert_eq!(probes.lost(), 0);
            let factor = chance.variance_factor(count());
            assert_share(&format!("{keys}, {direction:?}"), probes.duplicated(), count(), factor, chance.expected());
        });
    }
}

/// One bit anywhere in the frame: in the payload it arrives where nobody checks a sum, in the headers it is as good as lost.
fn corruption(pair: &Pair, direction: Direction) {
    let keys = json!({"corrupt": "10%"});
    let unchecked = Probe { with_checksum: false, payload_bytes: 958, ..request() };
    IMPAIRMENT.repeated(|| {
        let probes = probed(pair, direction, &keys, unchecked);
        assert_share("corrupted or lost", probes.corrupted() + probes.lost(), count(), 1.0, 0.1);
        assert_share("corrupted in the payload", probes.corrupted(), count(), 1.0, 0.1 * 0.958);
        let checked = probed(pair, direction, &keys, Probe { with_checksum: true, ..unchecked });
        assert_eq!(checked.corrupted(), 0);
        let lost = checked.loss();
        assert_near("lost where sums are checked", lost, 0.1, 0.025 * wider());
    });
}

/// A reordered packet is sent at once, and so overtakes the ten that wait.
fn reordering(pair: &Pair, direction: Direction) {
    let early = |probes: &Probes| {
        let delays = probes.delays();
        let is_either = |delay: &f64| *delay < BASE_NS || (0.0..BASE_NS).contains(&(delay - 10.0 * MS));
        let neither: Vec<&f64> = delays.iter().filter(|delay| !is_either(delay)).collect();
        assert_by_chance!(neither.is_empty(), "neither at once nor after 10 ms: {neither:?}");
        delays.iter().filter(|delay| **delay < BASE_NS).count() as u64
    };
    IMPAIRMENT.repeated(|| {
        let probes = probed(pair, direction, &json!({"delay": "10ms", "reorder": "25%"}), request());
        assert_share("reordered", early(&probes), count(), 1.0, 0.25);
        assert!(probes.reordered() > 0 && probes.lost() == 0);
    });
    IMPAIRMENT.repeated(|| {
        let probes = probed(pair, direction, &json!({"delay": "10ms", "reorder": "100%", "gap": 5}), request());
        assert_near("every fifth is early", early(&probes) as f64, f64::from(count()) / 5.0, 1.0);
    });
    let keys = json!({"delay": "10ms", "reorder": {"percent": "40%", "correlation": "50%"}});
    let chance = correlated("40%", "50%");
    IMPAIRMENT.repeated(|| {
        let probes = probed(pair, direction, &keys, request());
        let factor = chance.variance_factor(count());
        assert_share("reordered with correlation", early(&probes), count(), factor, chance.expected());
    });
}
