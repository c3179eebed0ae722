//! The plugin `ovs-port`: NICs of containers and virtual machines on bridges of Open vSwitch.
//!
//! Configurations of ovs-cni work with it, those of its mirror plugins included; for these it is called by their `type`.

mod call;
mod config;
mod describe;
mod flat_file;
mod mirrored;
mod port;
mod switch;

use std::process::ExitCode;

use describe::Switched;
use keys::{DelegateKeys, FromJson, OvsPortKeys, SwitchKeys, TapKeys};
use plugin::Verbs;

fn main() -> ExitCode {
    plugin::main(
        &const {
            Verbs::of::<Switched>(
                "ovs-port",
                &[OvsPortKeys::NAMES, SwitchKeys::NAMES, TapKeys::NAMES, DelegateKeys::NAMES],
            )
        },
    )
}
