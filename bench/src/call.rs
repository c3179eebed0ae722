//! One process, as a runtime starts it.

use std::ffi::OsString;
use std::io::{Read, Write, pipe};
use std::path::PathBuf;
use std::process::{Command, ExitStatus};

use anyhow::{Context, Result, bail};

/// A process to run. Its environment holds nothing else.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: Vec<(&'static str, OsString)>,
    pub(crate) stdin: String,
}

/// Looks at a process from its start to its end.
pub(crate) trait Observer {
    /// What it sees.
    type Seen;

    /// The command that starts the program, without streams and environment.
    fn command(&self, call: &Call) -> Command {
        let mut command = Command::new(&call.program);
        command.args(&call.arguments);
        command
    }

    /// Starts the command and waits for its end.
    fn watch(&self, command: &mut Command) -> Result<(ExitStatus, Self::Seen)>;
}

impl Call {
    /// Runs the process to its end, and returns what it printed beside what was seen.
    ///
    /// Its stdin is in the pipe before it starts, and its output is read when it has ended: both fit into a pipe, and nothing
    /// of ours runs beside it.
    ///
    /// # Errors
    /// It cannot be run, or it fails.
    pub(crate) fn run<O: Observer>(&self, observer: &O) -> Result<(String, O::Seen)> {
        let (stdin, mut to_stdin) = pipe()?;
        to_stdin.write_all(self.stdin.as_bytes())?;
        drop(to_stdin);
        let (mut from_stdout, stdout) = pipe()?;
        let (mut from_stderr, stderr) = pipe()?;
        let mut command = observer.command(self);
        let environment = self.environment.iter().map(|(key, value)| (key, value));
        command.env_clear().envs(environment).stdin(stdin).stdout(stdout).stderr(stderr);
        let watched = observer.watch(&mut command);
        drop(command); // its ends of the pipes
        let (status, seen) = watched.with_context(|| format!("cannot run {self}"))?;

        let (mut printed, mut noted) = (String::new(), String::new());
        from_stdout.read_to_string(&mut printed)?;
        from_stderr.read_to_string(&mut noted)?;
        if !status.success() {
            bail!("{self}\nended with {status}\nstdout: {printed}\nstderr: {noted}");
        }
        Ok((printed, seen))
    }
}

impl std::fmt::Display for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (key, value) in &self.environment {
            write!(f, "{key}={} ", value.display())?;
        }
        write!(f, "{}", self.program.display())?;
        for argument in &self.arguments {
            write!(f, " {}", argument.display())?;
        }
        write!(f, " <<< '{}'", self.stdin)
    }
}
