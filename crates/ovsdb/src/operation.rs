//! The operations of a transaction (RFC 7047, section 5.2). Conditions and rows are JSON as it is in the protocol.

use serde_json::{Value, json};

/// A condition that one column equals a value.
#[must_use]
pub fn equals(column: &str, value: impl Into<Value>) -> Value {
    json!([column, "==", value.into()])
}

/// A condition that a column has at least these elements.
#[must_use]
pub fn includes(column: &str, value: impl Into<Value>) -> Value {
    json!([column, "includes", value.into()])
}

/// Waits until the rows of `table` that meet `conditions` are, in their `columns`, exactly `rows`: at most `patience_ms`, where 0
/// is not at all.
#[must_use]
pub fn wait_until_equal(
    table: &str,
    conditions: &[Value],
    columns: &[&str],
    rows: &[Value],
    patience_ms: u64,
) -> Value {
    wait(table, conditions, columns, rows, patience_ms, "==")
}

/// The same until they are not.
#[must_use]
pub fn wait_until_unequal(
    table: &str,
    conditions: &[Value],
    columns: &[&str],
    rows: &[Value],
    patience_ms: u64,
) -> Value {
    wait(table, conditions, columns, rows, patience_ms, "!=")
}

fn wait(table: &str, conditions: &[Value], columns: &[&str], rows: &[Value], patience_ms: u64, until: &str) -> Value {
    json!({
        "op": "wait", "timeout": patience_ms, "table": table, "where": conditions, "columns": columns, "until": until,
        "rows": rows,
    })
}

/// Inserts a row, which later operations of the transaction call `name`; see [`value::named`](crate::value::named).
#[must_use]
pub fn insert(table: &str, name: &str, row: impl Into<Value>) -> Value {
    json!({"op": "insert", "table": table, "uuid-name": name, "row": row.into()})
}

/// Changes columns of rows.
#[must_use]
pub fn update(table: &str, conditions: &[Value], row: impl Into<Value>) -> Value {
    json!({"op": "update", "table": table, "where": conditions, "row": row.into()})
}

/// Adds elements to a set or a map; or a number to a number with `+=`.
#[must_use]
pub fn mutate(table: &str, conditions: &[Value], column: &str, mutator: &str, value: impl Into<Value>) -> Value {
    json!({"op": "mutate", "table": table, "where": conditions, "mutations": [[column, mutator, value.into()]]})
}

/// Asks for columns of rows.
#[must_use]
pub fn select(table: &str, conditions: &[Value], columns: &[&str]) -> Value {
    json!({"op": "select", "table": table, "where": conditions, "columns": columns})
}

/// Deletes rows.
#[must_use]
pub fn delete(table: &str, conditions: &[Value]) -> Value {
    json!({"op": "delete", "table": table, "where": conditions})
}
