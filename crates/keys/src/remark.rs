//! What people should know about the keys of a valid configuration: those that are unknown, and those that are spelled
//! differently.

use std::fmt;

use serde_json::{Map, Value};

use crate::names::{is_spelled, spelling};
use crate::{Names, Place};

/// A remark on a key. It prints as a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remark {
    /// It is unknown, usually misspelt.
    Unknown {
        /// The key, with the path of its object: `isGatway`, `ipam.rnages`.
        key: String,
        /// The known key of the same object nearest to it, if one is near.
        nearest: Option<String>,
    },
    /// It is known in another letter case, and read as if it were written so.
    Spelled {
        /// The key, with the path of its object.
        key: String,
        /// Its name.
        name: String,
    },
    /// It stands there in another letter case, too, which counts.
    Beside {
        /// The key, with the path of its object.
        key: String,
        /// The spelling that counts.
        name: String,
    },
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { key, nearest } => {
                write!(f, "the unknown key {key:?} is ignored")?;
                nearest.iter().try_for_each(|nearest| write!(f, "; did you mean {nearest:?}?"))
            }
            Self::Spelled { key, name } => write!(f, "the key {key:?} is read as {name:?}; please spell it so"),
            Self::Beside { key, name } => {
                write!(f, "the key {key:?} is ignored beside {name:?}; remove one of the two")
            }
        }
    }
}

/// The remarks on an object's keys, which all of `names` together know.
#[must_use]
pub fn remarks(object: &Map<String, Value>, names: &[&'static Names], place: &Place<'_>) -> Vec<Remark> {
    let mut all = Vec::new();
    add(object, names, place, &mut all);
    all
}

fn add(object: &Map<String, Value>, names: &[&'static Names], place: &Place<'_>, all: &mut Vec<Remark>) {
    let known = || names.iter().flat_map(|names| names.known.iter());
    for (key, value) in object {
        let path = || Place::Member(place, key).to_string();
        let is_exact = known().any(|(name, _)| name == key);
        let Some((name, _)) = known().find(|(name, _)| if is_exact { name == key } else { is_spelled(name, key) })
        else {
            if !names.iter().any(|names| names.is_open) {
                let known: Vec<&str> = known().map(|(name, _)| *name).collect();
                all.push(Remark::Unknown { key: path(), nearest: nearest(key, &known) });
            }
            continue;
        };
        if !is_exact && !value.is_null() {
            let counts = spelling(object, name).map_or(*name, |(counts, _)| counts);
            let (key, is_read) = (path(), counts == key);
            all.push(match is_read {
                true => Remark::Spelled { key, name: (*name).to_owned() },
                false => Remark::Beside { key, name: counts.to_owned() },
            });
        }
        let inside: Vec<&'static Names> = known()
            .filter(|(other, _)| other == name)
            .map(|(_, inside)| *inside)
            .filter(|one| !one.known.is_empty())
            .collect();
        if !inside.is_empty() {
            add_inside(value, &inside, &Place::Member(place, name), all);
        }
    }
}

fn add_inside(value: &Value, names: &[&'static Names], place: &Place<'_>, all: &mut Vec<Remark>) {
    match value {
        Value::Object(object) => add(object, names, place, all),
        Value::Array(entries) => {
            for (index, entry) in entries.iter().enumerate() {
                add_inside(entry, names, &Place::Entry(place, index), all);
            }
        }
        _ => {}
    }
}

/// The known key nearest to one that is not known, if one is near.
#[must_use]
pub fn nearest(key: &str, known: &[&str]) -> Option<String> {
    let near = known.iter().filter_map(|candidate| Some((distance(key, candidate)?, candidate)));
    near.min().map(|(_, candidate)| (*candidate).to_owned())
}

/// How many letters to add, drop or replace; upper and lower case are the same. `None` if it is too many for a slip.
fn distance(key: &str, candidate: &str) -> Option<usize> {
    let limit = match candidate.len() {
        0..=3 => 1,
        4..=8 => 2,
        _ => 3,
    };
    if key.len().abs_diff(candidate.len()) > limit {
        return None;
    }
    let mut row: Vec<usize> = (0..=candidate.len()).collect();
    for (done, letter) in key.bytes().enumerate() {
        let (mut diagonal, mut left) = (done, done + 1);
        let mut cells = row.iter_mut();
        if let Some(first) = cells.next() {
            *first = left;
        }
        for (cell, other) in cells.zip(candidate.bytes()) {
            let replaced = diagonal + usize::from(!letter.eq_ignore_ascii_case(&other));
            diagonal = *cell;
            left = replaced.min(left + 1).min(*cell + 1);
            *cell = left;
        }
    }
    row.last().copied().filter(|distance| *distance <= limit)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const INSIDE: Names = Names { known: &[("subnet", &Names::NONE)], is_open: false };
    const OPEN: Names = Names { known: &[("type", &Names::NONE)], is_open: true };
    const NAMES: Names = Names {
        known: &[("vlan", &Names::NONE), ("isGateway", &Names::NONE), ("ranges", &INSIDE), ("ipam", &OPEN)],
        is_open: false,
    };

    fn told(object: &Value) -> Vec<String> {
        remarks(object.as_object().unwrap(), &[&NAMES], &Place::Whole).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn distances() {
        assert_eq!(distance("isGateway", "isGateway"), Some(0));
        assert_eq!(distance("isgateway", "isGateway"), Some(0));
        assert_eq!(distance("isGatway", "isGateway"), Some(1));
        assert_eq!(distance("vlna", "vlan"), Some(2));
        assert_eq!(distance("kitten", "sitting"), None);
        assert_eq!(distance("saturday", "sundays!"), None);
        assert_eq!(distance("", "abc"), None);
        assert_eq!(distance("nothing", "vlan"), None);
    }

    #[test]
    fn unknown_keys_come_with_the_nearest_known_one_at_every_level() {
        assert_eq!(
            told(&json!({"isGatway": true, "vlan": 1, "zzz": 1, "ranges": [[{"subnt": 1}]], "ipam": {"x": 1}})),
            [
                "the unknown key \"isGatway\" is ignored; did you mean \"isGateway\"?",
                "the unknown key \"ranges[0][0].subnt\" is ignored; did you mean \"subnet\"?",
                "the unknown key \"zzz\" is ignored",
            ]
        );
    }

    #[test]
    fn another_spelling_is_told() {
        assert_eq!(
            told(&json!({"ISGATEWAY": true, "VLAN": 1, "vlan": 2, "Ranges": [{"Subnet": 1}], "ipam": {"Type": "x"}})),
            [
                "the key \"ISGATEWAY\" is read as \"isGateway\"; please spell it so",
                "the key \"Ranges\" is read as \"ranges\"; please spell it so",
                "the key \"ranges[0].Subnet\" is read as \"subnet\"; please spell it so",
                "the key \"VLAN\" is ignored beside \"vlan\"; remove one of the two",
                "the key \"ipam.Type\" is read as \"type\"; please spell it so",
            ]
        );
        assert_eq!(
            told(&json!({"VLAN": 1, "Vlan": 2})),
            [
                "the key \"VLAN\" is read as \"vlan\"; please spell it so",
                "the key \"Vlan\" is ignored beside \"VLAN\"; remove one of the two",
            ]
        );
        assert_eq!(told(&json!({"VLAN": null, "vlan": 2})), [""; 0]);
        assert_eq!(told(&json!({"VLAN": 1, "vlan": null})).len(), 1);
    }
}
