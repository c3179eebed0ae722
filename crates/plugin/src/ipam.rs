//! The delegate for addresses.

use std::time::Duration;

use cni::{Call, Command, Delegate, Error, Running, Success};
use keys::DelegateKeys;

use crate::plugin::Plugin;

/// What is known of an IPAM plugin beside its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allocator {
    kind: &'static str,
    /// It gives an address to one attachment at a time, so that there is no need to ask the link whether it is free.
    pub gives_each_once: bool,
    /// It speaks through the container interface, which must be up when it is called.
    pub needs_the_nic: bool,
}

/// Nothing is known of a plugin that is not listed.
const ALLOCATORS: [Allocator; 3] = [
    Allocator { kind: "host-local", gives_each_once: true, needs_the_nic: false },
    // The client itself should probe for the address (RFC 2131, 4.4.1), but not every client does.
    Allocator { kind: "dhcp", gives_each_once: false, needs_the_nic: true },
    Allocator { kind: "whereabouts", gives_each_once: true, needs_the_nic: false },
];

impl Allocator {
    /// That of a configuration; nothing is known if there is none.
    #[must_use]
    pub fn of(call: &Call) -> Self {
        let unknown = Self { kind: "", gives_each_once: false, needs_the_nic: false };
        let named = call.config.ipam.as_deref();
        ALLOCATORS.into_iter().find(|allocator| Some(allocator.kind) == named).unwrap_or(unknown)
    }
}

/// The IPAM plugin of a configuration, if it names one.
#[derive(Debug)]
pub(crate) struct Ipam {
    delegate: Option<Delegate>,
    allocator: Allocator,
}

impl Ipam {
    /// # Errors
    /// The executable is not in `CNI_PATH`, or the time limit is malformed.
    pub(crate) fn find<P: Plugin>(call: &Call) -> Result<Self, Error> {
        let allocator = Allocator::of(call);
        let Some(kind) = call.config.ipam.as_ref().filter(|_| P::HAS_IPAM) else {
            return Ok(Self { delegate: None, allocator });
        };
        let mut delegate = Delegate::find(kind, call)?;
        let keys: DelegateKeys = call.config.keys()?;
        if let Some(seconds) = keys.delegate_timeout_seconds {
            if seconds == 0 {
                return Err(Error::invalid_config("delegateTimeoutSeconds must be at least 1"));
            }
            delegate.limit = Duration::from_secs(seconds);
        }
        Ok(Self { delegate: Some(delegate), allocator })
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
        Ok(Work { running })
    }

    /// Runs it from start to end, for verbs without a result.
    ///
    /// # Errors
    /// Its own.
    pub(crate) fn run(&self, command: Command, call: &Call) -> Result<(), Error> {
        self.start(command, call)?.wait().map(drop)
    }
}

/// The delegate at work; or nothing, without one.
#[derive(Debug)]
pub(crate) struct Work {
    running: Option<Running>,
}

impl Work {
    /// None yet.
    pub(crate) fn none() -> Self {
        Self { running: None }
    }

    /// Waits for its end. The result is empty without a delegate and for verbs other than ADD.
    ///
    /// # Errors
    /// Its own.
    pub(crate) fn wait(&mut self) -> Result<Success, Error> {
        match self.running.take() {
            Some(running) => Ok(running.wait()?.unwrap_or_default()),
            None => Ok(Success::default()),
        }
    }
}
