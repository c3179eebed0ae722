//! What the tests share: a host of one's own, the containers' namespaces on it, calls of the executables, and
//! measurements of what they made.
//!
//! A test begins with [`Host::enter`], which gives its thread a network and a mount namespace that vanish with it.
//! Nothing here touches the machine's own network, `/run`, `/etc/cni` or `/var/lib/cni`, and whatever goes wrong panics
//! with the whole story, because a panic is how a test speaks.
#![expect(clippy::panic, reason = "a test's helper reports by panicking")]

mod executables;
mod host;
mod invocation;
mod iperf;
mod mounts;
mod namespace;
mod ping;
mod processes;
mod reply;
mod shell;
mod snapshot;
mod snapshot_files;

pub use executables::{bin, bin_dir, find_bin_dir};
pub use host::Host;
pub use invocation::Invocation;
pub use iperf::Iperf;
pub use namespace::Namespace;
pub use ping::{Ping, ping, ping_with};
pub use reply::Reply;
pub use shell::{Background, Output, ip, sh, spawn, tc};
pub use snapshot::Snapshot;

/// Prints the id of a feature, such as `M19`, so that a run of the suite shows what was observed. For tests that observe all
/// that the feature promises.
pub fn row(id: &str) {
    println!("row {id}");
}
