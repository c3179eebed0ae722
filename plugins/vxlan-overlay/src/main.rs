//! The plugin `vxlan-overlay`: NICs of containers and virtual machines in Local Area Clouds, Ethernets that span hosts.

mod config;
mod describe;
mod group;
mod remotes;
mod underlay;
mod url;

use std::process::ExitCode;

use describe::Member;
use keys::{DelegateKeys, FromJson, LacKeys};
use plugin::Verbs;

fn main() -> ExitCode {
    plugin::main(
        &const { Verbs::of::<Member>("vxlan-overlay", &[LacKeys::NAMES, config::REFUSED, DelegateKeys::NAMES]) },
    )
}
