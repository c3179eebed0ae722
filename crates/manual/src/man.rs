//! Manual pages.

use std::fmt::Write;

use keys::Form;

use crate::plugin::{Manual, PLUGINS};
use crate::rows::{Row, rows};

/// `plugboard-NAME(7)` of a plugin, in roff.
#[must_use]
pub fn page(manual: &Manual) -> String {
    let Manual { name, about, object, .. } = manual;
    let version = env!("CARGO_PKG_VERSION");
    let mut text = format!(
        ".TH PLUGBOARD\\-{} 7 \"\" \"plugboard {version}\" \"Configuration of CNI networks\"\n",
        escaped(&name.to_uppercase())
    );
    let mut section = |title: &str, body: &str| {
        // Writing to a string never fails.
        let _ = write!(text, ".SH {title}\n{body}");
    };
    section("NAME", &format!("plugboard\\-{} \\- {}\n", escaped(name), escaped(about)));
    let place = match *object {
        "" => format!("The CNI plugin \\fB{}\\fR is configured by these keys beside \\fBtype\\fR.", escaped(name)),
        object => format!(
            "The IPAM plugin \\fB{}\\fR is configured by these keys in the object \\fB{object}\\fR of another plugin.",
            escaped(name)
        ),
    };
    let refuses = manual
        .tables
        .iter()
        .flat_map(|table| table.keys)
        .any(|key| matches!(key.form, Form::Object(table) if table.refuses_others));
    section(
        "DESCRIPTION",
        &format!(
            "{place}\nKeys are read in any letter case, and \\fBnull\\fR counts as not set. Unknown keys are reported on stderr \
             and ignored{}.\n",
            if refuses { "; within objects that only this plugin has they are errors" } else { "" }
        ),
    );
    section("KEYS", &rows(manual).iter().map(entry).collect::<String>());
    section(
        "EXAMPLE",
        &format!(".nf\n{}.fi\n", manual.example.lines().map(|line| literal(line) + "\n").collect::<String>()),
    );
    let others = PLUGINS.iter().filter(|other| other.name != *name);
    let others: String = others.map(|other| format!(",\n.BR plugboard\\-{} (7)", escaped(other.name))).collect();
    section("SEE ALSO", &format!(".BR plugboard (1){others}\n").replace(",\n.BR", " ,\n.BR"));
    text
}

fn entry(row: &Row) -> String {
    let Row { path, meaning, accepts, key, .. } = row;
    let default = if key.default == "–" { String::new() } else { format!("; default: {}", formatted(key.default)) };
    let ours = if key.is_ours { " Not in the reference plugin." } else { "" };
    let example = match key.example {
        "" => String::new(),
        example => format!(" Example: \\fB\"{}\": {}\\fR.", escaped(key.name), escaped(example)),
    };
    format!(
        ".TP\n\\fB{}\\fR ({}{default})\n{}.{example}{ours} Since {}.\n",
        escaped(path),
        formatted(accepts),
        sentence(&formatted(meaning)),
        escaped(key.since)
    )
}

/// The text with a capital first letter, unless it begins with a formatted word.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Markdown as far as the tables use it: `code`, and links, of which only the text stays.
fn formatted(markdown: &str) -> String {
    let mut text = String::new();
    let mut rest = markdown;
    while let Some((before, link)) = rest.split_once('[') {
        let found = link.split_once("](").and_then(|(label, target)| Some((label, target.split_once(')')?.1)));
        match found.filter(|(label, _)| !label.contains('[') && !label.contains('`')) {
            Some((label, after)) => {
                text += before;
                text += label;
                rest = after;
            }
            None => {
                text += before;
                text.push('[');
                rest = link;
            }
        }
    }
    text += rest;
    let parts = text.split('`').enumerate();
    parts
        .map(|(index, part)| if index % 2 == 1 { format!("\\fB{}\\fR", escaped(part)) } else { escaped(part) })
        .collect()
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-").replace('"', "\\(dq")
}

/// A line that is printed as it is.
fn literal(line: &str) -> String {
    let line = escaped(line);
    if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line }
}
