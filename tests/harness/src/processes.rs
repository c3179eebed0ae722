use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::mounts::MARK;

/// Kills every process whose network namespace is the one at `namespace`; none when that is gone. A process of another test's host
/// that looks into it stays: plugins go through all namespaces that they can reach.
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
        if is_member && !is_of_another_host(&process.path()) && id != std::process::id().cast_signed() {
            // It may have ended by itself meanwhile.
            let _ = kill(Pid::from_raw(id), Signal::SIGKILL);
        }
    }
}

/// It sees the `/run` of a host that is not the calling thread's.
fn is_of_another_host(process: &Path) -> bool {
    let device = |mark: &Path| mark.metadata().map(|mark| mark.dev()).ok();
    let seen = device(&process.join("root").join(MARK.trim_start_matches('/')));
    seen.is_some() && seen != device(Path::new(MARK))
}
