//! The table of a plugin's keys in the documentation.

use std::fmt::Write;

use keys::FIRST_RELEASE;

use crate::plugin::Manual;
use crate::rows::{Row, rows};

/// The table.
#[must_use]
pub fn table(manual: &Manual) -> String {
    let rows = rows(manual);
    let mut text = String::from("| key | type | default | meaning |\n|---|---|---|---|\n");
    for Row { path, meaning, accepts, key, .. } in &rows {
        let since = if key.since == FIRST_RELEASE { String::new() } else { format!(" (since {})", key.since) };
        // Writing to a string never fails.
        let _ = writeln!(text, "| `{path}` | {accepts} | {} | {meaning}{since} |", key.default);
    }
    text
}

/// The text of a page with the plugin's current table. `None` if the page has no place for it.
#[must_use]
pub fn replace_table(page: &str, manual: &Manual) -> Option<String> {
    let begin = format!("<!-- keys: {} -->\n", manual.name);
    let (before, rest) = page.split_once(&begin)?;
    let (_, after) = rest.split_once("<!-- end of keys -->")?;
    Some(format!("{before}{begin}{}<!-- end of keys -->{after}", table(manual)))
}
