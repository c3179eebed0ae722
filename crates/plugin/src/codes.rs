//! Our own error codes (ERR-4: 100 and above are the plugin's), and how an attachment's errors become CNI errors.

use attachment::{Difference, Error, Remedy};
use cni::Code;

/// The kernel lacks a feature that the configuration needs.
pub const UNSUPPORTED_BY_KERNEL: u32 = 100;
/// An interface or device of that name exists already.
pub const EXISTS: u32 = 101;
/// Something that an operator made contradicts the configuration.
pub const CONFLICT: u32 = 102;
/// The kernel refused a step.
pub const REFUSED: u32 = 103;
/// CHECK found something different from what ADD made.
pub const DIFFERENT: u32 = 104;

/// An attachment's error as a CNI error.
#[must_use]
pub fn from_attachment(error: &Error) -> cni::Error {
    worded(error, |_| None)
}

/// The same, with what to do about it in `words` that name keys of the configuration.
pub fn worded(error: &Error, words: impl Fn(&Remedy) -> Option<String>) -> cni::Error {
    let code = match error {
        Error::Refused { .. } | Error::Missing(_) | Error::Channel { .. } | Error::Fixed(_) => Code::Plugin(REFUSED),
        Error::Exists(_) => Code::Plugin(EXISTS),
        Error::Conflict { .. } => Code::Plugin(CONFLICT),
        Error::Unsupported { .. } => Code::Plugin(UNSUPPORTED_BY_KERNEL),
        Error::Namespace(_) => Code::InvalidNamespace,
        Error::Invalid(_) | Error::Unusable { .. } => Code::InvalidConfig,
        Error::Unlisted(_) | Error::Late => Code::Internal,
        Error::System { .. } | Error::Setting { .. } => Code::Io,
        Error::Busy(_) => Code::TryAgainLater,
    };
    cni::Error::new(code, error.worded(words))
}

/// Several errors as one: the first, with the others as details.
///
/// # Errors
/// Always, unless there is none.
pub fn all_of(errors: Vec<cni::Error>) -> Result<(), cni::Error> {
    let mut errors = errors.into_iter();
    let Some(first) = errors.next() else { return Ok(()) };
    let rest: Vec<String> = errors.map(|error| error.msg).collect();
    Err(with_more_details(first, &rest))
}

/// The error with further lines in its details. What has been told is not told again: a delegate that refuses a configuration
/// refuses to undo for the same reason, and two ways of finding an object lead to one error.
#[must_use]
pub fn with_more_details(mut error: cni::Error, more: &[String]) -> cni::Error {
    for (place, line) in more.iter().enumerate() {
        if *line == error.msg || more.iter().take(place).any(|told| told == line) {
            continue;
        }
        if !error.details.is_empty() {
            error.details.push_str("; ");
        }
        error.details.push_str(line);
    }
    error
}

/// What CHECK reports.
///
/// # Errors
/// Code 104 with every difference, unless there is none.
pub fn all_met(differences: &[Difference]) -> Result<(), cni::Error> {
    let lines: Vec<String> = differences.iter().map(ToString::to_string).collect();
    match lines.as_slice() {
        [] => Ok(()),
        [only] => Err(cni::Error::new(Code::Plugin(DIFFERENT), only.clone())),
        several => Err(cni::Error::new(
            Code::Plugin(DIFFERENT),
            format!("{} properties differ from what ADD made: {}", several.len(), several.join("; ")),
        )),
    }
}
