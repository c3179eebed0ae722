//! Quantities, grammar and the arithmetic of queues.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test reports by panicking"
)]

mod distributions;
mod grammar;
mod properties;
