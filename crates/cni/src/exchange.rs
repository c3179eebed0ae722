//! One exchange with a plugin's executable: a request on its stdin, the answer from its stdout, within a time.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::Code;
use crate::answer::Answer;
use crate::json::Limit;

mod pidfd;

/// The longest answer in bytes.
const LONGEST: usize = Limit::SINGLE.bytes;

/// What a pipe takes unless told otherwise, in bytes (pipe(7)).
const PIPE_BYTES: usize = 64 << 10;

/// How often to look for the end of the process where the kernel cannot tell it.
const INTERVAL: Duration = Duration::from_millis(1);

/// The process group that a plugin runs in, which settles how the processes that it has started are killed with it.
#[derive(Debug, Clone, Copy)]
pub enum Group {
    /// One of its own, which is killed as a whole. Signals from a terminal do not reach it.
    Own,
    /// The caller's. The function kills what the plugin has started; it gets the plugin's process ID.
    Callers(fn(Pid)),
}

/// Why there is no answer. It prints as a sentence about the plugin.
#[derive(Debug)]
pub enum Unanswered {
    /// The executable cannot be started.
    NotStarted(io::Error),
    /// It was still running at its limit, this, and was killed.
    Late(Duration),
    /// It printed more than is read, and was killed.
    Endless,
    /// Talking to it failed; it was killed.
    Broken {
        /// What could not be done.
        what: &'static str,
        /// The system's reason.
        error: io::Error,
    },
}

impl Unanswered {
    /// The code of the error that reports it: 5, 6 or 11.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::NotStarted(_) | Self::Broken { .. } => Code::Io,
            Self::Late(_) => Code::TryAgainLater,
            Self::Endless => Code::Decode,
        }
    }
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStarted(error) => write!(f, "it cannot be started: {error}"),
            Self::Late(limit) => write!(f, "still running after {limit:?} and killed"),
            Self::Endless => write!(f, "it printed more than {} MiB and was killed", LONGEST >> 20),
            Self::Broken { what, error } => write!(f, "{what}: {error}"),
        }
    }
}

/// Says when a plugin is killed before its time.
pub trait GiveUp {
    /// What becomes readable when there is something to consider.
    fn fd(&self) -> BorrowedFd<'_>;

    /// How much longer the plugin may take, asked at the beginning and whenever the descriptor is readable: nothing kills it at once,
    /// `None` leaves its limit as it is. The shortest time counts. It has to take out what is there to read.
    fn consider(&self) -> Option<Duration>;
}

/// An executable at work. Dropping it kills and reaps the process, and kills what it has started (see [`Group`]).
#[derive(Debug)]
pub struct Exchange {
    limit: Duration,
    group: Group,
    started: Instant,
    child: Child,
    /// Open as long as there is something to write and a reader.
    stdin: Option<ChildStdin>,
    /// What is still to be written.
    unsent: Vec<u8>,
    stdout: Option<ChildStdout>,
    output: Vec<u8>,
    /// It ended and was reaped: its ID is not its own any more.
    ended: bool,
}

