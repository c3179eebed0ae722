//! Waiting for the kernel's workers.

use std::thread;
use std::time::{Duration, Instant};

use crate::{Error, Session};

/// Workers usually finish within microseconds, and on a busy machine when they get their turn. What is not done after this
/// time is left to CHECK.
const LIMIT: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_micros(100);
/// What takes seconds is looked at less often.
const LONG_PAUSE: Duration = Duration::from_millis(5);

/// Waits until a condition holds, or the time is up.
///
/// # Errors
/// Those of `is_so`.
pub(super) fn until(
    session: &mut Session,
    is_so: impl FnMut(&mut Session) -> Result<bool, Error>,
) -> Result<(), Error> {
    wait(session, (LIMIT, PAUSE), is_so)
}

/// The same with a limit of seconds.
///
/// # Errors
/// Those of `is_so`.
pub(super) fn for_long(
    session: &mut Session,
    limit: Duration,
    is_so: impl FnMut(&mut Session) -> Result<bool, Error>,
) -> Result<(), Error> {
    wait(session, (limit, LONG_PAUSE), is_so)
}

fn wait(
    session: &mut Session,
    (limit, pause): (Duration, Duration),
    mut is_so: impl FnMut(&mut Session) -> Result<bool, Error>,
) -> Result<(), Error> {
    let started = Instant::now();
    while !is_so(session)? && started.elapsed() < limit {
        thread::sleep(pause);
    }
    Ok(())
}
