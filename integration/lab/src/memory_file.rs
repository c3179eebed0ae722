use anyhow::{Context, Result};
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::fs::File;
use std::os::fd::AsRawFd;

/// A file in memory that has no name in any directory, and so needs no removing however this process ends.
#[derive(Debug)]
pub(crate) struct MemoryFile(File);

impl MemoryFile {
    pub(crate) fn new(purpose: &str) -> Result<Self> {
        let file = memfd_create(purpose, MFdFlags::MFD_CLOEXEC)
            .with_context(|| format!("cannot make a file in memory for the guest's {purpose}"))?;
        Ok(Self(file.into()))
    }

    pub(crate) fn file(&mut self) -> &mut File {
        &mut self.0
    }

    /// A path under which a process of the same user opens the file, with an offset of its own.
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }
}
