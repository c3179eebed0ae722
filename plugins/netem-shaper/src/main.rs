//! The plugin `netem-shaper`: bandwidth, latency and faults of a NIC that an earlier plugin of the chain has made.
//!
//! The queues sit on the host's side of the NIC, out of the container's reach: those of its download on the device itself,
//! those of its upload on an ifb that gets what the device receives. Where there is no such side, or it is a port of Open vSwitch,
//! they are in the container. `bw` and `lat` are of the download: `lat` is added once to the round trip. Limits on both ends add up.

mod describe;
mod nic;
mod queues;
mod result;
mod switch;

use std::process::ExitCode;

use describe::Shaped;
use plugin::Verbs;

fn main() -> ExitCode {
    plugin::main(&const { Verbs::of::<Shaped>("netem-shaper", shaping_keys::KEYS) })
}
