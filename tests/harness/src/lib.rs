//! What the tests share: a host of one's own, the containers' namespaces on it, calls of the executables, and
//! measurements of what they made.
//!
//! A test begins with [`Host::enter`], which gives its thread a network and a mount namespace that vanish with it.
//! Nothing here touches the machine's own network, `/run`, `/etc/cni` or `/var/lib/cni`, and whatever goes wrong panics
//! with the whole story, because a panic is how a test speaks.
#![expect(clippy::panic, reason = "a test's helper reports by panicking")]

pub mod chance;
mod executables;
mod frr;
mod host;
mod invocation;
mod iperf;
mod lan;
mod mounts;
mod namespace;
mod open_vswitch;
mod ovn;
mod ping;
mod processes;
mod reply;
mod shell;
mod snapshot;
mod snapshot_files;
pub mod soak;
mod stream;
mod vde;
mod wait;

pub use executables::{assert_newer_than_sources, bin, bin_dir, find_bin_dir};
pub use frr::Frr;
pub use host::Host;
pub use invocation::Invocation;
pub use iperf::Iperf;
pub use lan::{Lan, Route, Uplink};
pub use namespace::Namespace;
pub use open_vswitch::{Daemon, Datapath, Listeners, OpenVswitch, TlsFiles};
pub use ovn::Ovn;
pub use ping::{Ping, ping, ping_with};
pub use reply::Reply;
pub use shell::{Background, Output, ip, sh, spawn, tc};
pub use snapshot::Snapshot;
pub use vde::VdeClient;
pub use wait::wait_until;

/// Names a feature, such as `M19`, in a test that observes all that the feature promises. Held for as long as the test runs,
/// it prints the id when the test has passed: a run of the suite shows what was observed.
#[must_use = "the id is printed when this is dropped, which must be at the test's end"]
#[derive(Debug)]
pub struct Row<'a> {
    id: &'a str,
}

/// The [`Row`] of a feature, for a test's first statement: `let _row = row("M19");`.
pub const fn row(id: &str) -> Row<'_> {
    Row { id }
}

impl Drop for Row<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            println!("row {}", self.id);
        }
    }
}

/// Says loudly what a test could not observe here, so that a run of the suite shows it.
pub fn not_observed(what: &str) {
    println!("NOT OBSERVED: {what}");
}
