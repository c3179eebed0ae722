//! What all plugins share: the main function, and the verbs that follow from a plugin's description.

mod added;
mod ancestors;
pub mod call;
pub mod codes;
mod ipam;
mod main_function;
mod namespace;
mod plugin;
mod printed;
mod rehearsal;
mod streams;
mod verbs;

pub use added::Added;
pub use attachment::process_in_words;
pub use ipam::Allocator;
pub use main_function::main;
pub use plugin::Plugin;
pub use printed::{Printed, made_before};
pub use rehearsal::Prop;
pub use streams::note;
pub use verbs::{Print, Verb, Verbs};

/// musl's own allocator gives every freed page back at once and asks for it again: over 100 system calls in an ADD.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;
