//! Calls of real servers, and of some that a real one cannot be made to be.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test reports by panicking"
)]

mod daemons;
mod deadlines;
mod deaths;
mod locks;
mod nonsense;
mod probes;
mod tls;
mod transactions;
