//! `delay`, `jitter`, `distribution`, `correlation`.

use harness::assert_by_chance;
use harness::chance::IMPAIRMENT;
use integration::{Direction, Pair};
use lab::{Feature, with_features};
use meter::statistics::{mean, standard_deviation};
use meter::{Probe, Probes};
use serde_json::{Value, json};
use shaping::Distribution;

use super::{BASE_NS, MS, assert_near, assert_share, count, ms, wider};

fn delayed(pair: &Pair, direction: Direction, keys: &Value) -> Probes {
    let request = Probe { count: count(), interval: ms(1), patience: ms(6000), ..Probe::default() };
    let probes = pair.shaped(&json!({direction.key(): keys}), || pair.probe(direction, request));
    assert_eq!((probes.lost(), probes.duplicated(), probes.corrupted()), (0, 0, 0), "{direction:?} {keys}");
    probes
}

fn skew(values: &[f64]) -> f64 {
    let (mean, deviation) = (mean(values), standard_deviation(values));
    let cubes: Vec<f64> = values.iter().map(|value| ((value - mean) / deviation).powi(3)).collect();
    meter::statistics::mean(&cubes)
}

#[test]
fn delays_are_those_asked_and_spread_as_asked() {
    with_features(&[Feature::Netem], || {
        let pair = Pair::new();
        for direction in Direction::BOTH {
            the_delay_is_added_in_one_direction(&pair, direction);
            the_uniform_spread_has_hard_ends(&pair, direction);
        }
        tables_are_followed(&pair, Direction::Download);
        a_table_of_ones_own_is_followed(&pair, Direction::Upload);
        correlation_shows_only_in_large_jitters(&pair, Direction::Download);
    });
}

fn the_delay_is_added_in_one_direction(pair: &Pair, direction: Direction) {
    let request = Probe { count: 50, interval: ms(2), ..Probe::default() };
    for (delay, asked_ms) in [("1us", 0.001), ("500us", 0.5), ("10ms", 10.0), ("1.5s", 1500.0)] {
        let keys = json!({direction.key(): {"delay": delay}});
        let other = if direction == Direction::Download { Direction::Upload } else { Direction::Download };
        IMPAIRMENT.repeated(|| {
            let (there, back) = pair.shaped(&keys, || {
                let there = pair.probe(direction, Probe { patience: ms(3000), ..request });
                (there, pair.probe(other, request))
            });
            assert_eq!((there.lost(), back.lost()), (0, 0), "{keys}");
            let added = there.median() - asked_ms * MS;
            println!("{keys}: {:.4} ms, of which {:.4} ms are not asked", there.median() / MS, added / MS);
            assert_by_chance!((0.0..BASE_NS).contains(&added), "{keys}: median {} ns", there.median());
            assert_by_chance!(back.median() < BASE_NS, "{keys}: the other direction takes {} ns", back.median());
        });
    }
}

fn the_uniform_spread_has_hard_ends(pair: &Pair, direction: Direction) {
    IMPAIRMENT.repeated(|| {
        let probes = delayed(pair, direction, &json!({"delay": "20ms", "jitter": "5ms"}));
        let (least, most) = (probes.percentile(0.0), probes.percentile(100.0));
        println!("uniform, {direction:?}: {:.3} to {:.3} ms", least / MS, most / MS);
        let is_hard = (15.0 * MS..15.1 * MS).contains(&least) && (24.9 * MS..25.0 * MS + BASE_NS).contains(&most);
        assert_by_chance!(is_hard, "{least} to {most} ns");
        // Three standard deviations of both, and what the path takes.
        assert_near("mean in ms", probes.mean() / MS, 20.0, 0.05 + 0.14 * wider());
        assert_near(
            "standard deviation in ms",
            probes.standard_deviation() / MS,
            5.0 / 3.0_f64.sqrt(),
            0.065 * wider(),
        );
        // Packets that are sent 1 ms apart and spread over 10 overtake each other: that is netem's jitter.
        assert!(probes.reordered() > u64::from(count() / 4), "{}", probes.reordered());
    });
}

/// What is measured is what the table says, times the jitter: mean, deviation and skew.
fn tables_are_followed(pair: &Pair, direction: Direction) {
    // By how much a measured deviation is off in one of 400 measurements.
    for (name, off) in [("normal", 0.035), ("pareto", 0.08), ("paretonormal", 0.065)] {
        let table = Distribution::named(name).unwrap_or_default().table().unwrap_or_default();
        let wanted: Vec<f64> = table.iter().map(|entry| 5.0 * f64::from(*entry) / 8192.0 + 20.0).collect();
        let keys = json!({"delay": "20ms", "jitter": "5ms", "distribution": name});
        IMPAIRMENT.repeated(|| {
            let probes = delayed(pair, direction, &keys);
            let delays: Vec<f64> = probes.delays().iter().map(|delay| delay / MS).collect();
            let deviation = standard_deviation(&wanted);
            assert_near(&format!("{name}: mean in ms"), mean(&delays), 20.0, 0.05 + 3.0 * wider() * deviation / 63.0);
            assert_near(
                &format!("{name}: deviation in ms"),
                standard_deviation(&delays),
                deviation,
                off * wider() * deviation,
            );
            assert_near(
                &format!("{name}: skew"),
                skew(&delays),
                skew(&wanted),
                (0.15 + 0.15 * skew(&wanted).abs()) * wider(),
            );
        });
    }
}

fn a_table_of_ones_own_is_followed(pair: &Pair, direction: Direction) {
    let keys = json!({"delay": "20ms", "jitter": "5ms", "distribution": [-8192, 8192, 8192, 8192]});
    IMPAIRMENT.repeated(|| {
        let probes = delayed(pair, direction, &keys);
        let near =
            |peak: f64| probes.delays().iter().filter(|delay| (0.0..BASE_NS).contains(&(**delay - peak * MS))).count();
        let (early, late) = (near(15.0), near(25.0));
        println!("two peaks: {early} early, {late} late");
        assert_by_chance!(early + late == count() as usize, "two peaks: {early} early, {late} late");
        assert_share("early", early as u64, count(), 1.0, 0.25);
    });
}

/// netem takes a correlated 32-bit number modulo the width of the jitter (or the size of the table), so that its correlation
/// shows only where the jitter is about as wide as the number: 2.1 s.
fn correlation_shows_only_in_large_jitters(pair: &Pair, direction: Direction) {
    for (jitter, distribution) in [("5ms", "uniform"), ("5ms", "normal"), ("200ms", "uniform")] {
        let keys = json!({"delay": "200ms", "jitter": jitter, "correlation": "50%", "distribution": distribution});
        let what = format!("correlation of a jitter of {jitter}, {distribution}");
        IMPAIRMENT.repeated(|| {
            assert_near(&what, delayed(pair, direction, &keys).delay_correlation(), 0.0, 0.05 + 0.05 * wider());
        });
    }
    let keys = json!({"delay": "2147ms", "jitter": "2147ms", "correlation": "50%"});
    IMPAIRMENT.repeated(|| {
        let correlation = delayed(pair, direction, &keys).delay_correlation();
        assert_near("correlation of a jitter of 2147ms", correlation, 0.5, 0.08 * wider());
    });
}
