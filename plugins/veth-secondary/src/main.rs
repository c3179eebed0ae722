//! The plugin `veth-secondary`: further NICs of containers and virtual machines, of any kind. The first NIC and its default route
//! stay as they are.

mod child;
mod config;
mod connection;
mod describe;
mod host_device;
mod routed;
mod search;

use std::process::ExitCode;

use describe::Secondary;
use keys::{DelegateKeys, FromJson, NicKeys, OnBridgeKeys, SecondaryKeys, TapKeys};
use plugin::Verbs;

fn main() -> ExitCode {
    plugin::main(
        &const {
            Verbs::of::<Secondary>(
                "veth-secondary",
                &[SecondaryKeys::NAMES, OnBridgeKeys::NAMES, NicKeys::NAMES, TapKeys::NAMES, DelegateKeys::NAMES],
            )
        },
    )
}
