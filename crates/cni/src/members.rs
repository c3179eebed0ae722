//! The members of a JSON object, taken out one by one; those that are left are unknown.

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use keys::Place;
use serde_json::{Map, Value};

use crate::Error;
use crate::address::{parse_address, parse_host};

/// An object being read. As tolerant as Go: `null` counts as missing, and keys may be in any letter case.
pub(crate) struct Members {
    /// Where the object is, for messages: `ips[1]`, or empty for a result as a whole.
    path: String,
    rest: Map<String, Value>,
}

impl Members {
    pub(crate) fn of(value: &Value, place: &Place<'_>) -> Result<Self, Error> {
        let is_whole = matches!(place, Place::Whole);
        match value {
            Value::Object(rest) => {
                Ok(Self { path: if is_whole { String::new() } else { place.to_string() }, rest: rest.clone() })
            }
            other => Err(if is_whole { &Place::Named("the result") } else { place }.is_no("an object", other).into()),
        }
    }

    /// What was not taken.
    pub(crate) fn rest(self) -> Map<String, Value> {
        self.rest
    }

    pub(crate) fn take(&mut self, key: &str) -> Option<Value> {
        let found = keys::take(&mut self.rest, key);
        // Other spellings would be printed beside it, and for Go the last one counts.
        keys::remove(&mut self.rest, key);
        found
    }

    /// The text of a member, empty if it is missing.
    pub(crate) fn text(&mut self, key: &str) -> Result<String, Error> {
        match self.take(key) {
            None => Ok(String::new()),
            Some(Value::String(text)) => Ok(text),
            Some(other) => Err(self.is_no(key, "a string in quotes", &other)),
        }
    }

    /// A list of texts.
    pub(crate) fn texts(&mut self, key: &str) -> Result<Vec<String>, Error> {
        self.list(key, |value, place| match value {
            Value::String(text) => Ok(text.clone()),
            Value::Null => Ok(String::new()),
            other => Err(place.is_no("a string in quotes", other).into()),
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
            let most = u64::MAX >> (64 - 8 * size_of::<T>());
            self.is_no(key, &format!("a whole number from 0 to {most}"), &value)
        })
    }

    /// A number for which Go's library cannot tell 0 from missing.
    pub(crate) fn positive(&mut self, key: &str) -> Result<Option<u32>, Error> {
        Ok(self.number(key)?.filter(|number| *number != 0))
    }

    /// An index; a negative one, which old plugins print, means none.
    pub(crate) fn index(&mut self, key: &str) -> Result<Option<usize>, Error> {
        if keys::find(&self.rest, key).and_then(Value::as_i64).is_some_and(|index| index < 0) {
            self.take(key);
        }
        self.number(key)
    }

    /// A list of objects.
    pub(crate) fn objects<T>(&mut self, key: &str, read: impl Fn(Self) -> Result<T, Error>) -> Result<Vec<T>, Error> {
        self.list(key, |value, place| read(Self::of(value, place)?))
    }

    /// An object, if it is there.
    pub(crate) fn object(&mut self, key: &str) -> Result<Option<Self>, Error> {
        self.take(key).map(|value| Self::of(&value, &Place::Named(&self.path_of(key)))).transpose()
    }

    fn list<T>(&mut self, key: &str, read: impl Fn(&Value, &Place<'_>) -> Result<T, Error>) -> Result<Vec<T>, Error> {
        let Some(value) = self.take(key) else { return Ok(Vec::new()) };
        let path = self.path_of(key);
        let list = Place::Named(&path);
        let entries = keys::entries(&value, &list)?.iter().enumerate();
        entries.map(|(index, entry)| read(entry, &Place::Entry(&list, index))).collect()
    }

    fn is_no(&self, key: &str, accepted: &str, found: &Value) -> Error {
        Place::Named(&self.path_of(key)).is_no(accepted, found).into()
    }

    pub(crate) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn refused(&self, key: &str, reason: &str) -> Error {
        Error::invalid_config(format!("{}: {reason}", self.path_of(key)))
    }
}
