//! Excerpts of foreign texts and values for messages.

use std::borrow::Cow;

use serde_json::Value;

/// The longest excerpt of foreign text in a message, in characters.
const EXCERPT: usize = 120;

/// The longest message in bytes.
const LONGEST: usize = 1500;

/// A value as a message shows it: compact, its beginning only if it is long.
#[must_use]
pub fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        other => beginning(&other.to_string()),
    }
}

/// A text as a message shows it: in quotes, its beginning only if it is long. Backslashes stay, since the message itself is
/// printed as JSON.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for letter in beginning(text).chars() {
        if letter.is_control() { quoted.extend(letter.escape_default()) } else { quoted.push(letter) }
    }
    quoted.push('"');
    quoted
}

/// The beginning of a text, with an ellipsis if there is more.
#[must_use]
pub fn beginning(text: &str) -> String {
    match text.char_indices().nth(EXCERPT) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// A text without its middle, if it is longer than a person wants to read.
#[must_use]
pub fn shortened(text: &str) -> Cow<'_, str> {
    if text.len() <= LONGEST {
        return Cow::Borrowed(text);
    }
    let boundary = |wanted| (wanted..text.len()).find(|place| text.is_char_boundary(*place)).unwrap_or(text.len());
    let head = text.get(..boundary(LONGEST * 3 / 4)).unwrap_or_default();
    let tail = text.get(boundary(text.len() - LONGEST / 4)..).unwrap_or_default();
    Cow::Owned(format!("{head} ... {tail}"))
}

/// What kind of value it is, with its article.
#[must_use]
pub fn kind(value: &Value) -> &'static str {
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
    fn quotes_hold_everything_but_control_characters() {
        assert_eq!(quoted("made\\up \"ü\"\n"), "\"made\\up \"ü\"\\n\"");
        assert_eq!(shown(&Value::from("x".repeat(1000))).len(), EXCERPT + 5);
        assert_eq!(shown(&serde_json::json!([1, "x"])), "[1,\"x\"]");
    }

    #[test]
    fn a_long_text_is_shown_by_its_beginning_whole_characters_only() {
        assert_eq!(beginning(&"ü".repeat(EXCERPT)), "ü".repeat(EXCERPT));
        assert_eq!(beginning(&"ü".repeat(EXCERPT + 1)), format!("{}...", "ü".repeat(EXCERPT)));
    }
}
