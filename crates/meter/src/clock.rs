//! The clocks of both ends, which are one machine's.

use std::time::Duration;

use nix::errno::Errno;
use nix::time::{ClockId, ClockNanosleepFlags, clock_gettime, clock_nanosleep};

/// Nanoseconds of the wall clock, by which the kernel stamps arrivals (`SO_TIMESTAMPNS`).
pub(crate) fn wall_ns() -> u64 {
    now(ClockId::CLOCK_REALTIME)
}

/// Nanoseconds of the clock that is never set.
pub(crate) fn steady_ns() -> u64 {
    now(ClockId::CLOCK_MONOTONIC)
}

/// Sleeps until `due` on the clock that is never set; returns at once when that is past.
pub(crate) fn sleep_until(due: u64) {
    if steady_ns() >= due {
        return;
    }
    let time = Duration::from_nanos(due).into();
    let sleep = || clock_nanosleep(ClockId::CLOCK_MONOTONIC, ClockNanosleepFlags::TIMER_ABSTIME, &time);
    while sleep() == Err(Errno::EINTR) {}
}

/// Lets the calling thread wake up on time: the kernel may otherwise be 50 us late, to wake up for several at once.
pub(crate) fn be_punctual() {
    // It is only late where this is refused.
    let _ = nix::sys::prctl::set_timerslack(1);
}

/// A span in nanoseconds, as much of it as 64 bits hold.
pub(crate) fn nanoseconds(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

fn now(clock: ClockId) -> u64 {
    // Both clocks exist on every Linux.
    let time = clock_gettime(clock).map(Duration::from).unwrap_or_default();
    nanoseconds(time)
}
