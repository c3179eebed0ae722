//! The words `KEY=VALUE` of `plugboard shape`, and how they change the existing limits.

use anyhow::{anyhow, bail};
use serde_json::{Map, Value};
use shaping::{Delay, Rate};

use super::alias::alias;

/// The word that removes a limit.
const NONE: &str = "none";

/// What a key may begin with.
const FORMS: &str =
    "bw=200Mbps, lat=5ms, preset=lte, download.KEY=VALUE, upload.KEY=VALUE, or any of them with none as its value";

/// One limit to set or to remove.
#[derive(Debug, PartialEq)]
pub(crate) struct Change {
    /// The parts of the key: `download`, `loss`.
    path: Vec<String>,
    /// `None` removes the limit.
    value: Option<Value>,
}

impl Change {
    /// Reads the words of a command line, each one limit or several with commas between.
    ///
    /// # Errors
    /// The first that is malformed, or that names a limit which was named before.
    pub(crate) fn read_all(words: &[String]) -> anyhow::Result<Vec<Self>> {
        let mut changes: Vec<Self> = Vec::new();
        for text in words.iter().flat_map(|word| split(word)) {
            let change = Self::read(text)?;
            let key = change.key();
            if let Some(other) = changes.iter().find(|other| other.is_about(&key)) {
                bail!("{} and {key} are the same limit: give one of them, once", other.key());
            }
            changes.push(change);
        }
        Ok(changes)
    }

    fn read(text: &str) -> anyhow::Result<Self> {
        let malformed = || anyhow!("'{text}' is not a limit: give {FORMS}");
        let (key, value) = text.split_once('=').ok_or_else(malformed)?;
        let mut path: Vec<String> = key.split('.').map(str::to_owned).collect();
        if path.iter().any(String::is_empty) || value.is_empty() {
            return Err(malformed());
        }
        if let [short] = path.as_mut_slice() {
            *short = short.to_ascii_lowercase();
        }
        let is_none = value.eq_ignore_ascii_case(NONE);
        let parts: Vec<&str> = path.iter().map(String::as_str).collect();
        let value = match *parts.as_slice() {
            ["bw" | "lat" | "preset" | "download" | "upload"] | ["download" | "upload", _, ..] if is_none => None,
            ["bw"] => Some(Value::String(
                Rate::from_restriction(value).map_err(|error| short_form(text, &error))?.to_string(),
            )),
            ["lat"] => Some(Value::String(
                Delay::from_restriction(value).map_err(|error| short_form(text, &error))?.to_string(),
            )),
            ["download" | "upload", "rate"] => {
                Rate::parse(value).map_err(|error| anyhow!("'{text}': {error}"))?;
                Some(typed(value)?)
            }
            ["preset"] => Some(Value::String(value.to_owned())),
            ["download" | "upload", _, ..] => Some(typed(value)?),
            _ => return Err(malformed()),
        };
        Ok(Self { path, value })
    }

    fn key(&self) -> String {
        self.path.join(".")
    }

    fn is_about(&self, key: &str) -> bool {
        self.key() == key || alias(key) == Some(self.key().as_str())
    }

    /// Makes the change. It replaces another name of the same limit, and a string in the place of an object.
    pub(crate) fn apply(&self, all: &mut Map<String, Value>) {
        if self.value.is_some()
            && let Some(other) = alias(&self.key())
        {
            set(all, &other.split('.').map(str::to_owned).collect::<Vec<_>>(), None);
        }
        set(all, &self.path, self.value.as_ref());
    }
}

/// Sets a value, or removes it and the objects that are then empty.
fn set(object: &mut Map<String, Value>, path: &[String], value: Option<&Value>) {
    match (path, value) {
        ([], _) => {}
        ([key], Some(value)) => _ = object.insert(key.clone(), value.clone()),
        ([key], None) => _ = object.remove(key),
        ([key, rest @ ..], _) => {
            let mut inner = match object.remove(key) {
                Some(Value::Object(inner)) => inner,
                Some(other) if value.is_none() => {
                    object.insert(key.clone(), other);
                    return;
                }
                _ => Map::new(),
            };
            set(&mut inner, rest, value);
            if !inner.is_empty() {
                object.insert(key.clone(), Value::Object(inner));
            }
        }
    }
}

