//! Errors as CNI defines them (ERR-4 to ERR-6).

use std::fmt;

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
    /// 100 and above: specific to the plugin; our own are listed in `docs/errors.md`.
    Plugin(u32),
    /// 999: practice of the Go library for anything else.
    Internal,
    /// Any other number that a delegate returned; passed on unchanged.
    Other(u32),
}

impl Code {
    /// The number on the wire.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::IncompatibleVersion => 1,
            Self::UnsupportedField => 2,
            Self::UnknownContainer => 3,
            Self::InvalidEnvironment => 4,
            Self::Io => 5,
            Self::Decode => 6,
            Self::InvalidConfig => 7,
            Self::InvalidNamespace => 8,
            Self::TryAgainLater => 11,
            Self::NotAvailable => 50,
            Self::LimitedConnectivity => 51,
            Self::Internal => 999,
            Self::Plugin(number) | Self::Other(number) => number,
        }
    }

    /// The code with this number.
    #[must_use]
    pub fn from_number(number: u32) -> Self {
        match number {
            1 => Self::IncompatibleVersion,
            2 => Self::UnsupportedField,
            3 => Self::UnknownContainer,
            4 => Self::InvalidEnvironment,
            5 => Self::Io,
            6 => Self::Decode,
            7 => Self::InvalidConfig,
            8 => Self::InvalidNamespace,
            11 => Self::TryAgainLater,
            50 => Self::NotAvailable,
            51 => Self::LimitedConnectivity,
            999 => Self::Internal,
            100.. => Self::Plugin(number),
            _ => Self::Other(number),
        }
    }
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

    /// The same error with `prefix` and a colon before its message, unless it begins so: many plugins name themselves.
    #[must_use]
    pub fn within(mut self, prefix: &str) -> Self {
        if !self.msg.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(':')) {
            self.msg = format!("{prefix}: {}", self.msg);
        }
        self
    }

    /// Code 7.
    pub fn invalid_config(msg: impl Into<String>) -> Self {
        Self::new(Code::InvalidConfig, msg)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.details.as_str() {
            "" => f.write_str(&self.msg),
            details => write!(f, "{}; {details}", self.msg),
        }
    }
}

impl std::error::Error for Error {}

impl From<keys::Refusal> for Error {
    fn from(refusal: keys::Refusal) -> Self {
        Self::invalid_config(refusal.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_comes_once() {
        for (msg, expected) in [
            ("it is full", "host-local: it is full"),
            ("host-local: it is full", "host-local: it is full"),
            ("host-local-6: it is full", "host-local: host-local-6: it is full"),
            ("", "host-local: "),
        ] {
            assert_eq!(Error::invalid_config(msg).within("host-local").msg, expected);
        }
    }

    #[test]
    fn every_number_is_passed_on_unchanged() {
        for number in (0..200).chain([998, 999, 1000, u32::MAX]) {
            assert_eq!(Code::from_number(number).number(), number);
        }
    }
}
