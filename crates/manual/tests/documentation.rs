//! The tables in the documentation are those of the declarations.

use std::fs;
use std::path::Path;

use manual::{PLUGINS, replace_table, rows};

/// With this variable in the environment the pages are rewritten.
const REWRITE: &str = "REWRITE_TABLES";

#[test]
fn the_tables_in_the_documentation_are_up_to_date() {
    for plugin in &PLUGINS {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../docs/plugins/{}.md", plugin.name));
        let page = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let wanted = replace_table(&page, plugin).unwrap_or_else(|| {
            panic!("{} has no lines <!-- keys: {} --> and <!-- end of keys -->", path.display(), plugin.name)
        });
        if std::env::var_os(REWRITE).is_some() {
            fs::write(&path, wanted).unwrap();
        } else {
            assert!(
                page == wanted,
                "the table in docs/plugins/{}.md is not that of the keys; rewrite it with {REWRITE}=1 cargo test -p manual",
                plugin.name
            );
        }
    }
}

#[test]
fn every_key_is_explained_with_an_example_that_is_json() {
    for plugin in &PLUGINS {
        let rows = rows(plugin);
        assert!(rows.len() > 8 || plugin.tables.is_empty(), "{}", plugin.name);
        for row in rows {
            let (key, path) = (row.key, &row.path);
            assert!(!key.meaning.is_empty() && !key.default.is_empty() && !row.accepts.is_empty(), "{path}");
            assert!(!key.meaning.ends_with('.') && !key.meaning.contains('|'), "{path}: {}", key.meaning);
            serde_json::from_str::<serde_json::Value>(key.example).unwrap_or_else(|error| panic!("{path}: {error}"));
        }
    }
}

#[test]
fn a_manual_page_names_every_key() {
    for plugin in &PLUGINS {
        let page = manual::page(plugin);
        assert!(
            page.starts_with(&format!(".TH PLUGBOARD\\-{}", plugin.name.to_uppercase().replace('-', "\\-"))),
            "{page}"
        );
        for row in rows(plugin) {
            assert!(page.contains(&format!("\n\\fB{}\\fR (", row.path)), "{}", row.path);
        }
        assert!(!page.contains("](#"), "links of Markdown are gone");
        assert!(page.lines().all(|line| line.len() < 1000), "lines");
    }
}
