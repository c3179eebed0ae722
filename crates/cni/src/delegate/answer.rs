//! What a delegate's exit status and output mean.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{Code, Command, Error, Success, Version, json};

/// The end of a delegate.
pub(super) struct Answer<'a> {
    pub(super) command: Command,
    pub(super) version: Version,
    pub(super) status: ExitStatus,
    pub(super) output: &'a [u8],
}

impl Answer<'_> {
    pub(super) fn read(&self) -> Result<Option<Success>, Error> {
        if let Some(signal) = self.status.signal() {
            let name = Signal::try_from(signal).map_or("unknown", Signal::as_str);
            return Err(Error::new(Code::Decode, format!("killed by signal {signal} ({name})")));
        }
        if !self.status.success() {
            return Err(self.error());
        }
        match self.command {
            Command::Add => self.result().map(Some),
            _ => Ok(None),
        }
    }

    fn error(&self) -> Error {
        Error::from_json(self.output).unwrap_or_else(|| {
            let status = self.status.code().unwrap_or_default();
            self.undecodable(&format!("it failed with exit status {status} and without an error object"))
        })
    }

    fn result(&self) -> Result<Success, Error> {
        let value: Value = serde_json::from_slice(self.output)
            .map_err(|error| self.undecodable(&format!("its result is no JSON ({error})")))?;
        if value.get("code").is_some_and(Value::is_number) && value.get("msg").is_some() {
            return Err(self.undecodable("it printed an error and ended as if it had succeeded"));
        }
        let malformed = |reason: &str| Error::new(Code::Decode, format!("its result is malformed: {reason}"));
        let success = Success::from_value(&value, self.version).map_err(|error| malformed(&error.msg))?;
        let count = success.interfaces.len();
        match success.ips.iter().filter_map(|ip| ip.interface).find(|index| *index >= count) {
            None => Ok(success),
            Some(index) => {
                Err(malformed(&format!("ips point to interface {index}, but interfaces has {count} entries")))
            }
        }
    }

    fn undecodable(&self, reason: &str) -> Error {
        let text = String::from_utf8_lossy(self.output);
        let printed = match text.trim() {
            "" => "it printed nothing".to_owned(),
            text => format!("it printed {:?}", json::beginning(text)),
        };
        Error::new(Code::Decode, format!("{reason}; {printed}"))
    }
}
