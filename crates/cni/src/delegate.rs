//! Delegation: running another plugin, for IPAM as a rule (DLG-1 to DLG-9).
//!
//! When a delegate fails on ADD, or when anything after it fails, the caller runs it again with [`Command::Del`] (DLG-6).

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process;
use std::time::Duration;

use crate::excerpt::quoted;
use crate::exchange::{Exchange, Group, Unanswered};
use crate::plugin_path::{NoPlugin, find_plugin};
use crate::{Call, Code, Command, Environment, Error, Success, Version};

#[cfg(test)]
mod tests;

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
    /// Code 7: `kind` is not a valid name (CFG-6), or is the executable of the calling plugin, which would call itself for ever.
    /// Code 4 naming `CNI_PATH`, the kind and the directories that were searched.
    pub fn find(kind: &str, call: &Call) -> Result<Self, Error> {
        let directories = &call.environment.path;
        match find_plugin(kind, directories) {
            Ok(executable) if is_our_own(&executable) => Err(Error::invalid_config(format!(
                "the type of the delegate is {}: {} is this plugin itself, which gives no addresses; name an IPAM plugin, such as \
                 host-local",
                quoted(kind),
                executable.display()
            ))),
            Ok(executable) => Ok(Self { kind: kind.to_owned(), executable, limit: Self::LIMIT }),
            Err(NoPlugin::NoName(objection)) => {
                Err(Error::invalid_config(format!("the type of a delegate is {}: {objection}", quoted(kind))))
            }
            Err(NoPlugin::NotFound { present }) => {
                Err(Error::new(Code::InvalidEnvironment, not_found(kind, directories, present.as_deref())))
            }
        }
    }

    /// Starts it for `command` with the same variables but for those that say what is to be done, and the complete configuration on
    /// its stdin (DLG-2). Returns at once, so that the caller can work meanwhile. Its stderr is ours (DLG-3).
    ///
    /// # Errors
    /// Code 5 with the executable and the system's reason.
    pub fn start(&self, command: Command, call: &Call) -> Result<Running, Failed> {
        let mut process = process::Command::new(&self.executable);
        // What we were called for is our own matter: an ADD may be undone by the same call.
        process.env("CNI_COMMAND", command.as_str()).env_remove("CNI_PRINT");
        let caller = Some(call.config.kind.as_str()).filter(|kind| !kind.is_empty());
        process.env(Environment::DELEGATED_BY, caller.unwrap_or("plugboard"));
        let exchange = Exchange::start(process, &call.config.text, self.limit, Group::Own);
        let exchange = exchange.map_err(|unanswered| self.failed(command, &unanswered))?;
        Ok(Running { delegate: self.clone(), command, version: call.config.version, exchange })
    }

    /// Starts it and waits for its end.
    ///
    /// # Errors
    /// Those of [`Delegate::start`] and [`Running::wait`].
    pub fn run(&self, command: Command, call: &Call) -> Result<Option<Success>, Failed> {
        self.start(command, call)?.wait()
    }

    fn failed(&self, command: Command, unanswered: &Unanswered) -> Failed {
        let (kind, executable) = (&self.kind, self.executable.display());
        let reason = match unanswered {
            Unanswered::NotStarted(error) => {
                let msg = format!("cannot start the delegate {kind:?} ({executable}): {error}");
                return Failed { error: Error::new(unanswered.code(), msg), end: End::NotStarted };
            }
            Unanswered::Late(_) => format!("{unanswered}; try again later"),
            Unanswered::Endless | Unanswered::Broken { .. } => unanswered.to_string(),
        };
        let error = Error::new(unanswered.code(), format!("{reason} ({executable}, {})", command.as_str()));
        Failed { error: error.within(kind), end: End::Killed }
    }
}

/// The failure of a delegate, and what it says of what the delegate has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// What is reported.
    pub error: Error,
    /// How the delegate ended.
    pub end: End,
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        failed.error
    }
}

/// How a delegate ended that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It never began.
    NotStarted,
    /// By itself, with an error: it knows what it has done.
    Reported,
    /// Something else than the caller killed it, or its answer cannot be understood. It may have done anything.
    Unclear,
    /// The caller killed it. It may have done anything, and what it has started may take a moment to die.
    Killed,
}

/// A delegate at work. Dropping it kills and reaps the process, and kills its children.
#[derive(Debug)]
pub struct Running {
    delegate: Delegate,
    command: Command,
    version: Version,
    exchange: Exchange,
}

impl Running {
    /// Waits for the end, at most until the limit. `Some` result for ADD, `None` for the other verbs (DLG-4).
    ///
    /// # Errors
    /// The delegate's own error with its code, the message prefixed by its name (DLG-5); code 6 if it prints no JSON or no
    /// result, or no error object with a non-zero exit status (the message shows the beginning of what it printed); code 11
    /// when it was still running at the limit and was killed; code 6 when something else killed it, naming the signal.
    pub fn wait(self) -> Result<Option<Success>, Failed> {
        let Self { delegate, command, version, exchange } = self;
        let answer = exchange.wait().map_err(|unanswered| delegate.failed(command, &unanswered))?;
        let read = match command {
            Command::Add => answer.result(version).map(Some),
            _ => answer.success().map(|()| None),
        };
        read.map_err(|error| {
            let end = if answer.is_error() { End::Reported } else { End::Unclear };
            Failed { error: error.within(&delegate.kind), end }
        })
    }
}

/// By whatever name: a link, hard or symbolic, is the same file.
fn is_our_own(executable: &Path) -> bool {
    let file = |path: &Path| path.metadata().map(|found| (found.dev(), found.ino())).ok();
    file(executable).is_some_and(|found| file(Path::new("/proc/self/exe")) == Some(found))
}

fn not_found(kind: &str, directories: &[PathBuf], present: Option<&Path>) -> String {
    let list = directories.iter().map(|directory| directory.display().to_string()).collect::<Vec<_>>().join(", ");
    match present {
        _ if directories.is_empty() => format!("cannot look for the delegate {kind:?}: CNI_PATH names no directory"),
        Some(present) => format!(
            "no executable for the delegate {kind:?} in the directories of CNI_PATH ({list}): {} is not an executable file",
            present.display()
        ),
        None => format!("no executable for the delegate {kind:?} in the directories of CNI_PATH ({list})"),
    }
}
