//! A list of operations that are done all or not at all.

use serde_json::{Value, json};

/// A list of operations on one database, that of the switch: they are done all or not at all.
#[derive(Debug, Clone, Default)]
pub struct Transaction {
    operations: Vec<Value>,
}

impl Transaction {
    /// The database.
    const DATABASE: &'static str = "Open_vSwitch";

    /// Without operations.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an operation, and returns its place.
    pub fn push(&mut self, operation: Value) -> usize {
        self.operations.push(operation);
        self.operations.len() - 1
    }

    /// The number of operations.
    #[must_use]
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// It has no operations.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    pub(crate) fn parameters(self) -> Vec<Value> {
        let mut parameters = vec![json!(Self::DATABASE)];
        parameters.extend(self.operations);
        parameters
    }
}

impl Extend<Value> for Transaction {
    fn extend<I: IntoIterator<Item = Value>>(&mut self, operations: I) {
        self.operations.extend(operations);
    }
}

impl FromIterator<Value> for Transaction {
    fn from_iter<I: IntoIterator<Item = Value>>(operations: I) -> Self {
        Self { operations: operations.into_iter().collect() }
    }
}
