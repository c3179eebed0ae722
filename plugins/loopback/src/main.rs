//! The plugin `loopback`: a container's loopback interface is up.
//!
//! It has no keys. Results are those of the reference plugin of the same name; containerd and CRI-O call it for every pod.

mod describe;

use std::process::ExitCode;

use describe::Up;
use plugin::Verbs;

fn main() -> ExitCode {
    plugin::main(&const { Verbs::of::<Up>("loopback", &[]) })
}
