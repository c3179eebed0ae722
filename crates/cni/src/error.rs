//! Errors as CNI defines them: one JSON object on stdout (ERR-1 to ERR-8).

use crate::Version;

/// An error code (ERR-4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// 1: the configuration's `cniVersion` is not supported, or does not know the command.
    IncompatibleVersion,
    /// 2: a field of the configuration is not supported; the message has its key and value (ERR-5).
    UnsupportedField,
    /// 3: the container is unknown or does not exist.
    UnknownContainer,
    /// 4: a necessary environment variable is missing or invalid; the message has its name (ERR-6).
    InvalidEnvironment,
    /// 5: reading or writing failed.
    Io,
    /// 6: content could not be decoded.
    Decode,
    /// 7: the configuration is invalid.
    InvalidConfig,
    /// 8: the namespace of the container is not usable (practice of the Go library).
    InvalidNamespace,
    /// 11: a transient condition; try again later.
    TryAgainLater,
    /// 50: STATUS: the plugin cannot serve ADD.
    NotAvailable,
    /// 51: STATUS: the plugin cannot serve ADD, and existing containers may have limited connectivity.
    LimitedConnectivity,
    /// 100 and above: specific to the plugin; our own are listed in the README.
    Plugin(u32),
    /// 999: practice of the Go library for anything else.
    Internal,
    /// Any other number that a delegate returned; passed on unchanged.
    Other(u32),
}

/// An error of a CNI call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What kind of error.
    pub code: Code,
    /// One sentence for a person: the object, what is wrong with it, what to do.
    pub msg: String,
    /// More, where there is more; empty otherwise.
    pub details: String,
}

impl Error {
    /// An error without details.
    pub fn new(code: Code, msg: impl Into<String>) -> Self {
        Self { code, msg: msg.into(), details: String::new() }
    }

    /// The same error with details.
    #[must_use]
    pub fn with_details(mut self, details: impl Into<String>) -> Self {
        self.details = details.into();
        self
    }

    /// Code 7.
    pub fn invalid_config(msg: impl Into<String>) -> Self {
        Self::new(Code::InvalidConfig, msg)
    }

    /// The error object as JSON text: `cniVersion`, `code`, `msg`, `details` (omitted when empty) (ERR-2, ERR-3).
    pub fn to_json(&self, _version: Version) -> String {
        todo!()
    }

    /// Reads an error object that a delegate printed. `None` if the text is no such object.
    pub fn from_json(_text: &[u8]) -> Option<Self> {
        todo!()
    }
}
