//! The plugin `vxlan-overlay`: NICs of containers and virtual machines on a Local Area Cloud.

#![cfg_attr(not(test), expect(dead_code, reason = "nothing calls it yet"))]

mod config;
mod group;
mod remotes;
mod url;

fn main() {}
