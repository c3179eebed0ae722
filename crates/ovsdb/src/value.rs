//! Values of columns (RFC 7047, section 5.1).

use serde_json::{Value, json};

use crate::Uuid;

/// A set of any number of values.
#[must_use]
pub fn set<V: Into<Value>>(values: impl IntoIterator<Item = V>) -> Value {
    json!(["set", values.into_iter().map(Into::into).collect::<Vec<Value>>()])
}

/// A map of text to text.
#[must_use]
pub fn map<K: Into<String>, V: Into<String>>(entries: impl IntoIterator<Item = (K, V)>) -> Value {
    let entries: Vec<Value> = entries.into_iter().map(|(key, value)| json!([key.into(), value.into()])).collect();
    json!(["map", entries])
}

/// A row by its UUID.
#[must_use]
pub fn uuid(uuid: &Uuid) -> Value {
    json!(["uuid", uuid.0])
}

/// A row that an earlier operation of the same transaction inserts, by the name that it has there.
#[must_use]
pub fn named(name: &str) -> Value {
    json!(["named-uuid", name])
}
