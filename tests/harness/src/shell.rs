use serde_json::Value;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// What a command left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The exit status; 128 + the signal when one killed it.
    pub status: i32,
    /// Everything on stdout.
    pub stdout: String,
    /// Everything on stderr.
    pub stderr: String,
    what: String,
}

impl Output {
    /// The trimmed stdout. Panics with everything unless the status is 0.
    #[track_caller]
    pub fn ok(&self) -> String {
        assert!(
            self.status == 0,
            "{}\nended with status {}\nstdout: {}\nstderr: {}",
            self.what,
            self.status,
            self.stdout,
            self.stderr
        );
        self.stdout.trim().to_owned()
    }

    /// What a command left behind that ran somewhere else than on this machine; `what` tells people which it was.
    pub fn elsewhere(status: i32, stdout: String, stderr: String, what: &str) -> Self {
        Self { status, stdout, stderr, what: what.to_owned() }
    }

    pub(crate) fn new(output: &std::process::Output, what: &str) -> Self {
        Self {
            status: status_number(output.status),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            what: what.to_owned(),
        }
    }
}

/// A process that runs beside the test and is killed when the value goes.
#[derive(Debug)]
pub struct Background {
    child: Child,
}

impl Background {
    pub(crate) fn start(command: &mut Command, what: &str) -> Self {
        command.process_group(0);
        Self { child: command.spawn().unwrap_or_else(|e| panic!("cannot start {what}: {e}")) }
    }

    /// The process itself, to read from or to wait for.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let group = nix::unistd::Pid::from_raw(self.child.id().cast_signed());
        // It may have ended by itself meanwhile.
        let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

/// Runs `sh -c SCRIPT` on the thread's host.
pub fn sh(script: &str) -> Output {
    run(&mut command(script), script)
}

/// Starts `sh -c SCRIPT` on the thread's host and goes on; its stdout can be read through [`Background::child`].
pub fn spawn(script: &str) -> Background {
    Background::start(&mut command(script), script)
}

/// `ip -j -d ARGS` on the thread's host; null when it prints nothing. Panics unless the status is 0.
#[track_caller]
pub fn ip(args: &str) -> Value {
    json(&sh(&format!("ip -j -d {args}")))
}

/// `tc -j ARGS` on the thread's host; null when it prints nothing. Panics unless the status is 0.
#[track_caller]
pub fn tc(args: &str) -> Value {
    json(&sh(&format!("tc -j {args}")))
}

/// `sh -c SCRIPT`, or the one program that the shell would start.
pub(crate) fn command(script: &str) -> Command {
    let mut command = match one_program(script) {
        Some(mut words) => {
            let mut program = Command::new(words.next().unwrap_or_default());
            program.args(words);
            program
        }
        None => {
            let mut shell = Command::new("sh");
            shell.args(["-c", script]);
            shell
        }
    };
    quiet(&mut command);
    command
}

/// The words of a script in which the shell has nothing to do: one of the programs that tests start most, with words that mean nothing
/// to the shell.
fn one_program(script: &str) -> Option<std::str::SplitWhitespace<'_>> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || " -_./:,@%+=".contains(c);
    let mut words = script.split_whitespace();
    let is_known = ["ip", "tc", "bridge"].contains(&words.next()?);
    (is_known && script.chars().all(is_plain)).then(|| script.split_whitespace())
}

/// Nothing to read, stdout for whoever started it, stderr with the test's.
pub(crate) fn quiet(command: &mut Command) {
    command.stdin(Stdio::null()).stdout(Stdio::piped());
}

pub(crate) fn run(command: &mut Command, what: &str) -> Output {
    let output = command.stderr(Stdio::piped()).output().unwrap_or_else(|e| panic!("cannot run {what}: {e}"));
    Output::new(&output, what)
}

#[track_caller]
pub(crate) fn json(output: &Output) -> Value {
    let text = output.ok();
    if text.is_empty() {
        return Value::Null;
    }
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}\nprinted no JSON ({e}):\n{text}", output.what))
}

pub(crate) fn status_number(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}
