//! A guest's way from its description to its ending.

use crate::cache::Cache;
use crate::guest::{Effort, Ending, Guest};
use crate::kept::Kept;
use crate::kernel::Kernel;
use crate::qemu::{Boot, Ports};
use crate::{base, packages, qemu, saved};
use anyhow::{Result, ensure};
use std::io::Write;
use std::path::Path;

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
        let (boot, state) = {
            let cache = Cache::lock(&self.cache)?;
            packages::require()?;
            let kernel = Kernel::prepare(&cache)?;
            let root = base::archive(&cache, &kernel)?;
            let boot = Boot { kernel, root };
            let state = saved::state(&cache, self, &boot)?;
            (boot, state)
        };
        if let (Some(name), Some(state)) = (&self.kept_as, &state) {
            return self.run_on_kept(name, &boot, state, stdout, stderr);
        }
        let mut ports = Ports::new()?;
        ports.fill_disk(&self.own_files(1)?, 1)?;
        qemu::run(self, &boot, state.as_deref(), &mut ports, stdout, stderr)
    }

    /// The same on a machine that serves several runs.
    fn run_on_kept(
        &self,
        name: &str,
        boot: &Boot,
        state: &Path,
        stdout: &mut dyn Write,
        stderr: &mut dyn Write,
    ) -> Result<(Ending, Option<Effort>)> {
        let (kept, mut ports) = match Kept::take(name, state)? {
            Some((mut kept, mut ports)) => {
                let mut own = self.own_files(kept.run())?;
                kept.note(&mut own);
                ports.fill_disk(&own, kept.run())?;
                kept.go_on()?;
                (kept, ports)
            }
            None => {
                let mut ports = Ports::new()?;
                let mut own = self.own_files(1)?;
                ports.fill_disk(&own, 1)?;
                let mut kept = Kept::start(name, &qemu::continued(self, boot, state, &mut ports)?, state, &mut ports)?;
                kept.note(&mut own);
                (kept, ports)
            }
        };
        kept.finish(self, &mut ports, stdout, stderr)
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
