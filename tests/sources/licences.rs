//! What we build upon: its licences, and where it comes from.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

/// Licences that may be in what is distributed under Apache-2.0. An expression needs one of them on each side of an `AND`.
const ACCEPTED: [&str; 11] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

fn packages() -> Vec<Value> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    metadata["packages"].as_array().cloned().expect("a list of packages")
}

/// Whether an SPDX expression leaves a choice that is accepted. Older packages write `/` for `OR`.
fn is_accepted(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ");
    // Of "(MIT OR Apache-2.0) AND Unicode-3.0" each part between ANDs is looked at by itself.
    expression.split(" AND ").all(|part| {
        let part = part.trim_matches(['(', ')', ' ']);
        part.split(" OR ").any(|licence| ACCEPTED.contains(&licence.trim_matches(['(', ')', ' '])))
    })
}

#[test]
fn every_dependency_has_a_licence_that_goes_with_ours() {
    let packages = packages();
    assert!(packages.len() > 50, "{} packages", packages.len());
    let offending: Vec<String> = packages
        .iter()
        .filter(|package| !package["license"].as_str().is_some_and(is_accepted))
        .map(|package| format!("{} {}: {}", package["name"], package["version"], package["license"]))
        .collect();
    assert!(offending.is_empty(), "{offending:#?}");
}

#[test]
fn every_dependency_comes_from_the_registry() {
    let sources: BTreeSet<String> =
        packages().iter().filter_map(|package| package["source"].as_str().map(str::to_owned)).collect();
    assert_eq!(sources.into_iter().collect::<Vec<_>>(), [REGISTRY], "and ours have none");
}

#[test]
fn a_choice_of_licences_is_enough() {
    for accepted in ["MIT", "Apache-2.0 OR GPL-3.0", "MIT/Apache-2.0", "(MIT OR Apache-2.0) AND Unicode-3.0"] {
        assert!(is_accepted(accepted), "{accepted}");
    }
    for refused in ["GPL-3.0", "MIT AND GPL-2.0", "", "MPL-2.0"] {
        assert!(!is_accepted(refused), "{refused}");
    }
}
