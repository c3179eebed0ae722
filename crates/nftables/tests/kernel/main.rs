//! Tables, sets and rules on a real kernel.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test reports by panicking"
)]

mod dnat;
mod maps;
mod messages;
mod sets;
