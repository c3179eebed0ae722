//! Regular files, and nothing else: opening a FIFO waits for its other end, and a device may have no end.

use std::fs::{File, FileType, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::OFlag;

/// Opens a file, as `options` say, without waiting.
///
/// # Errors
/// The kernel's; what it is instead of a regular file.
pub fn open(path: &Path, options: &mut OpenOptions) -> io::Result<(File, Metadata)> {
    let file = options.custom_flags(OFlag::O_NONBLOCK.bits()).open(path).map_err(|cause| match path.metadata() {
        Ok(found) if !found.is_file() && !found.is_dir() => refusal(found.file_type()),
        _ => cause,
    })?;
    let metadata = file.metadata()?;
    refuse_other(&metadata)?;
    Ok((file, metadata))
}

/// Reads a file of at most `limit` bytes.
///
/// # Errors
/// As [`open`]; it is longer.
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let (file, metadata) = open(path, OpenOptions::new().read(true))?;
    if metadata.len() > limit {
        return Err(too_long(limit));
    }
    read_to_end(&file, Vec::new(), limit)
}

/// Reads on to the end of a file, behind what was read before, `limit` bytes in all.
///
/// # Errors
/// The kernel's; it is longer.
pub fn read_to_end(file: &File, mut content: Vec<u8>, limit: u64) -> io::Result<Vec<u8>> {
    let left = limit.saturating_sub(content.len() as u64);
    file.take(left + 1).read_to_end(&mut content)?;
    if content.len() as u64 > limit { Err(too_long(limit)) } else { Ok(content) }
}

/// Fails for what is no regular file.
///
/// # Errors
/// What it is instead.
pub fn refuse_other(metadata: &Metadata) -> io::Result<()> {
    if metadata.is_file() { Ok(()) } else { Err(refusal(metadata.file_type())) }
}

/// What something of this type is, instead of a regular file.
pub fn refusal(kind: FileType) -> io::Error {
    let what = if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    io::Error::new(io::ErrorKind::InvalidInput, format!("it is {what}, and not a regular file"))
}

fn too_long(limit: u64) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("it is longer than {limit} bytes"))
}
