//! Several things that went wrong, told one by one.

use std::fmt::{self, Display, Formatter};
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use serde::Serialize;

use crate::attachment::Attachment;
use crate::usage::Usage;

/// Something that went wrong: for people by [`Display`], for programs by its parts.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub(crate) struct Problem(Box<Parts>);

/// A part is empty where it does not apply.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Parts {
    network: String,
    container_id: String,
    if_name: String,
    /// The plugin that failed.
    plugin: String,
    /// The code of its error.
    code: Option<u32>,
    msg: String,
    details: String,
    /// What can be done.
    advice: String,
    /// All of it but the advice, for people.
    #[serde(skip)]
    words: String,
}

impl Problem {
    /// One of which nothing but the words is known.
    pub(crate) fn new(words: impl Display) -> Self {
        let words = words.to_string();
        Self(Box::new(Parts { msg: words.clone(), words, ..Parts::default() }))
    }

    /// The error of a plugin.
    pub(crate) fn of_plugin(plugin: &str, error: &cni::Error, words: impl Display) -> Self {
        let (plugin, code) = (plugin.to_owned(), Some(error.code.number()));
        let (msg, details, words) = (error.msg.clone(), error.details.clone(), words.to_string());
        Self(Box::new(Parts { plugin, code, msg, details, words, ..Parts::default() }))
    }

    /// On this network.
    pub(crate) fn on(mut self, network: &str) -> Self {
        network.clone_into(&mut self.0.network);
        self
    }

    /// Of an attachment to this network.
    pub(crate) fn of(mut self, network: &str, attachment: &Attachment) -> Self {
        self.0.container_id.clone_from(&attachment.container_id);
        self.0.if_name.clone_from(&attachment.if_name);
        self.on(network)
    }

    /// With what can be done.
    pub(crate) fn advised(mut self, advice: &str) -> Self {
        advice.clone_into(&mut self.0.advice);
        self
    }
}

impl From<String> for Problem {
    fn from(words: String) -> Self {
        Self::new(words)
    }
}

impl Display for Problem {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        to.write_str(&self.0.words)?;
        if self.0.advice.is_empty() { Ok(()) } else { write!(to, "; {}", self.0.advice) }
    }
}

/// Prints an error that ends the command, and returns the exit status.
pub(crate) fn report_error(error: &anyhow::Error) -> ExitCode {
    let exit = report([format!("{error:#}")]);
    if error.is::<Usage>() { ExitCode::from(Usage::STATUS) } else { exit }
}

/// The same after output, which may have failed: the problems are told all the same.
///
/// # Errors
/// That of the output.
pub(crate) fn report_printed(
    problems: impl IntoIterator<Item = impl Display>,
    printed: io::Result<()>,
) -> anyhow::Result<ExitCode> {
    let exit = report(problems);
    printed.context("cannot print what was done")?;
    Ok(exit)
}

/// Prints each problem on a line of its own, and returns the exit status. The iterator that finds the problems is run to its end,
/// even if nobody reads them.
pub(crate) fn report(problems: impl IntoIterator<Item = impl Display>) -> ExitCode {
    let mut exit = ExitCode::SUCCESS;
    for problem in problems {
        let _ = writeln!(io::stderr(), "plugboard: {problem}");
        exit = ExitCode::FAILURE;
    }
    exit
}
