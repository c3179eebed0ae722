//! Several things that went wrong, told one by one.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

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
