//! What the tests of the protocol share: the table of plugins with their least configurations, a host with one container,
//! other parties' plugins as shell scripts, and the citing of the checklist.
//!
//! A test cites the rows of `checklist.md` that it answers to with [`cites!`]; `cargo run -p tests --bin uncited`
//! lists the rows that no test cites.

mod capture;
pub mod checklist;
mod citation;
pub mod codes;
mod delegate;
pub mod firewalls;
mod frames;
mod guest;
pub mod imports;
pub mod libcni;
mod older;
mod plugins;
mod process;
mod relay;
mod router;
mod scene;
mod state;
pub mod udp;
pub mod world;

pub use capture::{Capture, Packet, Vxlan};
pub use citation::Citation;
pub use delegate::Delegate;
pub use frames::{Frames, MARKER, ethernet, marker};
pub use guest::{Guest, Station};
pub use older::as_older;
pub use plugins::{ALL, INTERFACE, IPAM, LATEST, Plugin, UNDERLAY, VERSIONS, with};
pub use process::{Process, Refusal, error_object};
pub use relay::relay;
pub use router::{advertise, advertise_prefix};
pub use scene::Scene;
pub use state::{State, rules};
