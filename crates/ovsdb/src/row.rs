//! A row of a table, as it is read.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// What identifies a row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Uuid(pub String);

/// The columns of a row that were asked for. A column that is missing, or of another type, is as one that is empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Row(Map<String, Value>);

impl Row {
    pub(crate) fn new(columns: Map<String, Value>) -> Self {
        Self(columns)
    }

    /// The elements of a column: none of an empty set, one of a value that is not a set.
    fn elements(&self, column: &str) -> &[Value] {
        let Some(value) = self.0.get(column) else { return &[] };
        match value.as_array().map(Vec::as_slice) {
            Some([Value::String(kind), Value::Array(elements)]) if kind == "set" => elements,
            Some([Value::String(kind), _]) if kind == "map" => &[],
            _ => std::slice::from_ref(value),
        }
    }

    /// The text of a column; `None` if it is empty.
    #[must_use]
    pub fn text(&self, column: &str) -> Option<&str> {
        self.elements(column).first().and_then(Value::as_str)
    }

    /// The number of a column; `None` if it is empty.
    #[must_use]
    pub fn number(&self, column: &str) -> Option<i64> {
        self.elements(column).first().and_then(Value::as_i64)
    }

    /// The numbers of a column, in order.
    #[must_use]
    pub fn numbers(&self, column: &str) -> Vec<i64> {
        let mut numbers: Vec<i64> = self.elements(column).iter().filter_map(Value::as_i64).collect();
        numbers.sort_unstable();
        numbers
    }

    /// The rows that a column refers to.
    #[must_use]
    pub fn uuids(&self, column: &str) -> Vec<Uuid> {
        let uuid = |element: &Value| match element.as_array().map(Vec::as_slice) {
            Some([Value::String(kind), Value::String(uuid)]) if kind == "uuid" => Some(Uuid(uuid.clone())),
            _ => None,
        };
        self.elements(column).iter().filter_map(uuid).collect()
    }

    /// The row's own UUID, if `_uuid` was asked for.
    #[must_use]
    pub fn uuid(&self) -> Option<Uuid> {
        self.uuids("_uuid").pop()
    }

    /// The entries of a map.
    #[must_use]
    pub fn map(&self, column: &str) -> BTreeMap<&str, &str> {
        let entries = match self.0.get(column).and_then(Value::as_array).map(Vec::as_slice) {
            Some([Value::String(kind), Value::Array(entries)]) if kind == "map" => entries.as_slice(),
            _ => &[],
        };
        entries.iter().filter_map(|entry| Some((entry.get(0)?.as_str()?, entry.get(1)?.as_str()?))).collect()
    }

    /// One entry of a map.
    #[must_use]
    pub fn entry(&self, column: &str, key: &str) -> Option<&str> {
        self.map(column).get(key).copied()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(value: Value) -> Row {
        let Value::Object(columns) = value else { unreachable!("a row is an object") };
        Row::new(columns)
    }

    #[test]
    fn columns_are_read_in_every_form_of_the_protocol() {
        let row = row(json!({
            "name": "br0", "tag": 10, "trunks": ["set", [30, 20]], "ofport": ["set", []], "tag_of_one": ["set", [7]],
            "_uuid": ["uuid", "b7e2"], "ports": ["set", [["uuid", "a"], ["uuid", "b"]]], "qos": ["uuid", "q"],
            "external_ids": ["map", [["owner", "plugboard"], ["network", "net"]]], "odd": {"a": [1]},
        }));
        assert_eq!(
            (row.text("name"), row.text("ofport"), row.text("none"), row.text("odd")),
            (Some("br0"), None, None, None)
        );
        assert_eq!((row.number("tag"), row.number("tag_of_one"), row.number("name")), (Some(10), Some(7), None));
        assert_eq!(
            (row.numbers("trunks"), row.numbers("tag"), row.numbers("ofport")),
            (vec![20, 30], vec![10], vec![])
        );
        assert_eq!(row.uuid(), Some(Uuid("b7e2".to_owned())));
        assert_eq!(row.uuids("ports"), [Uuid("a".to_owned()), Uuid("b".to_owned())]);
        assert_eq!(row.uuids("qos"), [Uuid("q".to_owned())]);
        assert_eq!(row.entry("external_ids", "owner"), Some("plugboard"));
        assert!(row.map("name").is_empty() && row.map("ports").is_empty() && row.text("external_ids").is_none());
    }
}
