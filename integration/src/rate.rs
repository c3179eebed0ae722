//! What a limit leaves of a stream on a busy machine.

use std::time::Duration;

use meter::Throughput;

/// What begins a measurement and is left out: a queue's bucket, and TCP's start.
const START: Duration = Duration::from_millis(500);

/// Bits per second at layer 2 past the start: in the median of the slices, and in the mean.
///
/// A machine that leaves the queue or the sender waiting takes away from the slices in which it does, and from the mean, which may be
/// 5 % less then. The median stays what the queue lets pass whenever it is served. Neither is more than that, but for what waited in the
/// bucket.
#[must_use]
pub fn settled_bit_s(measured: &Throughput) -> [f64; 2] {
    let skipped = START.as_nanos().div_ceil(measured.slice.as_nanos().max(1));
    let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
    let mut slices = measured.layer2_bit_s_by_slice().split_off(skipped.min(measured.slices.len()));
    slices.sort_by(f64::total_cmp);
    let median = slices.get(slices.len() / 2).copied().unwrap_or(f64::NAN);
    [median, measured.layer2_bit_s_after(START)]
}
