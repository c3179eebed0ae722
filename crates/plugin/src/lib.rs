//! The main function that all plugins share: environment, stdin, verb, stdout, exit status.

use cni::{Call, Error, Success};

pub mod codes;
pub mod interface;
mod ipam;
mod main_function;
mod namespace;
pub mod probe;
mod streams;

pub use main_function::main;
pub use streams::note;

/// musl's own allocator gives every freed page back at once and asks for it again: over 100 system calls in an ADD.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// A verb without a result.
pub type Verb = fn(&Call) -> Result<(), Error>;

/// The verbs of a plugin: one table in its `main.rs`.
#[derive(Debug, Clone, Copy)]
pub struct Verbs {
    /// The plugin's name, as in `type`.
    pub name: &'static str,
    /// The keys of its configuration at the top level, to tell unknown ones on stderr.
    pub keys: &'static [&'static str],
    /// ADD.
    pub add: fn(&Call) -> Result<Success, Error>,
    /// DEL.
    pub del: fn(&Call) -> Result<(), Error>,
    /// CHECK.
    pub check: fn(&Call) -> Result<(), Error>,
    /// GC.
    pub gc: fn(&Call) -> Result<(), Error>,
    /// STATUS.
    pub status: fn(&Call) -> Result<(), Error>,
    /// UPDATE, an extension of ours: called as CHECK is, it makes what is there as the configuration now says, without taking
    /// anything down. To a plugin without it the command is unknown (code 4).
    pub update: Option<Verb>,
}
