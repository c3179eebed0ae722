//! The plugin `netem-shaper`: bandwidth, latency and faults of a NIC that an earlier plugin of the chain has made.
//!
//! The queues sit on the host's side of the NIC, out of the container's reach: those of its download on the device itself,
//! those of its upload on an ifb that gets what the device receives. `bw` and `lat` are of the download: `lat` is added once
//! to the round trip. Limits on both ends add up.

mod describe;
mod nic;
mod update;
mod verbs;

use std::process::ExitCode;

fn main() -> ExitCode {
    plugin::main(&plugin::Verbs {
        name: "netem-shaper",
        keys: shaping_keys::KEYS,
        add: verbs::add,
        del: verbs::del,
        check: verbs::check,
        gc: verbs::gc,
        status: verbs::status,
        update: Some(update::update),
    })
}
