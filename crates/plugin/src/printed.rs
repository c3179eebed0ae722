//! The answer to PRINT.

use cni::{Call, Code, Error, Success, Version};
use serde_json::Value;

/// What a command would do. Everything but the commands is for the next call of a plugin, so that the output of several calls
/// fits together.
#[derive(Debug, Default)]
pub struct Printed {
    /// The lines of a shell script, in order. Those that begin with `#` are comments. `CONTAINER` stands for the name of the
    /// container's namespace; see [`attachment::inside`].
    pub commands: Vec<String>,
    /// For ADD: the result that the next plugin of the chain gets.
    pub result: Option<Success>,
    /// For ADD: what attachments share and these commands, or those of earlier calls, make.
    pub made: Vec<String>,
    /// For DEL and GC: the links of the host that these commands, or those of earlier calls, remove.
    pub gone: Vec<String>,
}

/// The result that IPAM would give, because IPAM is not asked. Without this key, an example takes its place.
pub(crate) const IPAM_RESULT: &str = "plugboard/ipam-result";
/// [`Printed::made`] of earlier calls.
pub(crate) const MADE: &str = "plugboard/made";
/// [`Printed::gone`] of earlier calls.
pub(crate) const GONE: &str = "plugboard/gone";

impl Printed {
    /// As a JSON object.
    ///
    /// # Errors
    /// Code 7: the result cannot be expressed in the format of this version.
    pub(crate) fn to_json(&self, version: Version) -> Result<String, Error> {
        let mut text = format!(r#"{{"cniVersion":"{}""#, version.as_str());
        for (key, list) in [("commands", &self.commands), ("made", &self.made), ("gone", &self.gone)] {
            let list = serde_json::to_string(list).map_err(|error| Error::new(Code::Internal, error.to_string()))?;
            text.push_str(&format!(r#","{key}":{list}"#));
        }
        if let Some(result) = &self.result {
            text.push_str(r#","result":"#);
            text.push_str(&result.to_json(version)?);
        }
        text.push('}');
        Ok(text)
    }
}

/// Where commands are printed: what attachments share and the commands of earlier calls make, each by the name that it has in messages.
#[must_use]
pub fn made_before(call: &Call) -> Vec<String> {
    names(call, MADE)
}

/// What an earlier call has said under this key.
pub(crate) fn names(call: &Call, key: &str) -> Vec<String> {
    let list = call.config.object.get(key).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect()
}
