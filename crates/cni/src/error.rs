//! Errors as CNI defines them: one JSON object on stdout (ERR-1 to ERR-8).

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Version, json};

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

#[derive(Serialize)]
struct Printed<'a> {
    #[serde(rename = "cniVersion")]
    version: &'static str,
    code: u32,
    msg: Cow<'a, str>,
    /// Printed even when it is empty: some readers insist.
    details: &'a str,
}

#[derive(Deserialize)]
struct Read {
    code: u32,
    msg: Option<String>,
    details: Option<String>,
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

    /// The same error with `prefix` and a colon before its message.
    #[must_use]
    pub fn within(mut self, prefix: &str) -> Self {
        self.msg = format!("{prefix}: {}", self.msg);
        self
    }

    /// Code 7.
    pub fn invalid_config(msg: impl Into<String>) -> Self {
        Self::new(Code::InvalidConfig, msg)
    }

    /// The error object as JSON text: `cniVersion`, `code`, `msg`, `details` (ERR-2, ERR-3). A message that quotes endless
    /// input is shortened in its middle.
    #[must_use]
    pub fn to_json(&self, version: Version) -> String {
        let printed = Printed {
            version: version.as_str(),
            code: self.code.number(),
            msg: json::shortened(&self.msg),
            details: &self.details,
        };
        // Strings and a number always have a JSON text.
        serde_json::to_string(&printed).unwrap_or_default()
    }

    /// Reads an error object that a delegate printed. `None` if the text is no such object.
    #[must_use]
    pub fn from_json(text: &[u8]) -> Option<Self> {
        if !text.trim_ascii_start().starts_with(b"{") {
            return None;
        }
        let read: Read = serde_json::from_slice(text).ok()?;
        Some(Self {
            code: Code::from_number(read.code),
            msg: read.msg.unwrap_or_default(),
            details: read.details.unwrap_or_default(),
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_object_has_version_code_message_and_details() {
        let error = Error::new(Code::InvalidEnvironment, "no \"x\"");
        assert_eq!(error.to_json(Version::V0_3_1), r#"{"cniVersion":"0.3.1","code":4,"msg":"no \"x\"","details":""}"#);
        let error = error.with_details("more");
        assert_eq!(
            error.to_json(Version::V1_1_0),
            r#"{"cniVersion":"1.1.0","code":4,"msg":"no \"x\"","details":"more"}"#
        );
        assert_eq!(Error::from_json(error.to_json(Version::V1_1_0).as_bytes()), Some(error));
    }

    #[test]
    fn a_message_stays_readable_with_its_beginning_and_its_end() {
        let error = Error::new(Code::Internal, format!("begin {} end", "ü".repeat(100_000)));
        let printed = Error::from_json(error.to_json(Version::LATEST).as_bytes()).unwrap();
        assert!(printed.msg.starts_with("begin ü") && printed.msg.ends_with("ü end"), "{}", printed.msg);
        assert!(printed.msg.len() < 1600);
        let error = Error::new(Code::Internal, "x".repeat(1500));
        assert_eq!(Error::from_json(error.to_json(Version::LATEST).as_bytes()), Some(error));
    }

    #[test]
    fn the_reference_omits_the_version() {
        let text = br#"{
    "code": 999,
    "msg": "failed to allocate for range 0: no IP addresses available in range set: 10.1.0.2-10.1.0.2"
}"#;
        let error = Error::from_json(text).unwrap();
        assert_eq!(error.code, Code::Internal);
        assert!(error.msg.starts_with("failed to allocate"));
    }

    #[test]
    fn what_has_no_code_is_no_error_object() {
        for text in
            ["", "null", "[]", "[7,\"x\",null]", "{}", r#"{"msg":"x"}"#, r#"{"code":"7","msg":"x"}"#, r#"{"code":7"#]
        {
            assert_eq!(Error::from_json(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn every_number_is_passed_on_unchanged() {
        for number in (0..200).chain([998, 999, 1000, u32::MAX]) {
            assert_eq!(Code::from_number(number).number(), number);
        }
    }
}
