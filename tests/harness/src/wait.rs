use std::time::{Duration, Instant};

/// Longer than anything takes that does come, on a busy machine too.
const LIMIT: Duration = Duration::from_secs(30);

/// Waits until something is so, and looks every 2 ms. Panics with `what` when it is not after 30 s.
#[track_caller]
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < LIMIT, "not after {LIMIT:?}: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
