use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long QEMU may take to answer: longer than it takes to load a machine on a busy one.
const LIMIT: Duration = Duration::from_secs(60);

/// The monitor of a running QEMU for programs, QMP.
pub(crate) struct Monitor {
    stream: UnixStream,
    answers: BufReader<UnixStream>,
}

impl Monitor {
    /// By its socket.
    pub(crate) fn connect(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket).with_context(|| format!("{}", socket.display()))?;
        stream.set_read_timeout(Some(LIMIT))?;
        let answers = BufReader::new(stream.try_clone()?);
        let mut monitor = Self { stream, answers };
        monitor.execute("qmp_capabilities")?;
        Ok(monitor)
    }

    /// A command without arguments, which QEMU has done when this returns.
    pub(crate) fn execute(&mut self, command: &str) -> Result<()> {
        self.send(command, &format!(r#"{{"execute": "{command}"}}"#))
    }

    /// A line for the monitor for people.
    pub(crate) fn told_by_people(&mut self, line: &str) -> Result<()> {
        let escaped = line.replace('\\', r"\\").replace('"', r#"\""#);
        let message =
            format!(r#"{{"execute": "human-monitor-command", "arguments": {{"command-line": "{escaped}"}}}}"#);
        self.send(line, &message)
    }

    fn send(&mut self, what: &str, message: &str) -> Result<()> {
        writeln!(self.stream, "{message}").with_context(|| format!("QEMU's monitor is gone before `{what}`"))?;
        loop {
            let mut answer = String::new();
            let length =
                self.answers.read_line(&mut answer).with_context(|| format!("QEMU's monitor, asked `{what}`"))?;
            match answer.trim_start() {
                _ if length == 0 => bail!("QEMU ended at `{what}`"),
                // What comes between is its greeting, and events.
                answer if answer.starts_with(r#"{"return""#) => return Ok(()),
                answer if answer.starts_with(r#"{"error""#) => bail!("QEMU, asked `{what}`: {answer}"),
                _ => {}
            }
        }
    }
}
