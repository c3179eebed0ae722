//! The JSON of a command that may find several problems: one document with what was found, and with the problems.

use std::io;
use std::process::ExitCode;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::problems::Problem;
use crate::table;

const NOTHING: &[Value] = &[];

/// What a document is about: the key of its list.
#[derive(Debug, Clone, Copy)]
pub(crate) enum About {
    Attachments,
    Networks,
}

impl About {
    fn key(self) -> &'static str {
        match self {
            Self::Attachments => "attachments",
            Self::Networks => "networks",
        }
    }
}

/// Prints a document.
pub(crate) fn print(about: About, found: &[impl Serialize], problems: &[Problem]) -> io::Result<()> {
    let list = [(about.key(), serde_json::to_value(found)?), ("problems", serde_json::to_value(problems)?)];
    table::print_json(&list.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>())
}

/// Passes the outcome of a command on. If it was to print JSON and has come to nothing, prints a document with its error.
pub(crate) fn or_error(
    is_json: bool,
    about: About,
    run: impl FnOnce() -> anyhow::Result<ExitCode>,
) -> anyhow::Result<ExitCode> {
    run().inspect_err(|error| {
        // A document that cannot be printed is the lesser problem.
        let _ = if is_json { print(about, NOTHING, &[Problem::new(format!("{error:#}"))]) } else { Ok(()) };
    })
}
