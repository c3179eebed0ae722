use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Kills every process whose network namespace is the one at `namespace`; none when that is gone.
///
/// The test's own process is safe: its main thread stays in the machine's namespace.
pub(crate) fn kill_all_in(namespace: &Path) {
    let Ok(wanted) = namespace.metadata() else { return };
    let Ok(processes) = std::fs::read_dir("/proc") else { return };
    for process in processes.flatten() {
        let Some(id) = process.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let is_member = process
            .path()
            .join("ns/net")
            .metadata()
            .is_ok_and(|have| (have.dev(), have.ino()) == (wanted.dev(), wanted.ino()));
        if is_member && id != std::process::id().cast_signed() {
            // It may have ended by itself meanwhile.
            let _ = kill(Pid::from_raw(id), Signal::SIGKILL);
        }
    }
}
