//! One call of one plugin.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Instant;

use cni::{Code, Error};
use serde_json::{Map, Value};

use crate::attachment::Attachment;

/// How much of an unexpected output an error shows, in bytes.
const EXCERPT: usize = 200;

/// The variables that a call may have. None of them is inherited.
const VARIABLES: [&str; 6] = ["CNI_COMMAND", "CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS", "CNI_PATH"];

/// A call that is ready to be made.
#[derive(Debug)]
pub(crate) struct Invocation<'a> {
    /// `CNI_COMMAND`.
    pub(crate) verb: &'static str,
    pub(crate) executable: PathBuf,
    /// `CNI_PATH`.
    pub(crate) path: OsString,
    /// `None` for GC, STATUS and VERSION.
    pub(crate) attachment: Option<&'a Attachment>,
    /// Stdin.
    pub(crate) request: Map<String, Value>,
}

impl Invocation<'_> {
    /// Makes the call and waits for its end. What it prints on stderr goes to ours. Returns the value on stdout; `Null` if
    /// there is none.
    ///
    /// # Errors
    /// The plugin's own; code 5 if it cannot be run, code 6 if what it prints is neither a value nor an error object.
    pub(crate) fn run(&self) -> Result<Value, Error> {
        let begin = Instant::now();
        let executable = self.executable.display();
        let request = Value::Object(self.request.clone()).to_string();
        tracing::debug!("{} {executable} <<< {request}", self.verb);
        let (status, stdout) = self
            .exchange(request.as_bytes())
            .map_err(|error| Error::new(Code::Io, format!("{executable} could not be run: {error}")))?;
        tracing::info!("{} {executable} took {:.1?}: {status}", self.verb, begin.elapsed());
        tracing::debug!("{executable} printed {}", String::from_utf8_lossy(&stdout));
        understand(status, &stdout)
    }

    fn exchange(&self, request: &[u8]) -> std::io::Result<(ExitStatus, Vec<u8>)> {
        let mut child = self.command().spawn()?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let printed = std::thread::scope(|scope| {
            // A plugin may print before it has read everything, and may end without reading at all: a write that fails is
            // no failure of the call.
            scope.spawn(|| stdin.map(|mut stdin| stdin.write_all(request)));
            let mut printed = Vec::new();
            stdout.map_or(Ok(0), |mut stdout| stdout.read_to_end(&mut printed)).map(|_| printed)
        })?;
        Ok((child.wait()?, printed))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.executable);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        for variable in VARIABLES {
            command.env_remove(variable);
        }
        command.env("CNI_COMMAND", self.verb).env("CNI_PATH", &self.path);
        if let Some(attachment) = self.attachment {
            let netns = attachment.netns.as_ref().map_or_else(OsString::new, |path| path.clone().into());
            let args: Vec<_> = attachment.args.iter().map(|(key, value)| format!("{key}={value}")).collect();
            command.env("CNI_CONTAINERID", &attachment.container_id).env("CNI_IFNAME", &attachment.if_name);
            command.env("CNI_NETNS", netns).env("CNI_ARGS", args.join(";"));
        }
        command
    }
}

/// ERR-1 and ERR-2.
fn understand(status: ExitStatus, stdout: &[u8]) -> Result<Value, Error> {
    if !status.success() {
        return Err(Error::from_json(stdout).unwrap_or_else(|| {
            Error::new(Code::Decode, format!("it failed ({status}) without an error object{}", excerpt(stdout)))
        }));
    }
    if stdout.trim_ascii().is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(stdout)
        .map_err(|error| Error::new(Code::Decode, format!("it printed no JSON ({error}){}", excerpt(stdout))))
}

fn excerpt(stdout: &[u8]) -> String {
    let text = stdout.get(..EXCERPT).unwrap_or(stdout).trim_ascii();
    if text.is_empty() {
        "; it printed nothing".to_owned()
    } else {
        format!("; it printed: {}", String::from_utf8_lossy(text))
    }
}
