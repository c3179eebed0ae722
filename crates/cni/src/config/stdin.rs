//! From the text of stdin to its JSON object.

use serde_json::{Map, Value};

use crate::json::{self, Limit};
use crate::{Code, Error, Version, excerpt};

/// The JSON object in the text (CFG-1).
pub(crate) fn object(text: &[u8], limit: Limit) -> Result<Map<String, Value>, Error> {
    if text.trim_ascii().is_empty() {
        return Err(undecodable("stdin is empty; it must carry the network configuration"));
    }
    match json::read(text, limit) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(other) => Err(undecodable(format!(
            "the network configuration is {}; it must be a JSON object",
            excerpt::kind(&other)
        ))),
        Err(reason) => Err(undecodable(format!("the network configuration on stdin {reason}"))),
    }
}

/// The `cniVersion` as written; `None` when it is missing, `null` or empty.
pub(crate) fn version_text(object: &Map<String, Value>) -> Result<Option<&str>, Error> {
    match keys::find(object, "cniVersion") {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
        Some(other) => Err(Error::invalid_config(format!(
            "cniVersion is {}: it must be one of the texts {}",
            excerpt::shown(other),
            Version::list()
        ))),
    }
}

fn undecodable(msg: impl Into<String>) -> Error {
    Error::new(Code::Decode, msg)
}
