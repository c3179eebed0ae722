//! The files in the directory of a network's allocations: their names and modes.

use std::fs::{File, Metadata, Permissions};
use std::io::ErrorKind;
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use cni::regular;

/// The mode of files: whoever can open the lock can hold it, and so keep everybody waiting. (The reference's are 0600, and its lock
/// is 0750.)
pub(crate) const FILE_MODE: u32 = 0o600;

/// The mode of directories, as the reference makes them, whatever the umask is.
pub(crate) const DIRECTORY_MODE: u32 = 0o755;

/// What nobody else has any business with: the lock and what else is a file, and writing into the directory. An older release, the
/// reference, or a umask of 0 may have left it to them.
pub(crate) const FILE_EXCESS: u32 = 0o177;
pub(crate) const DIRECTORY_EXCESS: u32 = 0o002;

/// The longest address that is noted, in bytes.
const ADDRESS_BYTES: u64 = 64;

/// The path of an address's file.
pub(crate) fn address_path(directory: &Path, address: IpAddr) -> PathBuf {
    directory.join(address.to_string())
}

/// The address that a range set gave last. A file that is missing, unreadable or garbage costs the order of allocation,
/// nothing else.
pub(crate) fn last_reserved(directory: &Path, set: usize) -> Option<IpAddr> {
    let content = regular::read(&last_reserved_path(directory, set), ADDRESS_BYTES).ok()?;
    std::str::from_utf8(&content).ok()?.trim().parse().ok()
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

/// The permissions without the `excess`, if there is any.
pub(crate) fn tightened(found: &Metadata, excess: u32) -> Option<Permissions> {
    let mode = found.mode() & 0o7777;
    (mode & excess != 0).then(|| Permissions::from_mode(mode & !excess))
}

/// Takes from others what a file has no use for. Where that is not allowed, the file is somebody else's.
pub(crate) fn tighten(file: &File, found: &Metadata) {
    if let Some(mode) = tightened(found, FILE_EXCESS) {
        let _ = file.set_permissions(mode);
    }
}
