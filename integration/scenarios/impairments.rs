//! What each key of `netem-shaper` does to the packets of a NIC, in both directions: asked by a configuration, measured from one
//! node to another. The clock of the lab is virtual, so that delays are exact.
//!
//! What chance has a part in is measured within [`harness::chance::IMPAIRMENT`], which says how often that fails.

mod delays;
mod losses;
mod queues;
mod seed;

use std::time::Duration;

use harness::{assert_by_chance, soak};
use meter::statistics::wilson_of_dependent;

/// What passes a bridge and two veths, in nanoseconds, at most.
const BASE_NS: f64 = 100_000.0;

const MS: f64 = 1e6;

/// How many packets are sent to see a share or a spread.
fn count() -> u32 {
    soak::size(1000, 4000)
}

/// How much farther off than by 4000 packets a figure may be: a deviation goes with the root of their number.
fn wider() -> f64 {
    (4000.0 / f64::from(count())).sqrt()
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[track_caller]
fn assert_near(what: &str, got: f64, wanted: f64, tolerance: f64) {
    println!("{what}: {got:.4}, wanted {wanted:.4} within {tolerance:.4}");
    assert_by_chance!((got - wanted).abs() <= tolerance, "{what}: {got}, wanted {wanted} within {tolerance}");
}

/// The interval within which a share is to be, in 95 % intervals: 2.65 standard deviations of a normal distribution.
const WIDTH: f64 = 1.35;

/// `hits` of the packets sent are `wanted`. `factor` is how many times as much their number varies as that of independent ones.
#[track_caller]
fn assert_share(what: &str, hits: u64, sent: u32, factor: f64, wanted: f64) {
    let interval = wilson_of_dependent(hits, sent.into(), factor);
    let (middle, half) = ((interval.low + interval.high) / 2.0, (interval.high - interval.low) / 2.0);
    println!("{what}: {:.4} to {:.4}, wanted {wanted:.4}", interval.low, interval.high);
    assert_by_chance!((middle - wanted).abs() <= WIDTH * half, "{what}: {interval:?}, wanted {wanted}");
}
