//! The forms that a value of the configuration may have. A value of another kind is shown with an example of the right one, and
//! the path of the key stays known, which serde's own untagged values lose.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{DeserializeOwned, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use shaping::Probability;

/// Reads a text with `parse`; `null` is nothing. What is no text is shown to `parse` as it is written in JSON, so that it says
/// what it wants instead.
pub(crate) fn text<'de, D, T, E>(deserializer: D, parse: impl Fn(&str) -> Result<T, E>) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    E: fmt::Display,
{
    let Some(value) = Option::<Value>::deserialize(deserializer)? else { return Ok(None) };
    let parsed = match &value {
        Value::String(text) => parse(text),
        other => parse(&other.to_string()),
    };
    parsed.map(Some).map_err(D::Error::custom)
}

/// Reads a whole number; `null` is nothing. `wanted` is what to say of anything else.
pub(crate) fn number<'de, D, T>(deserializer: D, wanted: &str) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let Some(value) = Option::<Value>::deserialize(deserializer)? else { return Ok(None) };
    let number = T::deserialize(&value).map_err(|_| D::Error::custom(format!("{value} is no {wanted}")))?;
    Ok(Some(number))
}

/// A share, or an object of keys.
pub(crate) enum ShareOr<T> {
    /// `1%`.
    Share(Probability),
    /// The keys.
    Object(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for ShareOr<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShareVisitor(PhantomData))
    }
}

struct ShareVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ShareVisitor<T> {
    type Value = ShareOr<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text such as \"1%\", or an object such as {\"percent\": \"1%\"}")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Probability::parse(text).map(ShareOr::Share).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(ShareOr::Object)
    }
}

/// A name, or a table of numbers.
pub(crate) enum NameOr {
    /// `normal`.
    Name(String),
    /// The entries.
    Table(Vec<Entry>),
}

impl<'de> Deserialize<'de> for NameOr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NameVisitor)
    }
}

struct NameVisitor;

impl<'de> Visitor<'de> for NameVisitor {
    type Value = NameOr;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name such as \"normal\", or a table of numbers such as [-8192, 0, 8192]")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(NameOr::Name(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, entries: A) -> Result<Self::Value, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(entries)).map(NameOr::Table)
    }
}

/// An entry of a table of delays.
pub(crate) struct Entry(pub(crate) i16);

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wanted =
            "entry of a table: give whole numbers from -32768 to 32767, such as 8192, which is one jitter later";
        number(deserializer, wanted)?.map(Self).ok_or_else(|| D::Error::custom(format!("null is no {wanted}")))
    }
}
