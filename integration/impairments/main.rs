//! What each key of `netem-shaper` does to the packets of a NIC, in both directions: asked by a configuration, measured from one
//! node to another. The clock of the lab is virtual, so that delays are exact.
//!
//! Chance is compared within twice the 95 % interval, or one test of twenty would fail.

mod delays;
mod losses;
mod queues;
mod seed;

use meter::statistics::Interval;
use std::time::Duration;

/// What passes a bridge and two veths, in nanoseconds, at most.
const BASE_NS: f64 = 100_000.0;

const MS: f64 = 1e6;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[track_caller]
fn assert_near(what: &str, got: f64, wanted: f64, tolerance: f64) {
    println!("{what}: {got:.4}, wanted {wanted:.4} within {tolerance:.4}");
    assert!((got - wanted).abs() <= tolerance, "{what}: {got}, wanted {wanted} within {tolerance}");
}

/// `wanted` is in an interval twice as wide as `interval`.
#[track_caller]
fn assert_likely(what: &str, interval: &Interval, wanted: f64) {
    let (middle, half) = ((interval.low + interval.high) / 2.0, (interval.high - interval.low) / 2.0);
    println!("{what}: {:.4} to {:.4}, wanted {wanted:.4}", interval.low, interval.high);
    assert!((middle - wanted).abs() <= 2.0 * half, "{what}: {interval:?}, wanted {wanted}");
}
