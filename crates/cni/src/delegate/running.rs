//! A delegate at work: what it is told, what it says, and how long it may take.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, ChildStdin, ChildStdout, ExitStatus};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::answer::Answer;
use super::{Delegate, pidfd};
use crate::{Code, Command, Error, Success, Version};

/// The longest answer in bytes.
const LONGEST: usize = 1 << 20;

/// How often to look for the end of the process where the kernel cannot tell it.
const INTERVAL: Duration = Duration::from_millis(1);

/// A delegate at work. Dropping it kills and reaps the process, and kills its children.
#[derive(Debug)]
pub struct Running {
    delegate: Delegate,
    command: Command,
    version: Version,
    started: Instant,
    child: Child,
    /// Open as long as there is something to write and somebody who reads.
    stdin: Option<ChildStdin>,
    /// What is still to be written.
    unsent: Vec<u8>,
    stdout: Option<ChildStdout>,
    output: Vec<u8>,
    /// It ended and was reaped: its ID is not its own any more.
    ended: bool,
}

impl Running {
    pub(super) fn new(
        delegate: &Delegate,
        command: Command,
        version: Version,
        started: Instant,
        mut child: Child,
    ) -> Result<Self, Error> {
        let running = Self {
            delegate: delegate.clone(),
            command,
            version,
            started,
            stdin: child.stdin.take(),
            unsent: Vec::new(),
            stdout: child.stdout.take(),
            output: Vec::new(),
            ended: false,
            child,
        };
        match running.make_pipes_nonblocking() {
            Ok(()) => Ok(running),
            Err(errno) => Err(running.failed(Code::Io, &format!("its pipes cannot be set up: {errno}"))),
        }
    }

    /// Waits for the end, at most until the limit. `Some` result for ADD, `None` for the other verbs (DLG-4).
    ///
    /// # Errors
    /// The delegate's own error with its code, the message prefixed by its name (DLG-5); code 6 if it prints no JSON or no
    /// result, or no error object with a non-zero exit status (the message shows the beginning of what it printed); code 11
    /// when it was still running at the limit and was killed; code 6 when something else killed it, naming the signal.
    pub fn wait(mut self) -> Result<Option<Success>, Error> {
        let status = self.finish()?;
        let answer = Answer { command: self.command, version: self.version, status, output: &self.output };
        answer.read().map_err(|error| error.within(&self.delegate.kind))
    }

    /// Writes as much as the pipe takes, and keeps the rest for later.
    pub(super) fn send(&mut self, text: &[u8]) {
        let sent = self.write(text);
        self.unsent = text.get(sent..).unwrap_or_default().to_vec();
    }

    /// Talks to the process until it ends.
    fn finish(&mut self) -> Result<ExitStatus, Error> {
        let mut exit = None;
        loop {
            self.send_rest();
            self.collect()?;
            match self.child.try_wait() {
                Ok(Some(status)) => {
                    self.ended = true;
                    self.collect()?;
                    return Ok(status);
                }
                Ok(None) => {}
                Err(error) => return Err(self.failed(Code::Io, &format!("cannot wait for it: {error}"))),
            }
            let left = self.delegate.limit.saturating_sub(self.started.elapsed());
            if left.is_zero() {
                let reason = format!("still running after {:?} and killed; try again later", self.delegate.limit);
                return Err(self.failed(Code::TryAgainLater, &reason));
            }
            let exit = exit.get_or_insert_with(|| pidfd::open(&self.child).ok());
            self.sleep(left, exit.as_ref()).map_err(|error| self.failed(Code::Io, &format!("poll: {error}")))?;
        }
    }

    /// Sleeps until there is something to do, at most as long as given.
    fn sleep(&self, left: Duration, exit: Option<&OwnedFd>) -> io::Result<()> {
        let mut watched = Vec::with_capacity(3);
        watched.extend(self.stdin.as_ref().map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLOUT)));
        watched.extend(self.stdout.as_ref().map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)));
        watched.extend(exit.map(|exit| PollFd::new(exit.as_fd(), PollFlags::POLLIN)));
        let longest = if exit.is_some() { left } else { left.min(INTERVAL) };
        // Rounded up, or the last millisecond would be spent in a busy loop.
        let timeout = PollTimeout::try_from(longest.as_millis() + 1).unwrap_or(PollTimeout::MAX);
        match poll(&mut watched, timeout) {
            Ok(_) | Err(nix::Error::EINTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    fn send_rest(&mut self) {
        if self.stdin.is_some() {
            let unsent = std::mem::take(&mut self.unsent);
            self.send(&unsent);
        }
    }

    /// Writes until the pipe is full, and closes it after the end. A delegate may ignore its stdin: that nobody reads is no
    /// error, its exit status decides.
    fn write(&mut self, text: &[u8]) -> usize {
        let mut sent = 0;
        while let Some(pipe) = &mut self.stdin {
            let rest = text.get(sent..).unwrap_or_default();
            match if rest.is_empty() { Ok(0) } else { pipe.write(rest) } {
                Ok(0) => self.stdin = None,
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => self.stdin = None,
            }
        }
        sent
    }

    /// Reads what the pipe has.
    fn collect(&mut self) -> Result<(), Error> {
        let mut buffer = [0; 8192];
        while let Some(pipe) = &mut self.stdout {
            match pipe.read(&mut buffer) {
                Ok(0) => self.stdout = None,
                Ok(count) => self.output.extend(buffer.iter().take(count)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(self.failed(Code::Io, &format!("cannot read its stdout: {error}"))),
            }
            if self.output.len() > LONGEST {
                let reason = format!("it printed more than {} MiB and was killed", LONGEST >> 20);
                return Err(self.failed(Code::Decode, &reason));
            }
        }
        Ok(())
    }

    fn make_pipes_nonblocking(&self) -> nix::Result<()> {
        let nonblocking = || FcntlArg::F_SETFL(OFlag::O_NONBLOCK);
        if let Some(pipe) = &self.stdin {
            fcntl(pipe, nonblocking())?;
        }
        if let Some(pipe) = &self.stdout {
            fcntl(pipe, nonblocking())?;
        }
        Ok(())
    }

    fn failed(&self, code: Code, reason: &str) -> Error {
        let executable = self.delegate.executable.display();
        Error::new(code, format!("{reason} ({executable}, {})", self.command.as_str())).within(&self.delegate.kind)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        // It leads a group; its children must not go on with what counts as failed, nor keep our stderr open.
        if let Ok(id) = i32::try_from(self.child.id()) {
            let _ = killpg(Pid::from_raw(id), Signal::SIGKILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
