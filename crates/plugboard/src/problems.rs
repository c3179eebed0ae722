//! Several things that went wrong, told one by one.

use std::fmt::Display;
use std::process::ExitCode;

/// Prints each problem on a line of its own, and says how the command ends.
pub(crate) fn report(problems: impl IntoIterator<Item = impl Display>) -> ExitCode {
    let mut exit = ExitCode::SUCCESS;
    for problem in problems {
        eprintln!("plugboard: {problem}");
        exit = ExitCode::FAILURE;
    }
    exit
}
