//! System calls and children of a process.

use std::path::Path;
use std::process::{Command, ExitStatus};

use anyhow::{Context, Result};

use crate::call::{Call, Observer};

/// The tool that counts.
pub(crate) const STRACE: &str = "/usr/bin/strace";

/// In the private `/run`.
const LOG: &str = "/run/bench.strace";

/// Counts with `strace -f`.
#[derive(Debug)]
pub(crate) struct Strace;

/// What a process and its children did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// System calls of all processes and threads.
    pub(crate) system_calls: usize,
    /// Processes that were started; threads are none.
    pub(crate) children: usize,
}

impl std::iter::Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            system_calls: sum.system_calls + one.system_calls,
            children: sum.children + one.children,
        })
    }
}

impl Observer for Strace {
    type Seen = Counts;

    fn command(&self, call: &Call) -> Command {
        let mut command = Command::new(STRACE);
        command.args(["-f", "-q", "-o", LOG, "--"]).arg(&call.program).args(&call.arguments);
        command
    }

    fn watch(&self, command: &mut Command) -> Result<(ExitStatus, Counts)> {
        let status = command.status()?;
        let log = std::fs::read(LOG).with_context(|| Path::new(LOG).display().to_string())?;
        Ok((status, count(&String::from_utf8_lossy(&log))))
    }
}

/// Lines are `PID CALL(ARGUMENTS) = RESULT`. A call that another one interrupts on paper takes two lines; the second begins
/// with `<...`. Signals and ends are no calls.
fn count(log: &str) -> Counts {
    let calls = log.lines().filter_map(|line| {
        let call = line.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start();
        call.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_').then_some(call)
    });
    calls.map(|call| Counts { system_calls: 1, children: usize::from(starts_process(call)) }).sum()
}

fn starts_process(call: &str) -> bool {
    ["clone(", "clone3(", "fork(", "vfork("].iter().any(|name| call.starts_with(name)) && !call.contains("CLONE_THREAD")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_and_second_halves_do_not_count() {
        let log = "\
10 execve(\"/a\", [\"/a\"], 0x7ffe /* 5 vars */) = 0
10 clone(child_stack=0x1, flags=CLONE_VM|CLONE_THREAD|CLONE_SYSVSEM, tls=0x2) = 11
10 clone3({flags=CLONE_VM|CLONE_VFORK, exit_signal=SIGCHLD, stack=0x1}, 88 <unfinished ...>
12 execve(\"/b\", [\"/b\"], 0x7ffe /* 5 vars */ <unfinished ...>
10 <... clone3 resumed>) = 12
12 <... execve resumed>) = 0
12 exit_group(0) = ?
12 +++ exited with 0 +++
10 --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED} ---
";
        assert_eq!(count(log), Counts { system_calls: 5, children: 1 });
    }
}
