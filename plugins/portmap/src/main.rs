//! The plugin `portmap`: ports of the host that lead into a container, whose NIC an earlier plugin of the chain has made.
//!
//! Its keys, and the capability `portMappings`, are those of the reference plugin of the same name. All there is of it are elements of the
//! packet filter, which name their attachment.

mod conditions;
mod config;
mod describe;

use std::process::ExitCode;

use describe::Published;
use keys::{FromJson, PortmapKeys};
use plugin::Verbs;

fn main() -> ExitCode {
    plugin::main(&const { Verbs::of::<Published>("portmap", &[PortmapKeys::NAMES]) })
}
