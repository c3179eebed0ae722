//! Values of columns (RFC 7047, section 5.1).

use serde_json::{Value, json};

use crate::Uuid;

/// A set of any number of values.
#[must_use]
pub fn set<V: Into<Value>>(values: impl IntoIterator<Item = V>) -> Value {
    Value::Array(vec!["set".into(), Value::from_iter(values)])
}

/// A map of text to text.
#[must_use]
pub fn map<K: Into<String>, V: Into<String>>(entries: impl IntoIterator<Item = (K, V)>) -> Value {
    let pair = |(key, value): (K, V)| Value::Array(vec![key.into().into(), value.into().into()]);
    Value::Array(vec!["map".into(), Value::Array(entries.into_iter().map(pair).collect())])
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
