//! The plugin `bridge`: a NIC of the container on a Linux bridge of the host.
//!
//! Keys and results are those of the reference plugin of the same name.

mod config;
mod describe;
mod reference;
mod segment;

use std::process::ExitCode;

use describe::Bridged;
use keys::{BridgeKeys, DelegateKeys, FromJson, NicKeys};
use plugin::Verbs;

fn main() -> ExitCode {
    plugin::main(&const { Verbs::of::<Bridged>("bridge", &[BridgeKeys::NAMES, NicKeys::NAMES, DelegateKeys::NAMES]) })
}
