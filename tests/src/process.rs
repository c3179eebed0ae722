//! A plugin's process by hand, where a test needs more than a plain call: arguments, a broken stdin, a kill in the middle.

use std::ffi::OsStr;
use std::io::Write;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use harness::{Namespace, bin, bin_dir};
use serde_json::Value;

use crate::Plugin;

/// A plugin's process to be.
#[derive(Debug)]
pub struct Process(Command);

impl Process {
    /// A call with a clean environment but for `CNI_COMMAND` and `CNI_PATH`.
    pub fn new(plugin: Plugin, command: &str) -> Self {
        let mut process = Command::new(bin(plugin.name()));
        process.env_clear().env("CNI_COMMAND", command).env("CNI_PATH", bin_dir());
        process.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(process)
    }

    /// Sets the variables of an attachment.
    #[must_use]
    pub fn attachment(mut self, ns: &Namespace, ifname: &str) -> Self {
        self.0.env("CNI_CONTAINERID", &ns.name).env("CNI_NETNS", &ns.path).env("CNI_IFNAME", ifname);
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn variable(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    /// Appends an argument.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.0.arg(argument);
        self
    }

    /// Runs it with something other than a pipe on stdin.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn run_with(mut self, stdin: impl Into<Stdio>) -> Output {
        self.0.stdin(stdin).output().expect("the plugin starts")
    }

    /// Runs it with its configuration and with something other than a pipe for its stdout. How it ended.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn output_to(mut self, stdout: impl Into<Stdio>, config: &Value) -> ExitStatus {
        self.0.stdout(stdout);
        self.start(config).wait().expect("a child can be reaped")
    }

    /// Starts it and hands it its configuration.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start(mut self, config: &Value) -> Child {
        let mut child = self.0.stdin(Stdio::piped()).spawn().expect("the plugin starts");
        let mut stdin = child.stdin.take().expect("stdin is a pipe");
        // A plugin may fail before it has read everything.
        let _ = stdin.write_all(config.to_string().as_bytes());
        child
    }

    /// Starts it and kills it with SIGKILL after a time. Tells whether it was killed before its end.
    ///
    /// # Panics
    /// If it cannot be started, killed or reaped.
    pub fn kill_after(self, config: &Value, time: Duration) -> bool {
        let mut child = self.start(config);
        let start = std::time::Instant::now();
        while start.elapsed() < time {
            std::hint::spin_loop();
        }
        child.kill().expect("a child can be killed");
        child.wait().expect("a child can be reaped").code().is_none()
    }
}

/// The error object of a failed process: its code, message and details.
///
/// # Panics
/// Unless the process failed and printed exactly one error object.
pub fn error_object(output: &Output) -> (u64, String, String) {
    assert!(!output.status.success(), "it failed: {output:?}");
    let object: Value = serde_json::from_slice(&output.stdout).expect("stdout is one JSON value");
    let text = |key: &str| object[key].as_str().unwrap_or_default().to_owned();
    (object["code"].as_u64().expect("code is a number"), text("msg"), text("details"))
}
