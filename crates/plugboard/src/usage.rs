//! What is wrong with a command line although its form is right.

use std::fmt;

/// An error of whoever called: the exit status is that of a wrong command line.
#[derive(Debug)]
pub(crate) struct Usage(String);

impl Usage {
    pub(crate) fn new(message: impl fmt::Display) -> Self {
        Self(message.to_string())
    }

    /// The exit status, as clap has it.
    pub(crate) const STATUS: u8 = 2;
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}
