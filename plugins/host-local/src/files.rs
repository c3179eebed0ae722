//! The files in the directory of a network's allocations: their names and modes.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// The mode of the files that the reference makes.
pub(crate) const FILE_MODE: u32 = 0o644;

/// The path of an address's file.
pub(crate) fn address_path(directory: &Path, address: IpAddr) -> PathBuf {
    directory.join(address.to_string())
}

/// The address that a range set gave last. A file that is missing, unreadable or garbage costs the order of allocation,
/// nothing else.
pub(crate) fn last_reserved(directory: &Path, set: usize) -> Option<IpAddr> {
    std::fs::read_to_string(last_reserved_path(directory, set)).ok()?.trim().parse().ok()
}

/// The path of the file with the address that a range set gave last.
pub(crate) fn last_reserved_path(directory: &Path, set: usize) -> PathBuf {
    directory.join(format!("last_reserved_ip.{set}"))
}

/// The path of the file that a reservation writes first (see [`crate::reservation`]).
pub(crate) fn new_path(directory: &Path) -> PathBuf {
    directory.join(".new")
}

/// Removes that file, also one that a killed reservation has left. False if it is still there.
pub(crate) fn remove_new(directory: &Path) -> bool {
    let removed = std::fs::remove_file(new_path(directory));
    removed.map_or_else(|cause| cause.kind() == ErrorKind::NotFound, |()| true)
}
