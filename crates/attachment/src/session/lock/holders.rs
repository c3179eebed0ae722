//! Who holds a lock. The kernel does not tell the process, since the lock is not a process's but an open file's; each process that
//! has this file open shows it (`fs/proc/fd.c`, `show_fd_locks`).

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::process_in_words;

/// The processes that hold the lock on this byte of a file, as `process 123 (host-local)`. Those that may not be looked at are
/// missing.
pub(super) fn of(file: &Metadata, byte: u64) -> Vec<String> {
    let mut holders = Vec::new();
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        if let Ok(id) = process.file_name().to_string_lossy().parse()
            && holds(&process.path(), file, byte)
        {
            holders.push(process_in_words(id));
        }
    }
    holders
}

fn holds(process: &Path, file: &Metadata, byte: u64) -> bool {
    fs::read_dir(process.join("fdinfo")).into_iter().flatten().flatten().any(|descriptor| {
        let info = fs::read_to_string(descriptor.path()).unwrap_or_default();
        let is_of_byte =
            info.lines().filter_map(|line| line.strip_prefix("lock:")).any(|lock| first_byte(lock) == Some(byte));
        // The line has the number of the device as the kernel knows it, which is not on all file systems that of stat(2).
        is_of_byte
            && fs::metadata(process.join("fd").join(descriptor.file_name()))
                .is_ok_and(|open| (open.dev(), open.ino()) == (file.dev(), file.ino()))
    })
}

/// Of a line such as `1: OFDLCK ADVISORY  WRITE -1 00:17:2048 4711 4711`, the last but one.
fn first_byte(line: &str) -> Option<u64> {
    line.split_whitespace().nth_back(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_kernel_is_understood() {
        assert_eq!(first_byte("\t1: OFDLCK ADVISORY  WRITE -1 00:17:2048 4711 4712"), Some(4711));
        assert_eq!(first_byte("\t1: OFDLCK ADVISORY  WRITE -1 00:17:2048 4711 EOF"), Some(4711));
        assert_eq!(first_byte(""), None);
    }
}
