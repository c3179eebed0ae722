//! Time of a process.

use std::mem::MaybeUninit;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::Result;
use nix::errno::Errno;

use crate::call::Observer;
use crate::statistics::{median, percentile};

/// Takes the time from the start of the process to its end, and its CPU time.
#[derive(Debug)]
pub(crate) struct Timing;

/// Time of calls of one kind.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Figures {
    /// The shortest: what other work on the machine has disturbed least.
    pub(crate) least: Duration,
    /// Median.
    pub(crate) wall: Duration,
    /// Median CPU time of the call's processes.
    pub(crate) cpu: Duration,
    /// The number of calls.
    pub(crate) calls: usize,
}

impl Figures {
    /// Those of these calls.
    pub(crate) fn of(times: &[Times]) -> Self {
        let walls: Vec<Duration> = times.iter().map(|times| times.wall).collect();
        let cpus: Vec<Duration> = times.iter().map(|times| times.cpu).collect();
        Self { least: percentile(&walls, 0), wall: median(&walls), cpu: median(&cpus), calls: times.len() }
    }
}

/// What a process took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Times {
    /// From before its start until it was reaped.
    pub(crate) wall: Duration,
    /// In user and kernel mode, with all children that it waited for.
    pub(crate) cpu: Duration,
}

impl std::iter::Sum for Times {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self { wall: sum.wall + one.wall, cpu: sum.cpu + one.cpu })
    }
}

impl Observer for Timing {
    type Seen = Times;

    fn watch(&self, command: &mut Command) -> Result<(ExitStatus, Times)> {
        let start = Instant::now();
        let child = command.spawn()?;
        let (status, usage) = wait4(child.id().cast_signed())?;
        let wall = start.elapsed();
        let cpu = duration(usage.ru_utime) + duration(usage.ru_stime);
        Ok((status, Times { wall, cpu }))
    }
}

/// Waits for a child and gets what it used.
fn wait4(pid: libc::pid_t) -> Result<(ExitStatus, libc::rusage), Errno> {
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    loop {
        // SAFETY: both pointers are to live memory of the types that the call fills in.
        match Errno::result(unsafe { libc::wait4(pid, &raw mut status, 0, usage.as_mut_ptr()) }) {
            Err(Errno::EINTR) => {}
            // SAFETY: all zeros are a valid rusage, and the call has filled it in.
            other => return other.map(|_| (ExitStatus::from_raw(status), unsafe { usage.assume_init() })),
        }
    }
}

fn duration(time: libc::timeval) -> Duration {
    let seconds = Duration::from_secs(time.tv_sec.unsigned_abs());
    seconds + Duration::from_micros(time.tv_usec.unsigned_abs())
}
