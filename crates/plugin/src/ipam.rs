//! The delegate for addresses.

use std::time::Duration;

use cni::{Call, Command, Delegate, Error, Running, Success};
use serde::Deserialize;

/// The keys that every plugin with a delegate has.
#[derive(Debug, Default, Deserialize)]
struct Keys {
    /// How long a delegate may take, in seconds; then it is killed. Default 30.
    #[serde(rename = "delegateTimeoutSeconds")]
    delegate_timeout_seconds: Option<u64>,
}

/// The IPAM plugin of a configuration, if it names one.
#[derive(Debug)]
pub(crate) struct Ipam {
    delegate: Option<Delegate>,
}

impl Ipam {
    /// # Errors
    /// The executable is not in `CNI_PATH`, or the time limit is malformed.
    pub(crate) fn find(call: &Call) -> Result<Self, Error> {
        let Some(kind) = &call.config.ipam else {
            return Ok(Self { delegate: None });
        };
        let mut delegate = Delegate::find(kind, call)?;
        let keys: Keys = call.config.keys()?;
        if let Some(seconds) = keys.delegate_timeout_seconds {
            if seconds == 0 {
                return Err(Error::invalid_config("delegateTimeoutSeconds must be at least 1"));
            }
            delegate.limit = Duration::from_secs(seconds);
        }
        Ok(Self { delegate: Some(delegate) })
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
