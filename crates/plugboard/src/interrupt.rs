//! Signals that ask a command to stop: Ctrl-C, TERM, the end of the terminal.
//!
//! A command that makes or removes something must not end in the middle. So these signals are only counted, and the command looks at
//! the count between its steps. Plugins run in process groups of their own meanwhile, where a terminal's Ctrl-C does not reach them:
//! one that makes or removes something comes to its end, unless that takes long, or a second signal says that nobody wants to wait.

use std::cell::Cell;
use std::io::{self, PipeReader, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::process::ExitCode;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicI64, AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use cni::GiveUp;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::time::{ClockId, clock_gettime};

const SIGNALS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// What a shell says of a command that a signal ended.
const SIGNAL_STATUS: i32 = 128;

/// Signals that follow each other faster than this count as one, in milliseconds: `timeout` signals its child and its group, and a
/// terminal that ends may do so by the kernel and by the shell.
const BOUNCE: i64 = 300;

/// How long a plugin at work may go on after a signal. Who stops services kills those that take some multiple of this.
const GRACE: Duration = Duration::from_secs(10);

/// The first signal; 0 for none.
static FIRST: AtomicI32 = AtomicI32::new(0);
static COUNT: AtomicU32 = AtomicU32::new(0);
/// When the last signal came that was counted, in milliseconds.
static LAST: AtomicI64 = AtomicI64::new(-BOUNCE);
/// The end of the pipe that wakes whoever waits.
static BELL: AtomicI32 = AtomicI32::new(-1);
/// The signals that were not ignored before.
static COUNTED: OnceLock<Vec<Signal>> = OnceLock::new();
static PIPE: OnceLock<PipeReader> = OnceLock::new();

/// Counts a signal. It does nothing but what a handler may do (signal-safety(7)).
extern "C" fn count(signal: libc::c_int) {
    let errno = Errno::last_raw();
    let _ = FIRST.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst);
    let now =
        clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |time| time.tv_sec() * 1000 + time.tv_nsec() / 1_000_000);
    let last = LAST.load(Ordering::SeqCst);
    // Of two handlers at once, in two threads or one in the other, one counts.
    if now - last >= BOUNCE && LAST.compare_exchange(last, now, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
        COUNT.fetch_add(1, Ordering::SeqCst);
    }
    let bell = BELL.load(Ordering::SeqCst);
    // SAFETY: write(2) is safe in a handler; it reads one byte of a constant, and the descriptor stays open until the process ends.
    unsafe { libc::write(bell, b"!".as_ptr().cast(), 1) };
    Errno::set_raw(errno);
}

/// From here on the signals are counted. Those that are ignored, as under nohup(1), stay so.
pub(crate) fn install() -> anyhow::Result<()> {
    let (reader, writer) = io::pipe().context("cannot make a pipe")?;
    for end in [reader.as_fd(), writer.as_fd()] {
        fcntl(end, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).context("cannot set up a pipe")?;
    }
    let mut counted = Vec::new();
    for signal in SIGNALS {
        if !is_ignored(signal).with_context(|| format!("cannot handle {signal}"))? {
            counted.push(signal);
        }
    }
    let _ = COUNTED.set(counted);
    // Plugins inherit it. In their process groups they are in the background of a terminal, which under `stty tostop` stops those that
    // write to it.
    let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    // SAFETY: no handler is set.
    unsafe { sigaction(Signal::SIGTTOU, &ignore) }.context("cannot ignore SIGTTOU")?;
    BELL.store(writer.as_raw_fd(), Ordering::SeqCst);
    // Its number is in the handler's hands until the process ends.
    std::mem::forget(writer);
    let _ = PIPE.set(reader);
    set(SigHandler::Handler(count))
}

/// Whether a signal is ignored. Nothing is changed meanwhile: a signal that came just then would be lost.
fn is_ignored(signal: Signal) -> nix::Result<bool> {
    let mut found = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: without a new action nothing is set; the kernel fills in the structure if it returns 0.
    let found = unsafe {
        Errno::result(libc::sigaction(signal as libc::c_int, std::ptr::null(), found.as_mut_ptr()))?;
        found.assume_init()
    };
    Ok(found.sa_sigaction == libc::SIG_IGN)
}

