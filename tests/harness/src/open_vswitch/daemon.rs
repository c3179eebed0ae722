use crate::{Background, Output, sh, spawn, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::cell::RefCell;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// What the programs wait for at most, in seconds: longer than anything takes that does come.
pub(super) const LIMIT: u32 = 20;

/// One of the two processes, which can be stopped, killed and started again.
#[derive(Debug)]
pub struct Daemon {
    name: &'static str,
    directory: PathBuf,
    command: String,
    process: RefCell<Option<Background>>,
}

impl Daemon {
    /// Starts a command and waits until its control socket answers.
    pub(super) fn start(directory: &Path, name: &'static str, command: &str) -> Self {
        let daemon =
            Self { name, directory: directory.to_owned(), command: command.to_owned(), process: RefCell::default() };
        daemon.run();
        daemon
    }

    /// The process id. Panics while it is killed.
    pub fn pid(&self) -> Pid {
        let mut process = self.process.borrow_mut();
        let process = process.as_mut().unwrap_or_else(|| panic!("{} does not run", self.name));
        Pid::from_raw(process.child().id().cast_signed())
    }

    /// SIGSTOP: it lives, keeps its sockets and locks, and does nothing.
    pub fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
        let state = format!("/proc/{}/stat", self.pid());
        // The signal is delivered when the process runs next.
        wait_until("the process is stopped", || {
            std::fs::read_to_string(&state)
                .is_ok_and(|stat| stat.rsplit(')').next().is_some_and(|s| s.starts_with(" T")))
        });
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// SIGKILL, if it runs; returns when it is gone.
    pub fn kill(&self) {
        self.process.take();
    }

    /// Starts it again after [`Daemon::kill`], in the calling thread's namespaces, and waits until it answers.
    pub fn run(&self) {
        let directory = self.directory.display();
        // A socket that a killed process left would look like an answer.
        let _ = std::fs::remove_file(self.control());
        let environment =
            ["RUNDIR", "LOGDIR", "DBDIR", "SYSCONFDIR"].map(|which| format!("OVS_{which}={directory}")).join(" ");
        let options = format!(
            "--verbose=console:off --unixctl={} --log-file={}",
            self.control().display(),
            self.log_file().display()
        );
        self.process.replace(Some(spawn(&format!("{environment} exec {} {options}", self.command))));
        wait_until(self.name, || {
            if let Some(status) = self.ended() {
                panic!("{} ended ({status}):\n{}", self.name, self.log());
            }
            UnixStream::connect(self.control()).is_ok()
        });
    }

    /// [`Daemon::kill`] and [`Daemon::run`].
    pub fn restart(&self) {
        self.kill();
        self.run();
    }

    /// `ovs-appctl ARGS` to this process.
    pub fn appctl(&self, args: &str) -> Output {
        sh(&format!("ovs-appctl --timeout={} --target={} {args}", LIMIT, self.control().display()))
    }

    /// Its log, also of earlier runs.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn control(&self) -> PathBuf {
        self.directory.join(self.name).with_extension("ctl")
    }

    fn log_file(&self) -> PathBuf {
        self.directory.join(self.name).with_extension("log")
    }

    fn ended(&self) -> Option<std::process::ExitStatus> {
        self.process.borrow_mut().as_mut().and_then(|process| process.child().try_wait().ok().flatten())
    }

    fn signal(&self, signal: Signal) {
        let pid = self.pid();
        kill(pid, signal).unwrap_or_else(|e| panic!("{signal} to {} ({pid}): {e}", self.name));
    }
}
