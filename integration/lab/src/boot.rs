//! A guest's way from its description to its ending.

use crate::cache::Cache;
use crate::guest::{Ending, Guest};
use crate::kernel::Kernel;
use crate::memory_file::MemoryFile;
use crate::{base, cpio, packages, qemu};
use anyhow::{Result, ensure};
use std::io::{Seek, Write};

impl Guest {
    /// Boots, runs the command, and copies what it writes while it runs.
    ///
    /// # Errors
    /// When the guest cannot be started; a guest that started and died is an [`Ending`].
    pub fn run(&self, stdout: &mut dyn Write, stderr: &mut dyn Write) -> Result<Ending> {
        ensure!(
            std::env::consts::ARCH == "x86_64",
            "the lab's kernel and tools are those of x86_64; this machine is {}",
            std::env::consts::ARCH
        );
        let own = self.own_files()?;
        let mut initrd = MemoryFile::new("initrd")?;
        let kernel = {
            let cache = Cache::lock(&self.cache)?;
            packages::require()?;
            let kernel = Kernel::prepare(&cache)?;
            base::copy(&cache, &kernel, initrd.file())?;
            kernel
        };
        // The kernel unpacks one archive after the other, the later files replacing the earlier.
        cpio::write(&own, initrd.file())?;
        initrd.file().rewind()?;
        qemu::run(self, &kernel, &initrd, stdout, stderr)
    }

    /// The version of the kernel that [`Guest::run`] boots.
    ///
    /// # Errors
    /// When it is not in the cache and cannot be had.
    pub fn kernel_version(&self) -> Result<String> {
        let cache = Cache::lock(&self.cache)?;
        packages::require()?;
        Ok(Kernel::prepare(&cache)?.version)
    }
}
