//! The plugin `vxlan-overlay`: NICs of containers and virtual machines in Local Area Clouds, Ethernets that span hosts.

mod config;
mod describe;
mod evpn;
mod group;
mod key_file;
mod list;
mod peers;
mod remotes;
mod sealing;
mod underlay;
mod url;
mod way;

use std::process::ExitCode;

use describe::Member;
use keys::{DelegateKeys, FromJson, LacKeys};
use plugin::Verbs;

fn main() -> ExitCode {
    plugin::main(
        &const { Verbs::of::<Member>("vxlan-overlay", &[LacKeys::NAMES, config::REFUSED, DelegateKeys::NAMES]) },
    )
}
