//! The verbs on a description, one file each.

mod collect;
mod compare;
mod create;
mod print;
mod release;
mod remove;
mod update;

pub use collect::collect;
pub use compare::differences;
pub use create::{Creation, refuse_existing, refuse_unusable};
pub use print::{collection_commands, commands, inside, missing_commands, removal_commands};
pub use remove::{of_attachment, remove};
pub use update::{NotUpdated, update};
