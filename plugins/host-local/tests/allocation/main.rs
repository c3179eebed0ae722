//! The plugin `host-local`: files, pools and verbs.

mod common;
mod faults;
mod kill;
mod large_pools;
mod results;
mod sharing;
mod verbs;
