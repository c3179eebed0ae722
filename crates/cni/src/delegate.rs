//! Delegation: running another plugin, for IPAM as a rule (DLG-1 to DLG-9).
//!
//! When a delegate fails on ADD, or when anything after it fails, the caller runs it again with [`Command::Del`] (DLG-6).

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Stdio};
use std::time::{Duration, Instant};

use crate::json::quoted;
use crate::name::objection_to_kind;
use crate::{Call, Code, Command, Error, Success};

mod answer;
mod pidfd;
mod running;
#[cfg(test)]
mod tests;

pub use running::Running;

/// Another plugin's executable, found in `CNI_PATH`.
#[derive(Debug, Clone)]
pub struct Delegate {
    /// Its `type`.
    pub kind: String,
    /// The executable.
    pub executable: PathBuf,
    /// After this time it is killed and counts as failed.
    pub limit: Duration,
}

impl Delegate {
    /// The time a delegate has unless the configuration says otherwise.
    pub const LIMIT: Duration = Duration::from_secs(30);

    /// Looks `kind` up in the directories of `CNI_PATH`, in order (DLG-1).
    ///
    /// # Errors
    /// Code 7: `kind` is no name (CFG-6). Code 4 naming `CNI_PATH`, the kind and the directories that were searched.
    pub fn find(kind: &str, call: &Call) -> Result<Self, Error> {
        if let Some(objection) = objection_to_kind(kind) {
            return Err(Error::invalid_config(format!("the type of a delegate is {}: {objection}", quoted(kind))));
        }
        let mut present = None;
        for directory in &call.environment.path {
            let candidate = directory.join(kind);
            if is_executable(&candidate) {
                return Ok(Self { kind: kind.to_owned(), executable: candidate, limit: Self::LIMIT });
            }
            if present.is_none() && candidate.exists() {
                present = Some(candidate);
            }
        }
        Err(Error::new(Code::InvalidEnvironment, not_found(kind, &call.environment.path, present.as_deref())))
    }

    /// Starts it for `command` with the same variables, and the complete configuration on its stdin (DLG-2). Returns at
    /// once, so that the caller can work meanwhile. Its stderr is ours (DLG-3).
    ///
    /// # Errors
    /// Code 5 with the executable and the system's reason.
    pub fn start(&self, command: Command, call: &Call) -> Result<Running, Error> {
        let started = Instant::now();
        let mut delegate = process::Command::new(&self.executable);
        if command != call.environment.command {
            delegate.env("CNI_COMMAND", command.as_str()); // it copies the whole environment
        }
        let child = delegate
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            // A group of its own, so that its children can be killed with it.
            .process_group(0)
            .spawn()
            .map_err(|error| {
                Error::new(
                    Code::Io,
                    format!("cannot start the delegate {:?} ({}): {error}", self.kind, self.executable.display()),
                )
            })?;
        let mut running = Running::new(self, command, call.config.version, started, child)?;
        running.send(&call.config.text);
        Ok(running)
    }

    /// Starts it and waits for its end.
    ///
    /// # Errors
    /// Those of [`Delegate::start`] and [`Running::wait`].
    pub fn run(&self, command: Command, call: &Call) -> Result<Option<Success>, Error> {
        self.start(command, call)?.wait()
    }
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

fn not_found(kind: &str, directories: &[PathBuf], present: Option<&Path>) -> String {
    let list = directories.iter().map(|directory| directory.display().to_string()).collect::<Vec<_>>().join(", ");
    match present {
        _ if directories.is_empty() => format!("cannot look for the delegate {kind:?}: CNI_PATH names no directory"),
        Some(present) => format!(
            "no executable of the delegate {kind:?} in the directories of CNI_PATH ({list}): {} is no executable file",
            present.display()
        ),
        None => format!("no executable of the delegate {kind:?} in the directories of CNI_PATH ({list})"),
    }
}
