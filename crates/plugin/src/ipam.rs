//! The delegate for addresses.

use std::os::fd::OwnedFd;
use std::time::Duration;

use attachment::Lock;
use cni::{Call, Command, Delegate, End, Error, Failed, Running, Success};
use keys::DelegateKeys;

use crate::codes::from_attachment;
use crate::plugin::Plugin;
use crate::streams::note;

/// What is known of an IPAM plugin beside its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allocator {
    kind: &'static str,
    /// It gives an address to one attachment at a time, so that there is no need to ask the link whether it is free.
    pub gives_each_once: bool,
    /// It speaks through the container interface, which must be up when it is called.
    pub needs_the_nic: bool,
    /// An ADD that it reports as failed has left nothing. What it has for the attachment then is of an earlier ADD.
    undoes_itself: bool,
}

const UNKNOWN: Allocator = Allocator { kind: "", gives_each_once: false, needs_the_nic: false, undoes_itself: false };

/// Nothing is known of a plugin that is not listed.
const ALLOCATORS: [Allocator; 4] = [
    // Ours and the reference's (`cmdAdd` in plugins/ipam/host-local/main.go).
    Allocator { kind: "host-local", gives_each_once: true, undoes_itself: true, ..UNKNOWN },
    Allocator { kind: "static", undoes_itself: true, ..UNKNOWN },
    // The client itself should probe for the address (RFC 2131, 4.4.1), but not every client does.
    Allocator { kind: "dhcp", needs_the_nic: true, ..UNKNOWN },
    Allocator { kind: "whereabouts", gives_each_once: true, ..UNKNOWN },
];

impl Allocator {
    /// That of a configuration; nothing is known if there is none.
    #[must_use]
    pub fn of(call: &Call) -> Self {
        let named = call.config.ipam.as_deref();
        ALLOCATORS.into_iter().find(|allocator| Some(allocator.kind) == named).unwrap_or(UNKNOWN)
    }
}

/// The IPAM plugin of a configuration, if it names one.
#[derive(Debug)]
pub(crate) struct Ipam<'a> {
    delegate: Option<Delegate>,
    allocator: Allocator,
    /// The lock that it works under, and the descriptor by which it holds it, too.
    lock: Option<(&'a Lock, OwnedFd)>,
}

/// The time that the IPAM plugin of a call has.
///
/// # Errors
/// Code 7: it is malformed.
fn limit(call: &Call) -> Result<Duration, Error> {
    let keys: DelegateKeys = call.config.keys()?;
    match keys.delegate_timeout_seconds {
        None => Ok(Delegate::LIMIT),
        Some(0) => Err(Error::invalid_config("delegateTimeoutSeconds must be at least 1")),
        Some(seconds) => Ok(Duration::from_secs(seconds)),
    }
}

/// How long to wait for other calls: an ADD whose IPAM plugin takes all its time, and all of it again for the undo, ends
/// before.
pub(crate) fn patience(call: &Call) -> Duration {
    const REST: Duration = Duration::from_secs(5);
    limit(call).unwrap_or(Delegate::LIMIT).saturating_mul(2).saturating_add(REST)
}

/// The error of [`Ipam::find`] for DEL and GC, which have removed everything else (DLG-5).
pub(crate) fn unreleased(mut error: Error) -> Error {
    error.msg.push_str(
        "; so the addresses cannot be released, everything else is removed: install the IPAM plugin, or correct ipam, and call \
         again",
    );
    error
}

impl<'a> Ipam<'a> {
    /// # Errors
    /// `ipam` is malformed; the executable is not in `CNI_PATH`; or the time limit is malformed, which DEL and GC do without.
    pub(crate) fn find<P: Plugin>(call: &Call) -> Result<Self, Error> {
        let (allocator, lock) = (Allocator::of(call), None);
        if let Some(objection) = call.config.ipam_objection.as_ref().filter(|_| P::HAS_IPAM) {
            return Err(objection.clone());
        }
        let Some(kind) = call.config.ipam.as_ref().filter(|_| P::HAS_IPAM) else {
            return Ok(Self { delegate: None, allocator, lock });
        };
        let mut delegate = Delegate::find(kind, call)?;
        delegate.limit = match limit(call) {
            Err(error) if matches!(call.environment.command, Command::Del | Command::Gc) => {
                note(format!("network {:?}: ignored: {}", call.config.name, error.msg));
                Delegate::LIMIT
            }
            limit => limit?,
        };
        Ok(Self { delegate: Some(delegate), allocator, lock })
    }

    /// Lets it hold this lock as long as it works, also when its caller is killed: what it does late must not meet what a later
    /// call has made.
    ///
    /// # Errors
    /// Code 5.
    pub(crate) fn under(mut self, lock: Option<&'a Lock>) -> Result<Self, Error> {
        if self.is_there()
            && let Some(lock) = lock
        {
            let heirloom = lock.bequeath().map_err(|error| from_attachment(&error))?;
            self.lock = Some((lock, heirloom));
        }
        Ok(self)
    }

    /// There is one.
    pub(crate) fn is_there(&self) -> bool {
        self.delegate.is_some()
    }

    /// It is to be called when the container interface is up.
    pub(crate) fn needs_the_nic(&self) -> bool {
        self.is_there() && self.allocator.needs_the_nic
    }

    /// Starts it, so that it works while we do.
    ///
    /// Not from a thread of its own: with two threads on two processors every change of the address space interrupts the
    /// other one, which cost more than the wait for the new process's image.
    ///
    /// # Errors
    /// The executable cannot be started.
    pub(crate) fn start(&self, command: Command, call: &Call) -> Result<Work, Error> {
        let running = self.delegate.as_ref().map(|delegate| delegate.start(command, call)).transpose()?;
        let may_hold = running.is_some();
        Ok(Work { running, may_hold })
    }

    /// Waits for its end. The result is empty without a delegate and for verbs other than ADD.
    ///
    /// # Errors
    /// Its own.
    pub(crate) fn wait(&self, work: &mut Work) -> Result<Success, Error> {
        let Some(running) = work.running.take() else { return Ok(Success::default()) };
        match running.wait() {
            Ok(result) => Ok(result.unwrap_or_default()),
            Err(Failed { error, end }) => {
                match (end, &self.lock) {
                    (End::Reported, _) if self.allocator.undoes_itself => work.may_hold = false,
                    // Its children may have a moment to live.
                    (End::Killed, Some((lock, _))) => lock.leave_to_heirs(),
                    _ => {}
                }
                Err(error)
            }
        }
    }

    /// Runs it from start to end, for verbs without a result.
    ///
    /// # Errors
    /// Its own.
    pub(crate) fn run(&self, command: Command, call: &Call) -> Result<(), Error> {
        self.wait(&mut self.start(command, call)?).map(drop)
    }

    /// Undoes its ADD after a failure, whoever failed (DLG-6). Not if it was never called, or has undone that itself: what
    /// it has then is of an earlier ADD.
    ///
    /// # Errors
    /// Its own.
    pub(crate) fn undo(&self, work: &mut Work, call: &Call) -> Result<(), Error> {
        let _ = self.wait(work); // it must have ended before it is told to release
        if work.may_hold { self.run(Command::Del, call) } else { Ok(()) }
    }
}

/// The delegate at work; or nothing, without one.
#[derive(Debug)]
pub(crate) struct Work {
    running: Option<Running>,
    /// After ADD, it may hold something for the attachment because of it.
    may_hold: bool,
}

impl Work {
    /// None yet.
    pub(crate) fn none() -> Self {
        Self { running: None, may_hold: false }
    }
}
