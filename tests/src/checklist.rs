//! The rows of `checklist.md`, those of `not-applicable.md`, and those that tests cite.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const CHECKLIST: &str = include_str!("../checklist.md");
const NOT_APPLICABLE: &str = include_str!("../not-applicable.md");

/// The ids of all rows, in the order of the checklist.
pub fn ids() -> Vec<&'static str> {
    rows(CHECKLIST).into_iter().map(|cells| cells[0]).collect()
}

/// The ids that do not apply, each with its reason.
pub fn not_applicable() -> BTreeMap<&'static str, &'static str> {
    rows(NOT_APPLICABLE).into_iter().map(|cells| (cells[0], cells[1])).collect()
}

/// The cells of the rows of all tables whose first cell is an id.
fn rows(text: &'static str) -> Vec<Vec<&'static str>> {
    let cells = |line: &'static str| Some(line.strip_prefix('|')?.split('|').map(str::trim).collect::<Vec<_>>());
    text.lines().filter_map(cells).filter(|cells| cells.len() > 2 && is_id(cells[0])).collect()
}

/// `ENV-2`: capitals, a hyphen, digits.
fn is_id(text: &str) -> bool {
    text.split_once('-').is_some_and(|(section, number)| {
        !section.is_empty()
            && section.bytes().all(|byte| byte.is_ascii_uppercase())
            && !number.is_empty()
            && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// What is wrong between the checklist and the tests. All empty when every row is accounted for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Gaps {
    /// Rows that no test cites and that are not declared inapplicable.
    pub uncited: Vec<String>,
    /// Rows that are declared inapplicable and cited nevertheless.
    pub contradictory: Vec<String>,
    /// Ids cited or declared inapplicable that the checklist does not have.
    pub unknown: Vec<String>,
    /// Rows declared inapplicable without a reason.
    pub unreasoned: Vec<String>,
}

/// Compares the checklist with the tests in the directory of this package.
///
/// # Errors
/// When a file of tests cannot be read.
pub fn gaps(package: &Path) -> std::io::Result<Gaps> {
    let cited = cited(package)?;
    let exempt = not_applicable();
    let ids = ids();
    let known: BTreeSet<&str> = ids.iter().copied().collect();
    let mentioned = cited.iter().map(String::as_str).chain(exempt.keys().copied());
    Ok(Gaps {
        uncited: owned(ids.iter().copied().filter(|id| !cited.contains(*id) && !exempt.contains_key(id))),
        contradictory: owned(exempt.keys().copied().filter(|id| cited.contains(*id))),
        unknown: owned(mentioned.filter(|id| !known.contains(id))),
        unreasoned: owned(exempt.iter().filter(|(_, reason)| reason.is_empty()).map(|(id, _)| *id)),
    })
}

fn owned<'a>(ids: impl Iterator<Item = &'a str>) -> Vec<String> {
    ids.map(str::to_owned).collect()
}

/// The ids cited in the bodies of tests that run: functions under `#[test]` without `#[ignore]`, in the modules of the executables
/// that the manifest names.
fn cited(package: &Path) -> std::io::Result<BTreeSet<String>> {
    let manifest = std::fs::read_to_string(package.join("Cargo.toml"))?;
    let mut cited = BTreeSet::new();
    for line in manifest.lines() {
        let Some(file) = line.strip_prefix("path = \"").and_then(|rest| rest.strip_suffix('"')) else { continue };
        let root = package.join(file);
        let text = std::fs::read_to_string(&root)?;
        cited.extend(cited_in(&text));
        for line in text.lines() {
            if let Some(module) = line.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';')) {
                cited.extend(cited_in(&std::fs::read_to_string(root.with_file_name(module).with_extension("rs"))?));
            }
        }
    }
    Ok(cited)
}

/// The ids cited in one formatted file: an item starts in the first column and ends with `}` there.
fn cited_in(source: &str) -> BTreeSet<String> {
    let mut cited = BTreeSet::new();
    let (mut attributes, mut in_test, mut in_macro) = (String::new(), false, false);
    for line in source.lines() {
        if line.starts_with("#[") {
            attributes.push_str(line);
        } else if line.starts_with("fn ") || line.starts_with("pub fn ") {
            in_test = attributes.contains("#[test]") && !attributes.contains("ignore") && !attributes.contains("cfg");
            attributes.clear();
        } else if line.starts_with('}') {
            in_test = false;
        } else if in_test && !line.trim_start().starts_with("//") {
            in_macro = in_macro || line.trim_start().starts_with("cites!(");
            if in_macro {
                cited.extend(line.split('"').map(str::to_owned).filter(|word| is_id(word)));
            }
            in_macro = in_macro && !line.contains(");");
        }
    }
    cited
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_ids() {
        let ids = ids();
        assert_eq!(ids.first(), Some(&"ENV-1"));
        assert_eq!(ids.last(), Some(&"CAP-7"));
        let unique: BTreeSet<_> = ids.iter().collect();
        assert_eq!(unique.len(), ids.len(), "ids are unique");
    }

    #[test]
    fn only_tests_that_run_cite() {
        let source = r#"
#[test]
fn runs() {
    cites!("ENV-1", "ENV-2");
    // cites!("ENV-3");
    cites!(
        "ENV-4",
        "RES-01",
    );
    assert_eq!(name, "ENV-5");
}

#[test]
#[ignore = "slow"]
fn ignored() {
    cites!("ENV-6");
}

fn helper() {
    cites!("ENV-7");
}
"#;
        let cited: Vec<_> = cited_in(source).into_iter().collect();
        assert_eq!(cited, ["ENV-1", "ENV-2", "ENV-4", "RES-01"]);
    }
}
