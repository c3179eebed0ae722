//! The plugin `host-local`: files, pools and verbs.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test reports by panicking"
)]

mod common;
mod faults;
mod kill;
mod large_pools;
mod results;
mod sharing;
mod unusual_files;
mod verbs;
