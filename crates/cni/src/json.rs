//! Writing JSON.

use serde::Serialize;

use crate::{Code, Error};

/// Compact JSON text.
pub(crate) fn text(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| unprintable(&error))
}

/// This cannot happen with maps that have strings for keys, but is no reason to panic.
pub(crate) fn unprintable(error: &serde_json::Error) -> Error {
    Error::new(Code::Internal, format!("cannot write JSON: {error}"))
}
