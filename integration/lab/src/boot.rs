//! A guest's way from its description to its ending.

use crate::cache::Cache;
use crate::guest::{Effort, Ending, Guest};
use crate::kernel::Kernel;
use crate::qemu::{Boot, Ports};
use crate::{base, cpio, packages, qemu, saved};
use anyhow::{Result, ensure};
use std::io::Write;

impl Guest {
    /// Boots, runs the command, and copies what it writes while it runs. A guest that ended by itself says what it took.
    ///
    /// # Errors
    /// When the guest cannot be started; a guest that started and died is an [`Ending`].
    pub fn run(&self, stdout: &mut dyn Write, stderr: &mut dyn Write) -> Result<(Ending, Option<Effort>)> {
        ensure!(
            std::env::consts::ARCH == "x86_64",
            "the lab's kernel and tools are those of x86_64; this machine is {}",
            std::env::consts::ARCH
        );
        let own = self.own_files()?;
        let (boot, state) = {
            let cache = Cache::lock(&self.cache)?;
            packages::require()?;
            let kernel = Kernel::prepare(&cache)?;
            let root = base::archive(&cache, &kernel)?;
            let boot = Boot { kernel, root };
            let state = saved::state(&cache, self, &boot)?;
            (boot, state)
        };
        let mut ports = Ports::new()?;
        cpio::write(&own, ports.disk())?;
        qemu::run(self, &boot, state.as_deref(), &mut ports, stdout, stderr)
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
