//! The documentation of the plugins' keys for people and editors: tables, manual pages, a JSON Schema. All of it is generated
//! from the tables that the keys are declared with; the plugins themselves do not contain them.

mod man;
mod markdown;
mod plugin;
mod rows;
mod schema;

pub use man::page;
pub use markdown::{replace_table, table};
pub use plugin::{Manual, PLUGINS, find};
pub use rows::{Row, rows};
pub use schema::schema;
