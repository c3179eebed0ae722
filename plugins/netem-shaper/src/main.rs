//! The plugin `netem-shaper`: bandwidth and latency on a NIC that an earlier plugin of the chain has made.
//!
//! The queues sit on the host's side of the NIC, out of the container's reach. What they limit is what the container
//! receives: `bw` is its download, and `lat` is added once to the round trip. Limits on both ends add up.

mod bandwidth;
mod config;
mod describe;
mod device;
mod line_keys;
mod presets;
mod verbs;

use std::process::ExitCode;

fn main() -> ExitCode {
    plugin::main(&plugin::Verbs {
        name: "netem-shaper",
        keys: config::KEYS,
        add: verbs::add,
        del: verbs::del,
        check: verbs::check,
        gc: verbs::gc,
        status: verbs::status,
    })
}
