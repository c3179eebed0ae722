//! The keys of a plugin in one list, those of objects inside with their paths.

use keys::{Form, Key, Table};

use crate::plugin::Manual;

/// A key as it is documented.
#[derive(Debug, Clone)]
pub struct Row {
    /// `ranges[][].subnet`.
    pub path: String,
    /// What it means, in Markdown.
    pub meaning: String,
    /// What it accepts, in Markdown.
    pub accepts: String,
    /// An example of the object that it is in, as JSON.
    pub within: &'static str,
    /// The key.
    pub key: &'static Key,
}

/// All keys of a plugin. The keys of an object are listed where it first occurs.
#[must_use]
pub fn rows(manual: &Manual) -> Vec<Row> {
    let mut rows = Vec::new();
    add(&manual.keys(), "", "{}", &mut Vec::new(), &mut rows);
    rows
}

fn add(
    keys: &[&'static Key],
    prefix: &str,
    within: &'static str,
    told: &mut Vec<(&'static str, String)>,
    rows: &mut Vec<Row>,
) {
    for key in keys {
        let path = format!("{prefix}{}", key.name);
        let mut meaning = key.meaning.to_owned();
        let object = object_in(&key.form, "");
        let known = object.as_ref().and_then(|(table, _)| told.iter().find(|(about, _)| *about == table.about));
        if let Some((_, place)) = known {
            meaning += &format!("; the keys are those of `{place}`");
        }
        let is_new = known.is_none();
        rows.push(Row { path: path.clone(), meaning, accepts: accepts(key), within, key });
        if let Some((table, lists)) = object.filter(|_| is_new) {
            told.push((table.about, path.clone()));
            add(&table.keys.iter().collect::<Vec<_>>(), &format!("{path}{lists}."), table.example, told, rows);
        }
    }
}

/// The object that a form has or may have, and the brackets of the lists around it.
fn object_in(form: &Form, lists: &str) -> Option<(&'static Table, String)> {
    match form {
        Form::Object(table) => Some((table, lists.to_owned())),
        Form::List(entry) => object_in(entry, &format!("{lists}[]")),
        Form::Either(forms) => forms.iter().find_map(|form| object_in(form, lists)),
        _ => None,
    }
}

fn accepts(key: &Key) -> String {
    if key.accepts.is_empty() { of_form(&key.form) } else { key.accepts.to_owned() }
}

fn of_form(form: &Form) -> String {
    match form {
        Form::Bool => "bool".to_owned(),
        Form::Number { from, to } => format!("{from} to {to}"),
        Form::Text(_) => "string".to_owned(),
        Form::Choice(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
        Form::List(_) => "list".to_owned(),
        Form::Object(_) => "object".to_owned(),
        Form::Either(forms) => forms.iter().map(of_form).collect::<Vec<_>>().join(" or "),
        Form::Any => "anything".to_owned(),
    }
}