impl Exchange {
    /// Starts the command with its stderr where ours is, and writes as much of the request as its stdin takes at once; the
    /// rest follows in [`Exchange::wait`]. Returns at once, so that the caller can work meanwhile. `limit` counts from now.
    ///
    /// # Errors
    /// [`Unanswered::NotStarted`]; [`Unanswered::Broken`] if its pipes cannot be set up.
    pub fn start(mut command: Command, request: &[u8], limit: Duration, group: Group) -> Result<Self, Unanswered> {
        let started = Instant::now();
        if let Group::Own = group {
            command.process_group(0);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(Unanswered::NotStarted)?;
        let mut exchange = Self {
            limit,
            group,
            started,
            stdin: child.stdin.take(),
            unsent: Vec::new(),
            stdout: child.stdout.take(),
            output: Vec::new(),
            ended: false,
            child,
        };
        exchange.make_pipes_nonblocking().map_err(|errno| broken("its pipes cannot be set up", errno.into()))?;
        exchange.make_room(request.len());
        exchange.send(request);
        Ok(exchange)
    }

    /// Waits for the end, at most until the limit. What the plugin has started and left behind is not waited for.
    ///
    /// # Errors
    /// All but [`Unanswered::NotStarted`]. Then it and what it has started are killed.
    pub fn wait(self) -> Result<Answer, Unanswered> {
        self.wait_unless(None)
    }

    /// The same, unless it is given up.
    ///
    /// # Errors
    /// Those of [`Exchange::wait`]; [`Unanswered::Broken`] when it was given up, and killed.
    pub fn wait_unless(mut self, give_up: Option<&dyn GiveUp>) -> Result<Answer, Unanswered> {
        let status = self.finish(give_up)?;
        Ok(Answer { status, output: std::mem::take(&mut self.output) })
    }

    /// Talks to the process until it ends.
    fn finish(&mut self, give_up: Option<&dyn GiveUp>) -> Result<ExitStatus, Unanswered> {
        let mut exit = None;
        let mut given_up = give_up.and_then(GiveUp::consider).map(|longest| Instant::now() + longest);
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
                Err(error) => return Err(broken("cannot wait for it", error)),
            }
            let mut left = self.limit.saturating_sub(self.started.elapsed());
            if left.is_zero() {
                return Err(Unanswered::Late(self.limit));
            }
            if let Some(end) = given_up {
                left = left.min(end.saturating_duration_since(Instant::now()));
                if left.is_zero() {
                    return Err(broken("it was killed", ErrorKind::Interrupted.into()));
                }
            }
            let exit = exit.get_or_insert_with(|| pidfd::open(&self.child).ok());
            let is_called = self.sleep(left, exit.as_ref(), give_up).map_err(|error| broken("poll", error))?;
            if is_called && let Some(longest) = give_up.and_then(GiveUp::consider) {
                let end = Instant::now() + longest;
                given_up = Some(given_up.map_or(end, |earlier| earlier.min(end)));
            }
        }
    }

    /// Sleeps until there is something to do, at most as long as given. Tells whether there is something to consider.
    fn sleep(&self, left: Duration, exit: Option<&OwnedFd>, give_up: Option<&dyn GiveUp>) -> io::Result<bool> {
        let mut watched = Vec::with_capacity(4);
        watched.extend(give_up.map(|give_up| PollFd::new(give_up.fd(), PollFlags::POLLIN)));
        watched.extend(self.stdin.as_ref().map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLOUT)));
        watched.extend(self.stdout.as_ref().map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)));
        watched.extend(exit.map(|exit| PollFd::new(exit.as_fd(), PollFlags::POLLIN)));
        let longest = if exit.is_some() { left } else { left.min(INTERVAL) };
        // Rounded up, or the last millisecond would be spent in a busy loop.
        let timeout = PollTimeout::try_from(longest.as_millis() + 1).unwrap_or(PollTimeout::MAX);
        match poll(&mut watched, timeout) {
            Ok(_) => Ok(give_up.is_some() && watched.first().and_then(PollFd::any).unwrap_or(false)),
            Err(nix::Error::EINTR) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Writes as much as the pipe takes, and keeps the rest for later.
    fn send(&mut self, text: &[u8]) {
        let sent = self.write(text);
        self.unsent = text.get(sent..).unwrap_or_default().to_vec();
    }

    fn send_rest(&mut self) {
        if self.stdin.is_some() {
            let unsent = std::mem::take(&mut self.unsent);
            self.send(&unsent);
        }
    }

    /// Writes until the pipe is full, and closes it after the end. A plugin may ignore its stdin: that nobody reads is no
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
    fn collect(&mut self) -> Result<(), Unanswered> {
        let mut buffer = [0; 8192];
        while let Some(pipe) = &mut self.stdout {
            match pipe.read(&mut buffer) {
                Ok(0) => self.stdout = None,
                Ok(count) => self.output.extend(buffer.iter().take(count)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(broken("cannot read its stdout", error)),
            }
            if self.output.len() > LONGEST {
                return Err(Unanswered::Endless);
            }
        }
        Ok(())
    }

    /// As the caller works meanwhile, the pipe should take the whole request. The kernel may allow only so much.
    fn make_room(&self, length: usize) {
        if let (Some(pipe), Ok(length)) = (self.stdin.as_ref().filter(|_| length > PIPE_BYTES), i32::try_from(length)) {
            let _ = fcntl(pipe, FcntlArg::F_SETPIPE_SZ(length));
        }
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
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        // Its children must not go on with what counts as failed, nor keep our stderr open.
        if let Ok(id) = i32::try_from(self.child.id()) {
            let id = Pid::from_raw(id);
            match self.group {
                Group::Own => _ = killpg(id, Signal::SIGKILL),
                Group::Callers(kill) => kill(id),
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn broken(what: &'static str, error: io::Error) -> Unanswered {
    Unanswered::Broken { what, error }
}
