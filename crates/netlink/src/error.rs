//! What can go wrong between us and the kernel.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// The kernel refused a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelError {
    /// The error number, positive, as in `errno.h`.
    pub errno: i32,
    /// The extended acknowledgement's text (`NLMSGERR_ATTR_MSG`), where the kernel gave one.
    pub text: Option<String>,
}

impl fmt::Display for KernelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let system = nix::errno::Errno::from_raw(self.errno).desc();
        match &self.text {
            Some(text) => write!(f, "{system}: {text}"),
            None => f.write_str(system),
        }
    }
}

impl std::error::Error for KernelError {}

/// An error of this crate. Its message includes the system's words, so it has no source that would repeat them.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refused a request.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// A system call on a socket or a device file failed.
    #[error("{call}: {reason}")]
    System {
        /// The call.
        call: &'static str,
        /// The system's reason.
        reason: io::Error,
    },
    /// The answer to what was sent cannot be received or read: whatever was asked may have been done.
    #[error("the kernel's answer could not be received: {0}")]
    Unanswered(String),
    /// A value that no message can carry.
    #[error("{0}")]
    Malformed(String),
    /// The table changed during each of several dumps (`NLM_F_DUMP_INTR`).
    #[error("the kernel's table of {0} kept changing while it was read; try again")]
    Interrupted(&'static str),
    /// The path is not there.
    #[error("namespace {} does not exist", .0.display())]
    NoNamespace(PathBuf),
    /// The path exists but is not a network namespace.
    #[error("{} is not a network namespace: it is {found}", .path.display())]
    NotANamespace {
        /// The path.
        path: PathBuf,
        /// What it is.
        found: &'static str,
    },
    /// The path could not be opened or entered.
    #[error("namespace {}: {call}: {reason}", .path.display())]
    Namespace {
        /// The path.
        path: PathBuf,
        /// The call.
        call: &'static str,
        /// The system's reason.
        reason: io::Error,
    },
}

impl Error {
    /// The error number, where the kernel gave one.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Kernel(error) => Some(error.errno),
            Self::System { reason, .. } | Self::Namespace { reason, .. } => reason.raw_os_error(),
            _ => None,
        }
    }

    /// The object that was asked for is not there (`ENODEV`, `ENOENT`, `EADDRNOTAVAIL`, `ESRCH`).
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self.errno(), Some(libc::ENODEV | libc::ENOENT | libc::EADDRNOTAVAIL | libc::ESRCH | libc::ENXIO))
    }

    /// No route leads there (`ENETUNREACH`, `EHOSTUNREACH`).
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        matches!(self.errno(), Some(libc::ENETUNREACH | libc::EHOSTUNREACH))
    }

    /// The kernel has none of the family that was asked about: IPv6 may be missing, or off for a link (`EAFNOSUPPORT`, `EOPNOTSUPP`).
    #[must_use]
    pub fn is_without_family(&self) -> bool {
        matches!(self.errno(), Some(libc::EAFNOSUPPORT | libc::EOPNOTSUPP))
    }

    /// The object is there already (`EEXIST`).
    #[must_use]
    pub fn is_existing(&self) -> bool {
        self.errno() == Some(libc::EEXIST)
    }

    /// Nobody knows whether what was asked has been done.
    #[must_use]
    pub fn is_unanswered(&self) -> bool {
        matches!(self, Self::Unanswered(_))
    }

    pub(crate) fn system(call: &'static str) -> impl FnOnce(nix::errno::Errno) -> Self {
        move |errno| Self::System { call, reason: errno.into() }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn the_kernels_words_are_said_once() {
        let reason = || io::Error::from_raw_os_error(libc::EPERM);
        let refused = KernelError { errno: libc::EBUSY, text: Some("Exclusivity flag on".to_owned()) };
        for error in [
            Error::Kernel(refused),
            Error::System { call: "socket", reason: reason() },
            Error::Namespace { path: PathBuf::from("/run/netns/c1"), call: "setns", reason: reason() },
        ] {
            assert!(error.source().is_none(), "{error}: {:?}", error.source());
        }
    }
}