/// A list or an object has commas of its own.
fn split(word: &str) -> Vec<&str> {
    let is_json = word.split_once('=').is_some_and(|(_, value)| value.starts_with(['{', '[']));
    if is_json { vec![word] } else { word.split(',').collect() }
}

/// Numbers, `true` and `false`, lists and objects as JSON; everything else is a text.
fn typed(text: &str) -> anyhow::Result<Value> {
    match serde_json::from_str(text) {
        Ok(value @ (Value::Number(_) | Value::Bool(_) | Value::Array(_) | Value::Object(_))) => Ok(value),
        Err(error) if text.starts_with(['{', '[']) => bail!("'{text}' is not JSON: {error}"),
        _ => Ok(Value::String(text.to_owned())),
    }
}

fn short_form(text: &str, error: &dyn std::error::Error) -> anyhow::Error {
    anyhow!(
        "'{text}': {error} bw takes a whole number of Mbps or Gbps, lat one of ms or us; download.rate and download.delay take more"
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn applied(before: &Value, words: &[&str]) -> anyhow::Result<Value> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let mut all = before.as_object().cloned().unwrap_or_default();
        for change in Change::read_all(&words)? {
            change.apply(&mut all);
        }
        Ok(Value::Object(all))
    }

    #[test]
    fn what_is_named_changes_and_the_rest_stays() {
        let before = json!({"bw": "100Mbps", "lat": "10ms", "upload": {"loss": "1%"}});
        assert_eq!(
            applied(&before, &["BW=200mbps"]).unwrap(),
            json!({"bw": "200Mbps", "lat": "10ms", "upload": {"loss": "1%"}})
        );
        assert_eq!(
            applied(&before, &["lat=5ms,upload.rate=10Mbit", "upload.loss=none"]).unwrap(),
            json!({"bw": "100Mbps", "lat": "5ms", "upload": {"rate": "10Mbit"}})
        );
        assert_eq!(applied(&before, &["bw=none,lat=none,upload=none"]).unwrap(), json!({}));
    }

    #[test]
    fn the_last_name_of_a_limit_counts() {
        let short = json!({"bw": "100Mbps"});
        assert_eq!(applied(&short, &["download.rate=1Mbit"]).unwrap(), json!({"download": {"rate": "1Mbit"}}));
        let long = json!({"download": {"delay": "1s", "loss": "1%"}});
        assert_eq!(applied(&long, &["lat=1ms"]).unwrap(), json!({"lat": "1ms", "download": {"loss": "1%"}}));
    }

    #[test]
    fn values_have_their_types() {
        let words = ["download.gap=5,download.ecn=true,download.reorder=25%", "download.distribution=[-1,0,1]"];
        assert_eq!(
            applied(&json!({}), &words).unwrap(),
            json!({"download": {"gap": 5, "ecn": true, "reorder": "25%", "distribution": [-1, 0, 1]}})
        );
        let words = ["download.loss.percent=1%,download.loss.correlation=25%"];
        assert_eq!(
            applied(&json!({"download": {"loss": "5%"}}), &words).unwrap(),
            json!({"download": {"loss": {"percent": "1%", "correlation": "25%"}}})
        );
    }

    #[test]
    fn what_is_no_limit_is_refused_with_the_forms() {
        for (word, problem) in [
            ("200Mbps", "'200Mbps' is not a limit: give bw=200Mbps, lat=5ms, preset=lte"),
            ("speed=1", "'speed=1' is not a limit"),
            ("bw=", "'bw=' is not a limit"),
            ("download..rate=1", "is not a limit"),
            ("download=1Mbit", "is not a limit"),
            ("bw=1.5Gbps", "whole number of Mbps or Gbps"),
            ("lat=1s", "download.delay take more"),
            (
                "download.rate=10MBps",
                "'10MBps' reads as bytes per second, and a rate is in bits: give a number with a unit, as in 64kbit",
            ),
            ("upload.rate=10", "'10' is not a rate: give a number with a unit, as in 64kbit"),
            ("upload.distribution=[1,", "is not JSON"),
            ("bw=1Mbps,bw=2Mbps", "the same limit"),
            ("bw=1Mbps,download.rate=2Mbit", "bw and download.rate are the same limit: give one of them"),
        ] {
            let error = applied(&json!({}), &[word]).unwrap_err().to_string();
            assert!(error.contains(problem), "{word}: {error}");
        }
    }
}
