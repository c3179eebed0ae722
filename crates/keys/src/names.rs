//! The names of keys, and finding them as Go does.

use serde_json::{Map, Value};

/// The keys that an object may have, and those of the objects in them.
#[derive(Debug)]
pub struct Names {
    /// Each key, and what an object there may have; for a list, its entries.
    pub known: &'static [(&'static str, &'static Self)],
    /// Other keys belong to somebody else, and are not reported.
    pub is_open: bool,
}

impl Names {
    /// Those of a value that is not an object, or of an object whose keys are not ours to judge.
    pub const NONE: Self = Self { known: &[], is_open: true };
}

/// Whether a key of a configuration is the one of this name: letter case does not matter, nor do the two letters outside ASCII
/// that Go takes for letters in it.
#[must_use]
pub fn is_spelled(name: &str, key: &str) -> bool {
    // As a rule it is written as it is named.
    name == key || (key.len() >= name.len() && key.chars().map(folded).eq(name.chars().map(folded)))
}

fn folded(letter: char) -> char {
    match letter {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    }
}

/// Whether a value of any key says something: Go writes what is not set as the zero of its type.
#[must_use]
pub fn is_set(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(entries) => !entries.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}

/// The value of a key; `None` where it is missing or `null`. The exact name comes first, then any other spelling of it. (For Go
/// the last one in the text counts, whatever its spelling.)
#[must_use]
pub fn find<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    spelling(object, name).map(|(_, value)| value)
}

/// Takes the value out of the object that [`find`] finds.
pub fn take(object: &mut Map<String, Value>, name: &str) -> Option<Value> {
    let key = spelling(object, name)?.0.clone();
    object.remove(&key)
}

/// Removes a key, however it is spelled.
pub fn remove(object: &mut Map<String, Value>, name: &str) {
    object.retain(|key, _| !is_spelled(name, key));
}

pub(crate) fn spelling<'a>(object: &'a Map<String, Value>, name: &str) -> Option<(&'a String, &'a Value)> {
    let exact = object.get_key_value(name).filter(|(_, value)| !value.is_null());
    exact.or_else(|| object.iter().find(|(key, value)| !value.is_null() && is_spelled(name, key)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(object: &Value, name: &str) -> Option<Value> {
        find(object.as_object().unwrap(), name).cloned()
    }

    #[test]
    fn a_key_is_found_in_any_letter_case() {
        for key in ["isGateway", "isgateway", "ISGATEWAY", "IsGateway", "i\u{17f}Gateway"] {
            assert_eq!(found(&json!({key: true, "other": 1}), "isGateway"), Some(json!(true)), "{key}");
        }
        assert_eq!(found(&json!({"b\u{212a}": 1}), "bk"), Some(json!(1)));
        for key in ["isGatewa", "isGateways", "is_gateway", "isGatewäy", ""] {
            assert_eq!(found(&json!({key: true}), "isGateway"), None, "{key}");
        }
    }

    #[test]
    fn the_exact_name_comes_first_and_null_is_nothing() {
        assert_eq!(found(&json!({"MTU": 1, "mtu": 2}), "mtu"), Some(json!(2)));
        assert_eq!(found(&json!({"MTU": 1, "mtu": null}), "mtu"), Some(json!(1)));
        assert_eq!(found(&json!({"MTU": null, "Mtu": 3}), "mtu"), Some(json!(3)));
        assert_eq!(found(&json!({"mtu": null}), "mtu"), None);
    }

    #[test]
    fn what_is_taken_is_gone() {
        let Value::Object(mut object) = json!({"MTU": 1, "mtu": 2, "x": 3}) else { panic!() };
        assert_eq!(take(&mut object, "mtu"), Some(json!(2)));
        assert_eq!(Value::Object(object.clone()), json!({"MTU": 1, "x": 3}));
        remove(&mut object, "mtu");
        assert_eq!(Value::Object(object), json!({"x": 3}));
    }
}
