//! Assertions that chance can make fail although what they look at is right: how often that is, all of them together.
//!
//! Whoever measures a share, a delay or a rate asserts it with [`assert_by_chance!`](crate::assert_by_chance) within
//! [`FalseAlarm::repeated`], which measures again, with new data, before it fails. An ordinary assertion fails at once there
//! too: what chance has no part in is not tried twice.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};
use std::time::Duration;

/// In one of so many runs of the whole suite an assertion may fail by chance, at most.
pub const RUNS: f64 = 10_000.0;

/// An assertion, or several of a kind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FalseAlarm {
    /// Its name in this table.
    pub name: &'static str,
    /// The chance that one attempt fails although all is right; how it follows is in the constant's documentation.
    pub once: f64,
    /// So many attempts, each with new data, must fail.
    pub attempts: u32,
    /// How often a run of the suite makes such attempts, at most.
    pub times: u32,
    /// The pause before another attempt: what disturbs a machine is to have passed.
    pub pause: Duration,
}

/// The payload of a panic that chance may have caused.
struct Missed(String);

thread_local! {
    /// How many of [`FalseAlarm::repeated`] the thread is in.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

impl FalseAlarm {
    /// The chance that a run of the suite fails by it.
    pub fn in_a_run(&self) -> f64 {
        (0..self.attempts).map(|_| self.once).product::<f64>() * f64::from(self.times)
    }

    /// Makes an attempt, and others where chance may have made it fail; each that fails is told. The last one's panic stands.
    ///
    /// `attempt` begins with new data. What it leaves behind when it panics must not disturb the next one.
    pub fn repeated<T>(&self, mut attempt: impl FnMut() -> T) -> T {
        for number in 1..=self.attempts {
            DEPTH.set(DEPTH.get() + 1);
            let result = catch_unwind(AssertUnwindSafe(&mut attempt));
            DEPTH.set(DEPTH.get() - 1);
            match result {
                Ok(value) => return value,
                Err(payload) => match payload.downcast::<Missed>() {
                    Ok(missed) => {
                        println!("FAILED ATTEMPT {number} of {} ({}): {}", self.attempts, self.name, missed.0)
                    }
                    Err(payload) => resume_unwind(payload),
                },
            }
            if number < self.attempts {
                std::thread::sleep(self.pause * number);
            }
        }
        panic!("{}: every one of {} attempts failed", self.name, self.attempts);
    }

    /// [`Self::repeated`] for a figure that is to lie between `low` and `high`.
    #[track_caller]
    pub fn assert_within(&self, what: &str, low: f64, high: f64, mut measure: impl FnMut() -> f64) {
        self.repeated(|| {
            let figure = measure();
            println!("{what}: {figure:.3} (wanted {low} to {high})");
            crate::assert_by_chance!((low..=high).contains(&figure), "{what}: {figure:.3}, wanted {low} to {high}");
        });
    }
}

/// What [`assert_by_chance!`](crate::assert_by_chance) does where its condition does not hold.
#[doc(hidden)]
#[track_caller]
pub fn missed(text: String) -> ! {
    if DEPTH.get() == 0 {
        panic!("{text} (by chance, outside of what is repeated)");
    }
    panic_any(Missed(text))
}

/// Asserts what chance can make fail. To be used within [`FalseAlarm::repeated`](crate::chance::FalseAlarm::repeated).
#[macro_export]
macro_rules! assert_by_chance {
    ($holds:expr, $($text:tt)+) => {
        // Of two that cannot be compared (NaN) neither is what was wanted.
        match $holds {
            true => {}
            false => $crate::chance::missed(format!($($text)+)),
        }
    };
}

macro_rules! false_alarms {
    ($($(#[$text:meta])+ $name:ident: once $once:expr, attempts $attempts:expr, times $times:expr, pause $pause:expr;)+) => {
        $($(#[$text])+ pub const $name: FalseAlarm = FalseAlarm {
            name: stringify!($name),
            once: $once,
            attempts: $attempts,
            times: $times,
            pause: Duration::from_millis($pause),
        };)+

        /// All of them.
        pub const ALL: &[FalseAlarm] = &[$($name),+];
    };
}

false_alarms! {
    /// What a key of the shaper does to 200 to 12,000 packets.
    ///
    /// Shares (losses, duplicates, marks) are compared within 1.35 times the 95 % interval, beside which 8 in 1000 are by a normal
    /// distribution, and 4 to 9 in 1000 of 20,000 simulated runs each of the kernel's recursions, in bursts or not. Means and
    /// deviations are within three of their standard deviations (3 in 1000), skews, correlations and the lengths of bursts within
    /// 3.6 at least (3 in 10,000 of 10,000 simulated runs at most). An attempt has three of them: 3 in 100 fail. Where the kernel
    /// has netem itself, the machine's clock has a part in it too: delays to 0.1 ms, of which we allow 2 attempts in 100 for a busy
    /// processor.
    ///
    /// So narrow, six attempts see more of what is wrong than one of 3.9 standard deviations did: a share that is off by 4.2 of
    /// them fails all in 69 of 100 runs, instead of 61.
    IMPAIRMENT: once 0.05, attempts 6, times 120, pause 200;

    /// A report of `plugboard verify` says of a line that it is kept, or why it is not.
    ///
    /// A figure is missed if three 95 % intervals, each of new packets, are beside what is asked. Of the intervals of shares 4 to 6 %
    /// are (simulated, as above), so that one figure in 4000 is missed; a report has ten at most that chance has a part in. The
    /// rates of UDP and TCP are measured once, and on this machine's clock.
    VERIFIED: once 0.05, attempts 5, times 25, pause 1000;

    /// What a limit leaves of UDP or TCP, on the machine's clock: a busy processor serves a queue late and takes away from it for a
    /// second or two, which the pauses outlast.
    ///
    /// Of 27 rows of the benchmark beside four builds, 11 were beyond 1 %. Most of these assertions allow 2 to 5 %, so that on a
    /// machine as busy as that fewer miss; on a quiet one hardly any does.
    RATE: once 0.2, attempts 10, times 155, pause 300;

    /// A rate in comparison with that of another pair, which another program may slow down meanwhile, either of them.
    COMPARED: once 0.25, attempts 12, times 8, pause 300;

    /// A round trip or a delay to a fraction of a millisecond, in the mean of 20 to 30 pings: one that was late by 15 ms spoils it.
    TIME: once 0.1, attempts 7, times 35, pause 500;

    /// That something is done at once: within a second where it takes milliseconds, or in at most ten times the time that the same
    /// takes without what must not cost anything, as the shortest of 20 runs each.
    PROMPT: once 0.05, attempts 5, times 14, pause 1000;

    /// A kill after so many microseconds comes in the middle of a call, several times of a hundred or more: the call takes 1 to 3 ms
    /// on a quiet machine, and longer on a busy one, so that all kills may come before it has begun.
    KILLED: once 0.05, attempts 5, times 8, pause 1000;

    /// Of a stream, no more is lost than what arrives while queues are exchanged: a busy processor makes that moment longer.
    EXCHANGED: once 0.05, attempts 5, times 2, pause 1000;

    /// 300 delays with a standard deviation of 20 ms: their mean is within 3.46 of its standard deviations (5 in 10,000 are beyond),
    /// their deviation within 3.67 (2 in 10,000), and more than 50 are beyond 20 ms, where 95 are with a standard deviation of 8. Of
    /// 300 uniform ones: 6 and 4.5 standard deviations, and the machine's clock must not add half a millisecond to any.
    NORMAL: once 0.02, attempts 4, times 2, pause 500;

    /// A loss of one in a billion, the least that can be asked, takes one of the 2000 packets that pass while it is asked. The
    /// stream cannot be had again.
    UNLIKELY_LOSS: once 2e-6, attempts 1, times 1, pause 0;
}
