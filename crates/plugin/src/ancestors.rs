//! Who has started this process.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;

/// The most generations that are looked at: more than a runtime, its helpers and a chain of wrappers have.
const GENERATIONS: usize = 32;

/// Whether a process that runs the same executable has started this one, or has started one that did.
pub(crate) fn is_own_descendant() -> bool {
    let number = |found: &Metadata| (found.dev(), found.ino());
    let Ok(own) = fs::metadata("/proc/self/exe") else { return false };
    let mut process = parent_of("self");
    for _ in 0..GENERATIONS {
        let Some(id) = process.filter(|id| *id > 1) else { return false };
        if fs::metadata(format!("/proc/{id}/exe")).is_ok_and(|found| number(&found) == number(&own)) {
            return true;
        }
        process = parent_of(&id.to_string());
    }
    false
}

/// The second field behind the name, which is in parentheses and may contain any (proc_pid_stat(5)).
fn parent_of(process: &str) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse().ok()
}
