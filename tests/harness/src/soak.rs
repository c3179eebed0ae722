//! Two sizes of a test: one for every change, and one that takes its time, for `make soak`.

/// Set in the environment of a run that takes its time.
pub const SOAK: &str = "PLUGBOARD_SOAK";

/// Whether this run takes its time.
pub fn is_on() -> bool {
    std::env::var_os(SOAK).is_some_and(|value| !value.is_empty())
}

/// How much of something: `usually`, or `soaking` in a run that takes its time. What is asserted of it is the same.
pub fn size<T>(usually: T, soaking: T) -> T {
    if is_on() { soaking } else { usually }
}
