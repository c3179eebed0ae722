use anyhow::{Context, Result};
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::AsRawFd;
use std::path::Path;

/// A file in memory that has no name in any directory, and so needs no removing however this process ends.
#[derive(Debug)]
pub(crate) struct MemoryFile {
    file: File,
    /// Where what concerns the present run begins.
    begin: u64,
}

impl MemoryFile {
    pub(crate) fn new(purpose: &str) -> Result<Self> {
        let file = memfd_create(purpose, MFdFlags::MFD_CLOEXEC)
            .with_context(|| format!("cannot make a file in memory for the guest's {purpose}"))?;
        Ok(Self { file: file.into(), begin: 0 })
    }

    /// The file for `purpose` that another process of the same user has open. What is in it so far is passed over.
    pub(crate) fn of_process(pid: u32, purpose: &str) -> Result<Self> {
        let wanted = format!("/memfd:{purpose} (deleted)");
        let descriptors = format!("/proc/{pid}/fd");
        for descriptor in std::fs::read_dir(&descriptors).with_context(|| descriptors.clone())? {
            let path = descriptor?.path();
            // It may close one meanwhile.
            if path.read_link().is_ok_and(|target| target == Path::new(&wanted)) {
                let mut file = File::options().read(true).write(true).open(&path)?;
                let begin = file.seek(SeekFrom::End(0))?;
                return Ok(Self { file, begin });
            }
        }
        anyhow::bail!("process {pid} has no file for the guest's {purpose}")
    }

    pub(crate) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// All that was written to it in the present run.
    pub(crate) fn text(&mut self) -> Result<String> {
        let mut bytes = Vec::new();
        self.file.seek(SeekFrom::Start(self.begin))?;
        self.file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// A path under which a process of the same user opens the file, with an offset of its own.
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd())
    }
}
