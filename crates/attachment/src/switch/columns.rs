//! What the columns of a row must say: written, compared and printed from one list.

use std::fmt;

use ovsdb::{Row, value};
use serde_json::{Map, Value};

use super::vsctl::quoted;
use crate::Difference;

/// What a column must say.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Wanted {
    /// Nothing.
    Nothing,
    /// One text.
    Text(String),
    /// One number.
    Number(i64),
    /// These numbers.
    Numbers(Vec<i64>),
    /// These entries, beside whatever others.
    Entries(Vec<(&'static str, String)>),
}

/// The columns of a row, in the order in which they are printed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Columns(Vec<(&'static str, Wanted)>);

impl Columns {
    pub(crate) fn new(columns: impl IntoIterator<Item = (&'static str, Wanted)>) -> Self {
        Self(columns.into_iter().collect())
    }

    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.0.iter().map(|(name, _)| *name).collect()
    }

    /// As the row of an `insert`: columns without a value have their default.
    pub(crate) fn row(&self) -> Map<String, Value> {
        let set = self.0.iter().filter(|(_, wanted)| *wanted != Wanted::Nothing);
        set.map(|(name, wanted)| ((*name).to_owned(), wanted.value())).collect()
    }

    /// What differs in a row that is there.
    pub(crate) fn differences(&self, label: &str, row: &Row) -> Vec<Difference> {
        let differs = |(name, wanted): &(&'static str, Wanted)| {
            let what = |name: &str| format!("{label}, {name}");
            match wanted {
                Wanted::Entries(entries) => {
                    let have = row.map(name);
                    let entry = entries.iter().find(|(key, value)| have.get(key) != Some(&value.as_str()))?;
                    let have = have.get(entry.0).map_or_else(|| "none".to_owned(), |have| (*have).to_owned());
                    Some(Difference::new(what(&format!("{name}:{}", entry.0)), &entry.1, have))
                }
                wanted => {
                    let have = wanted.same_of(row, name);
                    (have != *wanted).then(|| Difference::new(what(name), wanted, have))
                }
            }
        };
        self.0.iter().filter_map(differs).collect()
    }

    /// As settings of `ovs-vsctl`, without some.
    pub(crate) fn settings_of(&self, but: &[&str]) -> String {
        let mut settings = String::new();
        for (name, wanted) in self.0.iter().filter(|(name, _)| !but.contains(name)) {
            match wanted {
                Wanted::Nothing => {}
                Wanted::Entries(entries) => {
                    for (key, value) in entries {
                        settings.push_str(&format!(" {name}:{key}={}", quoted(value)));
                    }
                }
                Wanted::Text(text) => settings.push_str(&format!(" {name}={}", quoted(text))),
                Wanted::Number(_) | Wanted::Numbers(_) => settings.push_str(&format!(" {name}={wanted}")),
            }
        }
        settings
    }
}

impl Wanted {
    fn value(&self) -> Value {
        match self {
            Self::Nothing => value::set::<Value>([]),
            Self::Text(text) => text.as_str().into(),
            Self::Number(number) => (*number).into(),
            Self::Numbers(numbers) => value::set(numbers.iter().copied()),
            Self::Entries(entries) => value::map(entries.iter().map(|(key, value)| (*key, value.as_str()))),
        }
    }

    /// What a row says, in the form of this one.
    fn same_of(&self, row: &Row, name: &str) -> Self {
        match self {
            Self::Number(_) => row.number(name).map_or(Self::Nothing, Self::Number),
            Self::Numbers(_) => match row.numbers(name) {
                none if none.is_empty() => Self::Nothing,
                numbers => Self::Numbers(numbers),
            },
            Self::Nothing | Self::Text(_) | Self::Entries(_) => match (row.text(name), row.numbers(name)) {
                (Some(text), _) => Self::Text(text.to_owned()),
                (None, numbers) if numbers.is_empty() => Self::Nothing,
                (None, numbers) => Self::Numbers(numbers),
            },
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("none"),
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => number.fmt(f),
            Self::Numbers(numbers) => {
                f.write_str(&numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
            }
            Self::Entries(entries) => {
                let entry = |(key, value): &(&str, String)| format!("{key}={value}");
                f.write_str(&entries.iter().map(entry).collect::<Vec<_>>().join(" "))
            }
        }
    }
}
