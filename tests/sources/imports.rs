//! The files of a crate import each other in one direction: what two need stands in a third.

use std::fs;
use std::path::{Path, PathBuf};

use tests::imports::{Imports, has_root};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The directories of the workspace, below this one, in which the root of a crate is.
fn crates_below(directory: &str) -> Vec<String> {
    let path = workspace().join(directory);
    let mut found = Vec::new();
    if has_root(&path) {
        found.push(directory.to_owned());
    }
    for entry in fs::read_dir(path).expect("a directory") {
        let entry = entry.expect("an entry");
        if entry.file_type().expect("its type").is_dir() {
            found.extend(crates_below(&format!("{directory}/{}", entry.file_name().display())));
        }
    }
    found
}

#[test]
fn no_files_import_each_other() {
    let crates: Vec<_> =
        ["bench", "crates", "integration", "plugins", "tests"].into_iter().flat_map(crates_below).collect();
    assert!(crates.len() > 20, "{crates:?}");
    let mut found = String::new();
    for name in &crates {
        let imports = Imports::read(&workspace().join(name)).expect("the sources are read");
        for circle in imports.circles() {
            found += &format!("{name}:\n    {}\n", imports.within(&circle).join("\n    "));
        }
    }
    assert!(found.is_empty(), "files that import each other; move what both need to a file of its own:\n{found}");
}
