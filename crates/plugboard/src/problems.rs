//! Several things that went wrong, told one by one.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use crate::usage::Usage;

/// Prints an error that ends the command, and returns the exit status.
pub(crate) fn report_error(error: &anyhow::Error) -> ExitCode {
    let exit = report([format!("{error:#}")]);
    if error.is::<Usage>() { ExitCode::from(Usage::STATUS) } else { exit }
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
