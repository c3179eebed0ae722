//! Errors as plugins print them: one JSON object on stdout (ERR-1 to ERR-8).

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;

use crate::json::{self, Limit};
use crate::{Code, Error, Version, excerpt};

#[derive(Serialize)]
struct Printed<'a> {
    #[serde(rename = "cniVersion")]
    version: &'static str,
    code: u32,
    msg: Cow<'a, str>,
    /// Printed even when it is empty: some readers insist.
    details: &'a str,
}

impl Error {
    /// The error object as JSON text: `cniVersion`, `code`, `msg`, `details` (ERR-2, ERR-3). A message that quotes endless
    /// input is shortened in its middle.
    #[must_use]
    pub fn to_json(&self, version: Version) -> String {
        let printed = Printed {
            version: version.as_str(),
            code: self.code.number(),
            msg: excerpt::shortened(&self.msg),
            details: &self.details,
        };
        // Strings and a number always have a JSON text.
        serde_json::to_string(&printed).unwrap_or_default()
    }

    /// Reads an error object that a delegate printed. `None` if the text is not such an object.
    #[must_use]
    pub fn from_json(text: &[u8]) -> Option<Self> {
        if !text.trim_ascii_start().starts_with(b"{") {
            return None;
        }
        let Ok(Value::Object(object)) = json::read(text, Limit::SINGLE) else { return None };
        let text = |name| match keys::find(&object, name) {
            None => Some(String::new()),
            Some(text) => text.as_str().map(str::to_owned),
        };
        let code = keys::find(&object, "code")?.as_u64().and_then(|code| u32::try_from(code).ok())?;
        Some(Self { code: Code::from_number(code), msg: text("msg")?, details: text("details")? })
    }
}

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
}
