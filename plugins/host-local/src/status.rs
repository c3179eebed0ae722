//! STATUS: whether an ADD now would get an address.

use std::path::Path;

use cni::{Call, Code, Error};
use nix::sys::statvfs::statvfs;
use nix::unistd::{AccessFlags, access};
use serde_json::Value;

use crate::config::Ipam;
use crate::files::address_path;
use crate::free::{Candidates, Maps};
use crate::index;
use crate::pool::Pool;
use crate::set::RangeSet;

/// Code 50 if the directory cannot be written or a range set has no free address (STA-2, STA-3). It takes no lock and
/// makes no file.
pub(crate) fn status(call: &Call) -> Result<(), Error> {
    let ipam = Ipam::read(call)?;
    let directory = ipam.directory(call);
    check_directory(&directory)?;
    if ipam.has_no_ranges() && runtime_gives_ranges(call) {
        return Ok(());
    }
    let pool = Pool::read(call, &ipam)?;
    match pool.sets().iter().enumerate().find(|(index, set)| !has_free(&pool, set, *index, &directory)) {
        None => Ok(()),
        Some((_, set)) => Err(Error::new(Code::NotAvailable, format!("no IP addresses available in range set: {set}"))
            .with_details(format!("network {} in {}", call.config.name, directory.display()))),
    }
}

/// The runtime passes `runtimeConfig` only with verbs that concern an attachment, so not with STATUS.
fn runtime_gives_ranges(call: &Call) -> bool {
    let capabilities = keys::find(&call.config.object, "capabilities").and_then(Value::as_object);
    // Names of capabilities are not keys: runtimes tell them by their letter case.
    capabilities.and_then(|capabilities| capabilities.get("ipRanges")) == Some(&Value::Bool(true))
}

/// The directory, or the nearest one above it that exists, has to be writable and to have space.
fn check_directory(directory: &Path) -> Result<(), Error> {
    let unavailable = |path: &Path, cause: &str| {
        Error::new(Code::NotAvailable, format!("{}: cannot keep allocations here: {cause}", path.display()))
    };
    for path in directory.ancestors().filter(|path| !path.as_os_str().is_empty()) {
        match path.metadata() {
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => continue,
            Err(cause) => return Err(unavailable(path, &cause.to_string())),
            Ok(metadata) if !metadata.is_dir() => return Err(unavailable(path, "not a directory")),
            Ok(_) => {}
        }
        access(path, AccessFlags::W_OK | AccessFlags::X_OK).map_err(|cause| unavailable(path, cause.desc()))?;
        let space = statvfs(path).map_err(|cause| unavailable(path, cause.desc()))?;
        // File systems without a fixed number of files say 0 of 0.
        if space.blocks_free() == 0 && space.blocks() > 0 || space.files_free() == 0 && space.files() > 0 {
            return Err(unavailable(path, "no space left on device"));
        }
        return Ok(());
    }
    Ok(())
}

/// Looks where ADD would look.
fn has_free(pool: &Pool, set: &RangeSet, index: usize, directory: &Path) -> bool {
    let maps = if index::is_complete(directory) { Maps::Read } else { Maps::Ignored };
    Candidates::new(pool, set, index, directory, maps)
        .any(|(address, _)| address_path(directory, address).symlink_metadata().is_err())
}
