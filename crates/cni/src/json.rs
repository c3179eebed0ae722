//! Reading JSON within limits, and writing it.

use serde::Serialize;
use serde_json::Value;

use crate::{Code, Error};

/// The longest text that is read of a plugin's stdin, in bytes.
pub const LONGEST: usize = 2 * Limit::SINGLE.bytes;

/// How large a text may be. A value takes up to 300 bytes of memory, however short its text is, so that to limit the length of the
/// text is not enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit {
    /// The length in bytes.
    pub(crate) bytes: usize,
    /// The number of values, those within others included.
    pub(crate) values: usize,
}

impl Limit {
    /// For a configuration or a result: some 16,000 routes with all their keys, in the most spacious form.
    pub(crate) const SINGLE: Self = Self { bytes: 4 << 20, values: 128 << 10 };
    /// For both together, as DEL gets them: what ADD has accepted is always read again.
    pub(crate) const DOUBLE: Self = Self { bytes: 2 * Self::SINGLE.bytes, values: 2 * Self::SINGLE.values };
}

/// Reads a text.
///
/// # Errors
/// Why not, as the end of a sentence about it.
pub(crate) fn read(text: &[u8], limit: Limit) -> Result<Value, String> {
    if text.len() > limit.bytes {
        return Err(format!("is longer than {} MiB, the most that is accepted", limit.bytes >> 20));
    }
    refuse_more(text, limit.values)?;
    serde_json::from_slice(text).map_err(|error| match error.to_string() {
        reason if reason.starts_with("recursion limit") => {
            format!("has more than 127 lists and objects within each other, the most that are accepted ({reason})")
        }
        reason => format!("is not JSON: {reason}"),
    })
}

/// Refuses a text with more values than are read of a plugin's stdin.
///
/// # Errors
/// That it has more, as the end of a sentence about it.
pub fn refuse_excess(text: &[u8]) -> Result<(), String> {
    refuse_more(text, Limit::DOUBLE.values)
}

fn refuse_more(text: &[u8], values: usize) -> Result<(), String> {
    // Each value has at least a byte.
    match text.len() > values && count(text) > values {
        true => Err(format!("has more than {values} values, the most that are accepted")),
        false => Ok(()),
    }
}

/// The number of values in a text that is JSON: one follows each comma and each opening bracket that is not in a string, unless the
/// bracket is closed at once.
fn count(text: &[u8]) -> usize {
    let (mut values, mut is_string, mut is_escaped) = (0, false, false);
    for byte in text {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = is_string,
            b'"' => is_string = !is_string,
            b',' | b'[' | b'{' if !is_string => values += 1,
            _ => {}
        }
    }
    values
}

/// Compact JSON text.
pub(crate) fn text(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| unprintable(&error))
}

/// This cannot happen with maps that have strings for keys, but is no reason to panic.
pub(crate) fn unprintable(error: &serde_json::Error) -> Error {
    Error::new(Code::Internal, format!("cannot write JSON: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_outside_of_strings() {
        for (text, values) in [
            ("7", 0),
            (r#"{"a":1,"b":[1,2,3],"c":{}}"#, 7),
            (r#"["a,b[c{", "\",[", "\\", 1]"#, 4),
            (r#"{"\\\"[":",",",":[]}"#, 3),
        ] {
            assert_eq!(count(text.as_bytes()), values, "{text}");
        }
    }

    #[test]
    fn what_is_too_large_is_told() {
        let limit = Limit { bytes: 1 << 20, values: 10 };
        let told = |text: &str| read(text.as_bytes(), limit).unwrap_err();
        assert_eq!(told(&" ".repeat((1 << 20) + 1)), "is longer than 1 MiB, the most that is accepted");
        assert_eq!(told("[0,1,2,3,4,5,6,7,8,9,10]"), "has more than 10 values, the most that are accepted");
        assert!(told(&"[".repeat(200)).starts_with("has more than 10 values"));
        let deep = read("[".repeat(200).as_bytes(), Limit::SINGLE).unwrap_err();
        assert!(deep.starts_with("has more than 127 lists and objects within each other"), "{deep}");
        assert!(read("[0,1,2,3,4,5,6,7,8,9]".as_bytes(), limit).is_ok());
        assert!(told("[").starts_with("is not JSON: EOF"));
    }

    #[test]
    fn the_deepest_that_is_read() {
        let nested = |depth| read(("[".repeat(depth) + &"]".repeat(depth)).as_bytes(), Limit::SINGLE);
        assert!(nested(127).is_ok() && nested(128).is_err());
    }
}