fn set(handler: SigHandler) -> anyhow::Result<()> {
    let action = SigAction::new(handler, SaFlags::SA_RESTART, SigSet::empty());
    for signal in COUNTED.get().into_iter().flatten() {
        // SAFETY: the handler does only what is safe in one.
        unsafe { sigaction(*signal, &action) }.with_context(|| format!("cannot handle {signal}"))?;
    }
    Ok(())
}

/// The work is done and will not be undone: from here on signals change nothing.
///
/// # Errors
/// There was one before.
pub(crate) fn accept() -> anyhow::Result<()> {
    if is_installed() {
        set(SigHandler::SigIgn)?;
        if received().is_some() {
            set(SigHandler::Handler(count))?;
        }
    }
    refuse()
}

/// What was accepted is undone after all: from here on signals are counted again.
pub(crate) fn count_again() -> anyhow::Result<()> {
    if is_installed() { set(SigHandler::Handler(count)) } else { Ok(()) }
}

/// Whether signals are counted here.
pub(crate) fn is_installed() -> bool {
    PIPE.get().is_some()
}

/// The first of the signals that came.
pub(crate) fn received() -> Option<Signal> {
    Signal::try_from(FIRST.load(Ordering::SeqCst)).ok()
}

/// # Errors
/// A signal came.
pub(crate) fn refuse() -> anyhow::Result<()> {
    match received() {
        Some(signal) => bail!("interrupted by {signal}"),
        None => Ok(()),
    }
}

/// The exit status of a command: 128 plus the number of the signal that interrupted it, if one did.
pub(crate) fn status(otherwise: ExitCode) -> ExitCode {
    let signalled = received().and_then(|signal| u8::try_from(SIGNAL_STATUS + signal as i32).ok());
    signalled.map_or(otherwise, ExitCode::from)
}

/// What a signal means for a plugin at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// It makes or removes something, and is to finish within the grace, which begins with the signal, or with the plugin if that was
    /// started later. A second signal kills it, or the next one if it was started after the first.
    Finishing,
    /// It only looks, and is killed.
    Looking,
}

/// Watches for signals while a plugin is at work.
#[derive(Debug)]
pub(crate) struct Watch<'a> {
    pipe: &'a PipeReader,
    plugin: String,
    /// The count when it was started.
    first: u32,
    /// The count at which it is killed.
    last: u32,
    is_told: Cell<bool>,
}

impl Watch<'_> {
    /// Begins to watch; `None` where signals are not counted.
    pub(crate) fn begin(patience: Patience, plugin: String) -> Option<Self> {
        let pipe = PIPE.get()?;
        let first = COUNT.load(Ordering::SeqCst);
        let last = match patience {
            Patience::Finishing => first.max(1) + 1,
            Patience::Looking => 1,
        };
        Some(Self { pipe, plugin, first, last, is_told: Cell::new(false) })
    }
}

/// Takes out what is there.
fn empty(mut pipe: &PipeReader) {
    let mut bytes = [0; 64];
    while pipe.read(&mut bytes).is_ok_and(|count| count > 0) {}
}

impl GiveUp for Watch<'_> {
    fn fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }

    fn consider(&self) -> Option<Duration> {
        empty(self.pipe);
        let count = COUNT.load(Ordering::SeqCst);
        if count >= self.last {
            return Some(Duration::ZERO);
        }
        if count > self.first && !self.is_told.replace(true) {
            let signal = received().map_or("signal", Signal::as_str);
            let plugin = &self.plugin;
            let _ = writeln!(
                io::stderr(),
                "plugboard: {signal}: waiting for {plugin} to finish, {} s at most; another signal kills it",
                GRACE.as_secs()
            );
        }
        (count > 0).then_some(GRACE)
    }
}
