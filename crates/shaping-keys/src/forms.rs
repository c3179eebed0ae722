//! The forms that a value of the configuration may have. A value of another kind is shown with an example of the right one.

use keys::{Form, FromJson, Place, Refusal};
use serde_json::Value;
use shaping::{Delay, Distribution, Probability, Rate};

/// A value of the crate `shaping` as a key of the configuration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Given<T>(pub(crate) T);

/// The value of a key, if it is given.
pub(crate) fn given<T>(key: Option<Given<T>>) -> Option<T> {
    key.map(|Given(value)| value)
}

/// Reads a string with `parse`. Any other value is passed to `parse` as its JSON text, so that the error says what is accepted.
pub(crate) fn text<T, E: std::fmt::Display>(
    value: &Value,
    place: &Place<'_>,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<T, Refusal> {
    let parsed = match value {
        Value::String(text) => parse(text),
        other => parse(&other.to_string()),
    };
    parsed.map_err(|error| place.refused(error))
}

/// Reads a whole number. `wanted` ends the error message for anything else.
pub(crate) fn number<T: TryFrom<i64> + TryFrom<u64>>(
    value: &Value,
    place: &Place<'_>,
    wanted: &str,
) -> Result<T, Refusal> {
    let whole = value.as_u64().and_then(|number| T::try_from(number).ok());
    let number = whole.or_else(|| value.as_i64().and_then(|number| T::try_from(number).ok()));
    number.ok_or_else(|| place.refused(format_args!("{value} is no {wanted}")))
}

/// Keys that are a string with a unit: their type, the pattern of the string, and its parser.
macro_rules! texts {
    ($($kind:ty, $pattern:literal, $parse:path;)*) => {$(
        impl FromJson for $kind {
            const FORM: Form = Form::Text($pattern);

            fn from_json(value: &Value, place: &Place<'_>) -> Result<Self, Refusal> {
                text(value, place, $parse).map(Self)
            }
        }
    )*};
}

/// A number of bytes as a string.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) u32);

texts! {
    Given<Rate>, r"^[0-9]+(\.[0-9]+)? *([kKmMgGtT]?[bB][iI][tT](/[sS])?|[mMgG]b[pP][sS])$", Rate::parse;
    Given<Delay>, r"^[0-9]+(\.[0-9]+)? *[nNuUmM]?[sS]$", Delay::parse;
    Given<Probability>, r"^[0-9]+(\.[0-9]+)? *%$", Probability::parse;
    Bytes, r"^[0-9]+(\.[0-9]+)? *([kKmMgG][iI]?)?[bB]$", shaping::parse_bytes;
}

/// How many packets; at least 1 where [`shaping::Line::check`] says so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Packets(pub(crate) u32);

/// Where random numbers begin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Seed(pub(crate) u64);

/// A rate in bit/s; 0 is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct BitsPerSecond(pub(crate) u64);

/// What may pass at once, in bits; 0 is what is usual.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Bits(pub(crate) u64);

/// An entry of a table of delays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Entry(i16);

/// Keys that are a whole number: their type, and the end of the error message for anything else.
macro_rules! numbers {
    ($($kind:ident, $number:ty, $wanted:literal;)*) => {$(
        impl FromJson for $kind {
            const FORM: Form = <$number as FromJson>::FORM;

            fn from_json(value: &Value, place: &Place<'_>) -> Result<Self, Refusal> {
                number(value, place, $wanted).map(Self)
            }
        }
    )*};
}

numbers! {
    Packets, u32, "number of packets: give a whole number up to 4294967295, such as 1000";
    Seed, u64, "seed: give a whole number of up to 64 bits, such as 42";
    BitsPerSecond, u64, "rate: give a whole number of bit/s, such as 100000000";
    Bits, u64, "burst: give a whole number of bits, such as 800000";
    Entry, i16, "entry of a table: give whole numbers from -32768 to 32767, such as 8192, which is one jitter later";
}

impl FromJson for Given<Distribution> {
    const FORM: Form = Form::Either(&[
        Form::Choice(&["uniform", "normal", "pareto", "paretonormal"]),
        Form::List(&Form::Number { from: -32768, to: 32767 }),
    ]);

    fn from_json(value: &Value, place: &Place<'_>) -> Result<Self, Refusal> {
        let read = match value {
            Value::String(name) => Distribution::named(name),
            Value::Array(_) => {
                let entries = Vec::<Entry>::from_json(value, place)?;
                Distribution::table_of(entries.into_iter().map(|Entry(entry)| entry).collect())
            }
            other => {
                let wanted = "a name such as \"normal\", or a table of numbers such as [-8192, 0, 8192]";
                return Err(place.is_no(wanted, other));
            }
        };
        read.map(Self).map_err(|error| place.refused(error))
    }
}

/// Reads a share, `1%`, or an object of keys.
pub(crate) fn share_or<T: FromJson>(
    value: &Value,
    place: &Place<'_>,
    of_share: impl Fn(Probability) -> T,
) -> Result<T, Refusal> {
    match value {
        Value::String(_) => Given::<Probability>::from_json(value, place).map(|Given(share)| of_share(share)),
        Value::Object(_) => T::from_json(value, place),
        other => Err(place.is_no("a string such as \"1%\", or an object such as {\"percent\": \"1%\"}", other)),
    }
}
