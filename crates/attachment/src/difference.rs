//! What CHECK reports.

use std::fmt;

/// A difference from the description that CHECK found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The object and its property.
    pub what: String,
    /// What was asked.
    pub want: String,
    /// What is there.
    pub have: String,
}

impl Difference {
    /// A property that differs.
    pub fn new(what: impl Into<String>, want: impl fmt::Display, have: impl fmt::Display) -> Self {
        Self { what: what.into(), want: want.to_string(), have: have.to_string() }
    }

    /// An object that does not exist.
    pub fn missing(what: impl Into<String>) -> Self {
        Self { what: what.into(), want: "present".to_owned(), have: "missing".to_owned() }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: want {}, have {}", self.what, self.want, self.have)
    }
}
