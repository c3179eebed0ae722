//! What a transaction returned.

use serde_json::Value;

use crate::{Row, Uuid};

/// The results of a transaction's operations, each at its place.
#[derive(Debug, Clone, Default)]
pub struct Results(pub(crate) Vec<Value>);

impl Results {
    /// The rows that the `select` at this place found.
    #[must_use]
    pub fn rows(&self, place: usize) -> Vec<Row> {
        let rows = self.0.get(place).and_then(|result| result.get("rows")).and_then(Value::as_array);
        let objects = rows.into_iter().flatten().filter_map(Value::as_object);
        objects.cloned().map(Row::new).collect()
    }

    /// The row that the `insert` at this place made.
    #[must_use]
    pub fn inserted(&self, place: usize) -> Option<Uuid> {
        let uuid = self.0.get(place).and_then(|result| result.get("uuid"))?;
        uuid.get(1).and_then(Value::as_str).map(|uuid| Uuid(uuid.to_owned()))
    }

    /// The number of rows that the `mutate`, `update` or `delete` at this place changed.
    #[must_use]
    pub fn count(&self, place: usize) -> u64 {
        self.0.get(place).and_then(|result| result.get("count")).and_then(Value::as_u64).unwrap_or_default()
    }
}
