//! The networks of `conf-examples` and of the documents: every runtime can read them.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::documents::{documents, root};

/// The versions that libcni speaks as the distributions of today have it, and what came later.
const OLDER: [&str; 6] = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0"];
const NEWEST: &str = "1.1.0";

/// The files of `conf-examples`.
fn examples() -> Vec<PathBuf> {
    let files = fs::read_dir(root().join("conf-examples")).expect("the examples");
    files.map(|file| file.expect("a file").path()).collect()
}

/// The blocks of code in a document that are whole networks.
fn blocks(document: &Path) -> Vec<String> {
    let text = fs::read_to_string(document).expect("a document");
    let blocks = text.split("```").skip(1).step_by(2).filter_map(|block| block.strip_prefix("json\n"));
    blocks.filter(|block| block.contains("\"plugins\"")).map(str::to_owned).collect()
}

/// What is wrong with the versions of a network.
fn flaw(text: &str) -> Option<String> {
    let Ok(list) = serde_json::from_str::<Value>(text) else { return Some(format!("no JSON: {text}")) };
    let versions: Vec<&str> = list["cniVersions"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let single = list["cniVersion"].as_str().unwrap_or_default();
    // A runtime that knows `cniVersions` chooses from it; others know only `cniVersion`.
    let is_well = OLDER.contains(&single) && versions.first() == Some(&single) && versions.last() == Some(&NEWEST);
    (!is_well).then(|| format!("cniVersion {single:?} with cniVersions {versions:?}"))
}

#[test]
fn every_network_is_for_older_and_newer_runtimes() {
    let mut networks: Vec<(PathBuf, String)> = Vec::new();
    for example in examples() {
        let text = fs::read_to_string(&example).expect("an example");
        networks.push((example, text));
    }
    for document in documents() {
        networks.extend(blocks(&document).into_iter().map(|block| (document.clone(), block)));
    }
    assert!(networks.len() > 60, "{}", networks.len());
    let flaws: Vec<String> =
        networks.iter().filter_map(|(file, text)| Some(format!("{}: {}", file.display(), flaw(text)?))).collect();
    assert!(flaws.is_empty(), "{}", flaws.join("\n"));
}
