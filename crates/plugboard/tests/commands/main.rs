//! The command line, as its users call it.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test reports by panicking"
)]

mod asking;
mod collecting;
mod completing;
mod documents;
mod dry_run;
mod finding;
mod giving_up;
mod grammar;
mod handover;
mod hanging;
mod host_device;
mod hot_add;
mod installing;
mod interrupting;
mod keeping;
mod lac;
mod locking;
mod machines;
mod names;
mod open_vswitch;
mod own;
mod publishing;
mod reference;
mod support;
mod target;
mod terminal;
mod trusting;
mod whose;
