//! The plugin `bridge`: a NIC of the container on a Linux bridge of the host.
//!
//! Keys and results are those of the reference plugin of the same name.

mod describe;
mod reference;

use std::process::ExitCode;

use describe::Bridged;
use keys::{BridgeKeys, DelegateKeys, FromJson, NicKeys, OnBridgeKeys, TapKeys};
use plugin::Verbs;

fn main() -> ExitCode {
    plugin::main(
        &const {
            Verbs::of::<Bridged>(
                "bridge",
                &[BridgeKeys::NAMES, OnBridgeKeys::NAMES, NicKeys::NAMES, TapKeys::NAMES, DelegateKeys::NAMES],
            )
        },
    )
}
