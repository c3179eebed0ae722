//! The files of a crate import each other in one direction: what two need stands in a third.

use std::fs;
use std::path::{Path, PathBuf};

use protocol_tests::imports::Imports;

/// Crates, or parts of them, whose circles are still to be dissolved: what the paths of their files begin with.
const NOT_YET: [&str; 6] = [
    "crates/attachment/",
    "crates/nftables/",
    "crates/plugboard/src/verify",
    "crates/plugin/",
    "plugins/bridge/",
    "plugins/netem-shaper/",
];

/// The crates of the workspace that are installed, or that those are made of.
fn crates() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let crates = ["crates", "plugins"].into_iter().flat_map(|directory| {
        let entries = fs::read_dir(root.join(directory)).expect("a directory of crates");
        entries.map(move |entry| Path::new(directory).join(entry.expect("an entry").file_name()))
    });
    crates.collect()
}

fn is_not_yet(file: &Path) -> bool {
    NOT_YET.iter().any(|beginning| file.to_string_lossy().starts_with(beginning))
}

#[test]
fn no_files_import_each_other() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let crates = crates();
    assert!(crates.len() > 8, "{crates:?}");
    let mut found = String::new();
    for name in &crates {
        let imports = Imports::read(&root.join(name).join("src")).expect("the sources are read");
        for circle in imports.circles() {
            if circle.iter().any(|file| !is_not_yet(&name.join("src").join(file))) {
                found += &format!("{}:\n    {}\n", name.display(), imports.within(&circle).join("\n    "));
            }
        }
    }
    assert!(found.is_empty(), "files that import each other; move what both need to a file of its own:\n{found}");
}
