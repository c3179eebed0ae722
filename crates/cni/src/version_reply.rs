//! The answer to VERSION (VER-1 to VER-3).

use serde::Serialize;

use crate::config::stdin;
use crate::json::Limit;
use crate::{Error, Version};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reply<'a> {
    cni_version: &'a str,
    supported_versions: [&'static str; Version::ALL.len()],
}

/// The answer to VERSION as JSON text. `text` is what came on stdin; it may be empty. The answer repeats the version that
/// was given there, spoken or not, as the specification asks (VER-2); without one it is the latest.
///
/// # Errors
/// Code 6: there is something on stdin and it is not a JSON object. Code 7: its `cniVersion` is not a string.
pub fn version_reply(text: &[u8]) -> Result<String, Error> {
    let object =
        if text.trim_ascii().is_empty() { serde_json::Map::new() } else { stdin::object(text, Limit::SINGLE)? };
    let given = stdin::version_text(&object)?;
    let reply = Reply {
        cni_version: given.unwrap_or(Version::LATEST.as_str()),
        supported_versions: Version::ALL.map(Version::as_str),
    };
    crate::json::text(&reply)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Code;

    const ALL: &str = r#""supportedVersions":["0.1.0","0.2.0","0.3.0","0.3.1","0.4.0","1.0.0","1.1.0"]"#;

    #[test]
    fn the_version_given_is_repeated() {
        for given in ["0.4.0", "1.1.0", "9.9.9"] {
            let reply = version_reply(format!(r#"{{"cniVersion":"{given}"}}"#).as_bytes()).unwrap();
            assert_eq!(reply, format!(r#"{{"cniVersion":"{given}",{ALL}}}"#));
        }
    }

    #[test]
    fn nothing_given_is_answered_with_the_latest() {
        for text in ["", " \n", "{}", r#"{"cniVersion":""}"#, r#"{"cniVersion":null}"#] {
            assert_eq!(version_reply(text.as_bytes()).unwrap(), format!(r#"{{"cniVersion":"1.1.0",{ALL}}}"#));
        }
    }

    #[test]
    fn what_is_no_object_is_refused() {
        assert_eq!(version_reply(b"{").unwrap_err().code, Code::Decode);
        assert_eq!(version_reply(b"[]").unwrap_err().code, Code::Decode);
        assert_eq!(version_reply(br#"{"cniVersion":1}"#).unwrap_err().code, Code::InvalidConfig);
    }
}
