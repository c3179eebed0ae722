//! The plugin's errors: their codes, and the words for a failed system call.

use std::io;
use std::path::Path;

use cni::{Code, Error};

/// Every address of a range set is taken, or the one that was asked for. Another container may give one back, so the
/// runtime is told to try again later; the reference says 999 with the same words.
pub(crate) const NO_ADDRESS: Code = Code::TryAgainLater;

/// The attachment holds an address of this range set already (ADD-7).
pub(crate) const DUPLICATE: Code = Code::Plugin(110);

/// Code 5: `action` on `path` failed.
pub(crate) fn io_error(path: &Path, action: &str, cause: &io::Error) -> Error {
    Error::new(Code::Io, format!("{}: cannot {action}: {cause}", path.display()))
}
