//! Descriptions on a real kernel.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test reports by panicking"
)]

mod host_device;
mod kinds_of_ones_own;
mod print;
mod print_impairments;
mod source_routing;
