//! Printing a description.

use crate::{Description, Item};

/// The commands that would make all that a description says, in order.
#[must_use]
pub fn commands(description: &Description) -> Vec<String> {
    description.items().iter().flat_map(Item::commands).collect()
}
