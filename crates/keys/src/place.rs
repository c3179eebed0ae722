//! Where in a configuration something is, and what is wrong there.

use std::fmt;

use serde_json::Value;

use crate::excerpt;

/// Where a value is. It prints as people write it: `ipam.ranges[1][0].subnet`. The outermost object prints as nothing.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    /// What there is as a whole.
    Whole,
    /// A path that is known as text.
    Named(&'a str),
    /// A member of an object.
    Member(&'a Place<'a>, &'a str),
    /// An entry of a list.
    Entry(&'a Place<'a>, usize),
}

impl Place<'_> {
    /// Code 7: the value here is not what is accepted, which is put into words after "it must be".
    #[must_use]
    pub fn is_no(&self, accepted: &str, found: &Value) -> Refusal {
        Refusal(format!("{self} is {}: it must be {accepted}", excerpt::shown(found)))
    }

    /// The same for a reason that says all, the value included.
    #[must_use]
    pub fn refused(&self, reason: impl fmt::Display) -> Refusal {
        Refusal(format!("{self}: {reason}"))
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => f.write_str("the configuration"),
            Self::Named(path) => f.write_str(path),
            Self::Member(Self::Whole, name) => f.write_str(name),
            Self::Member(object, name) => write!(f, "{object}.{name}"),
            Self::Entry(list, index) => write!(f, "{list}[{index}]"),
        }
    }
}

/// Why a value cannot be read: its path, the value, what is accepted, in one sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(pub String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}
