//! Peak memory of a process and its children.
//!
//! `ru_maxrss` would be wrong: it keeps the memory of the process that forked. The peak in `/proc/PID/status` begins with the
//! program, so the process is traced, and its peak is read while it is stopped at its end.

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::ptrace::{self, Event, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::call::Observer;

/// Reads the peak of resident memory, in bytes: that of the largest process.
#[derive(Debug)]
pub(crate) struct Memory;

impl Observer for Memory {
    type Seen = u64;

    fn watch(&self, command: &mut Command) -> Result<(ExitStatus, u64)> {
        // SAFETY: between fork and exec, this makes one system call and allocates nothing.
        unsafe { command.pre_exec(|| ptrace::traceme().map_err(Into::into)) };
        let child = Pid::from_raw(command.spawn()?.id().cast_signed());
        waitpid(child, None).context("wait for the program to start")?;
        let options = Options::PTRACE_O_EXITKILL
            | Options::PTRACE_O_TRACEEXIT
            | Options::PTRACE_O_TRACECLONE
            | Options::PTRACE_O_TRACEFORK
            | Options::PTRACE_O_TRACEVFORK
            | Options::PTRACE_O_TRACEEXEC;
        ptrace::setoptions(child, options).context("PTRACE_SETOPTIONS")?;
        resume(child, None)?;
        follow(child)
    }
}

/// Lets `child` and all that it starts run to their ends.
fn follow(child: Pid) -> Result<(ExitStatus, u64)> {
    let mut peak = 0;
    let mut status = None;
    loop {
        match waitpid(None, Some(WaitPidFlag::__WALL)) {
            Ok(WaitStatus::PtraceEvent(pid, _, event)) => {
                if event == Event::PTRACE_EVENT_EXIT as i32 {
                    peak = peak.max(peak_of(pid)?);
                }
                resume(pid, None)?;
            }
            // The first stop of a new process or thread.
            Ok(WaitStatus::Stopped(pid, Signal::SIGSTOP)) => resume(pid, None)?,
            Ok(WaitStatus::Stopped(pid, signal)) => resume(pid, Some(signal))?,
            Ok(WaitStatus::Exited(pid, code)) if pid == child => status = Some(ExitStatus::from_raw(code << 8)),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == child => {
                status = Some(ExitStatus::from_raw(signal as i32));
            }
            Ok(_) | Err(Errno::EINTR) => {}
            Err(Errno::ECHILD) => return Ok((status.context("the program's end was not seen")?, peak)),
            Err(errno) => return Err(errno).context("wait for the program"),
        }
    }
}

/// A thread that another one's exit ends may be gone already.
fn resume(pid: Pid, signal: Option<Signal>) -> Result<()> {
    match ptrace::cont(pid, signal) {
        Err(Errno::ESRCH) => Ok(()),
        other => other.context("PTRACE_CONT"),
    }
}

fn peak_of(pid: Pid) -> Result<u64> {
    let path = format!("/proc/{pid}/status");
    let status = std::fs::read_to_string(&path).with_context(|| path.clone())?;
    let kibibytes = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    let kibibytes: u64 =
        kibibytes.and_then(|number| number.parse().ok()).with_context(|| format!("VmHWM in {path}"))?;
    Ok(kibibytes * 1024)
}
