//! A full kernel in a few seconds, on any x86-64 machine with Debian's tools, with or without KVM, privileges, a
//! terminal or modules of its own.
//!
//! The plugins need kernel features that not every kernel has: netem, 802.1Q, VLAN filtering, the Open vSwitch datapath.
//! A test that needs them calls [`with_features`]; the command `lab` runs anything else. Both boot Debian's cloud
//! kernel in QEMU, on a root in memory that is made of this machine's own tools, with a clock that is virtual unless
//! asked: time in the guest passes as its one CPU executes instructions, and jumps ahead while it sleeps. A delay of
//! 10 ms is then 10.0 ms whatever else the machine does, and sleeping costs nothing.
//!
//! From a command to its output the way leads through these files:
//!
//! | file | subject |
//! |---|---|
//! | `guest.rs` | one run: its description, and what its ending can be |
//! | `boot.rs` | its way from the one to the other |
//! | `packages.rs` | the machine's tools, installed where they are missing |
//! | `kernel.rs` | the kernel, taken out of its package |
//! | `base.rs` | the root that all runs share, kept in the cache |
//! | `tree.rs`, `cpio.rs` | files with the libraries that they need, and the archive that the kernel unpacks |
//! | `qemu.rs` | the machine |
//! | `saved.rs`, `saved_files.rs` | the machine after its boot, kept in the cache: where each run begins |
//! | `kept.rs`, `keeper.sh`, `monitor.rs` | machines that serve one run after another |
//! | `guest-init.sh` | the first process in it |
//! | `feature.rs`, `scenario.rs` | which kernel a test needs, and the way there |
//!
//! [`Vm`] is something else: a small virtual machine on TAP devices of the test (`vm.rs`, `vm_root.rs`, `vm-init.sh`). On this
//! machine's clock it is QEMU's; in the lab, where that would be emulated twice, it is User-mode Linux (`uml.rs`), and a test
//! that needs one is run by [`with_guests_on_virtual_clock`].

mod base;
mod boot;
mod cache;
mod cpio;
mod feature;
mod guest;
mod kept;
mod kernel;
mod memory_file;
mod monitor;
mod nic;
mod packages;
mod qemu;
mod saved;
mod saved_files;
mod scenario;
mod tree;
mod uml;
mod vm;
mod vm_root;

pub use cache::default_cache;
pub use feature::Feature;
pub use guest::{Clock, Effort, Ending, Guest};
pub use nic::{Line, Nic};
pub use qemu::NICS;
pub use scenario::{on_full_kernel, on_virtual_clock, with_features, with_guests_on_virtual_clock};
pub use vm::Vm;

/// Set in the environment of everything that runs in the lab.
pub const IN_LAB: &str = "PLUGBOARD_LAB";
