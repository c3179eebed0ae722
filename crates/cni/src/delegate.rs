//! Delegation: running another plugin, for IPAM as a rule (DLG-1 to DLG-9).

use std::path::PathBuf;
use std::time::Duration;

use crate::{Call, Command, Error, Success};

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

/// A delegate at work. Dropping it kills and reaps the process.
#[derive(Debug)]
pub struct Running {
    // process, pipes, deadline
}

impl Delegate {
    /// The time a delegate has unless the configuration says otherwise.
    pub const LIMIT: Duration = Duration::from_secs(30);

    /// Looks `kind` up in the directories of `CNI_PATH`, in order (DLG-1).
    ///
    /// # Errors
    /// Code 4 naming `CNI_PATH`, the kind and the directories that were searched.
    pub fn find(_kind: &str, _call: &Call) -> Result<Self, Error> {
        todo!()
    }

    /// Starts it for `command` with the same variables, and the complete configuration on its stdin (DLG-2). Returns at
    /// once, so that the caller can work meanwhile. Its stderr is ours (DLG-3).
    ///
    /// # Errors
    /// Code 5 with the executable and the system's reason.
    pub fn start(&self, _command: Command, _call: &Call) -> Result<Running, Error> {
        todo!()
    }
}

impl Running {
    /// Waits for the end, at most until the limit. `Some` result for ADD, `None` for the other verbs (DLG-4).
    ///
    /// # Errors
    /// The delegate's own error with its code, the message prefixed by its name (DLG-5); code 6 if it prints no JSON or no
    /// result, or no error object with a non-zero exit status (the message shows the beginning of what it printed); code 11
    /// when it was still running at the limit and was killed.
    pub fn wait(self) -> Result<Option<Success>, Error> {
        todo!()
    }
}
