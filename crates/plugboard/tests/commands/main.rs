//! The command line, as its users call it.

mod dry_run;
mod grammar;
mod handover;
mod hanging;
mod own;
mod reference;
mod support;
mod target;
