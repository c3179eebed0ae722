use super::Invocation;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use std::io::{Write, pipe};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

impl Invocation {
    /// Makes the call and kills it with SIGKILL after so many system calls of its own process, its start not counted; what it
    /// prints is lost. False if it came to its end before.
    ///
    /// The configuration has to fit into a pipe.
    #[expect(clippy::zombie_processes, reason = "it is waited for by its id")]
    pub fn kill_after_system_calls(&self, count: usize) -> bool {
        let what = self.describe();
        let fail = |e: &dyn std::fmt::Display| -> ! { panic!("cannot trace {what}: {e}") };
        let (stdin, mut configuration) = pipe().unwrap_or_else(|e| fail(&e));
        configuration.write_all(&self.stdin).unwrap_or_else(|e| fail(&e));
        drop(configuration);
        let mut command = Command::new(&self.program);
        command.env_clear().envs(&self.environment).stdin(stdin).stdout(Stdio::null()).stderr(Stdio::null());
        // SAFETY: between fork and exec, this makes one system call and allocates nothing.
        unsafe { command.pre_exec(|| ptrace::traceme().map_err(Into::into)) };
        let child = command.spawn().unwrap_or_else(|e| fail(&e));
        let child = Pid::from_raw(child.id().cast_signed());
        waitpid(child, None).unwrap_or_else(|e| fail(&e));
        let options = Options::PTRACE_O_EXITKILL | Options::PTRACE_O_TRACESYSGOOD;
        ptrace::setoptions(child, options).unwrap_or_else(|e| fail(&e));
        // A call stops at its entry and at its exit. The one at whose entry it is killed is not made any more.
        let mut stops = 0;
        while stops <= 2 * count {
            ptrace::syscall(child, None).unwrap_or_else(|e| fail(&e));
            match waitpid(child, None).unwrap_or_else(|e| fail(&e)) {
                WaitStatus::Exited(..) | WaitStatus::Signaled(..) => return false,
                WaitStatus::PtraceSyscall(_) => stops += 1,
                _ => {}
            }
        }
        nix::sys::signal::kill(child, Signal::SIGKILL).unwrap_or_else(|e| fail(&e));
        waitpid(child, None).unwrap_or_else(|e| fail(&e));
        true
    }
}
