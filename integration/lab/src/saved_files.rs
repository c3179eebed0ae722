//! The files of a saved machine. Its memory is one of its own (`x-ignore-shared` leaves it out of what QEMU saves): a run maps it, and reads
//! of it what it needs.

use std::path::{Path, PathBuf};

/// A saved machine: a directory with two files.
pub(crate) struct Saved {
    /// What is in its memory.
    pub(crate) memory: PathBuf,
    /// All else.
    devices: PathBuf,
}

/// For QEMU's monitor, before anything is saved or loaded.
const WITHOUT_MEMORY: &str = "migrate_set_capability x-ignore-shared on\n";

impl Saved {
    /// In this directory.
    pub(crate) fn new(directory: &Path) -> Self {
        Self { memory: directory.join("memory"), devices: directory.join("devices") }
    }

    /// What the monitor of a QEMU that waits for it is told.
    pub(crate) fn load_commands(&self) -> String {
        format!("{WITHOUT_MEMORY}migrate_incoming \"exec:cat '{}'\"\n", self.devices.display())
    }

    /// What the monitor of a QEMU that is to be saved is told, which ends then.
    pub(crate) fn save_commands(&self) -> String {
        let speed = "migrate_set_parameter max-bandwidth 100G\n";
        format!("{WITHOUT_MEMORY}{speed}migrate \"exec:cat > '{}'\"\ninfo migrate\nquit\n", self.devices.display())
    }
}
