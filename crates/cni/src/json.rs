//! JSON as messages and results need it.

use serde::Serialize;
use serde_json::Value;

use crate::{Code, Error};

/// The longest excerpt of foreign text in a message, in characters.
const EXCERPT: usize = 120;

/// Compact JSON text.
pub(crate) fn text(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| unprintable(&error))
}

/// What cannot happen with maps that have strings for keys, and is no reason to panic.
pub(crate) fn unprintable(error: &serde_json::Error) -> Error {
    Error::new(Code::Internal, format!("cannot write JSON: {error}"))
}

/// A value as a message shows it: compact, its beginning only if it is long.
pub(crate) fn shown(value: &Value) -> String {
    beginning(&value.to_string())
}

/// The beginning of a text, with an ellipsis if there is more.
pub(crate) fn beginning(text: &str) -> String {
    match text.char_indices().nth(EXCERPT) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// What kind of value it is, with its article.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_shown_by_its_beginning_whole_characters_only() {
        assert_eq!(beginning(&"ü".repeat(EXCERPT)), "ü".repeat(EXCERPT));
        assert_eq!(beginning(&"ü".repeat(EXCERPT + 1)), format!("{}...", "ü".repeat(EXCERPT)));
    }
}
