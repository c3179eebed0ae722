//! What chance can make fail: how often it does in a run of the suite, and that nothing else is tried again.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use harness::assert_by_chance;
use harness::chance::{ALL, FalseAlarm, RUNS};

const TWICE: FalseAlarm = FalseAlarm { name: "TWICE", once: 0.5, attempts: 2, times: 1, pause: Duration::ZERO };

#[test]
fn the_suite_fails_by_chance_in_one_of_ten_thousand_runs_at_most() {
    let sum: f64 = ALL.iter().map(FalseAlarm::in_a_run).sum();
    for alarm in ALL {
        println!("{:>8.1e} {}", alarm.in_a_run(), alarm.name);
    }
    println!("{sum:>8.1e} together");
    assert!(sum <= 1.0 / RUNS, "{sum}");
    assert_eq!(TWICE.in_a_run(), 0.25);
}

/// All Rust files of the repository.
fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            sources(&path, found);
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
}

/// Loops make more of them than there are places, never fewer.
#[test]
fn each_is_used_in_no_more_places_than_it_is_counted() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."), &mut files);
    let mut places: BTreeMap<&str, u32> = ALL.iter().map(|alarm| (alarm.name, 0)).collect();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a text");
        for (name, count) in &mut places {
            for method in ["repeated(", "assert_within("] {
                let uses = text.matches(&format!("{name}.{method}")).count();
                *count += u32::try_from(uses).expect("few");
            }
        }
    }
    for alarm in ALL {
        let places = places[alarm.name];
        assert!((1..=alarm.times).contains(&places), "{}: {places} places, {} counted", alarm.name, alarm.times);
    }
}

/// How often it is tried until it ends, and how it ends.
fn tries(mut attempt: impl FnMut(u32)) -> (u32, Result<(), String>) {
    let mut tries = 0;
    let result = catch_unwind(AssertUnwindSafe(|| {
        TWICE.repeated(|| {
            tries += 1;
            attempt(tries);
        });
    }));
    let text = |panic: Box<dyn std::any::Any + Send>| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or(panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
    };
    (tries, result.map_err(text))
}

#[test]
fn only_what_chance_can_make_fail_is_tried_again() {
    assert_eq!(tries(|_| {}), (1, Ok(())));
    assert_eq!(tries(|number| assert_by_chance!(number == 2, "the first")), (2, Ok(())));
    let (count, result) = tries(|number| assert_by_chance!(number == 3, "both"));
    assert!(count == 2 && result.is_err_and(|text| text.contains("every one of 2 attempts failed")), "{count}");
    let (count, result) = tries(|_| assert_eq!(1, 2, "wrong whatever the dice say"));
    assert!(count == 1 && result.is_err_and(|text| text.contains("wrong whatever")), "{count}");
    assert_eq!(tries(|number| TWICE.assert_within("", 0.0, 1.0, || f64::from(number) / 2.0)), (1, Ok(())));
    let (count, result) = tries(|_| TWICE.assert_within("", 0.0, 1.0, || f64::NAN));
    assert!(count == 1 && result.is_err_and(|text| text.contains("every one")), "nothing is not within: {count}");
}

#[test]
#[should_panic(expected = "outside of what is repeated")]
fn outside_of_what_is_repeated_it_fails_at_once() {
    assert_by_chance!(false, "a figure");
}
