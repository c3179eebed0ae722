//! What the project promises, and what became of it.

use std::fmt;

/// A promise, and what was found.
#[derive(Debug, Clone)]
pub struct Goal {
    /// What is promised.
    pub what: String,
    /// What was found, and the limit.
    pub found: String,
    /// Whether it was kept.
    pub reached: bool,
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", if self.reached { "reached" } else { "missed" }, self.what, self.found)
    }
}
