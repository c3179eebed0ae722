//! The members of a JSON object, taken out one by one; what is left is what we do not know.

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use serde_json::{Map, Value};

use crate::address::{parse_address, parse_host};
use crate::{Error, excerpt};

/// An object under way. As tolerant as Go: `null` counts as missing.
pub(crate) struct Members {
    /// Where the object is, for messages: `ips[1]`, or empty for the outermost.
    path: String,
    rest: Map<String, Value>,
}

impl Members {
    pub(crate) fn of(value: &Value, path: String) -> Result<Self, Error> {
        match value {
            Value::Object(rest) => Ok(Self { path, rest: rest.clone() }),
            other => Err(unexpected(if path.is_empty() { "the result" } else { &path }, other, "an object")),
        }
    }

    /// What was not taken.
    pub(crate) fn rest(self) -> Map<String, Value> {
        self.rest
    }

    pub(crate) fn take(&mut self, key: &str) -> Option<Value> {
        self.rest.remove(key).filter(|value| !value.is_null())
    }

    /// The text of a member, empty if it is missing.
    pub(crate) fn text(&mut self, key: &str) -> Result<String, Error> {
        match self.take(key) {
            None => Ok(String::new()),
            Some(Value::String(text)) => Ok(text),
            Some(other) => Err(unexpected(&self.path_of(key), &other, "a string")),
        }
    }

    /// A list of texts.
    pub(crate) fn texts(&mut self, key: &str) -> Result<Vec<String>, Error> {
        self.list(key, |value, path| match value {
            Value::String(text) => Ok(text.clone()),
            other => Err(unexpected(&path, other, "a string")),
        })
    }

    /// An address with its prefix length, which must be there.
    pub(crate) fn address(&mut self, key: &str) -> Result<IpNetwork, Error> {
        let text = self.text(key)?;
        if text.is_empty() {
            return Err(Error::invalid_config(format!(
                "{} is missing; it must be an address with its prefix length such as 10.1.0.5/24",
                self.path_of(key)
            )));
        }
        parse_address(&text).map_err(|reason| self.refused(key, &reason))
    }

    /// An address alone; missing and empty are the same.
    pub(crate) fn host(&mut self, key: &str) -> Result<Option<IpAddr>, Error> {
        let text = self.text(key)?;
        if text.is_empty() {
            Ok(None)
        } else {
            parse_host(&text).map(Some).map_err(|reason| self.refused(key, &reason))
        }
    }

    /// A number that is not negative.
    pub(crate) fn number<T: TryFrom<u64>>(&mut self, key: &str) -> Result<Option<T>, Error> {
        let Some(value) = self.take(key) else { return Ok(None) };
        value.as_u64().and_then(|number| T::try_from(number).ok()).map(Some).ok_or_else(|| {
            let bits = 8 * size_of::<T>();
            unexpected(&self.path_of(key), &value, &format!("a whole number of at most {bits} bits, not negative"))
        })
    }

    /// A number for which Go's library cannot tell 0 from missing.
    pub(crate) fn positive(&mut self, key: &str) -> Result<Option<u32>, Error> {
        Ok(self.number(key)?.filter(|number| *number != 0))
    }

    /// An index; a negative one, which old plugins print, means none.
    pub(crate) fn index(&mut self, key: &str) -> Result<Option<usize>, Error> {
        if self.rest.get(key).and_then(Value::as_i64).is_some_and(|index| index < 0) {
            self.rest.remove(key);
        }
        self.number(key)
    }

    /// A list of objects.
    pub(crate) fn objects<T>(&mut self, key: &str, read: impl Fn(Self) -> Result<T, Error>) -> Result<Vec<T>, Error> {
        self.list(key, |value, path| read(Self::of(value, path)?))
    }

    /// An object, if it is there.
    pub(crate) fn object(&mut self, key: &str) -> Result<Option<Self>, Error> {
        self.take(key).map(|value| Self::of(&value, self.path_of(key))).transpose()
    }

    fn list<T>(&mut self, key: &str, read: impl Fn(&Value, String) -> Result<T, Error>) -> Result<Vec<T>, Error> {
        let path = self.path_of(key);
        match self.take(key) {
            None => Ok(Vec::new()),
            Some(Value::Array(entries)) => {
                entries.iter().enumerate().map(|(index, entry)| read(entry, format!("{path}[{index}]"))).collect()
            }
            Some(other) => Err(unexpected(&path, &other, "a list")),
        }
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn refused(&self, key: &str, reason: &str) -> Error {
        Error::invalid_config(format!("{}: {reason}", self.path_of(key)))
    }
}

/// Code 7: `path` has a value of the wrong kind.
pub(crate) fn unexpected(path: &str, value: &Value, accepted: &str) -> Error {
    Error::invalid_config(format!("{path} is {}; it must be {accepted}", excerpt::shown(value)))
}
