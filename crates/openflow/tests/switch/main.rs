//! A real switch: `ovsdb-server` and `ovs-vswitchd` of the test's own, with the userspace datapath; and peers that are none.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test reports by panicking"
)]

mod flows;
mod frames;
mod open_vswitch;
mod restarts;
mod speed;
mod strange_peers;
