//! A machine that has booted, kept as QEMU saves it: every run on the virtual clock begins there.

use crate::base::remove_others;
use crate::cache::Cache;
use crate::guest::{Clock, Guest};
use crate::packages::find;
use crate::qemu::{Boot, Machine, Memory, Ports, command, obituary};
use crate::saved_files::Saved;
use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// What the guest's first process writes to the port of the status when all is done that all runs have in common.
const READY: &str = "ready";

/// The saved machine that a guest begins as, booted and saved first if the kernel, the root or QEMU changed; `None` for a
/// guest on this machine's clock, which boots each time.
pub(crate) fn state(cache: &Cache, guest: &Guest, boot: &Boot) -> Result<Option<PathBuf>> {
    ensure!(
        !cache.directory().to_string_lossy().contains(['\'', ',']),
        "the path of the lab's cache must not have an apostrophe or a comma"
    );
    if guest.clock == Clock::Real {
        return Ok(None);
    }
    let prefix = format!("booted-{}-", guest.memory_mib);
    let name = format!("{prefix}{:016x}", key(guest, boot)?);
    let state = cache.entry(&name, |path| {
        eprintln!("lab: booting once for all that follow");
        remove_others(cache.directory(), &prefix)?;
        save(guest, boot, path)
    })?;
    Ok(Some(state))
}

/// Changes whenever a saved machine could not be continued, or would be another.
fn key(guest: &Guest, boot: &Boot) -> Result<u64> {
    let program = find("qemu-system-x86_64").context("qemu-system-x86_64 is not installed")?;
    let about = program.metadata().with_context(|| format!("{}", program.display()))?;
    let mut hasher = DefaultHasher::new();
    // The root's name changes with what is in it.
    (&program, about.size(), about.mtime(), &boot.root, &boot.kernel.version).hash(&mut hasher);
    let mut ports = Ports::new()?;
    let command = command(guest, boot, Memory::Kept(Path::new("memory")), &mut ports)?;
    // The paths of files in memory are other ones each time.
    for argument in command.get_args() {
        let argument = argument.to_string_lossy();
        argument.split("/proc/").next().hash(&mut hasher);
    }
    Ok(hasher.finish())
}

/// Boots until the guest waits for its files, and saves it in the directory `path`.
fn save(guest: &Guest, boot: &Boot, path: &Path) -> Result<()> {
    std::fs::create_dir(path).with_context(|| format!("cannot make {}", path.display()))?;
    let saved = Saved::new(path);
    let mut ports = Ports::new()?;
    let mut qemu = command(guest, boot, Memory::Kept(&saved.memory), &mut ports)?;
    qemu.args(["-monitor", "stdio"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut machine = Machine::start(qemu, Signal::SIGKILL).context("cannot start QEMU")?;
    let deadline = Instant::now() + guest.limit.max(Duration::from_secs(120));
    while ports.status_text()?.trim() != READY {
        if machine.child.try_wait()?.is_some() || Instant::now() > deadline {
            bail!(
                "the lab does not boot\n{}",
                obituary(guest, machine.child.try_wait()?.map(|status| status.to_string()), &mut ports)?
            );
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut monitor = machine.child.stdin.take().context("QEMU's monitor is not ours")?;
    // It goes on while it is saved, because a machine that was stopped is stopped again when it is loaded.
    monitor.write_all(saved.save_commands().as_bytes())?;
    monitor.flush()?;
    let mut told = String::new();
    let mut output = machine.child.stdout.take().context("QEMU's monitor is not ours")?;
    output.read_to_string(&mut told)?;
    let ended = machine.child.wait()?;
    // QEMU ends well also where nothing was saved, as on a full disk.
    let outcome = told.lines().find_map(|line| line.trim().strip_prefix("Migration status: ")).unwrap_or("unknown");
    ensure!(ended.success() && outcome == "completed", "QEMU could not save the lab in {}: {outcome}", path.display());
    Ok(())
}
