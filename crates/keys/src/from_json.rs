//! From JSON to the types of keys.

use std::marker::PhantomData;
use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::names::{find, is_spelled};
use crate::remark::nearest;
use crate::{Form, Names, Place, Refusal};

/// What a key can be.
pub trait FromJson: Sized {
    /// For people and editors.
    const FORM: Form;

    /// The keys that are known inside.
    const NAMES: &'static Names = &Names::NONE;

    /// Reads a value that is not [`unset`](Self::is_unset).
    ///
    /// # Errors
    /// The place, the value, and what is accepted.
    fn from_json(value: &Value, place: &Place<'_>) -> Result<Self, Refusal>;

    /// Whether the value means "not set".
    #[must_use]
    fn is_unset(value: &Value) -> bool {
        value.is_null()
    }
}

/// An object that is declared by [`keys!`](crate::keys!).
pub trait Declared: FromJson {
    /// Reads its keys.
    ///
    /// # Errors
    /// Those of the values; a key is missing.
    fn from_object(object: &Map<String, Value>, place: &Place<'_>) -> Result<Self, Refusal>;
}

/// Reads a key of an object. `None` where it is not set.
///
/// # Errors
/// Those of the value; it is not set and `is_required`.
pub fn member<T: FromJson>(
    object: &Map<String, Value>,
    name: &str,
    place: &Place<'_>,
    is_required: bool,
) -> Result<Option<T>, Refusal> {
    match find(object, name).filter(|value| !T::is_unset(value)) {
        Some(value) => T::from_json(value, &Place::Member(place, name)).map(Some),
        None if is_required => Err(lacks(place, name)),
        None => Ok(None),
    }
}

#[cold]
fn lacks(place: &Place<'_>, name: &str) -> Refusal {
    place.refused(format_args!("{name} is missing"))
}

/// The object that a value is.
///
/// # Errors
/// It is not an object; or it has an unknown key although no others are accepted.
pub fn object<'a>(
    value: &'a Value,
    place: &Place<'_>,
    example: &str,
    names: &Names,
    refuses_others: bool,
) -> Result<&'a Map<String, Value>, Refusal> {
    let Value::Object(object) = value else {
        return Err(place.is_no(&format!("an object such as {example}"), value));
    };
    if refuses_others {
        let is_known = |key: &str| names.known.iter().any(|(name, _)| is_spelled(name, key));
        if let Some(unknown) = object.keys().find(|key| !is_known(key)) {
            return Err(is_unknown(place, unknown, names));
        }
    }
    Ok(object)
}

#[cold]
fn is_unknown(place: &Place<'_>, key: &str, names: &Names) -> Refusal {
    let known: Vec<&str> = names.known.iter().map(|(name, _)| *name).collect();
    let nearest = match nearest(key, &known) {
        Some(nearest) => format!("did you mean {nearest:?}? "),
        None => String::new(),
    };
    Place::Member(place, key).refused(format_args!("unknown key {key:?}; {nearest}Known keys: {}", known.join(", ")))
}

/// Reads a whole number.
///
/// # Errors
/// It is not a whole number, or out of bounds.
pub fn number<T: TryFrom<i128>>(value: &Value, place: &Place<'_>, from: i128, to: i128) -> Result<T, Refusal> {
    let number = value.as_u64().map(i128::from).or_else(|| value.as_i64().map(i128::from));
    let inside = number.filter(|number| (from..=to).contains(number)).and_then(|number| T::try_from(number).ok());
    inside.ok_or_else(|| is_no_number(value, place, from, to))
}

#[cold]
fn is_no_number(value: &Value, place: &Place<'_>, from: i128, to: i128) -> Refusal {
    let kind = if value.is_f64() { "whole number" } else { "number" };
    place.is_no(&format!("a {kind} from {from} to {to}"), value)
}

/// The entries of a list, each with its index.
///
/// # Errors
/// It is not a list.
pub fn entries<'a>(value: &'a Value, place: &Place<'_>) -> Result<&'a [Value], Refusal> {
    match value {
        Value::Array(entries) => Ok(entries),
        other => Err(place.is_no("a list", other)),
    }
}

impl<T: FromJson> FromJson for Option<T> {
    const FORM: Form = T::FORM;
    const NAMES: &'static Names = T::NAMES;

    fn from_json(value: &Value, place: &Place<'_>) -> Result<Self, Refusal> {
        T::from_json(value, place).map(Some)
    }

    fn is_unset(value: &Value) -> bool {
        T::is_unset(value)
    }
}

/// An entry that is not set is the default, as for Go.
impl<T: FromJson + Default> FromJson for Vec<T> {
    const FORM: Form = Form::List(&T::FORM);
    const NAMES: &'static Names = T::NAMES;

    fn from_json(value: &Value, place: &Place<'_>) -> Result<Self, Refusal> {
        let mut all = Self::new();
        for (index, entry) in entries(value, place)?.iter().enumerate() {
            let is_unset = T::is_unset(entry);
            all.push(if is_unset { T::default() } else { T::from_json(entry, &Place::Entry(place, index))? });
        }
        Ok(all)
    }
}

impl FromJson for bool {
    const FORM: Form = Form::Bool;

    fn from_json(value: &Value, place: &Place<'_>) -> Result<Self, Refusal> {
        value.as_bool().ok_or_else(|| place.is_no("true or false", value))
    }
}

impl FromJson for String {
    const FORM: Form = Form::Text("");

    fn from_json(value: &Value, place: &Place<'_>) -> Result<Self, Refusal> {
        match value {
            Value::String(text) => Ok(text.clone()),
            other => Err(place.is_no("a string in quotes", other)),
        }
    }
}

impl FromJson for PathBuf {
    const FORM: Form = Form::Text("");

    fn from_json(value: &Value, place: &Place<'_>) -> Result<Self, Refusal> {
        String::from_json(value, place).map(Self::from)
    }
}

impl FromJson for Value {
    const FORM: Form = Form::Any;

    fn from_json(value: &Value, _place: &Place<'_>) -> Result<Self, Refusal> {
        Ok(value.clone())
    }
}

/// A value that is parsed elsewhere, and has the form of another type.
#[derive(Debug, Clone)]
pub struct Unread<T>(pub Option<Value>, PhantomData<T>);

impl<T> Default for Unread<T> {
    fn default() -> Self {
        Self(None, PhantomData)
    }
}

impl<T: FromJson> FromJson for Unread<T> {
    const FORM: Form = T::FORM;
    const NAMES: &'static Names = T::NAMES;

    fn from_json(value: &Value, _place: &Place<'_>) -> Result<Self, Refusal> {
        Ok(Self(Some(value.clone()), PhantomData))
    }
}

impl FromJson for Map<String, Value> {
    const FORM: Form = Form::Any;

    fn from_json(value: &Value, place: &Place<'_>) -> Result<Self, Refusal> {
        match value {
            Value::Object(object) => Ok(object.clone()),
            other => Err(place.is_no("an object", other)),
        }
    }
}

macro_rules! whole_numbers {
    ($($number:ty)*) => {$(
        impl FromJson for $number {
            const FORM: Form = Form::Number { from: <$number>::MIN as i128, to: <$number>::MAX as i128 };

            fn from_json(value: &Value, place: &Place<'_>) -> Result<Self, Refusal> {
                number(value, place, <$number>::MIN.into(), <$number>::MAX.into())
            }
        }
    )*};
}

whole_numbers!(u8 i16 u16 u32 u64);
