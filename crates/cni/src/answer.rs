//! What the exit status and the output of a plugin mean (ERR-1, ERR-2, DLG-4).

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::json::{self, Limit};
use crate::{Code, Error, Success, Version, excerpt};

/// The end of a plugin, and what it has printed until then.
#[derive(Debug, Clone)]
pub struct Answer {
    /// How it ended.
    pub status: ExitStatus,
    /// Its stdout.
    pub output: Vec<u8>,
}

impl Answer {
    /// Whether it succeeded. What it printed does not matter then: most verbs print nothing.
    ///
    /// # Errors
    /// The plugin's own. Code 6 if it failed without an error object (the message shows the beginning of what it printed
    /// instead), or if a signal has killed it, naming the signal.
    pub fn success(&self) -> Result<(), Error> {
        if let Some(signal) = self.status.signal() {
            let name = Signal::try_from(signal).map_or("unknown", Signal::as_str);
            return Err(Error::new(Code::Decode, format!("killed by signal {signal} ({name})")));
        }
        if self.status.success() {
            return Ok(());
        }
        Err(Error::from_json(&self.output).unwrap_or_else(|| {
            let status = self.status.code().unwrap_or_default();
            self.undecodable(&format!("it failed with exit status {status} and without an error object"))
        }))
    }

    /// Whether it ended by itself and reported an error, as an object with a code.
    pub(crate) fn is_error(&self) -> bool {
        self.status.code().is_some_and(|status| status != 0) && Error::from_json(&self.output).is_some()
    }

    /// The value that it printed; `None` if it printed nothing.
    ///
    /// # Errors
    /// Those of [`Answer::success`]; code 6 if what it printed is not JSON, or an error object although it succeeded.
    pub fn value(&self) -> Result<Option<Value>, Error> {
        self.success()?;
        if self.output.trim_ascii().is_empty() {
            return Ok(None);
        }
        let value = json::read(&self.output, Limit::SINGLE).map_err(|reason| {
            let text = String::from_utf8_lossy(&self.output);
            Error::new(Code::Decode, format!("what it printed {reason}: {:?}", excerpt::beginning(text.trim())))
        })?;
        if value.get("code").is_some_and(Value::is_number) && value.get("msg").is_some() {
            return Err(self.undecodable("it printed an error, but exited with status 0"));
        }
        Ok(Some(value))
    }

    /// The result that a delegate printed on ADD, in the format of `version`.
    ///
    /// # Errors
    /// Those of [`Answer::value`]; code 6 if it printed nothing or no result, or if an address belongs to an interface that
    /// the result does not have.
    pub(crate) fn result(&self, version: Version) -> Result<Success, Error> {
        let malformed = |reason: &str| Error::new(Code::Decode, format!("its result is malformed: {reason}"));
        let value = self.value()?.ok_or_else(|| malformed("it printed nothing, which is not JSON"))?;
        let success = Success::from_value(&value, version).map_err(|error| malformed(&error.msg))?;
        let count = success.interfaces.len();
        match success.ips.iter().filter_map(|ip| ip.interface).find(|index| *index >= count) {
            None => Ok(success),
            Some(index) => {
                Err(malformed(&format!("ips point to interface {index}, but interfaces has {count} entries")))
            }
        }
    }

    fn undecodable(&self, reason: &str) -> Error {
        let text = String::from_utf8_lossy(&self.output);
        let printed = match text.trim() {
            "" => "it printed nothing".to_owned(),
            text => format!("it printed {:?}", excerpt::beginning(text)),
        };
        Error::new(Code::Decode, format!("{reason}; {printed}"))
    }
}
